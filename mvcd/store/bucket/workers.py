"""Threads for calls that wait for a network: several at once, and none that holds up who interrupts.

A call of the library waits outside Python: Ctrl-C would be seen when it ends, after a minute perhaps. So the
main thread has its calls made by one of these threads, and waits where an interrupt reaches it. They are
daemons, unlike those of concurrent.futures: a program that ends does not wait for a reply that nobody wants.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")
_JOIN_SECONDS = 1.0


class Workers:
    """At most `count` threads, started when there is work for one more."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._work: queue.SimpleQueue[tuple[Callable[[], object], Future[object]] | None]
        self._work = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._unfinished = 0

    def call(self, work: Callable[[], T]) -> T:
        """Does the work: by itself, or where Ctrl-C must be heard, by one of the threads."""
        if threading.current_thread() is not threading.main_thread():
            return work()
        return self.submit(work).result()

    def map(self, works: Sequence[Callable[[], T]]) -> list[T]:
        """Does all the works at once. Answers what they did, in their order; raises what the first raised that
        failed, when all have ended."""
        if len(works) <= 1:
            return [self.call(work) for work in works]
        futures = [self.submit(work) for work in works]
        errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            raise errors[0]
        return [future.result() for future in futures]

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Has one of the threads do the work."""
        future: Future[T] = Future()
        self._work.put((work, future))  # type: ignore[arg-type]  # a Future takes what its work answers
        with self._lock:
            self._unfinished += 1
            if len(self._threads) < min(self._count, self._unfinished):
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._threads.append(thread)
                thread.start()
        return future

    def close(self) -> None:
        """Ends the threads; one that waits for a reply ends after it."""
        with self._lock:
            threads, self._threads = self._threads, []
        for _ in threads:
            self._work.put(None)
        for thread in threads:
            if thread is not threading.current_thread():  # whose work held the last that held this
                thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            work, future = item
            try:
                future.set_result(work())
            except BaseException as error:  # told to who waits
                future.set_exception(error)
            del item, work, future
            with self._lock:
                self._unfinished -= 1
