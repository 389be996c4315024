"""`merge`: what another line did since the two parted, taken over file by file within the five components.

    base      the newest version that both lines come from
    theirs    where only they changed a path
    ours      where only we did, or both to the same
    conflict  where both changed it, differently: the person says whose counts

Files are taken whole: half of two people's weights is nobody's model. With a conflict nothing is changed.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mvcd.errors import Conflict, Failure
from mvcd.ids import Digest, VersionId
from mvcd.objects.entry import Entry
from mvcd.objects.manifest import edit_manifest
from mvcd.objects.reserved import reserved
from mvcd.objects.version import Component, Trigger, Version
from mvcd.repo.change import moves, rewriting
from mvcd.repo.change.commit import advance, committed, derived, first_line, place_for
from mvcd.repo.contents.files import Change, changes
from mvcd.repo.core.core import Core
from mvcd.repo.intake.targets import StoreTarget
from mvcd.repo.records.refs import EMPTY_ID
from mvcd.repo.records.results import CheckoutResult, CommitResult, Context, Head
from mvcd.repo.restore.planning import plan
from mvcd.repo.trust.incoming import is_ancestor
from mvcd.repo.workspace.left_out import changes_here
from mvcd.repo.workspace.recording import Recording
from mvcd.repo.workspace.workspace import ScannedWorkspace

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

    def __init__(self, rev: str, clashes: Sequence[Clash]) -> None:
        names = ", ".join(c.path for c in clashes[:_NAMED_PATHS])
        more = f" and {len(clashes) - _NAMED_PATHS} more" if len(clashes) > _NAMED_PATHS else ""
        super().__init__(
            f"both sides changed {names}{more}",
            cause="nothing was changed here",
            help=f"mvc merge {rev} --ours {clashes[0].path}  (or --theirs; a component's name takes all of it)",
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


@dataclass(frozen=True, slots=True)
class MergeResult:
    """`commit` is the version that was made; without one the branch moved forward (`checkout`), or not at
    all."""

    head: Head
    base: VersionId
    commit: CommitResult | None = None
    checkout: CheckoutResult | None = None
    resolved: tuple[tuple[Clash, str], ...] = ()


def merge(
    core: Core, rev: str, choices: Choices, *, context: Context, message: str | None = None
) -> MergeResult:
    """Takes over what the line of `rev` changed since it parted from ours.

    Raises MergeConflict, Conflict(kind="would-overwrite"), Failure(kind="no-versions").
    """
    with core.lock.hold():
        rewriting.settle_interrupted(core, context)
        head = core.head()
        other = core.resolve(rev)
        if other == EMPTY_ID:
            raise Failure(f"{rev} is the empty version", kind="no-versions", help="mvc log --all")
        if head.version != EMPTY_ID and is_ancestor(core.store, other, head.version):
            return MergeResult(head, other)
        if is_ancestor(core.store, head.version, other):
            done = _forward(core, head, other, context, rev)
            return MergeResult(done.head, head.version, checkout=done)
        return _merge(core, rev, head, other, choices, context, message)


def _forward(
    core: Core, head: Head, other: VersionId, context: Context, rev: str
) -> CheckoutResult:
    if head.branch is None:
        return moves.go_to(core, other, context, f"merge {rev}")
    return moves.forward(core, head.branch, other, context, f"merge {rev}")


def _merge(
    core: Core,
    rev: str,
    head: Head,
    other: VersionId,
    choices: Choices,
    context: Context,
    message: str | None,
) -> MergeResult:
    base_id = merge_base(core, head.version, other)
    base, ours, theirs = (core.version(i) for i in (base_id, head.version, other))
    if core.promised is not None:
        core.promised.bring([base_id, head.version, other], lists_only=True)
    taken, resolved = _decide(
        changes(base, ours, core.fetch), changes(base, theirs, core.fetch), choices, rev
    )
    place = place_for(core, head)
    text = message or f"merge {rev} into {place.branch}"
    with core.store.session() as session:
        core.rely_on(session, [head.version, other])
        target = StoreTarget(core.store, session)
        content = _edited(core, base, ours, theirs, taken, target)
        session.flush()
        content = _with_values(core, content, ours)
        version = replace(
            derived(content, head, text, Trigger.MERGE, context),
            parents=(head.version, other),
            generation=max(head.number, theirs.generation) + 1,
        )
        data = version.encode()
        id = VersionId.of(data)
        stored = target.put_object(id, data)
        session.flush()
        workspace = ScannedWorkspace(core)
        wanted = changes_here(core.root, ours, version, core.left_out(), core.fetch)
        dirty = workspace.differences(head.version)
        planned = plan(core, wanted, dirty, unreadable=workspace.unreadable, everything=False)
        rewriting.refuse_unsaved(planned, "merge", force=False)
        refs = [*place.updates, advance(core, place, head, id), core.move_tracked(version.tracked)]
        move = rewriting.Rewrite(
            "merge", f"merge v{version.generation} {first_line(text)}", id, version, refs
        )
        keep = bool(planned.unsaved or planned.right)
        rewriting.carry_out(core, workspace, planned, move, context, keep=keep)
    made = committed(
        id, version, ours, place,
        bytes_changed=sum(n.entry.size for _, n in wanted.values() if n is not None),
        bytes_new=0, bytes_stored=stored, skipped=tuple(workspace.unreadable.reasons.items()),
    )  # fmt: skip
    return MergeResult(core.head(), base_id, commit=made, resolved=resolved)


def merge_base(core: Core, a: VersionId, b: VersionId) -> VersionId:
    """The common ancestor of the highest generation; v0 when the lines share nothing. Of several that are
    equally high the one with the greatest id."""
    sides: dict[VersionId, int] = {}
    queue: list[tuple[int, bytes, VersionId]] = []

    def put(id: VersionId, side: int) -> None:
        if id not in sides and id != EMPTY_ID:
            order = bytes(255 - byte for byte in id)
            heapq.heappush(queue, (-core.glance(id).generation, order, id))
        sides[id] = sides.get(id, 0) | side

    put(a, 1)
    put(b, 2)
    while queue:
        id = heapq.heappop(queue)[2]
        if sides[id] == 3:
            return id
        for parent in core.glance(id).parents:
            put(parent, sides[id])
    return EMPTY_ID


# -------------------------------------------------------------------- content


def _decide(
    ours: Mapping[str, Change], theirs: Mapping[str, Change], choices: Choices, rev: str
) -> tuple[dict[str, Change], tuple[tuple[Clash, str], ...]]:
    """Their changes that are taken over, and how conflicts were resolved. Raises MergeConflict."""
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
        raise MergeConflict(rev, open_)
    return taken, tuple(resolved)


def _clash(path: str, ours: Change, theirs: Change) -> Clash:
    present = ours[1] or theirs[1] or ours[0]
    assert present is not None
    return Clash(path, present.component, _word(ours), _word(theirs))


def _word(change: Change) -> str:
    before, after = change
    return "added" if before is None else "deleted" if after is None else "changed"


def _edited(
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


def _with_values(core: Core, version: Version, ours: Version) -> Version:
    """Settings and metrics as the merged files have them; short names mean what they mean in `ours`."""
    told = Recording(core, core.fetch, ()).tell(version, ours)
    return replace(version, hyperparameters=told.hyperparameters, metrics=told.metrics)
