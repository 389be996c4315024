"""A watch over a stream that may stall: gRPC would wait for its next message for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

STALL_SECONDS = 60.0
"""Seconds without a frame after which a stream counts as dead."""


class Stall:
    """Calls `act` once when `moved` was not called for `seconds`."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.seconds = STALL_SECONDS
        self._last = time.monotonic()
        self._act = act
        self._done = threading.Event()
        self.fired = False
        self._thread = threading.Thread(target=self._run, name="mvc-stall", daemon=True)
        self._thread.start()

    def moved(self) -> None:
        self._last = time.monotonic()

    def end(self) -> None:
        self._done.set()

    def _run(self) -> None:
        while not self._done.wait(max(0.1, self._last + self.seconds - time.monotonic())):
            if time.monotonic() - self._last >= self.seconds:
                self.fired = True
                self._act()
                return
