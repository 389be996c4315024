"""How many calls may be under way: in total, from one address, of one caller, and of one kind.

Nobody can take so many that others wait: each caller has a share, and what is not known yet has less. More are
turned away at once with RESOURCE_EXHAUSTED, which clients take for "a little later" (proto/README.md).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

MAX_CALLS = 1024
"""Most calls at once, whoever makes them; one that waits for its message, or for its reader, costs no
thread."""
MAX_STRANGER_CALLS = 256
"""Most calls at once whose caller is not known yet."""
MAX_ADDRESS_CALLS = 128
"""Most of these from one address. Known calls count for their caller: behind a proxy all have one address."""
MAX_CALLER_CALLS = 96
MAX_OF_METHOD = {"Get": 32, "Put": 48, "WatchRefs": 16, "Log": 6, "UpdateRefs": 6}
"""Most calls of one method by one caller. A push has at most 24 Puts in flight and a pull 8 Gets; Log and
UpdateRefs walk, each on a thread, of which others must find some free (`server.WALKS`)."""


@dataclass(frozen=True, slots=True)
class CallShares:
    """The limits of one server."""

    calls: int = MAX_CALLS
    strangers: int = MAX_STRANGER_CALLS
    at_address: int = MAX_ADDRESS_CALLS
    of_caller: int = MAX_CALLER_CALLS


class Admission:
    """Thread-safe. `arrive` and `claim` answer why a call is turned away, None if it is not."""

    def __init__(
        self, shares: CallShares | None = None, of_method: Mapping[str, int] = MAX_OF_METHOD
    ) -> None:
        self._shares = shares or CallShares()
        self._of_method = of_method
        self._lock = threading.Lock()
        self._calls = 0
        self._strangers: Counter[str] = Counter()
        self._callers: Counter[str] = Counter()
        self._methods: Counter[tuple[str, str]] = Counter()

    @property
    def calls(self) -> int:
        return self._calls

    def arrive(self, address: str) -> str | None:
        """A call whose caller is not known yet, until `known`."""
        with self._lock:
            if self._calls >= self._shares.calls:
                return "too many calls at once"
            if self._strangers.total() >= self._shares.strangers:
                return "too many calls at once whose caller is not known yet"
            if self._strangers[address] >= self._shares.at_address:
                return f"too many calls at once from {address}"
            self._calls += 1
            self._strangers[address] += 1
            return None

    def known(self, address: str) -> None:
        """The call of a stranger ended, or its caller was told."""
        with self._lock:
            _less(self._strangers, address)

    def claim(self, caller: str, method: str) -> str | None:
        with self._lock:
            if self._callers[caller] >= self._shares.of_caller:
                return "too many calls of yours at once"
            most = self._of_method.get(method, self._shares.of_caller)
            if self._methods[caller, method] >= most:
                return f"more than {most} calls of {method} at once"
            self._callers[caller] += 1
            self._methods[caller, method] += 1
            return None

    def release(self, caller: str, method: str) -> None:
        with self._lock:
            _less(self._callers, caller)
            _less(self._methods, (caller, method))

    def leave(self) -> None:
        with self._lock:
            self._calls -= 1


def _less(counter: Counter[T], key: T) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
