"""Three-way changes: what one side changed since a base, taken over into what another side has, file by file.

    base      what both sides come from
    theirs    where only they changed a path
    ours      where only we did, or both to the same
    conflict  where both changed it, differently: the person says whose counts

Files are taken whole: half of two people's weights is nobody's model. With a conflict nothing is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mvcd.errors import Conflict
from mvcd.ids import Digest
from mvcd.objects.entry import Entry
from mvcd.objects.manifest import edit_manifest
from mvcd.objects.reserved import reserved
from mvcd.objects.version import Component, Version
from mvcd.repo.contents.files import Change
from mvcd.repo.core.core import Core
from mvcd.repo.intake.targets import StoreTarget
from mvcd.repo.workspace.recording import Recording
from mvcd.repo.workspace.settings import load, main_metrics

_NAMED_PATHS = 3


@dataclass(frozen=True, slots=True)
class Clash:
    """A path that both sides changed: "added", "changed" or "deleted"."""

    path: str
    component: Component
    ours: str
    theirs: str


class MergeConflict(Conflict):
    """Nothing was changed."""

    default_kind = "merge-conflict"

    def __init__(self, command: str, clashes: Sequence[Clash]) -> None:
        """`command` is what was run, which the help continues."""
        names = ", ".join(c.path for c in clashes[:_NAMED_PATHS])
        more = f" and {len(clashes) - _NAMED_PATHS} more" if len(clashes) > _NAMED_PATHS else ""
        super().__init__(
            f"both sides changed {names}{more}",
            cause="nothing was changed here",
            help=f"{command} --ours {clashes[0].path}  (or --theirs; a component's name takes all of it)",
        )
        self.clashes = tuple(clashes)


@dataclass(frozen=True, slots=True)
class Choices:
    """Paths (a directory stands for what is below) and components whose conflicts one side wins."""

    ours: Sequence[str] = ()
    theirs: Sequence[str] = ()

    def of(self, clash: Clash) -> str | None:
        """ "ours", "theirs", or None. The longest name decides, so that a path goes before its directory."""
        found = [
            (len(name) if name != clash.component else 0, side)
            for side, names in (("ours", self.ours), ("theirs", self.theirs))
            for name in names
            if name in (clash.path, clash.component, ".")
            or clash.path.startswith(name.rstrip("/") + "/")
        ]
        return max(found)[1] if found else None


def decide(
    ours: Mapping[str, Change], theirs: Mapping[str, Change], choices: Choices, command: str
) -> tuple[dict[str, Change], tuple[tuple[Clash, str], ...]]:
    """Their changes that are taken over, each as (in ours, wanted), and how conflicts were resolved. Raises
    MergeConflict."""
    taken: dict[str, Change] = {}
    resolved: list[tuple[Clash, str]] = []
    open_: list[Clash] = []
    for path, change in sorted(theirs.items()):
        mine = ours.get(path)
        if reserved(path):
            continue  # of an old version: nothing that is made now may hold it
        if mine is None:
            taken[path] = change
        elif mine[1] != change[1]:
            clash = _clash(path, mine, change)
            side = choices.of(clash)
            if side is None:
                open_.append(clash)
                continue
            resolved.append((clash, side))
            if side == "theirs":
                taken[path] = (mine[1], change[1])
    if open_:
        raise MergeConflict(command, open_)
    return taken, tuple(resolved)


def _clash(path: str, ours: Change, theirs: Change) -> Clash:
    present = ours[1] or theirs[1] or ours[0]
    assert present is not None
    return Clash(path, present.component, _word(ours), _word(theirs))


def _word(change: Change) -> str:
    before, after = change
    return "added" if before is None else "deleted" if after is None else "changed"


def edited(
    core: Core,
    base: Version,
    ours: Version,
    theirs: Version,
    taken: Mapping[str, Change],
    target: StoreTarget,
) -> Version:
    """Our version with their changes in its manifests, and the paths under care of both."""
    edits: dict[Component, dict[str, Entry | None]] = {}
    for path, (before, after) in taken.items():
        if before is not None and (after is None or after.component is not before.component):
            edits.setdefault(before.component, {})[path] = None
        if after is not None:
            edits.setdefault(after.component, {})[path] = after.entry

    def sink(id: Digest, data: bytes) -> None:
        target.put_object(id, data)

    components = dict(ours.components)
    for component, found in edits.items():
        root = ours.components[component].root
        components[component] = edit_manifest(root, found, core.fetch, sink)
    known, a, b = set(base.tracked), set(ours.tracked), set(theirs.tracked)
    tracked = tuple(sorted((a & b) | (a - known) | (b - known)))
    return replace(ours, components=components, tracked=tracked)


def with_values(core: Core, version: Version, ours: Version) -> Version:
    """Settings and metrics as the merged files have them; short names mean what they mean in `ours`."""
    told = Recording(core, core.fetch, (), ours, main_metrics(load(core.root))).tell(version, ours)
    return replace(version, hyperparameters=told.hyperparameters, metrics=told.metrics)
