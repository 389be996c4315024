"""Operations as they happen: a loop over `Repo.feed()` hears of every change, whoever makes it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator

from mvc.api.opened import Opened
from mvc.api.public import public
from mvc.api.results import Operation
from mvcd.repo.records.operations import decode

_POLL_SECONDS = 0.1
"""Seconds between two looks at the store. A look that finds nothing reads one number: some microseconds."""


class Feed(Iterator[Operation], AsyncIterator[Operation]):
    """Operations of a repository, oldest first, each as soon as it is recorded: by this process, another one,
    `mvcd`, or somebody who pushes. Use it in `for` or in `async for`; by itself it never ends.

    It holds nothing open between two looks, so a loop may last for weeks. Not for several threads.
    """

    def __init__(self, repo: Opened, after: int | None, timeout: float | None) -> None:
        self._core = repo._core
        self._timeout = timeout
        self._changes = -1
        self._pending: deque[Operation] = deque()
        self.number = self._newest() if after is None else after
        """Number of the operation that was given last: `feed(after=number)` goes on behind it."""

    def __next__(self) -> Operation:
        """Waits for the next operation. Raises StopIteration after `timeout` seconds without one."""
        deadline = self._deadline()
        while not self._look():
            if deadline is not None and time.monotonic() >= deadline:
                raise StopIteration
            time.sleep(_POLL_SECONDS)
        return self._taken()

    async def __anext__(self) -> Operation:
        """Waits for the next operation like `__next__`, and lets other tasks run meanwhile."""
        deadline = self._deadline()
        while not self._look():
            if deadline is not None and time.monotonic() >= deadline:
                raise StopAsyncIteration
            await asyncio.sleep(_POLL_SECONDS)
        return self._taken()

    def _deadline(self) -> float | None:
        return None if self._timeout is None else time.monotonic() + self._timeout

    def _newest(self) -> int:
        newest = next(iter(self._core.operations()), None)
        return 0 if newest is None else newest.number

    def _look(self) -> bool:
        """Whether there is an operation to give."""
        if not self._pending:
            changes = self._core.store.changes()
            if changes != self._changes:
                self._changes = changes
                rows = self._core.store.operations(newest_first=False, start=self.number + 1)
                self._pending.extend(public(Operation, decode(n, row)) for n, row in rows)
        return bool(self._pending)

    def _taken(self) -> Operation:
        operation = self._pending.popleft()
        self.number = operation.number
        return operation
