"""Work done by several threads, answered in order.

A snapshot reads files in one thread and hashes and encodes their chunks in others; results must come back
in file order, since recipes and packs are written so. `Pipeline` keeps a bounded queue of submitted calls:
when it is full the oldest is waited for and handed to its receiver, in the submitting thread. The bound is
what keeps memory flat whatever the size of the files.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


def worker_count() -> int:
    """One worker per core up to 8: beyond that the pack writer is the bottleneck."""
    return max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2))


class Pipeline:
    """`submit(call, receive)` runs `call()` in a worker and later `receive(result)` in this thread."""

    def __init__(self, *, workers: int | None = None) -> None:
        count = workers or worker_count()
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="mvc-encode")
        self._limit = count + 2
        self._pending: deque[tuple[Future[Any], Callable[[Any], None]]] = deque()

    def submit(self, call: Callable[[], T], receive: Callable[[T], None]) -> None:
        while len(self._pending) >= self._limit:
            self._receive_oldest()
        self._pending.append((self._pool.submit(call), receive))

    def drain(self) -> None:
        """Waits for everything submitted so far."""
        while self._pending:
            self._receive_oldest()

    def _receive_oldest(self) -> None:
        future, receive = self._pending.popleft()
        receive(future.result())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
