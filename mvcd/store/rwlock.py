"""A lock that many threads hold at once, or one alone: a readers-writer lock.

LMDB forbids replacing the map while any transaction of the process is open, so growing it must wait
until all have left. Passing is two short lock holds, because every lookup pays for it. Who wants to be
alone is let in next, else lookups in a loop would keep it waiting for ever; with one exception: while a
thread inside is a host (a write transaction, which may wait for lookups of other threads), all may pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock


class ReadersWriterLock:
    def __init__(self) -> None:
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._alone = False
        self._waiting = 0  # to be alone
        self._hosts = 0
        self.inside = 0

    def enter(self) -> None:
        with self._lock:
            while self._alone or (self._waiting and not self._hosts):
                self._changed.wait()
            self.inside += 1

    def leave(self) -> None:
        with self._lock:
            self.inside -= 1
            if not self.inside:
                self._changed.notify_all()

    @contextmanager
    def hosting(self) -> Iterator[None]:
        """For a thread inside: nobody who wants to enter has to wait meanwhile."""
        with self._lock:
            self._hosts += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._lock:
                self._hosts -= 1

    @contextmanager
    def alone_now(self) -> Iterator[bool]:
        """The same without waiting. Yields whether nobody was inside: else others stay in."""
        with self._lock:
            free = not (self.inside or self._alone or self._waiting)
            self._alone = self._alone or free
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    self._alone = False
                    self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Waits until nobody is inside, then keeps everybody out."""
        with self._lock:
            self._waiting += 1
            try:
                while self.inside or self._alone:
                    self._changed.wait()
            finally:  # Ctrl-C ends the wait too
                self._waiting -= 1
                self._changed.notify_all()
            self._alone = True
        try:
            yield
        finally:
            with self._lock:
                self._alone = False
                self._changed.notify_all()
