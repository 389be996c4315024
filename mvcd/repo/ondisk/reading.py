"""Reading small files whole, each with equal stats before and after, or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mvcd.errors import Failure
from mvcd.repo.ondisk._read import read_files
from mvcd.repo.ondisk.statcache import FileStat, stat_matches
from mvcd.repo.ondisk.unreadable import GONE, SHORTAGE, reason, remedy

if TYPE_CHECKING:
    from mvcd.repo.ondisk._read import Read

MAX_ATTEMPTS = 5
"""Readings of a file that keeps changing, before it is reported as unstable."""

_CHANGED = -1


def read_group(
    root: str, files: Sequence[tuple[str, bool]], limit: int
) -> list[tuple[FileStat, bytes] | Unread]:
    """Stat and content of each (path, whether it is a symbolic link), in order. A link's content is its text; a
    file that cannot be read has an Unread.

    Raises Failure: "unstable-file" for a file that changes at every try or outgrows `limit` bytes,
    "vanished-file" for one that is gone or something else now, "unreadable-file" when this process is short
    of something.
    """
    above = os.path.join(root, "")
    regular = [
        os.fsencode(path if path[:1] == "/" else above + path) for path, link in files if not link
    ]
    found = iter(read_files(regular, limit))
    result: list[tuple[FileStat, bytes] | Unread] = []
    for path, link in files:
        first = None if link else next(found)
        if isinstance(first, tuple):
            data, size, mtime, ctime, inode, executable = first
            now = _file_stat((size, mtime, ctime, inode, bool(executable), False))
            result.append((now, data))
        else:
            try:
                absolute = os.path.join(root, path)
                result.append(_read_again(absolute, path, first, limit, link=link))
            except Unread as problem:
                result.append(problem)
    return result


_file_stat: Callable[[tuple[object, ...]], FileStat] = partial(tuple.__new__, FileStat)


def _read_again(
    absolute: str, path: str, first: int | None, limit: int, *, link: bool
) -> tuple[FileStat, bytes]:
    """A link, or a file whose first reading failed with `first`."""
    answer: Read | int | None = first
    for _ in range(MAX_ATTEMPTS):
        if isinstance(answer, tuple):
            return _parsed(answer)
        if answer is not None and answer != _CHANGED:
            raise unread(path, answer)
        try:
            status = os.lstat(absolute)
            before = FileStat.of(status)
            if not (stat.S_ISLNK if link else stat.S_ISREG)(status.st_mode):
                raise unread(path, errno.ELOOP)
            if not link:
                (answer,) = read_files([os.fsencode(absolute)], limit)
                continue
            data = os.fsencode(os.readlink(absolute))
        except OSError as error:
            raise unread(path, error.errno or 0) from error
        if stat_matches(absolute, before):
            return before, data
    raise unstable(path)


def _parsed(read: Read) -> tuple[FileStat, bytes]:
    data, size, mtime, ctime, inode, executable = read
    return FileStat(size, mtime, ctime, inode, bool(executable)), data


class Unread(Failure):
    """A file that is there and cannot be read, for the `reason` given; others can."""

    def __init__(self, path: str, code: int) -> None:
        super().__init__(
            f"{path} cannot be read",
            kind="unreadable-file",
            cause=os.strerror(code),
            help=remedy(path),
        )
        self.path = path
        self.reason = reason(code)


def unread(path: str, code: int) -> Failure:
    """What to raise when the system answered with error `code` for a file that the scan has seen."""
    if code in GONE:
        return Failure(
            f"{path} is gone, or is no file any more",
            kind="vanished-file",
            cause="another process is changing the workspace",
            help="run the command again",
        )
    if code not in SHORTAGE:
        return Unread(path, code)
    return Failure(f"{path} cannot be read", kind="unreadable-file", cause=os.strerror(code))


def unstable(path: str) -> Failure:
    return Failure(
        f"{path} changed every time it was read",
        kind="unstable-file",
        cause="another process is writing it",
        help="commit when it is complete, or exclude it in .mvcignore",
    )
