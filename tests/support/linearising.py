"""Whether a history of compare-and-swap on one register is linearisable: whether all its calls have one order
that agrees with time, in which each finds what its caller was told.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self


@dataclass(frozen=True)
class Call:
    """One compare-and-swap as its caller saw it, by the machine's monotonic clock. `moved` is None when the end
    is unknown: it may have happened at any time after `begin`, or never."""

    begin: float
    end: float
    expect: bytes | None
    target: bytes | None
    moved: bool | None

    @classmethod
    def look(cls, begin: float, end: float, value: bytes | None) -> Self:
        """A reading is a swap that leaves what it found."""
        return cls(begin, end, value, value, moved=True)


class _State(NamedTuple):
    """`done` has a bit for each call; all sure ones below `low` are done. `value` is the register's."""

    low: int
    done: int
    value: bytes | None


def linearisable(history: Sequence[Call]) -> bool:
    """Whether there is such an order, for a register that begins absent.

    Wing and Gong's search ("Testing and Verifying Concurrent Objects", 1993), with visited states remembered as
    Lowe does. Where each value is written once, there is hardly a choice: thousands of calls take a second.
    """
    search = _Search(history)
    left, seen = [_State(0, 0, None)], {_State(0, 0, None)}
    while left:
        state = left.pop()
        if search.is_over(state):
            return True
        for reached in search.next(state):
            if reached not in seen:
                seen.add(reached)
                left.append(reached)
    return False


class _Search:
    def __init__(self, history: Sequence[Call]) -> None:
        self._sure = sorted((c for c in history if c.moved is not None), key=lambda c: c.begin)
        self._unknown: dict[bytes | None, list[tuple[int, Call]]] = defaultdict(list)
        for number, call in enumerate(c for c in history if c.moved is None):
            self._unknown[call.expect].append((len(self._sure) + number, call))

    def is_over(self, state: _State) -> bool:
        """Whether the calls that are left may all never have happened."""
        return state.low == len(self._sure)

    def next(self, state: _State) -> Iterator[_State]:
        first_end, matching = math.inf, list[int]()
        for n in range(state.low, len(self._sure)):
            call = self._sure[n]
            if call.begin > first_end:
                break
            if not state.done >> n & 1:
                first_end = min(first_end, call.end)
                if (call.expect == state.value) == call.moved:
                    matching.append(n)
        for n in matching:
            if not self._sure[n].moved or self._sure[n].target == state.value:
                yield self._after(
                    state, n, state.value
                )  # it changes nothing: now is as good as later
                return
        for n, call in self._unknown.get(state.value, ()):
            if call.begin <= first_end and not state.done >> n & 1:
                yield state._replace(done=state.done | 1 << n, value=call.target)
        for n in matching:
            yield self._after(state, n, self._sure[n].target)

    def _after(self, state: _State, n: int, value: bytes | None) -> _State:
        done, low = state.done | 1 << n, state.low
        while low < len(self._sure) and done >> low & 1:
            low += 1
        return _State(low, done, value)
