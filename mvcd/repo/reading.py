"""Reading small files whole, each with equal stats before and after, or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mvcd.errors import Failure
from mvcd.repo._read import read_files
from mvcd.repo.statcache import FileStat, stat_matches

if TYPE_CHECKING:
    from mvcd.repo._read import Read

ATTEMPTS = 5
"""Readings of a file that keeps changing, before it is reported as unstable."""

_CHANGED = -1


def read_group(
    root: str, files: Sequence[tuple[str, bool]], limit: int
) -> list[tuple[FileStat, bytes]]:
    """Stat and content of each (path, whether it is a symbolic link), in order. A link's content is its text.

    Raises Failure(kind="unstable-file") for a file that changes at every try, is replaced by something else
    or outgrows `limit` bytes; OSError when one cannot be read.
    """
    regular = [os.fsencode(os.path.join(root, path)) for path, link in files if not link]
    found = iter(read_files(regular, limit))
    result = []
    for path, link in files:
        first = None if link else next(found)
        if isinstance(first, tuple):
            result.append(_parsed(first))
        else:
            result.append(_read_again(os.path.join(root, path), path, first, limit))
    return result


def _read_again(absolute: str, path: str, first: int | None, limit: int) -> tuple[FileStat, bytes]:
    """A link, or a file whose first reading failed with `first`."""
    answer: Read | int | None = first
    for _ in range(ATTEMPTS):
        if isinstance(answer, tuple):
            return _parsed(answer)
        if answer is not None and answer != _CHANGED:
            raise OSError(answer, os.strerror(answer), path)
        before = FileStat.of(os.lstat(absolute))
        if not before.is_symlink:
            (answer,) = read_files([os.fsencode(absolute)], limit)
            continue
        data = os.fsencode(os.readlink(absolute))
        if stat_matches(absolute, before):
            return before, data
    raise unstable(path)


def _parsed(read: Read) -> tuple[FileStat, bytes]:
    data, size, mtime, ctime, inode, executable = read
    return FileStat(size, mtime, ctime, inode, bool(executable)), data


def unstable(path: str) -> Failure:
    return Failure(
        f"{path} changed every time it was read",
        kind="unstable-file",
        cause="another process is writing it",
        help="commit when it is complete, or exclude it in .mvcignore",
    )
