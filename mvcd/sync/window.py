"""How many frames are in flight at once: as many as make a transfer faster, no more.

A near server is busy with two frames; over 200 ms of round trip at 100 Mbit/s it takes two, at 1 Gbit/s
more than eight would. So the number doubles while the rate grows by it, and halves when the rate falls: the
load of others is then met with less, not with more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

FIRST_FRAMES = 2
LEAST_FRAMES = 2
MOST_FRAMES = 8
"""Frames of about 2.5 MiB each, so this also bounds memory."""
_GROWN_TIMES = 1.1
_FALLEN_TIMES = 0.7


class Window:
    """Told of each frame that landed; `size` is how many may fly. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.size = FIRST_FRAMES
        self._clock = clock
        self._lock = threading.Lock()
        self._best = 0.0
        self._since = clock()
        self._bytes = 0
        self._frames = 0

    def landed(self, size: int) -> None:
        """`size` bytes were acknowledged. Judges the rate once per two windows of frames."""
        with self._lock:
            self._bytes += size
            self._frames += 1
            if self._frames < 2 * self.size:
                return
            now = self._clock()
            rate = self._bytes / max(now - self._since, 1e-6)
            if rate > self._best * _GROWN_TIMES:
                self._best = rate
                self.size = min(self.size * 2, MOST_FRAMES)
            elif rate < self._best * _FALLEN_TIMES:
                self._best = rate
                self.size = max(self.size // 2, LEAST_FRAMES)
            self._since, self._bytes, self._frames = now, 0, 0
