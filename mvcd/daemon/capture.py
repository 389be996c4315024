"""One save: under the workspace lock, what is fit is taken, the rest held back, and nothing may move meanwhile.

The engine scans under the lock (S1) and asks what to hold back; reads the rest; then asks for confirmation,
and a second scan (S2) must show every saved set as the first did. A set that moved fails the whole
attempt: its manifest is dropped, its chunks are found again next time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from mvcd.daemon import message
from mvcd.daemon.sets import Found, Sorter, paths_of
from mvcd.daemon.settle import Plan
from mvcd.repo.repository import Repository
from mvcd.repo.results import Diff
from mvcd.repo.scan import Scan


class NotNow(Exception):
    """Nothing may be saved at this moment; `reason` is for the status, empty when sets tell their own."""

    def __init__(self, reason: str = "", plan: Plan | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.plan = plan


class Moved(Exception):
    """Sets changed while they were read."""

    def __init__(self, names: Collection[str]) -> None:
        super().__init__(", ".join(sorted(names)))
        self.names = frozenset(names)


@dataclass
class Capture:
    """The daemon's `mvcd.repo.choice.Choice`. One object per attempt."""

    repo: Repository
    sorter: Sorter
    judge: Callable[[Mapping[str, Found]], Plan]
    without: Collection[str] = ()  # logs that moved in the attempt before
    sets: dict[str, Found] = field(default_factory=dict)
    taken: list[Found] = field(default_factory=list)
    plan: Plan = field(default_factory=Plan)

    def hold_back(self, scan: Scan, *, whole: bool) -> Collection[str]:
        _refuse_emptiness(self.repo, scan)
        self.sets = self.sorter.sort(scan)
        if (whole or scan.fresh) and (away := self.sorter.away()):
            raise NotNow(f"{away[0]} is not mounted, and the stat cache is being rebuilt")
        self.plan = self.judge(self.sets)
        names = [n for n in (*self.plan.ready, *self.plan.riding) if n not in self.without]
        if not self.plan.ready:
            raise NotNow(plan=self.plan)
        self.taken = [self.sets[name] for name in names]
        held = paths_of(self.sets.values()) - paths_of(self.taken)
        if whole and held:
            raise NotNow("the stat cache is being rebuilt: all files must settle first", self.plan)
        return held

    def confirm(self, settled: Collection[str], rescan: Callable[[], Scan]) -> None:
        again = self.sorter.afresh().sort(rescan())
        moved = {
            found.name
            for found in self.taken
            if found.name not in again or again[found.name].files != found.files
        }
        for found in self.taken:
            if any(stat is not None and path not in settled for path, stat in found.files.items()):
                moved.add(found.name)
        if moved:
            raise Moved(moved)

    def message(self, diff: Callable[[], Diff]) -> str:
        said = [f.claim.message for f in self.taken if f.claim is not None and f.claim.message]
        found = message.describe(diff(), self.names)
        return "\n\n".join([*dict.fromkeys(said), found]) if said else found

    @property
    def names(self) -> Sequence[str]:
        return [found.name for found in self.taken]


def _refuse_emptiness(repo: Repository, scan: Scan) -> None:
    """A disk that went away, or a slip of the hand, must not become a version of nothing."""
    version, out = repo.version(repo.head.version), repo.left_out
    files = sum(root.files for c, root in version.components.items() if c not in out)
    if files and not scan.candidates and (scan.fresh or len(scan.vanished) >= files):
        raise NotNow("every file is gone; if that is meant, save it with mvc commit")
    for tracked in repo.tracked():
        lost = [p for p in scan.vanished if p.startswith(tracked + "/")]
        if lost and not os.path.lexists(os.path.join(repo.root, tracked)):
            raise NotNow(f"{tracked} is gone; if that is meant, save it with mvc commit")
