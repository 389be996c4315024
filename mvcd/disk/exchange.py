"""Exchanging two directories in one step, where the system can."""

from __future__ import annotations

import ctypes
import errno
import os
import sys

from mvcd.disk.renames import move

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h
_RENAME_SWAP = 2  # sys/stdio.h of macOS


def exchange(new: str, target: str, aside: str) -> None:
    """What is at `new` comes to be at `target`, and what was there at `new` or at `aside`.

    Atomic on Linux (renameat2) and macOS (renamex_np). Where neither is, or the file system refuses, two
    renames: should the process die between them, `target` is missing and `aside` has what it was.
    """
    try:
        if _exchanged(os.fsencode(new), os.fsencode(target)):
            return
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise
    move(target, aside)
    move(new, target)


def _exchanged(a: bytes, b: bytes) -> bool:
    """False where the C library has no such call. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        call = getattr(library, "renamex_np", None)
        status = None if call is None else call(a, b, ctypes.c_uint(_RENAME_SWAP))
    else:
        call = getattr(library, "renameat2", None)
        status = (
            None
            if call is None
            else call(_AT_FDCWD, a, _AT_FDCWD, b, ctypes.c_uint(_RENAME_EXCHANGE))
        )
    if status is None:
        return False
    if status != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), os.fsdecode(b))
    return True
