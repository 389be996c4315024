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
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")


def worker_count() -> int:
    """One worker per core up to 8: beyond that the pack writer is the bottleneck."""
    return max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2))


class Pipeline:
    """`submit(call, receive)` runs `call()` in a worker and later `receive(result)` in this thread."""

    def __init__(self, *, workers: int | None = None) -> None:
        self._workers = workers or worker_count()
        self._limit = self._workers + 2
        self._pool: ThreadPoolExecutor | None = None
        self._pending: deque[tuple[Future[Any], Callable[[Any], None]]] = deque()

    def submit(self, call: Callable[[], T], receive: Callable[[T], None]) -> None:
        while len(self._pending) >= self._limit:
            self._receive_oldest()
        if self._pool is None:  # with the first call: where all is small there is none
            from concurrent.futures import ThreadPoolExecutor  # late: start-up

            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="mvc-encode")
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
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
