"""Opening an index: for writing, or for reading as far as the modes of its files and its mount let us."""

from __future__ import annotations

import os
from typing import Any

import lmdb

from mvcd.disk.group import share
from mvcd.errors import MvcError, NotPermitted
from mvcd.lateclasses import NamedTuple
from mvcd.store.beside import DataLock
from mvcd.store.trouble import damaged, trouble


class OpenedIndex(NamedTuple):
    """`unseen`: without a place in the lock file, so that writers do not see us (beside.py)."""

    env: Any
    read_only: bool
    unseen: bool
    data_lock: DataLock


def open_lmdb(path: str, map_size: int, max_readers: int) -> OpenedIndex:
    """`max_readers` have slots in the lock file. Raises lmdb.Error, IntegrityError where its end is lost."""
    options: dict[str, Any] = {"map_size": map_size, "max_dbs": 8, "max_readers": max_readers}
    data = os.path.join(path, "data.mdb")
    place = os.fsencode(path)  # any bytes; of a text, LMDB takes UTF-8 alone
    mounted = _is_mounted_read_only(path)
    read_only = mounted or (os.path.exists(data) and not _may_write(data))
    unseen = mounted or (read_only and not _may_write(os.path.join(path, "lock.mdb")))
    if read_only:
        env = lmdb.open(place, readonly=True, lock=not unseen, **options)
    else:
        env = lmdb.open(place, mode=0o666, **options)
        for name in ("data.mdb", "lock.mdb"):
            share(os.path.join(path, name))
    try:
        _require_whole_file(env, data, read_only=read_only)
        return OpenedIndex(env, read_only, unseen, DataLock(data))
    except BaseException:
        env.close()
        raise


def _require_whole_file(env: Any, data: str, *, read_only: bool) -> None:
    """Pages beyond the end of a truncated file would kill the process (SIGBUS) when touched.

    Allocated, they read as zeros, which LMDB reports. A whole file may be shorter than its last
    page number too, when that page was freed before it was ever written; so this is no error.
    """
    needed = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
    size = os.stat(data).st_size
    if size >= needed:
        return
    if read_only:
        raise damaged(f"{data} is shorter than its {needed} bytes")
    file = os.open(data, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.posix_fallocate(file, size, needed - size)
    finally:
        os.close(file)


def not_opened(path: str, error: Exception) -> MvcError:
    """What to raise for an lmdb.Error: a missing right is not damage, nor is another refusal."""
    if isinstance(error, (lmdb.ReadonlyError, lmdb.LockError)) or "ermission" in str(error):
        return NotPermitted(f"the store in {path} cannot be opened", cause=str(error))
    return trouble(error, path)


def may_only_be_read(path: str) -> NotPermitted:
    mounted = _is_mounted_read_only(path)
    return NotPermitted(
        f"{path} may only be read",
        kind="read-only" if mounted else "permission",
        cause="the file system is mounted read-only"
        if mounted
        else "its files are not yours to write",
        help="mvc clone REPOSITORY DIR  (makes a copy of your own)",
    )


def _is_mounted_read_only(path: str) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _may_write(path: str) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
