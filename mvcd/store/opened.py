"""Stores that a server keeps open between calls: the last that were used, as many as its descriptors allow.

An open store holds four descriptors (format, and three of LMDB's) and some of its packs. One that is let go of
is closed when the last call, or the last upload, that uses it has ended. Each is opened by who asks for it
first; others who want the same one wait, and nobody else does.
"""

from __future__ import annotations

import errno
import resource
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mvcd.errors import Failure

T = TypeVar("T")

STORE_DESCRIPTORS = 16
"""Descriptors to count for each store, of the process's limit: 4 of its own, up to MAX_PACKS of its packs, and
as many again for sockets, leases and packs that are written."""
MAX_PACKS = 6
LEAST, MOST = 4, 1024


def room() -> int:
    """How many stores may be open at once under this process's limit of descriptors."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return MOST
    return min(MOST, max(LEAST, limit // STORE_DESCRIPTORS))


@dataclass(slots=True)
class _Opening:
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: int = 0


class OpenedByName(Generic[T]):
    """Things by name, made when they are asked for. `close` is for the end; what is let go of before must close
    itself when nobody holds it any more, as stores do. They allow weak references. Thread-safe."""

    def __init__(
        self,
        make: Callable[[str], T],
        busy: Callable[[T], bool],
        most: int,
        let_go: Callable[[T], None] = lambda _: None,
    ) -> None:
        """`busy` are those that are let go of last; `let_go` writes down what only they remember."""
        self._make = make
        self._busy = busy
        self._most = most
        self._let_go = let_go
        self._lock = threading.Lock()
        self._open: OrderedDict[str, T] = OrderedDict()
        self._in_use: weakref.WeakValueDictionary[str, T] = weakref.WeakValueDictionary()
        self._opening: dict[str, _Opening] = {}

    def get(self, name: str) -> T:
        """Raises what `make` raises."""
        with self._lock:
            if (found := self._known(name)) is not None:
                return found
            opening = self._opening.setdefault(name, _Opening())
            opening.waiting += 1
        try:
            with opening.lock:
                with self._lock:
                    if (found := self._known(name)) is not None:
                        return found
                made = self._made(name)
                with self._lock:
                    self._open[name] = self._in_use[name] = made
                    gone = self._shrink(self._most)
                self._write_down(gone)
                return made
        finally:
            with self._lock:
                opening.waiting -= 1
                if not opening.waiting:
                    del self._opening[name]

    def drop_all(self) -> list[T]:
        """Forgets all, those too that were let go of and are in use; they are for the caller to close."""
        with self._lock:
            found = list(self._in_use.values())
            self._open.clear()
            self._in_use.clear()
            return found

    def __len__(self) -> int:
        with self._lock:
            return len(self._open)

    def _known(self, name: str) -> T | None:
        found = self._open.get(name)
        if found is None and (found := self._in_use.get(name)) is not None:
            self._open[name] = (
                found  # it was let go of, and a call has it still: there is never another one
            )
        if found is not None:
            self._open.move_to_end(name)
        return found

    def _made(self, name: str) -> T:
        try:
            return self._make(name)
        except (OSError, Failure) as error:
            if getattr(error, "kind", None) != "too-many-files" and not _no_descriptors(error):
                raise
            with self._lock:
                gone = self._shrink(len(self._open) // 2)
            self._write_down(gone)
            return self._make(name)

    def _write_down(self, gone: list[T]) -> None:
        """Empties the list, since descriptors may be needed now; nothing here may hold on to one."""
        while gone:
            self._let_go(gone.pop())

    def _shrink(self, most: int) -> list[T]:
        """Forgets the longest unused, idle ones first; they are for the caller to let go of."""
        gone: list[T] = []
        while len(self._open) > most:
            newest = next(reversed(self._open))
            idle = (n for n, each in self._open.items() if n != newest and not self._busy(each))
            gone.append(self._open.pop(next(idle, next(iter(self._open)))))
        return gone


def _no_descriptors(error: BaseException) -> bool:
    return getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE)
