"""One workspace under care: a thread that waits for a reason to look, looks, and saves what may be saved.

Reasons are events, a set's own time (quiet is over, a pause ends), a request, and every hour, jittered by a
quarter, for what no event told. A look is a stat scan against the engine's cache. Looks are spaced so that
they take a twentieth of one core at most, however many events there are.

The repository is opened for each look and closed after it: manual verbs, gc, a repository that was moved or
made anew need no notice, and HEAD is read at the moment of the save. The workspace lock keeps us out while a
verb rewrites files, and verbs out while we save.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mvcd.daemon import limits as limits_file
from mvcd.daemon import surroundings
from mvcd.daemon.bell import Bell
from mvcd.daemon.capture import Capture, Moved, NotNow
from mvcd.daemon.claims import Claims
from mvcd.daemon.hooks import Saved
from mvcd.daemon.limits import Limits
from mvcd.daemon.mounts import Mounts
from mvcd.daemon.sets import Found, Sorter
from mvcd.daemon.settle import Plan, Settler
from mvcd.daemon.vigil import Vigil
from mvcd.daemon.watch import Events
from mvcd.errors import Busy, Failure, MvcError, NoRepository
from mvcd.objects.version import Trigger
from mvcd.repo.repository import Repository
from mvcd.repo.results import CommitResult
from mvcd.repo.settings import component_rules

log = logging.getLogger(__name__)

RESCAN = 3600.0
PULSE = 30.0
"""Seconds between two glances at what no event tells: that the root went with its parent, that a verb such as
`add` worked on the repository."""

_REPORTED = 100
_RECALLED = 100
"""Versions in which the last automatic one is looked for after a start."""

_GAP = 0.05
_SHARE = 20
_FREE = 0.005
"""Seconds of a look that are too few to space looks for."""

_RETRY = 1.0
_MAX_RETRY = 60.0


@dataclass(slots=True)
class State:
    """What the status says of one workspace; replaced field by field, read at any time."""

    state: str = "starting"  # watching, polling, saving, gone, failing
    why: str = ""
    last_save: dict[str, Any] | None = None
    saves: int = 0
    looks: int = 0
    plan: Plan = field(default_factory=Plan)
    skipped: tuple[tuple[str, str], ...] = ()
    directories: int = 0


class Keeper:
    """`start`, then `sync`, `report` and `claims` from any thread; `stop` waits for a save under way."""

    def __init__(
        self,
        root: str,
        author: str,
        *,
        events: Events,
        saving: threading.Lock,
        saved: Callable[[Saved], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = root
        self.author = author
        self.state = State()
        self._saving = saving
        self._saved = saved
        self._clock = clock
        self._bell = Bell(clock)
        self._mounts = Mounts(root)
        self._vigil = Vigil(root, events, self._bell, self._mounts)
        self.claims = Claims(self._bell.ring)
        self._limits = Limits()
        self._settler = Settler(self._limits)
        self._retry = 0.0
        self._recalled = False
        self._last_saved_at = float("-inf")
        self._spent_saving = 0.0
        self._thread = threading.Thread(target=self._run, name=f"keeper {root}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def request_stop(self) -> None:
        self._bell.stop()

    def stop(self) -> None:
        """Waits for a save under way, however long it takes: to be killed in it loses only the work."""
        self.request_stop()
        self._thread.join()

    def sync(self, timeout: float) -> bool:
        """Looks, until nothing is left that waits; False if that is not so after `timeout` seconds."""
        return self._bell.sync(timeout)

    def report(self) -> dict[str, Any]:
        """For the status: plain values. Ages are seconds."""
        state, now = self.state, self._clock()
        return {
            "root": self.root, "state": state.state, "why": state.why, "author": self.author,
            "directories": state.directories, "saves": state.saves, "looks": state.looks,
            "last_save": state.last_save,
            "waiting": [
                {"set": w.name, "reason": w.reason, "age": round(now - w.since, 1), "stuck": w.stuck}
                for w in state.plan.waiting[:_REPORTED]
            ],
            "waiting_count": len(state.plan.waiting),
            "skipped": [{"path": p, "reason": r} for p, r in state.skipped[:_REPORTED]],
            "skipped_count": len(state.skipped),
        }  # fmt: skip

    # ---------------------------------------------------------------- the thread

    def _run(self) -> None:
        wake = not_before = self._clock()
        rescan = self._next_rescan()
        while True:
            ring = self._bell.wait(min(wake, rescan), not_before, PULSE, self._vigil.disturbed)
            if ring is None:
                break
            began = self._clock()
            if ring.rewatch or began >= rescan:
                self._vigil.renew()
                rescan = self._next_rescan()
            wake, sound = self._look(ring.touched)
            self._vigil.looked()
            looked = self._clock() - began - self._spent_saving
            not_before = self._clock() + max(_GAP, _SHARE * looked if looked > _FREE else 0.0)
            if sound:
                plan = self.state.plan
                self._bell.answered(ring, idle=not plan.waiting and not plan.ready)
        self._vigil.end()

    def _next_rescan(self) -> float:
        return self._clock() + RESCAN * random.uniform(0.75, 1.25)  # noqa: S311 - to spread, not to hide

    def _look(self, touched: Collection[str] | None) -> tuple[float, bool]:
        """One look; returns when the next is due, and whether this one saw the workspace as it is."""
        self.state.looks += 1
        self._spent_saving = 0.0
        now = self._clock()
        try:
            with Repository.open(self.root, lock_timeout=0.0) as repo:
                if repo.root != self.root:
                    raise NoRepository(f"{self.root} is no longer a workspace of its own")
                self._prepare(repo)
                self._recall(repo)
                wake = self._save_what_is_ready(repo, touched, now)
            self._retry = 0.0
            self._well()
            return (wake if self._vigil.watching else min(wake, self._poll_at())), True
        except NoRepository as problem:
            self._gone(str(problem))
            return self._poll_at(), False
        except Busy:
            self._well()
            return self._clock() + _RETRY, False
        except (MvcError, OSError) as problem:
            return self._failing(problem), False
        except Exception as problem:
            log.exception("%s: unexpected", self.root)
            return self._failing(problem), False

    def _prepare(self, repo: Repository) -> None:
        limits = limits_file.load(self.root)
        if limits != self._limits:
            self._limits, self._settler.limits = limits, limits
        self._vigil.keep(repo.tracked())
        self.state.directories = self._vigil.directories

    def _recall(self, repo: Repository) -> None:
        """After a start: the last save was perhaps another daemon's."""
        if self._recalled:
            return
        self._recalled = True
        for entry in repo.history(limit=_RECALLED):
            if entry.version.trigger is Trigger.AUTO:
                self.state.last_save = {
                    "version": entry.id.hex(), "number": entry.version.generation,
                    "branch": repo.head.branch, "message": entry.version.message,
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
        self.state.plan = Plan()

    def _failing(self, problem: Exception) -> float:
        self._retry = min(_MAX_RETRY, max(_RETRY, 2 * self._retry))
        cause = getattr(problem, "cause", None)
        text = f"{problem}: {cause}" if cause else str(problem) or type(problem).__name__
        if self.state.why != text:
            log.warning("%s: %s", self.root, text)
        self.state.state, self.state.why = "failing", text
        return self._clock() + self._retry

    # ---------------------------------------------------------------- saving

    def _save_what_is_ready(
        self, repo: Repository, touched: Collection[str] | None, now: float
    ) -> float:
        _refuse_interrupted_checkout(repo)
        sorter = self._sorter()
        away = self._mounts.away()
        scan = repo.look().scan
        self._mounts.remember(scan, away)
        plan = self._judge(sorter, sorter.sort(scan), now, touched)
        self.state.skipped = (*plan.refused, *scan.skipped)
        held_until = self._last_saved_at + self._limits.min_interval
        if plan.ready and now >= held_until:
            plan = self._capture(repo, plan)
            if plan.ready:
                return self._clock() + _RETRY
        self.state.plan = plan
        wake = float("inf") if plan.wake is None else plan.wake
        return min(wake, held_until) if plan.ready else wake

    def _sorter(self) -> Sorter:
        return Sorter(
            self.root,
            self._limits,
            component_rules(self.root),
            self.claims.now(),
            self._mounts.away,
        )

    def _judge(
        self,
        sorter: Sorter,
        sets: Mapping[str, Found],
        now: float,
        touched: Collection[str] | None,
    ) -> Plan:
        self.claims.forget_settled(sets, sorter.claims)
        plan = self._settler.look(sets, now, touched=touched)
        self.state.plan = plan
        return plan

    def _judge_again(self, sorter: Sorter, sets: Mapping[str, Found]) -> Plan:
        return self._judge(sorter, sets, self._clock(), ())

    def _capture(self, repo: Repository, plan: Plan) -> Plan:
        """Saves; logs that move while they are read are left out of a second attempt."""
        without: set[str] = set()
        with self._saving:
            self.state.state = "saving"
            while True:
                sorter = self._sorter()
                attempt = Capture(repo, sorter, partial(self._judge_again, sorter), without)
                try:
                    self._commit(repo, attempt)
                    return self._after(attempt)
                except Moved as moved:
                    logs = {n for n in moved.names if attempt.sets[n].log}
                    if logs == moved.names and not logs <= without:
                        without |= logs
                        continue
                    self._settler.failed(moved.names, self._clock(), "it changed while it was read")
                    return self._after(attempt)
                except NotNow as reason:
                    if reason.reason:
                        raise Failure(reason.reason, kind="held-back") from None
                    return reason.plan or plan

    def _commit(self, repo: Repository, attempt: Capture) -> None:
        began = self._clock()
        words = self.claims.words()
        context = surroundings.context(
            self.root, self.author, command=words.command, python=words.python
        )
        try:
            result = repo.capture(attempt, context=context)
        except FileNotFoundError as error:
            raise Moved(attempt.names) from error
        except Failure as failure:
            if failure.kind == "unstable-file":
                raise Moved(attempt.names) from failure
            if failure.kind != "nothing-to-commit":
                raise
            self._settler.saved(attempt.sets, attempt.names)
            self.claims.saved(attempt.taken)
            return
        self._spent_saving += self._clock() - began
        self._settler.saved(attempt.sets, attempt.names)
        self.claims.saved(attempt.taken)
        self._acknowledge(repo, result, self._clock() - began)

    def _after(self, attempt: Capture) -> Plan:
        """What is left to wait for once an attempt is over."""
        return self._settler.look(attempt.sets, self._clock(), touched=())

    def _acknowledge(self, repo: Repository, result: CommitResult, seconds: float) -> None:
        message = repo.version(result.version).message
        self._last_saved_at = self._clock()
        saved = Saved(
            root=self.root, version=result.version.hex(), number=result.number, branch=result.branch,
            message=message, files=result.files, bytes_changed=result.bytes_changed,
            bytes_stored=result.bytes_stored, seconds=seconds, command=repo.config.get("watch.hook"),
        )  # fmt: skip
        self.state.saves += 1
        self.state.last_save = {
            "version": saved.version, "number": saved.number, "branch": saved.branch,
            "message": message, "time_us": time.time_ns() // 1000, "seconds": round(seconds, 3),
        }  # fmt: skip
        log.info("%s: saved v%d in %.2f s: %s", self.root, saved.number, seconds, message)
        self._saved(saved)


def _refuse_interrupted_checkout(repo: Repository) -> None:
    """A checkout that died between its renames left files of two versions; only a person can say what to do.

    It leaves its staging directory behind. Any later operation (the same command run again, a commit, an
    undo) settles the matter.
    """
    staging = os.path.join(repo.root, ".mvc", "staging")
    try:
        if not os.listdir(staging):
            return
        died_us = os.stat(staging).st_mtime_ns // 1000
    except OSError:
        return
    last = next(iter(repo.operations(1)), None)
    if last is not None and last.time_us > died_us:
        return
    with repo.lock():  # Busy: it is alive
        if os.path.isdir(staging):
            raise Failure(
                "a checkout was interrupted: the files may be of two versions",
                kind="interrupted-checkout",
                help="run it again, or save the files as they are with mvc commit",
            )
