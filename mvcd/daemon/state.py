"""What the status tells of one workspace."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mvcd.daemon.ledger import Ledger
from mvcd.daemon.settle import SettlePlan
from mvcd.repo.change.captures import Capture

_MAX_REPORTED = 100


@dataclass(slots=True)
class WatchState:
    """Replaced field by field, read at any time; times by the keeper's clock."""

    state: str = "starting"  # watching, polling, gone, failing
    why: str = ""
    last_save: dict[str, Any] | None = None
    saves: int = 0
    looks: int = 0
    looked: float | None = None
    wake: float = float("inf")
    wake_for: str = ""
    plan: SettlePlan = field(default_factory=SettlePlan)
    skipped: tuple[tuple[str, str], ...] = ()
    directories: int = 0
    full: str = ""  # why what is ready cannot be taken
    reader: str = ""  # why what was taken cannot be made a version
    care: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By what was done (pruned, collected, optimized): the last time, and what came of it."""

    def report(self, now: float, queued: Sequence[Capture], ledger: Ledger) -> dict[str, Any]:
        """Plain values; ages in seconds."""
        plan = self.plan
        return {
            "state": self.state, "why": self.why or self.reader or self.full,
            "directories": self.directories, "saves": self.saves, "looks": self.looks,
            "last_save": self.last_save,
            "looked_ago": None if self.looked is None else round(now - self.looked, 1),
            "looks_in": None if self.wake == float("inf") else round(max(0.0, self.wake - now), 1),
            "looks_for": self.wake_for,
            "captured": [
                {"capture": c.number, "sets": [n for n in c.names if n], "bytes": c.bytes,
                 "age": round(time.time() - c.taken_us / 1e6, 1)}
                for c in queued[:_MAX_REPORTED]
            ],
            "captured_count": len(queued),
            "waiting": [
                {"set": w.name, "reason": w.reason, "age": round(now - w.since, 1), "stuck": w.stuck}
                for w in plan.waiting[:_MAX_REPORTED]
            ],
            "waiting_count": len(plan.waiting),
            "leaving": list(plan.leaving[:_MAX_REPORTED]),
            "leaving_count": len(plan.leaving),
            "skipped": [{"path": p, "reason": r} for p, r in self.skipped[:_MAX_REPORTED]],
            "skipped_count": len(self.skipped),
            "care": dict(self.care),
            "ledger": ledger.report(),
        }  # fmt: skip
