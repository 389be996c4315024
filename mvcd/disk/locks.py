"""Locks between processes: flock(2), which the kernel drops when the holder dies, so that none is ever stale.

A lock belongs to the open file, not to the process: a second descriptor of the same file waits for the first,
and a forked child holds what its parent held. No lock here is taken by lockf(3) or fcntl(2): a process loses
such a one when it closes any descriptor of the file.
"""

from __future__ import annotations

import fcntl
import os
import time

from mvcd.disk import group

_PID_BYTES = 32


def lock(file: int, *, shared: bool = False) -> None:
    """Waits, for ever, until the descriptor has the lock; with `shared` beside others that share it."""
    fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def lock_now(file: int, *, shared: bool = False) -> bool:
    """Takes the lock of a descriptor if that needs no waiting; answers whether."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_within(file: int, seconds: float, *, shared: bool = False, poll: float = 0.02) -> bool:
    """Takes the lock of a descriptor; answers whether it was to be had within `seconds`, asked every `poll`
    seconds.

    flock(2) itself waits for ever or not at all.
    """
    deadline = time.monotonic() + seconds
    while not lock_now(file, shared=shared):
        if time.monotonic() >= deadline:
            return False
        time.sleep(poll)
    return True


def release(file: int) -> None:
    """Gives the lock up, and keeps the descriptor."""
    fcntl.flock(file, fcntl.LOCK_UN)


def unlock(file: int) -> None:
    """Gives the lock up, even where a forked child still holds a copy of the descriptor, and closes it."""
    release(file)
    os.close(file)


def try_lock(path: str, *, create: bool = False) -> int | None:
    """A descriptor that holds the exclusive lock of the file with this name, or None.

    A lock of a file that was unlinked meanwhile is worth nothing, so that is checked. Whatever else was
    known of the file before may have changed too: look again after taking the lock. Raises OSError.
    """
    try:
        file = group.create(path, os.O_RDWR | (os.O_CREAT if create else 0))
    except FileNotFoundError:
        return None
    if lock_now(file) and os.fstat(file).st_nlink:
        return file
    os.close(file)
    return None


def lock_directory(
    path: str, *, shared: bool = False, wait: bool = False, seconds: float = 0.0
) -> int | None:
    """A descriptor that holds the lock of a directory, or None where it is not to be had within `seconds`; with
    `wait` it is waited for. It may be closed as it is. Raises OSError."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if wait:
        lock(directory, shared=shared)
    elif not lock_within(directory, seconds, shared=shared):
        os.close(directory)
        return None
    return directory


def hold(file: int, seconds: float = 0.0) -> str | None:
    """Takes the exclusive lock of a lock file within `seconds`. Answers None; or who signed it as its holder,
    for a message, as "process 4711"."""
    if lock_within(file, seconds):
        return None
    pid = os.pread(file, _PID_BYTES, 0).decode("ascii", "replace").strip()
    return f"process {pid or 'unknown'}"


def sign(file: int) -> None:
    """Writes our process id into a lock file that we hold. It is told to whoever waits, and never believed: the
    lock is the kernel's. Raises OSError, on a full disk say; the lock holds all the same."""
    os.ftruncate(file, 0)
    os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
