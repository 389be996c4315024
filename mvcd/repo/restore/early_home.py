"""Where files lie until somebody takes them: a directory for each who makes some, which no dead one keeps."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress

from mvcd.disk.locks import try_lock, unlock

EARLY = "early-"
"""Begins the names of directories of fetches, whose files a checkout takes."""
WRITTEN = "written-"
"""The same of transactions, whose files a version takes."""


class Home:
    """A directory that is ours while we live, and made when it is first asked for. Those of processes that died
    are removed then."""

    def __init__(self, parent: str, prefix: str = EARLY) -> None:
        self.parent = parent
        self._prefix = prefix
        self._lock: int | None = None
        self._making = threading.Lock()
        self._path = ""

    @property
    def path(self) -> str:
        """Raises OSError. Thread-safe."""
        with self._making:
            if self._lock is None:
                for left in abandoned(self.parent, self._prefix):
                    shutil.rmtree(left, ignore_errors=True)
            while self._lock is None:  # None again: taken for a dead one's before it was locked
                self._path = tempfile.mkdtemp(prefix=self._prefix, dir=self.parent)
                self._lock = _lock_of(self._path)
            return self._path

    def remove(self) -> None:
        if self._lock is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            unlock(self._lock)
            self._lock = None


def abandoned(parent: str, prefix: str = EARLY) -> Iterator[str]:
    """Directories of those who died. Each is locked until the next is asked for."""
    for name in os.listdir(parent):
        path = os.path.join(parent, name)
        with suppress(OSError):  # not one of ours, or not ours to look at
            if name.startswith(prefix) and (lock := _lock_of(path)) is not None:
                try:
                    yield path
                finally:
                    unlock(lock)


def _lock_of(directory: str) -> int | None:
    """Held by whose it is; None where somebody holds it, and where the directory is gone."""
    return try_lock(os.path.join(directory, "lock"), create=True)
