"""Files that do not exist yet, made and filled by offset."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator

from mvcd.disk import refusals, uncached
from mvcd.errors import MvcError, NotPermitted
from mvcd.ids import Bytes
from mvcd.objects.entry import Mode
from mvcd.repo.ondisk._write import write_files
from mvcd.repo.ondisk.statcache import FileStat

TINY_BYTES = 64 << 10
"""Bytes of a file; such are made many in one call (`make_files`)."""
GROUP_FILES = 512
"""Files gathered for one such call."""
_BLOCK_BYTES = 32 << 10
"""Half of the shortest run of zeros that becomes a hole."""
_PAGE_BYTES = 4 << 10
"""No file system has holes that are smaller."""
_ZEROS, _ZERO_PAGE = bytes(_BLOCK_BYTES), bytes(_PAGE_BYTES)
LONG_PATH_CHARACTERS = 900
"""Characters of a path; a longer one, a directory deeper, could be too long for the system."""


def permissions(mode: Mode) -> int:
    """Returns the permissions of a new file, before the umask takes its part."""
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
    what a clone or a checkout writes drives nothing out that a training run reads. Raises OSError.

    The file is new. Where there is nothing but zeros for 64 KiB or more nothing is written, so that a file that
    was sparse is sparse again; `end_file` gives it its size.
    """
    run: list[Bytes] = []
    start = end = 0
    for offset, piece in sorted(pieces):
        for at, part in _without_holes(offset, piece):
            if run and at != end:
                uncached.write(file, run, start)
                run = []
            if not run:
                start = end = at
            run.append(part)
            end += len(part)
    uncached.write(file, run, start)


def end_file(file: int, size: int) -> None:
    """Once all of its pieces are written: what is not there yet is a hole. Raises OSError."""
    os.ftruncate(file, size)


def _without_holes(offset: int, piece: bytes) -> Iterator[tuple[int, Bytes]]:
    """What of a piece is to be written, and where.

    Looked for are blocks of zeros that lie as blocks in the file; any run of twice the size has one, which is
    then made as long as it goes, by pages. Costs 0.1 us a block: 3 ms a GiB that has no zeros.
    """
    if len(piece) < _BLOCK_BYTES:
        yield offset, piece
        return
    start, at, view = 0, -offset % _BLOCK_BYTES, memoryview(piece)
    while at + _BLOCK_BYTES <= len(piece):
        if not piece.startswith(_ZEROS, at):
            at += _BLOCK_BYTES
            continue
        begin, end = at, at + _BLOCK_BYTES
        while begin - _PAGE_BYTES >= start and piece.startswith(_ZERO_PAGE, begin - _PAGE_BYTES):
            begin -= _PAGE_BYTES
        while piece.startswith(_ZERO_PAGE, end):
            end += _BLOCK_BYTES if piece.startswith(_ZEROS, end) else _PAGE_BYTES
        if begin > start:
            yield offset + start, view[start:begin]
        start = end
        at = end + -(offset + end) % _BLOCK_BYTES
    if start < len(piece):
        yield offset + start, view[start:] if start else piece


def unwritten(error: OSError, *, touched: bool = False) -> MvcError:
    """What ends a verb that writes files; `touched`: some of the workspace are changed already."""
    state = "some files are changed already" if touched else "no file was changed"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NotPermitted(
            "the files could not be written",
            kind="read-only" if error.errno == errno.EROFS else "permission",
            cause=f"{error}; {state}",
        )
    return refusals.unwritten(
        error,
        "the files could not be written",
        full=refusals.is_disk_full(error),
        when_full="the disk is full",
        cause=f"{error}; {state}",
    )
