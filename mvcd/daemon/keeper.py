"""One workspace under care: a thread that waits for a reason to look, looks, and takes what is complete.

Reasons are events, a set's own time (quiet is over, a pause ends), a request, and every hour, jittered by a
quarter, for what no event told. A look is a stat scan against the engine's cache. Looks are spaced so that
they take a twentieth of one core at most, by the processor time they use and never for more than
MAX_GAP_SECONDS, so that neither a busy machine nor one that was suspended buys blindness; a request, and the
end of a block, wait for no pause.

Nothing is read here. What is complete is taken out of its writer's reach (taking.py); versions are made of it
by a reader in a process of its own (reading.py), whose answers come in through `heard`.

The repository is opened for each look and closed after it: manual verbs, gc, a repository that was moved or
made anew need no notice. The workspace lock keeps us out while a verb rewrites files; a closed block is taken
without it, for its program says that the files are whole.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from mvcd.daemon import limits as limits_file
from mvcd.daemon import tending
from mvcd.daemon.accidents import refuse_emptiness, refuse_interrupted_checkout
from mvcd.daemon.bell import Bell, Ring
from mvcd.daemon.claims import Claims
from mvcd.daemon.hearing import Hearing
from mvcd.daemon.hooks import SavedVersion
from mvcd.daemon.ledger import CaptureOutcome, Ledger
from mvcd.daemon.limits import DaemonLimits
from mvcd.daemon.mounts import Mounts
from mvcd.daemon.origins import Origins
from mvcd.daemon.sets import Found, Sorter
from mvcd.daemon.settle import SettlePlan, Settler, WaitingSet
from mvcd.daemon.state import WatchState
from mvcd.daemon.taking import Full, Stand, Taking
from mvcd.daemon.vigil import Vigil
from mvcd.daemon.watch import Events
from mvcd.errors import Busy, MvcError, NoRepository, with_cause
from mvcd.objects.version import Trigger
from mvcd.repo.change.captured import gone
from mvcd.repo.change.captures import Changed, Kept, Maker, in_directory
from mvcd.repo.core.core import Core, open_at
from mvcd.repo.history.history import history
from mvcd.repo.workspace.scan import Scan
from mvcd.repo.workspace.settings import component_rules, load
from mvcd.repo.workspace.workspace import ScannedWorkspace

log = logging.getLogger(__name__)

RESCAN_SECONDS = 3600.0
PULSE_SECONDS = 30.0
"""Seconds between two glances at what no event tells: that the root went with its parent, that a verb such as
`add` worked on the repository."""

LINGER_SECONDS = 1.0
"""Seconds, at most, for which a block's capture is not read yet, so that what rotation deletes right after the
block goes with it."""

_MAKER_SETS = 4
"""Held sets of one look whose writer is looked for at once; for each that costs up to 50 ms (origins.py)."""

_RECALLED_VERSIONS = 100
"""Versions in which the last automatic one is looked for after a start."""

_GAP_SECONDS = 0.05
MAX_GAP_SECONDS = 2.0
_LOOK_TIMES = 20
_FREE_SECONDS = 0.005
"""Processor seconds of a look that are too few to space looks for."""

_AGAIN_SECONDS = 0.2
"""Seconds until what moved while it was taken is taken again."""

_RETRY_SECONDS = 1.0
_MAX_RETRY_SECONDS = 60.0


class WorkspaceKeeper:
    """`start`, then everything that is public from any thread; `stop` waits for a look under way."""

    def __init__(
        self,
        root: str,
        author: str,
        *,
        events: Events,
        read: Callable[[str, float], None],
        saved: Callable[[SavedVersion], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read(root, since)` asks the reader for what is queued, taken at `since` on our clock."""
        self.root = root
        self.author = author
        self.state = WatchState()
        self._read = read
        self._clock = clock
        self._bell = Bell(clock)
        self._mounts = Mounts(root)
        self._vigil = Vigil(root, events, self._bell, self._mounts)
        self.claims = Claims(lambda urgent: self._bell.ring(urgent=urgent))
        self.ledger = Ledger(root)
        self._taking = Taking(root, self.ledger, clock)
        self._origins = Origins(root)
        self._limits = DaemonLimits()
        self._settler = Settler(self._limits)
        self._hearing = Hearing(root, self.state, self.ledger, lambda: self._taking.queued, saved)
        self._hurried: deque[int] = deque()
        self._retry = 0.0
        self._recalled = False
        self._last_taken_at = float("-inf")
        self._again_at = float("inf")
        self._thread = threading.Thread(target=self._run, name=f"keeper {root}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def request_stop(self) -> None:
        self._bell.stop()

    def stop(self) -> None:
        """Waits for a look under way. What is taken is kept for the next daemon."""
        self.request_stop()
        self._thread.join()

    def sync(self, timeout: float) -> bool:
        """Looks, until nothing is left that waits; False if that is not so after `timeout` seconds."""
        self._hurried.append(1 << 62)
        return self._bell.sync(timeout)

    # ---------------------------------------------------------------- blocks and captures

    def taken_in(self, block: int, timeout: float) -> int | None:
        """Returns the number of the capture that holds an ended block: see Claims.taken_in."""
        return self.claims.taken_in(block, timeout)

    def outcome(self, capture: int, timeout: float) -> CaptureOutcome | None:
        """What became of a capture, which is read without delay from now on."""
        found = self.ledger.outcome(capture, 0.0)
        if found is None and timeout > 0:
            self._hurried.append(capture)
            self._bell.ring(urgent=True)
            found = self.ledger.outcome(capture, timeout)
        return found

    def unread(self, directory: str) -> list[int]:
        """Captures that rewriting the files of a directory in place would reach: linked, and still there."""
        return [
            capture.number
            for capture in self._taking.queued
            if any(
                f.kept in (Kept.LINK, Kept.NONE)
                and in_directory((f.path,), directory)
                and os.path.lexists(os.path.join(self.root, f.path))
                for f in capture.files
            )
        ]

    def is_safe(self, capture: int) -> bool:
        """Whether a capture is out of its program's reach: nothing of it has to be read where it lies."""
        return not any(
            file.kept is Kept.NONE
            for queued in self._taking.queued
            if queued.number == capture
            for file in queued.files
        )

    def newest(self) -> dict[str, Any]:
        """The newest capture, or the newest version where none waits: what a block without news is part of."""
        queued = self._taking.queued
        if queued:
            return {"capture": queued[-1].number, "safe": True}
        with open_at(self.root) as core:
            head = core.head()
        return {"version": head.version.hex(), "number": head.number}

    def why_not_taken(self, directory: str) -> str:
        """What a closed block waits for, as of the last look."""
        name = f"{directory}/" if directory else "./"
        reasons = [w.reason for w in self.state.plan.waiting if w.name == name]
        return self.state.full or (reasons[0] if reasons else self.state.why) or "mvcd is busy"

    def heard(self, told: Mapping[str, Any]) -> None:
        """What the reader tells of a capture; from any thread."""
        if self._hearing.heard(told):
            self._bell.ring(urgent=True)

    # ---------------------------------------------------------------- what it tells

    def report(self, timeout: float = 2.0) -> dict[str, Any]:
        """Reports to the status how things are now: plain values, ages in seconds. Looks first if something
        waits."""
        plan = self.state.plan
        if plan.waiting or plan.leaving or self._bell.rung or not self._vigil.watching:
            self._bell.look(timeout)
        told = self.state.report(self._clock(), self._taking.queued, self.ledger)
        return {"root": self.root, "author": self.author, **told}

    # ---------------------------------------------------------------- the thread

    def _run(self) -> None:
        wake = not_before = self._clock()
        rescan = self._next_rescan()
        while True:
            ring = self._bell.wait(
                min(wake, rescan), not_before, PULSE_SECONDS, self._vigil.disturbed
            )
            if ring is None:
                break
            if ring.rewatch or self._clock() >= rescan:
                self._vigil.renew()
                rescan = self._next_rescan()
                if tending.may_be_wanted(self.root):
                    self._read(self.root, self._clock())
            began = time.thread_time()
            wake, sound = self._look(ring)
            self._hand_over()
            wake = min(wake, self._taking.next_due)
            self._vigil.looked()
            spent = time.thread_time() - began
            self.state.looked, self.state.wake = self._clock(), min(wake, rescan)
            not_before = self._clock() + max(
                _GAP_SECONDS,
                min(MAX_GAP_SECONDS, _LOOK_TIMES * spent) if spent > _FREE_SECONDS else 0.0,
            )
            plan = self.state.plan
            idle = sound and not (plan.waiting or plan.ready or self._taking.queued)
            self._bell.answered(ring, idle=idle)
        self._vigil.end()

    def _next_rescan(self) -> float:
        return self._clock() + RESCAN_SECONDS * random.uniform(0.75, 1.25)  # noqa: S311 - to spread, not to hide

    def _look(self, ring: Ring) -> tuple[float, bool]:
        """One look; returns when the next is due, and whether this one saw the workspace as it is."""
        self.state.looks += 1
        self._hearing.note(self._taking)
        try:
            self._taking.load()
            with open_at(self.root, lock_timeout=0.0) as core:
                if core.root != self.root:
                    raise NoRepository(f"{self.root} is no longer a workspace of its own")
                self._prepare(core)
                self._recall(core)
                wake = self._take_what_is_complete(core, ring.touched, self._clock())
            self._retry = 0.0
            self._well()
            return (wake if self._vigil.watching else min(wake, self._poll_at())), True
        except NoRepository as problem:
            self._gone(str(problem))
            return self._poll_at(), False
        except Busy as busy:
            self._well()
            self.state.plan = _held_up(self.state.plan, self._clock(), str(busy))
            return self._clock() + _RETRY_SECONDS, False
        except (MvcError, OSError) as problem:
            return self._failing(problem), False
        except Exception as problem:
            log.exception("%s: unexpected", self.root)
            return self._failing(problem), False

    def _prepare(self, core: Core) -> None:
        limits = limits_file.load(self.root)
        if limits != self._limits:
            self._limits, self._settler.limits = limits, limits
        self._vigil.keep(core.tracked())
        self.state.directories = self._vigil.directories

    def _recall(self, core: Core) -> None:
        """After a start: the last save was perhaps another daemon's."""
        if self._recalled:
            return
        self._recalled = True
        for entry in history(core, limit=_RECALLED_VERSIONS):
            if entry.version.trigger is Trigger.AUTO:
                self.state.last_save = {
                    "version": entry.id.hex(), "number": entry.version.generation,
                    "branch": core.head().branch, "message": entry.version.message,
                    "time_us": entry.version.time_us, "seconds": None,
                }  # fmt: skip
                return

    def _poll_at(self) -> float:
        return self._clock() + self._limits.poll

    def _well(self) -> None:
        self.state.state = "watching" if self._vigil.watching else "polling"
        self.state.why = self._vigil.why

    def _gone(self, why: str) -> None:
        """Nothing is saved: a root that vanished is not a version of nothing."""
        if self.state.state != "gone":
            log.warning("%s: %s", self.root, why)
        self._vigil.end()
        self.state.state, self.state.why = "gone", why
        self.state.plan = SettlePlan()

    def _failing(self, problem: Exception) -> float:
        self._retry = min(_MAX_RETRY_SECONDS, max(_RETRY_SECONDS, 2 * self._retry))
        text = with_cause(problem)
        if self.state.why != text:
            log.warning("%s: %s", self.root, text)
        self.state.state, self.state.why = "failing", text
        return self._clock() + self._retry

    # ---------------------------------------------------------------- taking

    def _take_what_is_complete(
        self, core: Core, touched: Collection[str] | None, now: float
    ) -> float:
        refuse_interrupted_checkout(core)
        self._again_at = float("inf")
        sorter, scan, sets = self._see(core)
        self._origins.see(path for found in sets.values() for path in found.stats)
        self.claims.forget_settled(sets, sorter.claims)
        plan = self._settler.look(sets, now, touched=touched)
        plan = self.state.plan = self._still_so(core, plan, sets)
        self.state.wake_for = plan.wake_for
        self.state.skipped = (*plan.refused, *scan.skipped)
        stand = Stand(core.head_value(), core.head().version, self.author)
        held_until = self._last_taken_at + self._limits.min_interval
        if now >= held_until:
            self._rescue(core, sets, stand, now)
        self._hold(plan, sets, stand)
        refuse_emptiness(core, scan, [p for f in sets.values() for p in f.vanished])
        if plan.ready and now >= held_until:
            self._queue(core, plan, sets, stand)
        elif plan.leaving and self._taking.amend(self._leaving(sets, plan)):
            self._settler.taken(plan.leaving)
            self._taking.linger(self._clock() + self._linger)
        if plan.removing:
            self._taking.linger(self._clock() + self._linger)
        wake = min(self._again_at, float("inf") if plan.wake is None else plan.wake)
        return min(wake, held_until) if plan.ready and now < held_until else wake

    def _see(self, core: Core) -> tuple[Sorter, Scan, dict[str, Found]]:
        """The workspace as it is now, sorted into sets."""
        rules, claims = component_rules(load(self.root)), self.claims.now()
        sorter = Sorter(self.root, self._limits, rules, claims, self._mounts.away)
        away = self._mounts.away()
        scan = ScannedWorkspace(core).scan
        self._mounts.remember(scan, away)
        changes = self._taking.less(scan, gone(core, scan))
        return sorter, scan, sorter.sort(changes, scan.unreadable)

    def _still_so(self, core: Core, plan: SettlePlan, sets: Mapping[str, Found]) -> SettlePlan:
        """The plan without the sets of rules that changed since they were scanned.

        A rule looks at a directory as it is when it is asked. A writer that went on after the scan and was
        done by then leaves a complete directory, of which the scan saw half: taken with the other half as
        the last version has it, that would be a state which never was.
        """
        asked = [
            n
            for n in (*plan.ready, *plan.whole)
            if sets[n].rule and not self._taking.holds(sets[n])
        ]
        if not asked:
            return plan
        _, _, again = self._see(core)
        moved = {n for n in asked if n not in again or again[n].signature != sets[n].signature}
        if not moved:
            return plan
        self._again_at = self._clock() + _AGAIN_SECONDS
        ready = tuple(n for n in plan.ready if n not in moved)
        whole = tuple(n for n in plan.whole if n not in moved)
        held = tuple(
            WaitingSet(n, "it is being written", self._clock(), stuck=False) for n in sorted(moved)
        )
        return replace(plan, ready=ready, whole=whole, waiting=(*plan.waiting, *held))

    def _hold(self, plan: SettlePlan, sets: Mapping[str, Found], stand: Stand) -> None:
        fresh = [sets[name] for name in plan.whole if not self._taking.holds(sets[name])]
        for number, found in enumerate(fresh):
            made = self._of(stand, [found]) if number < _MAKER_SETS else stand
            if self._taking.hold(found, made):
                self._settler.same(found)

    def _rescue(self, core: Core, sets: Mapping[str, Found], stand: Stand, now: float) -> None:
        """Versions of what was complete and held, and was deleted or replaced before it was quiet."""
        for name in self._taking.broken_up(sets):
            with core.lock.hold():
                self._taking.queue_held(name, stand, now)
            log.info("%s: %s is saved as it was held", self.root, name)
            self._last_taken_at = now

    def _queue(self, core: Core, plan: SettlePlan, sets: dict[str, Found], stand: Stand) -> None:
        """Takes what is ready; a set that moves meanwhile is left for the next look."""
        ready = [sets[name] for name in (*plan.ready, *plan.riding)]
        leaving = self._leaving(sets, plan)
        due = self._clock() + (self._linger if plan.urgent else 0.0)
        self.state.full = ""
        try:
            with nullcontext() if plan.urgent else core.lock.hold():
                capture = self._taking.queue(ready, leaving, self._of(stand, ready), due)
        except Full as full:
            self.state.full = str(full)
            return
        except Changed:  # it is looked at again, but not at once, should this go on
            self._again_at = self._clock() + _AGAIN_SECONDS
            return
        self._last_taken_at = self._clock()
        self._settler.taken([found.name for found in ready] + list(plan.leaving))
        self.claims.taken(ready, capture.number)
        self.state.plan = replace(plan, ready=(), riding=(), leaving=())

    @property
    def _linger(self) -> float:
        return min(self._limits.settle, LINGER_SECONDS)

    def _leaving(self, sets: Mapping[str, Found], plan: SettlePlan) -> list[str]:
        return [path for name in plan.leaving for path in sets[name].vanished]

    def _of(self, stand: Stand, sets: Sequence[Found]) -> Stand:
        """The stand with who made the sets: the block's program, else what was found when one was held."""
        known = [found.claim.maker for found in sets if found.claim is not None]
        known += [maker for found in sets if (maker := self._taking.maker_of(found.name))]
        return replace(stand, maker=known[0] if known else self._seen_writing(sets))

    def _seen_writing(self, sets: Sequence[Found]) -> Maker:
        paths = [os.path.join(self.root, p) for f in sets if not f.log for p in f.stats]
        origin = self._origins.of(paths)
        return Maker() if origin is None else Maker(origin.command, origin.python, origin.directory)

    # ---------------------------------------------------------------- the reader's side

    def _hand_over(self) -> None:
        while self._hurried:
            self._taking.hurry(self._hurried.popleft())
        due = self._taking.hand_over(self._clock())
        if due:
            age = max(0.0, time.time() - due[0].taken_us / 1e6)
            self._read(self.root, self._clock() - age)


def _held_up(plan: SettlePlan, now: float, reason: str) -> SettlePlan:
    """What was ready and could not be taken waits."""
    held = tuple(WaitingSet(name, reason, now, stuck=False) for name in plan.ready)
    return replace(plan, ready=(), riding=(), waiting=(*plan.waiting, *held))
