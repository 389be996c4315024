"""What the reader tells of a workspace's captures: noted at once, and by the keeper when it looks next."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mvcd.daemon.hooks import SavedVersion
from mvcd.daemon.ledger import Ledger
from mvcd.daemon.state import WatchState
from mvcd.daemon.taking import Taking
from mvcd.repo.change.captures import Capture

log = logging.getLogger(__name__)

Told = Mapping[str, Any]


class Hearing:
    """`heard` may come from any thread; `note` is the keeper's."""

    def __init__(
        self,
        root: str,
        state: WatchState,
        ledger: Ledger,
        queued: Callable[[], Sequence[Capture]],
        saved: Callable[[SavedVersion], None],
    ) -> None:
        self._root = root
        self._state = state
        self._ledger = ledger
        self._queued = queued
        self._saved = saved
        self._inbox: deque[Told] = deque()

    def heard(self, told: Told) -> bool:
        """Whether there is something to note."""
        match told["state"]:
            case "saved":
                self._acknowledge(told)
            case "broken":
                self._account(told)
            case "pruned":
                log.info("%s: pruned %d versions (%s)", self._root, told["versions"], told["rules"])
                self._cared(told)
                return False
            case "collected":
                done = "%s: collected %d objects, freed %d bytes: %s"
                log.info(done, self._root, told["objects"], told["bytes"], told["why"])
                self._cared(told)
                return False
            case "optimized":
                self._optimized(told)
                return False
            case _:
                if self._state.reader != told["message"]:
                    log.warning("%s: %s", self._root, told["message"])
                self._state.reader = str(told["message"])
                return False
        self._state.reader = ""
        self._inbox.append(told)
        return True

    def note(self, taking: Taking) -> None:
        while self._inbox:
            told = self._inbox.popleft()
            number = int(told["capture"])
            if told["state"] == "saved":
                taking.saved(number)
            else:
                taking.broken(number, told["sets"].keys(), dropped=told["dropped"])

    def _account(self, told: Told) -> None:
        """Sets changed before they were read; those that were complete for certain are missed."""
        number, sets = int(told["capture"]), told["sets"]
        for capture in [c for c in self._queued() if c.number == number]:
            for found in capture.sets:
                if found.name in sets and found.sure:
                    self._ledger.missed(found.name, _late(capture, sets[found.name]), number)
        if told["dropped"]:
            self._ledger.dropped(number, next(iter(sets.values()), "it changed before it was read"))

    def _cared(self, told: Told, **more: int) -> None:
        """Keeps it for the status."""
        known = {key: value for key, value in told.items() if key not in ("root", "state")}
        self._state.care[told["state"]] = {**known, **more, "time_us": time.time_ns() // 1000}

    def _optimized(self, told: Told) -> None:
        """A pass over a store is told of in many turns, and is one to people."""
        before = self._state.care.get("optimized", {"left": 0})
        goes_on = before["left"] > 0
        packs = told["packs"] + (before["packs"] if goes_on else 0)
        freed = told["bytes"] + (before["bytes"] if goes_on else 0)
        if packs or goes_on:
            self._cared(told, packs=packs, bytes=freed)
        if packs and not told["left"]:
            log.info("%s: optimized %d packs, freed %d bytes", self._root, packs, freed)

    def _acknowledge(self, told: Told) -> None:
        number = int(told["number"])
        self._ledger.saved(int(told["capture"]), told["version"], number, new=told["new"])
        if not told["new"]:
            return
        saved = SavedVersion(
            root=self._root, version=told["version"], number=number, branch=told["branch"],
            message=told["message"], files=told["files"], bytes_changed=told["bytes_changed"],
            bytes_stored=told["bytes_stored"], seconds=told["seconds"], command=told["hook"],
        )  # fmt: skip
        self._state.saves += 1
        self._state.last_save = {
            "version": saved.version, "number": number, "branch": saved.branch,
            "message": saved.message, "time_us": time.time_ns() // 1000,
            "seconds": round(saved.seconds, 3),
        }  # fmt: skip
        first = saved.message.partition("\n")[0]
        log.info("%s: saved v%d in %.2f s: %s", self._root, number, saved.seconds, first)
        self._saved(saved)


def _late(capture: Capture, reason: str) -> str:
    """`reason`, with how late the reader was."""
    age = time.time() - capture.taken_us / 1e6
    ahead = f", {capture.ahead} saves were ahead of it" if capture.ahead else ""
    return f"{reason}: {age:.0f} s after it was complete{ahead}"
