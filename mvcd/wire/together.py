"""Puts of one upload that become durable together: what several calls have put goes out as one flush.

For a repository that other servers serve too a put is answered when all of them can see what it holds. Alone,
each would cost a pack, a run and a swap; a push has a dozen under way, and mostly they share these three
requests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

GROUP_BYTES = 32 << 20
"""Bytes with which a group goes out though more come: a full pack. The next group gathers meanwhile."""


class Together:
    """One upload's groups. `flush` makes durable what was received before it was called."""

    def __init__(self, flush: Callable[[], object]) -> None:
        self._flush = flush
        self._changed = threading.Condition()
        self._coming = 0  # calls whose records are being checked
        self._received = self._flushed = 0  # numbers of calls
        self._bytes = 0  # received and not flushed
        self._flushing = False
        self._failed = 0
        self._failure: BaseException | None = None

    def put(self, size_bytes: int, receive: Callable[[], T]) -> T:
        """Returns what `receive` does when it is durable. Raises what it or the flush raises."""
        with self._changed:
            self._coming += 1
        received = False
        try:
            answer = receive()
            received = True
        finally:
            with self._changed:
                self._coming -= 1
                self._received += received
                self._bytes += size_bytes * received
                number = self._received
                self._changed.notify_all()
        self._durable(number)
        return answer

    def _durable(self, number: int) -> None:
        """Waits until the call's group is flushed; one of them does it. None waits long for the others: who has
        received takes a thread, so no more than there are threads can come."""
        with self._changed:
            while True:
                if self._failure is not None and number <= self._failed:
                    raise self._failure
                if number <= self._flushed:
                    return
                if not self._flushing and (not self._coming or self._bytes >= GROUP_BYTES):
                    break
                self._changed.wait()
            self._flushing = True
            upto, self._bytes = self._received, 0
        try:
            self._flush()
        except BaseException as error:
            with self._changed:
                self._failed, self._failure = upto, error
            raise
        else:
            with self._changed:
                self._flushed = upto
        finally:
            with self._changed:
                self._flushing = False
                self._changed.notify_all()
