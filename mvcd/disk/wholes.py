"""Directories that are there whole or not at all: filled beside their place, and put there by one rename.

A process that dies leaves the target old or new, and beside it a directory that the next one to make the same
target removes. That directory is locked while it is in use.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator

from mvcd.disk.exchange import exchange
from mvcd.disk.locks import lock_now
from mvcd.disk.renames import move
from mvcd.disk.sync import sync_directory
from mvcd.errors import Busy, Conflict


@contextlib.contextmanager
def workplace(target: str) -> Iterator[str]:
    """An empty directory beside the target, ours alone. Raises Busy while another export goes there."""
    parent, name = os.path.split(target)
    beside = os.path.join(parent, f".{name}.mvc-export")
    with contextlib.suppress(FileExistsError):
        os.mkdir(beside)
    busy = Busy(f"another export to {target} is under way", help="run it again afterwards")
    try:
        fd = os.open(beside, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise busy from None
    same = False
    try:
        try:
            same = lock_now(fd) and os.path.samestat(os.fstat(fd), os.lstat(beside))
        except OSError:  # removed by who had it
            same = False
        if not same:
            raise busy
        for left in os.listdir(beside):
            shutil.rmtree(os.path.join(beside, left))
        yield beside
    finally:
        if same:
            shutil.rmtree(beside, ignore_errors=True)
        os.close(fd)


def settle(place: str, target: str, beside: str, *, replaces: bool) -> None:
    """The rename that makes what was filled at `place`, inside the workplace `beside`, be at the target.

    Raises Conflict where something came to be there meanwhile.
    """
    try:
        if replaces:
            exchange(place, target, os.path.join(beside, "old"))
        else:
            move(place, target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        raise Conflict(
            f"{target} was made while the export was prepared", kind="would-overwrite"
        ) from error
    sync_directory(os.path.dirname(target))
