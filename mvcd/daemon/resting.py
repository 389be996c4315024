"""The order in which repositories are tended when nothing is to be saved: after saves, and hourly.

Nobody waits for it, so it begins when no workspace has been at work for IDLE_SECONDS and the machine has little
to do, and turns are short: two seconds (tending.py), then a pause that is four times as long.
"""

from __future__ import annotations

from collections.abc import Callable

IDLE_SECONDS = 300.0
"""Seconds after the last save of any workspace: more than most runs take between two checkpoints."""
EVERY_SECONDS = 3600.0
"""Seconds after which a repository is looked at again for what people have done to it."""
PAUSE_SECONDS = 8.0
"""Seconds between two turns, and to the next look at a machine that is at work."""


class Rests:
    """Pure: times are arguments, seconds of a clock that only grows. For one thread at a time."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._earliest = float("-inf")

    def worked(self, root: str, now: float) -> None:
        """Hears that something of a workspace is to be read; it is tended from now on."""
        self._due[root] = now
        self.disturbed(now)

    def disturbed(self, now: float) -> None:
        """Hears that some workspace is at work."""
        self._earliest = max(self._earliest, now + IDLE_SECONDS)

    def add(self, root: str, now: float) -> None:
        self._due.setdefault(root, now)

    def forget(self, root: str) -> None:
        self._due.pop(root, None)

    def rested(self, root: str, now: float, *, left: bool) -> None:
        """Hears that it was tended; `left`: not to the end."""
        if root in self._due:
            self._due[root] = now + (PAUSE_SECONDS if left else EVERY_SECONDS)
        self._earliest = max(self._earliest, now + PAUSE_SECONDS)

    def next(self, now: float, loaded: Callable[[], bool]) -> str | None:
        """The workspace whose turn it is, if any. `loaded` tells whether the machine has other things to do."""
        if now < self.wake:
            return None
        if loaded():
            self._earliest = now + PAUSE_SECONDS
            return None
        return min(self._due, key=lambda root: self._due[root])

    @property
    def wake(self) -> float:
        """When it is worth asking for the next one."""
        return max(self._earliest, min(self._due.values())) if self._due else float("inf")
