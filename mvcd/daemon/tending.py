"""What the reader does when nothing that was taken is left to be read: it prunes, collects and optimizes.

    at a pause   after the captures of a workspace, and hourly where there are rules of `[retention]`: the
                 rules, at most hourly; a collection, at most daily, where one is worth it (repo/care/due.py)
    at rest      when no workspace has been at work for a while (resting.py): a turn of optimizing, too

All of it ends between two steps when something is to be read, and goes on another time. When it was last done
are rows of the store's cache: if they are lost, it is done once more. `mvc config set gc.auto false` and
`optimize.auto false` leave the one and the other to people.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from mvcd.errors import MvcError, with_cause
from mvcd.repo.care import gc
from mvcd.repo.care.due import collection_due
from mvcd.repo.care.optimize import optimize_at_leisure
from mvcd.repo.care.prune import prune
from mvcd.repo.core.core import Core
from mvcd.repo.records.committed import Context
from mvcd.repo.workspace import settings
from mvcd.store.api import Stop, never

Tell = Callable[[Mapping[str, Any]], None]

PRUNE_EVERY_US = 3_600_000_000
LOOK_EVERY_US = PRUNE_EVERY_US
"""Between two looks whether a collection is worth it: with 10^5 packs, 13 TB, one takes 0.2 s."""
COLLECT_EVERY_US = 24 * PRUNE_EVERY_US
TURN_SECONDS = 2.0
"""For so long packs are optimized at a time, and to the end of the pack at hand; then there is a pause."""

AUTO_GC = "gc.auto"
AUTO_OPTIMIZE = "optimize.auto"
_PRUNED_AT = b"retention/pruned"
_COLLECTED_AT = b"retention/collected"

_looked_us: dict[str, int] = {}
"""By root, when this process last looked whether a collection is worth it. No row: to write one after each save
would hold the store's writing lock, at our low priority, just when the next checkpoint may come."""


def wanted(root: str) -> bool:
    """Whether there are rules to apply. Raises Failure for a file that cannot be understood."""
    return "retention" in settings.load(root)


def may_be_wanted(root: str) -> bool:
    """The same; of a file that cannot be understood the reader tells."""
    try:
        return wanted(root)
    except (MvcError, OSError):
        return True


class Tending:
    """The care of one repository at one moment. What was done is told, and what fails: saving goes on all the
    same."""

    def __init__(
        self,
        core: Core,
        tell: Tell,
        *,
        now: Callable[[], Context],
        now_us: int,
        stop: Stop = never,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now` is who prunes, where and when: it asks git, so that it is called only then."""
        self._core = core
        self._tell = tell
        self._now = now
        self._now_us = now_us
        self._stop = stop
        self._clock = clock

    def at_a_pause(self) -> None:
        self._try("retention", self._prune)
        self._try("gc", self._collect)

    def at_rest(self) -> bool:
        """Whether something is left to do, so that another turn is worth it soon."""
        self.at_a_pause()
        left: list[int] = []
        self._try("optimize", lambda: left.append(self._optimize()))
        return any(left)

    def _try(self, what: str, work: Callable[[], None]) -> None:
        if self._stop():
            return
        try:
            work()
        except (MvcError, OSError) as error:
            self._say("untended", message=f"{what}: {with_cause(error)}")

    def _prune(self) -> None:
        if not wanted(self._core.root) or not self._due(_PRUNED_AT, PRUNE_EVERY_US):
            return
        self._say("tending")
        done = prune(self._core, context=self._now(), measured=False)
        if done.operation is not None:
            self._say("pruned", versions=len(done.versions), rules=done.rules)

    def _collect(self) -> None:
        if not self._core.config.flag(AUTO_GC, default=True):
            return
        last_us = self._last(_COLLECTED_AT)
        looked_us = _looked_us.get(self._core.root, 0)
        if self._is_recent(last_us, COLLECT_EVERY_US) or self._is_recent(looked_us, LOOK_EVERY_US):
            return
        _looked_us[self._core.root] = self._now_us
        why = collection_due(self._core.store, last_us=last_us, now_us=self._now_us)
        if not why:
            return
        self._say("tending")
        self._put(_COLLECTED_AT, self._now_us)
        stopped = True
        try:
            report = gc.collect_store(
                self._core.store,
                dry_run=False,
                oldest_us=self._now_us - gc.KEEP_OPERATIONS_US,
                now_us=self._now_us,
                stop=self._stop,
                monitor=self._core.monitor,
            )
            stopped = report.stopped
            self._say("collected", bytes=report.freed_bytes, objects=report.objects, why=why)
        except gc.MarkingStopped:
            pass
        finally:
            if stopped and self._stop():  # it goes on at the next pause
                self._put(_COLLECTED_AT, last_us)
                _looked_us.pop(self._core.root, None)

    def _optimize(self) -> int:
        """One turn. Returns how many packs are left."""
        if not self._core.config.flag(AUTO_OPTIMIZE, default=True):
            return 0
        self._say("tending")
        end = self._clock() + TURN_SECONDS
        done = optimize_at_leisure(self._core, lambda: self._clock() >= end or self._stop())
        if done.packs:
            told = {"packs": done.rewritten, "bytes": done.freed_bytes, "left": done.left}
            self._say("optimized", **told)
        return done.left

    def _say(self, state: str, **fields: Any) -> None:
        self._tell({"root": self._core.root, "state": state, **fields})

    def _due(self, row: bytes, every_us: int) -> bool:
        """Whether so much time has passed since the last time; from now on this is it."""
        if self._is_recent(self._last(row), every_us):
            return False
        self._put(row, self._now_us)
        return True

    def _is_recent(self, last_us: int, every_us: int) -> bool:
        """A clock that was set back stops nothing."""
        return 0 <= self._now_us - last_us < every_us

    def _last(self, row: bytes) -> int:
        (value,) = self._core.store.cache_get([row])
        return int.from_bytes(value or b"", "big")

    def _put(self, row: bytes, time_us: int) -> None:
        self._core.store.cache_put({row: time_us.to_bytes(8, "big")})
