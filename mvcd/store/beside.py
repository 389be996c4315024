"""Reading an index that one may not write: beside writers who cannot see the reader.

A reader of LMDB writes its transaction into the lock file, so that no writer uses pages again that it still
reads (lmdb.h, MDB_NOLOCK). Who may not write that file, or reads through a mount that is read-only, can do no
such thing. So the two sides agree by a flock on the data file, which needs no more than the right to read it:
readers of this kind share it, a writer holds it alone from its first page to the end of its commit.

A reader who never lets go must not stop everybody, so a writer waits for no longer than `PATIENCE_SECONDS`.
What was read is therefore judged afterwards: pages of a version of the index are used again at the earliest by
the second commit after it. Nothing that was read across that is believed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mvcd.disk.locks import lock, lock_within, release

PATIENCE_SECONDS = 2.0
"""Seconds that a writer waits for readers: theirs are transactions of milliseconds."""
_POLL_SECONDS = 0.005


class DataLock:
    """The flock on an index's data file, for all threads of a process."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._readers = 0

    def enter(self) -> None:
        with self._lock:
            if not self._readers:
                lock(self._file, shared=True)
            self._readers += 1

    def leave(self) -> None:
        with self._lock:
            self._readers -= 1
            if not self._readers:
                release(self._file)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For the one writer there is; without it, after `PATIENCE_SECONDS`."""
        lock_within(self._file, PATIENCE_SECONDS, poll=_POLL_SECONDS)
        try:
            yield
        finally:
            release(self._file)

    def close(self) -> None:
        os.close(self._file)


def still_whole(read: int, newest: int) -> bool:
    """Whether what the transaction `read` saw cannot have been overwritten while the newest is `newest`."""
    return newest <= read + 1
