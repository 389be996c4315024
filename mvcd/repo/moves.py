"""Verbs that rewrite files: checkout, switch, restore, rollback, and undo.

One rule for all: what would be overwritten or removed and is stored in no version is unsaved work. Without
`force` it stops the verb before anything is touched; with it, and in `restore` and `undo`, whose purpose is to
overwrite, the workspace is first stored as a version that no branch shows and the operation remembers, so
`undo` brings it back. Files that nothing in the store stands for and that are not under care are never
overwritten at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mvcd.errors import Conflict, Failure
from mvcd.ids import RecipeId, VersionId
from mvcd.objects.entry import Entry
from mvcd.objects.version import Component, Trigger, Version
from mvcd.repo.checkout import Checkout, refuse_twins
from mvcd.repo.commit import advance, derived, first_line, place_for, summary, take
from mvcd.repo.core import Core
from mvcd.repo.files import Change, Placed, VersionFiles, changes
from mvcd.repo.operations import inverse
from mvcd.repo.refs import EMPTY_ID, HEADS, HeadValue, target_of
from mvcd.repo.results import CheckoutResult, CommitResult, Context, Head, Operation
from mvcd.repo.scan import Outcome
from mvcd.repo.statcache import FileStat
from mvcd.repo.targets import StoreTarget
from mvcd.repo.workspace import Workspace, relative
from mvcd.store.api import RefUpdate

_LISTED = 5
"""Paths an error names; more are counted."""


@dataclass(slots=True)
class _Plan:
    """What a move writes and removes, and what it must not take away silently."""

    write: list[Entry] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    unsaved: list[str] = field(default_factory=list)  # would be lost
    kept: list[str] = field(default_factory=list)  # unsaved work that is not in the way
    expect: dict[str, FileStat | None] = field(default_factory=dict)


def checkout(core: Core, rev: str, context: Context, *, force: bool) -> CheckoutResult:
    """Moves HEAD and the files to a branch (attached) or to any other version (detached)."""
    with core.lock.hold():
        head = core.head()
        if core.store.ref(HEADS + rev) is not None:
            value = HeadValue(rev)
        elif (
            head.branch is not None
            and core.store.ref(HEADS + head.branch) is None
            and (rev == head.branch)
        ):
            value = HeadValue(rev)  # an unborn branch
        else:
            id = core.revisions.resolve(rev, now_us=core.clock() // 1000)
            attached = head.branch is not None and id == head.version
            value = HeadValue(head.branch) if attached else HeadValue(None, id)
        return _go(core, value, context, "checkout", f"checkout {rev}", force=force)


def switch(
    core: Core, name: str, context: Context, *, create: bool, start: str, force: bool
) -> CheckoutResult:
    """Moves HEAD and the files to a branch; `create` makes it first, at `start`."""
    with core.lock.hold():
        ref = HEADS + name
        if not create:
            if core.store.ref(ref) is None:
                raise Failure(
                    f"there is no branch {name!r}", kind="unknown-branch",
                    help=f"mvc switch -c {name}  (to make it), or: mvc branch",
                )  # fmt: skip
            return _go(core, HeadValue(name), context, "switch", f"switch {name}", force=force)
        id = core.revisions.resolve(start, now_us=core.clock() // 1000)
        if core.store.ref(ref) is not None:
            raise Failure(
                f"branch {name!r} exists", kind="branch-exists", help=f"mvc switch {name}"
            )
        born = [] if id == EMPTY_ID else [RefUpdate(ref, None, bytes(id))]
        return _go(
            core, HeadValue(name), context, "switch", f"switch -c {name}",
            force=force, updates=born, target=id,
        )  # fmt: skip


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
) -> CheckoutResult:
    head = core.head()
    id = target if target is not None else _version_of(core, value)
    version = core.version(id)
    workspace = Workspace(core)
    dirty = workspace.differences(head.version)
    wanted = changes(core.version(head.version), version, core.fetch)
    plan = _plan(core, wanted, dirty, everything=force)
    saved = _save_or_refuse(core, workspace, plan, context, verb, force=force)
    tracked = None if id == EMPTY_ID else core.move_tracked(version.tracked)
    moves = [*updates, core.move_head(value), tracked]
    result = _apply(core, plan, version, id, context, verb, detail, moves, saved)
    return replace(result, head=Head(value.branch, id, version.generation))


def _version_of(core: Core, value: HeadValue) -> VersionId:
    if value.version is not None:
        return value.version
    tip = core.store.ref(f"{HEADS}{value.branch}")
    return EMPTY_ID if tip is None else target_of(tip)


def restore(
    core: Core,
    rev: str,
    paths: Sequence[str],
    context: Context,
    *,
    components: Collection[Component] | None,
) -> CheckoutResult:
    """Brings paths, or whole components, back as a version has them; HEAD stays."""
    with core.lock.hold():
        id = core.revisions.resolve(rev, now_us=core.clock() // 1000)
        version, head = core.version(id), core.head()
        inside = [relative(core.root, p) for p in paths]
        chosen = _chooser(inside, components)
        workspace = Workspace(core)
        to_head = workspace.differences(head.version)
        unsaved_version, fetch = workspace.unsaved
        wanted = {
            p: (now, was)
            for p, (was, now) in changes(version, unsaved_version, fetch).items()
            if chosen(p, was or now)
        }
        if not wanted:
            _refuse_unknown(core, version, inside, rev)
        plan = _plan(core, wanted, {}, everything=True)
        plan.unsaved = [p for p in wanted if p in to_head]
        saved = _save_or_refuse(core, workspace, plan, context, "restore", force=True)
        what = " ".join([*inside, *(c.value for c in components or ())]) or "."
        head_version = core.version(head.version)
        return _apply(
            core, plan, head_version, head.version, context, "restore",
            f"restore {rev} {what}", [], saved,
        )  # fmt: skip


def _chooser(
    paths: Sequence[str], components: Collection[Component] | None
) -> Callable[[str, Placed | None], bool]:
    def chosen(path: str, placed: Placed | None) -> bool:
        if components is not None and (placed is None or placed.component not in components):
            return False
        return not paths or any(p in (".", path) or path.startswith(p + "/") for p in paths)

    return chosen


def _refuse_unknown(core: Core, version: Version, paths: Sequence[str], rev: str) -> None:
    files = VersionFiles(version, core.fetch)
    for path in paths:
        if path != "." and next(iter(files.all(prefix=path)), None) is None:
            raise Failure(f"{rev} has no {path}", kind="no-such-path", help=f"mvc ls {rev}")


def rollback(
    core: Core, rev: str, context: Context, *, message: str | None, force: bool
) -> CommitResult:
    """Commits an old version's content as a new version and brings the files to it."""
    with core.lock.hold():
        id = core.revisions.resolve(rev, now_us=core.clock() // 1000)
        old, head = core.version(id), core.head()
        parent = core.version(head.version)
        if old.components == parent.components and old.tracked == parent.tracked:
            raise Failure(
                f"v{head.number} has the content of {rev} already", kind="nothing-to-commit",
                help="mvc log",
            )  # fmt: skip
        workspace = Workspace(core)
        dirty = workspace.differences(head.version)
        wanted = changes(parent, old, core.fetch)
        plan = _plan(core, wanted, dirty, everything=force)
        saved = _save_or_refuse(core, workspace, plan, context, "rollback", force=force)
        text = message or f"roll back to v{old.generation}"
        version = derived(old, head, text, Trigger.ROLLBACK, context)
        data = version.encode()
        new_id = VersionId.of(data)
        with core.store.session() as session:
            session.missing([i for i in (id, head.version) if i != EMPTY_ID])
            stored = StoreTarget(core.store, session).put_object(new_id, data)
            session.flush()
        place = place_for(core, head)
        moves = [*place.updates, advance(core, place, head, new_id), core.move_tracked(old.tracked)]
        detail = f"rollback v{version.generation} {first_line(text)}"
        _apply(core, plan, version, new_id, context, "rollback", detail, moves, saved)
        return CommitResult(
            version=new_id,
            number=version.generation,
            branch=place.branch,
            started_branch=place.started,
            files=sum(c.files for c in version.components.values()),
            bytes_total=sum(c.size for c in version.components.values()),
            bytes_changed=sum(n.entry.size for _, n in wanted.values() if n is not None),
            bytes_new=0,
            bytes_stored=stored,
            components=summary(parent, version),
        )


def undo(core: Core, number: int | None, context: Context) -> Operation:
    """Takes an operation back: its ref moves, and its files if it rewrote any. Recorded as an operation."""
    with core.lock.hold():
        target = _undoable(core, number)
        updates = inverse(target)
        for update in updates:
            if core.store.ref(update.name) != update.expect:
                raise Conflict(
                    f"operation {target.number} cannot be undone any more",
                    kind="ref-changed",
                    cause=f"{update.name} has moved since",
                    help="mvc op log  (undo what came later first)",
                )
        detail = f"undo {target.number} ({target.detail})"
        if not target.files:
            number = core.record(context, "undo", detail, updates, undoes=target.number)
            return next(o for o in core.operations() if o.number == number)
        _undo_files(core, target, updates, context, detail)
        return next(core.operations())


def _undoable(core: Core, number: int | None) -> Operation:
    undone: set[int] = set()
    for operation in core.operations():
        if operation.undoes is not None:
            undone.add(operation.undoes)
        wanted = (
            operation.number == number
            if number is not None
            else (operation.undoes is None and operation.number not in undone)
        )
        if wanted and operation.verb == "init":
            break
        if wanted and operation.number in undone:
            raise Failure(
                f"operation {number} was undone already", kind="undone", help="mvc op log"
            )
        if wanted:
            return operation
    raise Failure(
        "there is nothing to undo" if number is None else f"operation {number} cannot be undone",
        kind="nothing-to-undo",
        help="mvc op log",
    )


def _undo_files(
    core: Core, target: Operation, updates: Sequence[RefUpdate], context: Context, detail: str
) -> None:
    """The files go back to what they were: the saved work if some was overwritten, else HEAD's version then."""
    back_to = {u.name: u.target for u in updates}
    head_id = _head_after(core, back_to)
    files_id = target.saved or head_id
    version = core.version(files_id)
    workspace = Workspace(core)
    unsaved_version, fetch = workspace.unsaved
    dirty = workspace.differences(core.head().version)
    wanted = {p: (b, a) for p, (a, b) in changes(version, unsaved_version, fetch).items()}
    plan = _plan(core, wanted, {}, everything=True)
    plan.unsaved = [p for p in wanted if p in dirty]
    saved = _save_or_refuse(core, workspace, plan, context, "undo", force=True)
    _apply(
        core, plan, core.version(head_id), head_id, context, "undo", detail, updates, saved,
        undoes=target.number,
    )  # fmt: skip


def _head_after(core: Core, back_to: Mapping[str, bytes | None]) -> VersionId:
    from mvcd.repo.refs import head_name

    raw = back_to.get(head_name(core.workspace)) or core.store.ref(head_name(core.workspace))
    assert raw is not None
    value = HeadValue.decode(raw)
    if value.version is not None:
        return value.version
    ref = f"{HEADS}{value.branch}"
    tip = back_to[ref] if ref in back_to else core.store.ref(ref)
    return EMPTY_ID if tip is None else target_of(tip)


# -------------------------------------------------------------------- the common part


def _plan(
    core: Core,
    wanted: Mapping[str, Change],
    dirty: Mapping[str, Change],
    *,
    everything: bool,
) -> _Plan:
    """From (now, then) per path, and what is dirty against HEAD: what to write and what stands in the way.

    With `everything`, dirty files outside `wanted` go back to HEAD's content too.
    """
    plan = _Plan()
    targets = {path: then for path, (_, then) in wanted.items()}
    if everything:
        targets = {p: was for p, (was, _) in dirty.items() if p not in targets} | targets
    for path, then in targets.items():
        if path in dirty:
            present = dirty[path][1]
            if _same_file(present, then):
                continue
            plan.unsaved.append(path)
        if then is None:
            plan.remove.append(path)
        else:
            plan.write.append(then.entry)
        plan.expect[path] = _stat(core.root, path)
    plan.kept = sorted(p for p in dirty if p not in targets)
    _refuse_strangers(plan, wanted, dirty)
    return plan


def _same_file(a: Placed | None, b: Placed | None) -> bool:
    return (None if a is None else a.entry) == (None if b is None else b.entry)


def _refuse_strangers(
    plan: _Plan, wanted: Mapping[str, Change], dirty: Mapping[str, Change]
) -> None:
    """Raises Conflict when a file that is not under care lies where one would be written."""
    strangers = []
    for entry in plan.write:
        path = entry.path
        now = wanted[path][0] if path in wanted else None
        if now is None and path not in dirty and plan.expect[path] is not None:
            strangers.append(path)
    if strangers:
        raise Conflict(
            f"{_some(strangers)} would be overwritten",
            kind="would-overwrite",
            cause="not under care, so no version has it",
            help=f"move it away, or save it first: mvc add {strangers[0]} && mvc commit",
        )


def _save_or_refuse(
    core: Core, workspace: Workspace, plan: _Plan, context: Context, verb: str, *, force: bool
) -> VersionId | None:
    """Stores the workspace aside if unsaved work would go; refuses without `force`."""
    if not plan.unsaved:
        return None
    if not force:
        raise Conflict(
            f"{verb} would overwrite unsaved work in {_some(plan.unsaved)}",
            kind="would-overwrite",
            help=f"mvc commit -m '...'  (or: mvc {verb} --force, which mvc undo can take back)",
        )
    head = core.head()
    with core.store.session() as session:
        snapshot = take(workspace, session, core.version(head.version))
        version = derived(snapshot.version, head, f"work before {verb}", Trigger.AUTO, context)
        data = version.encode()
        id = VersionId.of(data)
        StoreTarget(core.store, session).put_object(id, data)
        hold = RefUpdate(f"saved/{core.workspace}", core.store.ref(f"saved/{core.workspace}"), id)
        session.commit([hold])
    return id


def _apply(
    core: Core,
    plan: _Plan,
    version: Version,
    id: VersionId,
    context: Context,
    verb: str,
    detail: str,
    moves: Sequence[RefUpdate | None],
    saved: VersionId | None,
    *,
    undoes: int | None = None,
) -> CheckoutResult:
    """Files first, then refs, cache rows and operation in one transaction."""
    refuse_twins((e.path for e in plan.write), core.root, core.place.staging)
    work = Checkout(core.root, core.place.staging, core.fetch, core.monitor)
    written = work.apply(plan.write, plan.remove, expect=plan.expect)
    stats = {w.path: w.stat for w in written}
    with core.store.session() as session:
        core.record(
            context, verb, detail, moves, session=session, files=True, saved=saved, undoes=undoes,
            cache=_rows_after(core, id, version, stats, plan),
        )  # fmt: skip
    return CheckoutResult(
        head=core.head(),
        written=len(written),
        removed=len(plan.remove),
        bytes_written=sum(e.size for e in plan.write if e.path in stats),
        kept=tuple(plan.kept),
        saved=saved,
        skipped=tuple(work.skipped),
    )


def _rows_after(
    core: Core, id: VersionId, version: Version, stats: Mapping[str, FileStat], plan: _Plan
) -> dict[bytes, bytes | None]:
    """Cache rows after the files were written; none where the old rows cannot be turned into new ones."""
    if id == EMPTY_ID:
        return {}
    workspace = Workspace(core)
    scan, files = workspace.scan, VersionFiles(version, workspace.fetch)
    here = {c.path: c.stat for c in scan.candidates}
    entries = files.lookup(set(stats) | set(scan.vanished))
    settled: dict[str, Outcome | RecipeId] = {}
    for entry in plan.write:
        path = entry.path
        if path in stats and here.get(path) == stats[path]:
            same = path in entries and entries[path].entry == entry
            settled[path] = Outcome.CLEAN if same else entry.recipe
    if scan.fresh:
        missing = [p.entry.path for p in files.all() if p.entry.path not in here]
    else:
        moved = changes(workspace.known.version, version, core.fetch)
        if not moved.keys() <= here.keys() | set(scan.vanished):
            return {}
        missing = [path for path in scan.vanished if path in entries]
    return workspace.rows(id, settled, missing)


def _stat(root: str, path: str) -> FileStat | None:
    try:
        return FileStat.of(os.lstat(os.path.join(root, path)))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _some(paths: Sequence[str]) -> str:
    names = ", ".join(sorted(paths)[:_LISTED])
    more = len(paths) - _LISTED
    return names if more <= 0 else f"{names} and {more} more"
