"""What wakes a keeper, and how others wait for it: events and requests ring, a look answers all rings so far.

Rings between two looks become one; the directories they speak of are kept up to a limit, after which it is
"any" (Syncthing's limit per folder, and its reason: a storm must not cost memory).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

from mvcd.daemon.watch import Loss

MAX_TOUCHED_PATHS = 512


@dataclass(frozen=True, slots=True)
class Ring:
    """Why to look. `touched` names the directories that events spoke of; None: any may have changed."""

    number: int
    touched: Collection[str] | None
    rewatch: bool


class Bell:
    """`touched` and `lost` are what a watch.Listener needs. Every method may be called from any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._touched: set[str] | None = set()
        self._rung = True
        self._urgent = False
        self._rewatch = False
        self._stopped = False
        self._asked = 0  # looks begun
        self._answered = 0  # the last look that saw all there was
        self._idle = False  # whether it left nothing to wait for

    # ---------------------------------------------------------------- ringing

    def touched(self, directory: str) -> None:
        with self._changed:
            if self._touched is not None:
                self._touched.add(directory)
                if len(self._touched) > MAX_TOUCHED_PATHS:
                    self._touched = None
            self._ring()

    def lost(self, loss: Loss) -> None:  # noqa: ARG002 - whatever was lost, everything is looked at
        with self._changed:
            self._touched, self._rewatch = None, True
            self._ring()

    def ring(self, *, urgent: bool = False) -> None:
        """`urgent`: somebody waits for the look, which is therefore not put off."""
        with self._changed:
            self._ring(urgent=urgent)

    @property
    def rung(self) -> bool:
        """Whether something may have happened that no look has seen."""
        return self._rung

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _ring(self, *, urgent: bool = False) -> None:
        if not self._rung or (urgent and not self._urgent):
            self._rung = True
            self._urgent = self._urgent or urgent
            self._changed.notify_all()

    # ---------------------------------------------------------------- the keeper's side

    def wait(
        self, wake: float, not_before: float, pulse: float, disturbed: Callable[[], bool]
    ) -> Ring | None:
        """Until a ring or `wake`, but not before `not_before` unless it is urgent; None when stopped.

        Every `pulse` seconds `disturbed` is asked, and a yes is a ring too.
        """
        with self._changed:
            glance = self._clock() + pulse
            while not self._stopped:
                now = self._clock()
                due = not_before if self._rung else max(wake, not_before)
                due = now if self._urgent else due
                if now >= due:
                    break
                if now >= glance:
                    glance = now + pulse
                    self._rung = self._rung or disturbed()
                    continue
                self._changed.wait(min(due, glance) - now)
            if self._stopped:
                return None
            self._asked += 1
            ring = Ring(self._asked, self._touched, self._rewatch)
            self._touched, self._rung, self._rewatch, self._urgent = set(), False, False, False
            return ring

    def answered(self, ring: Ring, *, idle: bool) -> None:
        """The look of `ring` is over. `idle`: it saw things as they are, and left nothing to wait for."""
        with self._changed:
            self._answered, self._idle = ring.number, idle
            self._changed.notify_all()

    # ---------------------------------------------------------------- who waits for the keeper

    def sync(self, timeout: float) -> bool:
        """Rings, and waits for a look that began afterwards and left nothing to wait for."""
        return self._wait_for(timeout, lambda: self._idle)

    def look(self, timeout: float) -> bool:
        """Rings, and waits for the end of a look that began afterwards."""
        return self._wait_for(timeout, lambda: True)

    def _wait_for(self, timeout: float, satisfied: Callable[[], bool]) -> bool:
        deadline = self._clock() + timeout
        with self._changed:
            wanted = self._asked + 1
            self._ring(urgent=True)
            while not self._stopped:
                if self._answered >= wanted and satisfied():
                    return True
                left = deadline - self._clock()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return False
