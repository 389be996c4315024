"""Verbs that rewrite files: checkout, switch, restore, rollback; `undo` (undo.py) moves files as they do.

One rule for all: what would be overwritten or removed and is stored in no version is unsaved work. Without
`force` it stops the verb before anything is touched; with it, and in `restore` and `undo`, whose purpose is to
overwrite, the workspace is first stored as a version that no branch shows and the operation remembers, so
`undo` brings it back. Files that nothing in the store stands for and that are not under care are never
overwritten at all.

While a verb is under way the ref `saved/ID` names what it put aside. Who finds that ref set knows that a verb
was interrupted, and logs the work under an operation of its own, which `undo` takes back like any other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from mvcd.errors import Failure, MvcError
from mvcd.ids import VersionId
from mvcd.objects.version import Component, SubPart, Trigger
from mvcd.repo.change.choosing import chooser, refuse_unknown
from mvcd.repo.change.commit import advance, committed, derived, first_line, place_for
from mvcd.repo.change.placebefore import DASH, place_before
from mvcd.repo.change.rewriting import Rewrite, carry_out, refuse_unsaved, settle_interrupted
from mvcd.repo.contents.files import Change
from mvcd.repo.core.core import Core
from mvcd.repo.core.kept_here import require_here
from mvcd.repo.intake.targets import StoreTarget
from mvcd.repo.records.committed import CommitResult, Context
from mvcd.repo.records.names import known_name, new_name, read_as, written
from mvcd.repo.records.refs import (
    EMPTY_ID,
    HEADS,
    REMOTES,
    HeadValue,
    target_of,
)
from mvcd.repo.records.results import CheckoutResult
from mvcd.repo.records.standing import Head
from mvcd.repo.restore.early import Begun
from mvcd.repo.restore.planning import (
    plan,
    refuse_reserved,
    refuse_unreadable,
    spelled_otherwise,
)  # fmt: skip
from mvcd.repo.workspace import left_out
from mvcd.repo.workspace.left_out import Components, changes_here
from mvcd.repo.workspace.workspace import ScannedWorkspace, relative
from mvcd.store.api import RefUpdate

if TYPE_CHECKING:
    from mvcd.repo.change.signing import Signer


def checkout(
    core: Core,
    rev: str,
    *,
    context: Context,
    force: bool = False,
    components: Collection[Component] | None = None,
) -> CheckoutResult:
    """Moves HEAD and the files to a branch (attached) or to any other version (detached); `-` is where HEAD
    was before. Nothing is left out any more. A branch that only a remote has is made here first. With
    `components`, only these are brought back, as `restore` does, and HEAD stays."""
    if components is not None:
        return restore(core, rev, context=context, components=components)
    with core.lock.hold():
        settle_interrupted(core, context)
        rev = place_before(core) if rev == DASH else rev
        value, born = _meant(core, core.head(), rev)
        return _go(
            core, value, context, "checkout", f"checkout {rev}",
            force=force, updates=born, target=_target(born), leaving=left_out.NONE,
        )  # fmt: skip


def _meant(core: Core, head: Head, rev: str) -> tuple[HeadValue, list[RefUpdate]]:
    """Where a checkout of `rev` puts HEAD, and the branch that is made for it."""
    name = known_name(rev, HEADS, core.revisions.has)
    free = rev.startswith(HEADS) or read_as(name) is None
    if free and core.revisions.has(HEADS + name):
        return HeadValue(name), []
    if free and name == head.branch:  # not born yet
        return HeadValue(name), _born(core, name)
    try:
        id = core.resolve(rev)
    except Failure:
        if free and (born := _born(core, name)):
            return HeadValue(name), born
        raise
    attached = head.branch is not None and id == head.version
    return HeadValue(head.branch) if attached else HeadValue(None, id), []


def _born(core: Core, name: str) -> list[RefUpdate]:
    """The update that makes a branch which is not here as all remotes that have it say; none if none has."""
    named = core.store.refs(REMOTES).items()
    found = {value for ref, value in named if ref.split("/", 2)[2] == HEADS + name}
    if len(found) != 1:
        return []
    return [RefUpdate(HEADS + name, None, bytes(target_of(found.pop())))]


def _target(born: Sequence[RefUpdate]) -> VersionId | None:
    return next((target_of(update.target) for update in born if update.target), None)


def go_to(core: Core, id: VersionId, context: Context, detail: str) -> CheckoutResult:
    """A checkout of a version, for a verb that says in `detail` what it is for."""
    with core.lock.hold():
        settle_interrupted(core, context)
        return _go(core, HeadValue(None, id), context, "checkout", detail, force=False)


def forward(
    core: Core,
    branch: str | None,
    id: VersionId,
    context: Context,
    detail: str,
    *,
    leaving: Components | None = None,
    early: Begun | None = None,
) -> CheckoutResult:
    """Moves the current branch (None: HEAD alone) and the files to a version that comes after it; `leaving`
    components out, by default those that are left out now. `early` are files that were begun before."""
    with core.lock.hold():
        settle_interrupted(core, context)
        ref = f"{HEADS}{branch}"
        moves = [] if branch is None else [RefUpdate(ref, core.store.ref(ref), bytes(id))]
        head = HeadValue(branch, id if branch is None else None)
        verb = detail.split(" ", 1)[0]
        return _go(
            core, head, context, verb, detail,
            force=False, updates=moves, target=id, leaving=leaving, early=early,
        )  # fmt: skip


def switch(
    core: Core,
    name: str,
    *,
    context: Context,
    create: bool = False,
    start: str = "HEAD",
    force: bool = False,
) -> CheckoutResult:
    """Moves HEAD and the files to a branch; `create` makes it first, at `start`. One that only a remote has is
    made as it is there; `-` is where HEAD was before, also if that was a version."""
    if name == DASH and not create:
        return _back(core, context, force=force)
    name = (
        new_name(name, HEADS, "mvc switch -c ")
        if create
        else known_name(name, HEADS, core.revisions.has)
    )
    with core.lock.hold():
        settle_interrupted(core, context)
        ref = HEADS + name
        if not create:
            made = [] if core.store.ref(ref) is not None else _born(core, name)
            if core.store.ref(ref) is None and not made:
                raise _no_branch(core, name)
            return _go(
                core, HeadValue(name), context, "switch", f"switch {name}",
                force=force, updates=made, target=_target(made),
            )  # fmt: skip
        id = core.resolve(start)
        if core.store.ref(ref) is not None:
            raise Failure(
                f"branch {name!r} exists", kind="branch-exists", help=f"mvc switch {written(ref)}"
            )
        born = [] if id == EMPTY_ID else [RefUpdate(ref, None, bytes(id))]
        return _go(
            core, HeadValue(name), context, "switch", f"switch -c {name}",
            force=force, updates=born, target=id,
        )  # fmt: skip


def _no_branch(core: Core, name: str) -> Failure:
    """A name that is no branch: it may be a version's, which `checkout` goes to."""
    help = f"mvc switch -c {written(HEADS + name)}  (to make it), or: mvc branch"
    with suppress(MvcError):
        core.resolve(name)
        help = f"mvc checkout {name}  (that version), or mvc switch -c BRANCH {name}"
    return Failure(f"there is no branch {name!r}", kind="unknown-branch", help=help)


def _back(core: Core, context: Context, *, force: bool) -> CheckoutResult:
    with core.lock.hold():
        settle_interrupted(core, context)
        before = place_before(core)
        value, _ = _meant(core, core.head(), before)
        return _go(core, value, context, "switch", f"switch {before}", force=force)


def _go(
    core: Core,
    value: HeadValue,
    context: Context,
    verb: str,
    detail: str,
    *,
    force: bool,
    updates: Sequence[RefUpdate] = (),
    target: VersionId | None = None,
    leaving: Components | None = None,
    early: Begun | None = None,
) -> CheckoutResult:
    head, out = core.head(), core.left_out()
    leaving = out if leaving is None else leaving
    id = target if target is not None else _version_of(core, value)
    version = core.version(id)
    require_here(core, id)
    workspace = ScannedWorkspace(core)
    dirty = workspace.differences(head.version)
    if core.promised is not None and not left_out.untouched(core.root, leaving):
        core.promised.bring(left_out.roots(version, left_out.ALL), lists_only=True)
    brought = left_out.not_here(core.root, version, out - leaving, core.fetch)
    wanted: dict[str, Change] = {p.entry.path: (None, p) for p in brought}
    wanted |= changes_here(
        core.root, core.version(head.version), version, out | leaving, core.fetch
    )
    planned = plan(core, wanted, dirty, unreadable=workspace.unreadable, everything=force)
    refuse_unsaved(planned, verb, force=force)
    tracked = None if id == EMPTY_ID else core.move_tracked(version.tracked)
    refs = [*updates, core.move_head(value), tracked, core.move_left_out(leaving)]
    move = Rewrite(verb, detail, id, version, refs, leaving=leaving, early=early)
    keep = bool(planned.unsaved or planned.right)
    result = carry_out(core, workspace, planned, move, context, keep=keep)
    return replace(result, head=Head(value.branch, id, version.generation))


def _version_of(core: Core, value: HeadValue) -> VersionId:
    if value.version is not None:
        return value.version
    tip = core.store.ref(f"{HEADS}{value.branch}")
    return EMPTY_ID if tip is None else target_of(tip)


def restore(
    core: Core,
    rev: str,
    paths: Sequence[str] = (),
    *,
    context: Context,
    components: Collection[Component] | None = None,
) -> CheckoutResult:
    """Brings paths, or whole components, back as a version has them; HEAD stays. Components that come whole are
    not left out any more."""
    with core.lock.hold():
        settle_interrupted(core, context)
        id = core.resolve(rev)
        require_here(core, id)
        version, head = core.version(id), core.head()
        inside = [relative(core.root, p) for p in paths]
        chosen = chooser(inside, components)
        workspace = ScannedWorkspace(core)
        dirty = workspace.differences(head.version)
        unsaved, fetch = workspace.unsaved
        whole = left_out.ALL if components is None else frozenset(components)
        out = core.left_out() & (whole | ({SubPart.STATE} if Component.WEIGHTS in whole else set()))
        if core.promised is not None and out:
            core.promised.bring(left_out.roots(version, out), lists_only=True)
        brought = left_out.not_here(core.root, version, out, core.fetch, chosen)
        wanted: dict[str, Change] = {p.entry.path: (None, p) for p in brought}
        here = changes_here(core.root, unsaved, version, core.left_out(), fetch)
        wanted |= {p: (now, then) for p, (now, then) in here.items() if chosen(p, then or now)}
        wanted |= spelled_otherwise(core, wanted, here)
        if not wanted:
            refuse_unknown(core, id, inside, rev)
        asked = wanted.keys() | {p for p in inside if p != "."}
        refuse_unreadable(asked, workspace.unreadable)
        planned = plan(core, wanted, {}, unreadable=workspace.unreadable, everything=True)
        what = " ".join([*inside, *(c.value for c in components or ())]) or "."
        leaving = core.left_out() - (out if not inside or "." in inside else left_out.NONE)
        move = Rewrite(
            "restore", f"restore {rev} {what}", head.version, core.version(head.version),
            [core.move_left_out(leaving)], leaving=leaving,
        )  # fmt: skip
        keep = bool(dirty) and bool(planned.write or planned.remove or planned.respell)
        return carry_out(core, workspace, planned, move, context, keep=keep)


def rollback(
    core: Core,
    rev: str,
    *,
    context: Context,
    message: str | None = None,
    force: bool = False,
    signer: Signer | None = None,
) -> CommitResult:
    """Commits an old version's content as a new version and brings the files to it."""
    with core.lock.hold():
        settle_interrupted(core, context)
        id = core.resolve(rev)
        require_here(core, id)
        old, head = core.version(id), core.head()
        parent = core.version(head.version)
        if old.components == parent.components and old.tracked == parent.tracked:
            raise Failure(
                f"v{head.number} has the content of {rev} already", kind="nothing-to-commit",
                help="mvc log",
            )  # fmt: skip
        workspace = ScannedWorkspace(core)
        dirty = workspace.differences(head.version)
        wanted = changes_here(core.root, parent, old, core.left_out(), core.fetch)
        planned = plan(core, wanted, dirty, unreadable=workspace.unreadable, everything=force)
        refuse_unsaved(planned, "rollback", force=force)
        refuse_reserved(planned, rev)
        text = message or f"roll back to v{old.generation}"
        version = derived(old, head, text, Trigger.ROLLBACK, context)
        data = version.encode()
        new_id = VersionId.of(data)
        place = place_for(core, head)
        signature = None if signer is None else signer.version(core, new_id)
        refs = [
            *place.updates, advance(core, place, head, new_id), core.move_tracked(old.tracked),
            signature,
        ]  # fmt: skip
        detail = f"rollback v{version.generation} {first_line(text)}"
        move = Rewrite("rollback", detail, new_id, version, refs)
        with core.store.session() as session:
            core.rely_on(session, [id, head.version])
            stored = StoreTarget(core.store, session).put_object(new_id, data)
            session.flush()
            keep = bool(planned.unsaved or planned.right)
            carry_out(core, workspace, planned, move, context, keep=keep)
        return committed(
            new_id,
            version,
            parent,
            place,
            bytes_changed=sum(n.entry.size for _, n in wanted.values() if n is not None),
            bytes_new=0,
            bytes_stored=stored,
            skipped=tuple(workspace.unreadable.reasons.items()),
            signature=signature,
        )
