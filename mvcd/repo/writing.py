"""Files that do not exist yet, made and filled by offset."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from mvcd.errors import Failure, MvcError, NotPermitted
from mvcd.objects.entry import Mode
from mvcd.repo._write import write_files
from mvcd.repo.statcache import FileStat
from mvcd.store import uncached

TINY = 64 << 10
"""Bytes of a file; such are made many in one call (`make_files`)."""
GROUP = 512
"""Files gathered for one such call."""
LONG = 900
"""Characters of a path; a longer one, a directory deeper, could be too long for the system."""


def permissions(mode: Mode) -> int:
    """Of a new file, before the umask takes its part."""
    return 0o777 if mode is Mode.EXECUTABLE else 0o666


def create(path: str, mode: Mode) -> int:
    """A descriptor of a new file. Raises OSError, also where something is."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.open(path, flags, permissions(mode))


def make_files(files: Iterable[tuple[str, Mode, bytes]]) -> list[FileStat]:
    """A file of each (path, mode, content), in one call without the interpreter's lock. Raises OSError at the
    first that cannot be made, or is there; those before it are made."""
    made = write_files([(os.fsencode(path), permissions(mode), data) for path, mode, data in files])
    return [FileStat(*state) for state in made]


def write_pieces(file: int, pieces: Iterable[tuple[int, bytes]]) -> None:
    """Each at its offset, those that lie side by side in one call, past the page cache where they are large:
    what a clone or a checkout writes drives nothing out that a training run reads. Raises OSError."""
    run: list[bytes] = []
    start = end = 0
    for offset, piece in sorted(pieces):
        if run and offset != end:
            uncached.write(file, run, start)
            run = []
        if not run:
            start = end = offset
        run.append(piece)
        end += len(piece)
    uncached.write(file, run, start)


def unwritten(error: OSError, *, touched: bool = False) -> MvcError:
    """What ends a verb that writes files; `touched`: some of the workspace are changed already."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    state = "some files are changed already" if touched else "no file was changed"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NotPermitted(
            "the files could not be written",
            kind="read-only" if error.errno == errno.EROFS else "permission",
            cause=f"{error}; {state}",
        )
    return Failure(
        "the disk is full" if full else "the files could not be written",
        kind="disk-full" if full else "write-failed",
        cause=f"{error}; {state}",
        help="free some disk space, then run the command again" if full else None,
    )
