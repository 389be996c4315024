"""A gate that many threads pass at once, or one holds alone.

LMDB forbids replacing the map while any transaction of the process is open, so growing it must wait
until all have left. Passing is two short lock holds, because every lookup pays for it. Who passes is
never held up by somebody *waiting* to be alone: a thread inside may depend on others that still have
to enter (a collection marks with several threads), and lookups are so short that the gate does empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock


class Gate:
    def __init__(self) -> None:
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._alone = False
        self.inside = 0

    def enter(self) -> None:
        with self._lock:
            while self._alone:
                self._changed.wait()
            self.inside += 1

    def leave(self) -> None:
        with self._lock:
            self.inside -= 1
            if not self.inside:
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Waits until nobody is inside, then keeps everybody out."""
        with self._lock:
            while self.inside or self._alone:
                self._changed.wait()
            self._alone = True
        try:
            yield
        finally:
            with self._lock:
                self._alone = False
                self._changed.notify_all()
