"""Programs in one process that take turns, drawn from random numbers: the same numbers, the same history."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence

_WAIT_SECONDS = 120


class Turns:
    """Threads of which one runs at a time; who is next is drawn. Threads that a program starts itself do not
    take part: they go on while its turn lasts."""

    def __init__(self, draw: random.Random, count: int) -> None:
        self._random = draw
        self._batons = [threading.Semaphore(0) for _ in range(count)]
        self._alive = list(range(count))
        self._ended = threading.Semaphore(0)
        self._mine = threading.local()

    def run(self, programs: Sequence[Callable[[], object]]) -> list[BaseException | None]:
        """Runs all to their ends. Answers how each ended: None, or what it raised."""
        ends: list[BaseException | None] = [None] * len(programs)

        def go(number: int) -> None:
            self._mine.number = number
            self._wait(number)
            try:
                programs[number]()
            except BaseException as error:  # told to the caller
                ends[number] = error
            self._alive.remove(number)
            self._ended.release()
            self._next()

        threads = [threading.Thread(target=go, args=(n,), daemon=True) for n in self._alive]
        for thread in threads:
            thread.start()
        self._next()
        for thread in threads:
            thread.join(_WAIT_SECONDS)
            assert not thread.is_alive(), "a program waits for another one that has no turn"
        return ends

    def give(self) -> None:
        """Lets a drawn one go on, itself perhaps; a thread that takes no part goes on at once."""
        number: int | None = getattr(self._mine, "number", None)
        if number is None:
            return
        self._next()
        self._wait(number)

    def _next(self) -> None:
        if self._alive:
            self._batons[self._random.choice(self._alive)].release()

    def _wait(self, number: int) -> None:
        assert self._batons[number].acquire(timeout=_WAIT_SECONDS), "no turn came"
