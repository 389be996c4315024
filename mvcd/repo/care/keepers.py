"""Who keeps versions: branches, tags, stages, remembered remotes, workspaces, and the operation log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mvcd.ids import VersionId
from mvcd.objects.glance import Glance
from mvcd.repo.care.gc import KEEP_OPERATIONS_US
from mvcd.repo.care.owners import Owner
from mvcd.repo.core.core import Core
from mvcd.repo.history.walk import ancestors
from mvcd.repo.records.operations import versions_named
from mvcd.repo.records.refs import AUTO, HEADS, REMOTES, STAGES, STASH, TAGS, version_named

BRANCH, TAG, STAGE, WORKSPACE, STASHED, PUSHED, REMOTE, OPERATIONS = (
    "branch", "tag", "stage", "workspace", "stash", "auto", "remote", "operations",
)  # fmt: skip
KINDS = (BRANCH, TAG, STAGE, WORKSPACE, STASHED, PUSHED, REMOTE, OPERATIONS)
"""In the order in which they are asked who has a version first."""

Keeper = tuple[str, str]
"""Kind and name."""


def keeper_of(ref: str) -> Keeper:
    """Whom a ref that keeps versions belongs to: all records of a stage to it, say."""
    for prefix, kind in ((HEADS, BRANCH), (TAGS, TAG), (STASH, STASHED), (AUTO, PUSHED)):
        if ref.startswith(prefix):
            return kind, ref.removeprefix(prefix)
    if ref.startswith(STAGES):
        return STAGE, ref.removeprefix(STAGES).rpartition("/")[0]
    if ref.startswith(REMOTES):
        return REMOTE, ref.removeprefix(REMOTES).replace(f"/{HEADS}", "/", 1)
    return WORKSPACE, ref.split("/")[1]


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """A version, and the number of the keeper that has it first; `several` if others have it too."""

    version: Glance
    by: Owner


class Keepers:
    """All keepers of a repository, numbered: the current branch, other branches, tags, and so on; the operation
    log is the last."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._starts: dict[Keeper, set[VersionId]] = {}
        for name, value in core.store.refs().items():
            id = version_named(name, value)
            if id is not None:
                self._starts.setdefault(keeper_of(name), set()).add(id)
        current = (BRANCH, core.head().branch or "")
        order = sorted(self._starts, key=lambda h: (KINDS.index(h[0]), h != current, h[1]))
        self.all: tuple[Keeper, ...] = (*order, (OPERATIONS, ""))
        self._named: dict[VersionId, int] = {}  # by operations: when last
        for operation in core.operations():
            for id in versions_named(operation):
                self._named.setdefault(id, operation.time_us)

    @property
    def log(self) -> int:
        """The operation log's number."""
        return len(self.all) - 1

    def versions(self) -> Iterator[KeptVersion]:
        """Each version once, children before parents."""
        reached: dict[VersionId, Owner] = {}
        for number, keeper in enumerate(self.all[:-1]):
            for id in self._starts[keeper]:
                reached[id] = _both(reached.get(id), Owner(number))
        alone = {id for id in self._named if id not in reached}
        log = Owner(self.log)
        for version in ancestors(self._core, [*reached, *alone]):
            mine = reached.get(version.id, log)
            for parent in version.parents:
                theirs = reached.get(parent)
                if mine != log:  # the log keeps nothing from a ref's owner
                    reached[parent] = _both(theirs, mine)
            yield KeptVersion(version, mine)

    def lets_go_us(self, alone: Mapping[VersionId, object]) -> int | None:
        """When the operation log has forgotten the last of the versions that it alone holds, if it holds any:
        microseconds since 1970."""
        times = [time for id, time in self._named.items() if id in alone]
        return max(times) + KEEP_OPERATIONS_US if times else None


def _both(one: Owner | None, other: Owner) -> Owner:
    if one is None:
        return other
    several = one.several or other.several or one.number != other.number
    return Owner(min(one.number, other.number), several)
