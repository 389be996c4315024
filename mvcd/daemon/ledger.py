"""What became of a workspace's complete states: how many were saved, and each that was missed, with the reason.

It is told in the status, in the log, and once in the training process. It outlives the daemon in
`.mvc/watch.json`; lost with a power cut it starts anew, for it proves nothing: versions do.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from mvcd.disk.replace import replace_file
from mvcd.repo.core.location import Location

log = logging.getLogger(__name__)

_MISSES_CAPTURES = 100
_OUTCOMES_CAPTURES = 1000
"""Captures whose outcome is remembered for those who ask later."""

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Miss:
    """A complete state that is no version, and never will be."""

    time_us: int
    path: str  # the set's name
    reason: str


@dataclass(frozen=True, slots=True)
class CaptureOutcome:
    """Outcome of a capture: the version that holds it, or why there is none."""

    version: str = ""  # hex
    number: int = 0
    missed: str = ""


class Ledger:
    """Every method may be called from any thread."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._path = os.path.join(Location(root).directory, "watch.json")
        self._changed = threading.Condition()
        self._outcomes: OrderedDict[int, CaptureOutcome] = OrderedDict()
        self._misses: deque[Miss] = deque(maxlen=_MISSES_CAPTURES)
        self._saved = self._missed = self._told = self._last = 0
        self._read()

    @property
    def last(self) -> int:
        """The highest number of a capture so far."""
        return self._last

    def saved(self, capture: int, version: str, number: int, *, new: bool) -> None:
        """`new`: a version was made for it; False: one had all of it already."""
        with self._changed:
            self._saved += new
            self._settle(capture, CaptureOutcome(version, number))

    def missed(self, path: str, reason: str, capture: int = 0) -> None:
        with self._changed:
            self._missed += 1
            self._misses.append(Miss(time.time_ns() // 1000, path, reason))
            log.warning("%s: missed %s: %s", self._root, path, reason)
            if capture:
                self._settle(capture, CaptureOutcome(missed=reason))
            else:
                self._write()

    def dropped(self, capture: int, reason: str) -> None:
        """Nothing of a capture is left to save, and nothing of it counts as missed."""
        with self._changed:
            self._settle(capture, CaptureOutcome(missed=reason))

    def outcome(self, capture: int, timeout: float) -> CaptureOutcome | None:
        """What became of a capture; None if nothing has within `timeout` seconds, or it is long forgotten."""
        with self._changed:
            self._changed.wait_for(lambda: capture in self._outcomes, timeout)
            return self._outcomes.get(capture)

    def untold(self) -> tuple[int, Miss | None]:
        """How many were missed since the last call, and the newest of them."""
        with self._changed:
            count, self._told = self._missed - self._told, self._missed
            if count:
                self._write()
            return count, self._misses[-1] if count and self._misses else None

    def report(self) -> dict[str, Any]:
        with self._changed:
            return {
                "saved": self._saved, "missed": self._missed,
                "misses": [asdict(miss) for miss in self._misses],
            }  # fmt: skip

    def forget(self, captures: Iterable[int]) -> None:
        """Numbers that are in use already are not given out again."""
        with self._changed:
            self._last = max([self._last, *captures])

    # ---------------------------------------------------------------- the file

    def _settle(self, capture: int, outcome: CaptureOutcome) -> None:
        self._outcomes.setdefault(
            capture, outcome
        )  # a miss of a part stands, whatever else was saved
        self._last = max(self._last, capture)
        while len(self._outcomes) > _OUTCOMES_CAPTURES:
            self._outcomes.popitem(last=False)
        self._changed.notify_all()
        self._write()

    def _write(self) -> None:
        document = {
            "format": FORMAT, "saved": self._saved, "missed": self._missed, "told": self._told,
            "last": self._last, "misses": [asdict(miss) for miss in self._misses],
        }  # fmt: skip
        text = json.dumps(document, ensure_ascii=False)
        with contextlib.suppress(OSError):  # it is written again with the next change
            replace_file(self._path, text.encode("utf-8", "surrogateescape"), durable=False)

    def _read(self) -> None:
        with (
            contextlib.suppress(OSError, ValueError, KeyError, TypeError),
            open(self._path, encoding="utf-8", errors="surrogateescape") as file,
        ):
            found = json.loads(file.read(1 << 20))
            if found["format"] == FORMAT:
                self._saved, self._missed = int(found["saved"]), int(found["missed"])
                self._told, self._last = int(found["told"]), int(found["last"])
                self._misses.extend(Miss(**miss) for miss in found["misses"])
