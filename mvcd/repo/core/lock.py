"""The workspace lock: one verb at a time rewrites files or moves HEAD of one workspace.

flock on `.mvc/lock`: the kernel drops it when the holder dies, so a stale lock cannot exist and nobody
is ever told to delete a lock file. The holder writes its pid into the file, for the message only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator

from mvcd.disk import group
from mvcd.disk.locks import hold, sign
from mvcd.errors import Busy, NotPermitted


class WorkspaceLock:
    """Re-entrant within one object; other objects and processes wait, then raise Busy.

    Raises NotPermitted where one may only read.
    """

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self.timeout = timeout
        self._fd: int | None = None
        self._depth = 0
        self._threads = threading.RLock()

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        with self._threads:
            if self._depth == 0:
                self._acquire()
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._release()

    @contextlib.contextmanager
    def try_hold(self) -> Iterator[bool]:
        """Holds it if that needs no waiting, be it for a process or a thread; yields whether."""
        if not self._threads.acquire(blocking=False):
            yield False
            return
        try:
            if self._depth == 0:
                try:
                    self._acquire(timeout=0.0)
                except (Busy, NotPermitted):
                    yield False
                    return
            self._depth += 1
            try:
                yield True
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._release()
        finally:
            self._threads.release()

    def require(self) -> None:
        """Raises NotPermitted where nobody of us could ever hold it; waits for nobody."""
        os.close(self._open())

    def _open(self) -> int:
        try:
            return group.create(self._path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            root = os.path.dirname(os.path.dirname(self._path))
            raise NotPermitted(
                f"{root} may only be read",
                kind="read-only" if error.errno == errno.EROFS else "permission",
                cause=f"{self._path}: {os.strerror(error.errno).lower()}",
                help=f"mvc clone {root} DIR  (makes a copy of your own)",
            ) from None

    def _acquire(self, timeout: float | None = None) -> None:
        fd = self._open()
        holder = hold(fd, self.timeout if timeout is None else timeout)
        if holder is not None:
            os.close(fd)
            raise Busy(
                "another mvc command is changing this workspace",
                cause=f"{holder} has held the lock for {self.timeout:g} s",
                help="wait for it, or give it longer: mvc --lock-timeout 600 ...",
            )
        self._fd = fd
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name in it
            sign(fd)

    def _release(self) -> None:
        assert self._fd is not None
        os.close(self._fd)
        self._fd = None
