"""Which sets may be saved now, and when to look again. Pure: time is an argument, in seconds of any clock.

A set is *ready* when one of these holds

- its bracket was closed (`with mvc.checkpoint(...)` went through);
- it has been quiet for `settle` seconds and no rule calls it incomplete;
- its rule proves it complete and it has been changing for `patience` seconds without a quiet moment

and no process holds a file of it open for writing. Quiet is counted from the newest change time of its files or
from the last look that saw another state (signature) than the one before: a look that came late, because the
machine was busy or suspended, does not begin anew. Changes that no event announced need a longer quiet.

Ready sets wait, at most another `settle`, for those that only lack quiet, so that a checkpoint and the metrics
written beside it become one version; closed blocks wait for nothing. A set that is not complete is asked again
after a pause that doubles up to MAX_PAUSE_SECONDS; an event in it ends the pause.

A set is *whole* before it is ready when its rule or format calls it complete and nobody writes it: then it is
time to take it out of its writer's reach. A set of which everything is gone is *leaving*: what rotation deletes
makes no version of its own, it goes with the next one, or after `max_wait`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mvcd.daemon.formats import SaveState, Verdict
from mvcd.daemon.limits import DaemonLimits
from mvcd.daemon.sets import Bracket, Claim

MAX_PAUSE_SECONDS = 60.0

_COMPANY = "it is ready; what changed beside it is about to be"
_SETTLING = "it was written just now"
_HELD = {
    Bracket.OPEN: "a checkpoint block is open",
    Bracket.ABANDONED: "its checkpoint block ended without finishing",
}


class Judged(Protocol):
    """What settling asks of a set; `verdict` and `writer` read files and are asked last."""

    name: str
    log: bool
    refused: str | None
    claim: Claim | None

    @property
    def gone(self) -> bool: ...
    @property
    def partly(self) -> bool: ...
    @property
    def still_for(self) -> float: ...
    @property
    def signature(self) -> int: ...
    def verdict(self) -> Verdict: ...
    def writer(self) -> str | None: ...


@dataclass(slots=True)
class _Memory:
    signature: int
    since: float  # first seen unsaved
    changed: float  # last seen in another state
    seen: bool  # an event announced the last change
    pause: float = 0.0
    resume: float = 0.0
    ready_since: float | None = None
    reason: str = ""
    judged: int | None = None  # the signature whose verdict is known
    whole: bool = False  # complete in that state, and nobody was writing it


@dataclass(frozen=True, slots=True)
class WaitingSet:
    """Why a set is not saved yet. `stuck`: for longer than max_wait."""

    name: str
    reason: str
    since: float
    stuck: bool


@dataclass(frozen=True, slots=True)
class SettlePlan:
    ready: tuple[str, ...] = ()
    riding: tuple[str, ...] = ()  # logs that go along
    leaving: tuple[str, ...] = ()  # removed: goes along too
    whole: tuple[str, ...] = ()  # complete; not quiet yet
    waiting: tuple[WaitingSet, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    wake: float | None = None  # when to look again, if nothing happens
    wake_for: str = ""  # which set, and what it waits for
    urgent: bool = False  # a block was closed
    removing: bool = False  # a set is half gone


@dataclass(slots=True)
class _Draft:
    ready: list[str] = field(default_factory=list)
    riding: list[str] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    waiting: list[WaitingSet] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    urgent: bool = False  # a block was closed: its program said that all is there
    removing: bool = False  # a set that belongs together is half gone
    settling: list[float] = field(
        default_factory=list
    )  # when sets that only lack quiet will have it
    wakes: list[tuple[float, str]] = field(default_factory=list)


class Settler:
    """Remembers of each unsaved set since when it is as it is."""

    def __init__(self, limits: DaemonLimits) -> None:
        self.limits = limits
        self._sets: dict[str, _Memory] = {}

    def look(
        self, sets: Mapping[str, Judged], now: float, *, touched: Collection[str] | None = None
    ) -> SettlePlan:
        """`touched` names the directories that events spoke of since the last look (None: any may be)."""
        for name in self._sets.keys() - sets.keys():
            del self._sets[name]
        draft = _Draft()
        for name, found in sets.items():
            if found.refused is not None:
                draft.refused.append((name, found.refused))
            else:
                self._judge(found, now, touched, draft)
        ready = self._together(draft, now)
        if not ready:
            draft.waiting += [
                WaitingSet(name, _COMPANY, self._sets[name].since, stuck=False)
                for name in draft.ready
            ]
        wake, wake_for = min(draft.wakes, default=(None, ""))
        return SettlePlan(
            ready=tuple(draft.ready) if ready else (),
            riding=tuple(draft.riding) if ready else (),
            leaving=tuple(draft.leaving),
            whole=tuple(draft.whole),
            waiting=tuple(draft.waiting),
            refused=tuple(draft.refused),
            wake=wake,
            wake_for=wake_for,
            urgent=draft.urgent,
            removing=draft.removing,
        )

    def taken(self, names: Collection[str]) -> None:
        """Notes sets that are on their way to a version; what shows of them from now on is new."""
        for name in names:
            self._sets.pop(name, None)

    def same(self, found: Judged) -> None:
        """The set's stats changed by our own doing: making a link, or removing one."""
        memory = self._sets.get(found.name)
        if memory is not None:
            memory.signature = memory.judged = found.signature

    # ---------------------------------------------------------------- one set

    def _judge(
        self, found: Judged, now: float, touched: Collection[str] | None, draft: _Draft
    ) -> None:
        memory, told = self._remember(found, now, touched)
        reason, wake = self._obstacle(found, memory, now, draft, told=told)
        if reason is None:
            memory.ready_since = now if memory.ready_since is None else memory.ready_since
            draft.ready.append(found.name)
            draft.urgent |= found.claim is not None
            return
        memory.ready_since = None
        memory.reason = reason
        if wake is not None:
            draft.wakes.append((wake, f"{found.name}: {reason}"))
        if draft.leaving and draft.leaving[-1] == found.name:
            return
        if found.log:
            draft.riding.append(found.name)
            return
        stuck = now - memory.since >= self.limits.max_wait
        draft.waiting.append(WaitingSet(found.name, reason, memory.since, stuck))

    def _remember(
        self, found: Judged, now: float, touched: Collection[str] | None
    ) -> tuple[_Memory, bool]:
        """The set's memory, and whether something may have happened to it since the last look."""
        memory = self._sets.get(found.name)
        signature = found.signature
        told = touched is None or _told(found.name, touched)
        changed = now - (found.still_for if told else 0.0)
        if memory is None:
            memory = _Memory(signature, since=now, changed=changed, seen=told)
            self._sets[found.name] = memory
        elif memory.signature != signature:
            memory.signature, memory.changed, memory.seen = signature, changed, told
            memory.pause = memory.resume = 0.0
            memory.ready_since = None
        elif told and touched is not None:
            memory.seen = True
            memory.resume = 0.0
        return memory, told or memory.judged != signature

    def _obstacle(
        self, found: Judged, memory: _Memory, now: float, draft: _Draft, *, told: bool
    ) -> tuple[str | None, float | None]:
        """Why the set cannot be saved now, and when that may end without any event."""
        bracket = found.claim.bracket if found.claim else None
        if bracket is not None and bracket in _HELD:
            return _HELD[bracket], None
        if now < memory.resume:
            return memory.reason, memory.resume
        quiet_at = memory.changed + self._quiet(memory)
        quiet = bracket is Bracket.CLOSED or now >= quiet_at
        patient_at = memory.since + self.limits.patience
        if found.gone:
            return self._leaving(found, memory, now, draft, quiet_at)
        if not quiet and now < patient_at:
            if not found.log:
                draft.settling.append(quiet_at)
                if self._whole(found, memory, told=told):
                    draft.whole.append(found.name)
            reason = _SETTLING if memory.seen else self._unseen
            return reason, min(quiet_at, patient_at)
        verdict = found.verdict()
        if not quiet and verdict.state is not SaveState.PROVEN:
            return "it is never quiet", quiet_at
        incomplete = verdict.reason if verdict.state is SaveState.INCOMPLETE else found.writer()
        return (None, None) if incomplete is None else self._pause(memory, now, incomplete)

    def _leaving(
        self, found: Judged, memory: _Memory, now: float, draft: _Draft, quiet_at: float
    ) -> tuple[str | None, float | None]:
        """Nothing of it but what vanished: a whole set goes at once, a part of one when it is quiet."""
        if found.partly:
            if now < quiet_at:
                draft.settling.append(quiet_at)
                draft.removing = True
                return "it is being removed", quiet_at
            verdict = found.verdict()
            if verdict.state is SaveState.INCOMPLETE:
                return self._pause(memory, now, verdict.reason)
        due = memory.since + self.limits.max_wait
        if now >= due:
            return None, None
        if now < quiet_at:
            draft.settling.append(quiet_at)
        draft.leaving.append(found.name)
        return "removed; it goes with the next version", due

    def _whole(self, found: Judged, memory: _Memory, *, told: bool) -> bool:
        """Asked once for each state, and again when an event may mean that its writer is done."""
        if memory.judged != found.signature or (told and not memory.whole):
            memory.judged = found.signature
            complete = found.verdict().state in (SaveState.PROVEN, SaveState.COMPLETE)
            memory.whole = complete and found.writer() is None
        return memory.whole

    @property
    def _unseen(self) -> str:
        return f"no event told of it: it must be quiet for {self.limits.settle_unseen:g} s"

    def _quiet(self, memory: _Memory) -> float:
        return self.limits.settle if memory.seen else self.limits.settle_unseen

    def _pause(self, memory: _Memory, now: float, reason: str) -> tuple[str, float]:
        memory.pause = min(MAX_PAUSE_SECONDS, max(2 * memory.pause, self.limits.settle, 0.1))
        memory.resume = now + memory.pause
        memory.reason = reason
        return reason, memory.resume

    # ---------------------------------------------------------------- several sets

    def _together(self, draft: _Draft, now: float) -> bool:
        """Whether to save what is ready, or to wait a little for what is about to be."""
        if not draft.ready or draft.urgent:
            return draft.urgent
        first = min(
            memory.ready_since
            for memory in (self._sets[name] for name in draft.ready)
            if memory.ready_since is not None
        )
        latest = first + self.limits.settle
        soon = [at for at in draft.settling if at <= latest]
        if now < latest and soon:
            draft.wakes.append(
                (min(max(soon), latest), f"{draft.ready[0]}: others are about to be")
            )
            return False
        return True


def _told(name: str, touched: Collection[str]) -> bool:
    """Whether events spoke of a directory of the set."""
    if name.endswith("/"):
        inside = name if name != "./" else ""
        return any((directory + "/").startswith(inside) for directory in touched)
    return name.rpartition("/")[0] in touched
