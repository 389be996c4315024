"""Undo: an operation's ref moves are taken back, and its files if it rewrote any. That is an operation too.
A promotion's record stays, and another takes it back (promotion.py); so it is with annotations (annotating.py).

Which files? Those that the operation wrote or removed; what else lies in the workspace stays. A checkout, merge
or rollback, as any verb that moves HEAD, says by HEAD's two versions what it wrote. What a restore wrote is
not written down, nor what a stash or an undo did; these store the workspace aside whenever it is not as HEAD
has it, so here all files go back to that, and work done since is put aside in turn.
"""

from __future__ import annotations

from collections.abc import Mapping

from mvcd.errors import Conflict, Failure
from mvcd.ids import VersionId
from mvcd.repo.care.prune import keep_again, unmarked
from mvcd.repo.change.annotating import taken_back
from mvcd.repo.change.rewriting import Rewrite, carry_out, settle_interrupted
from mvcd.repo.contents.files import Change, changes
from mvcd.repo.core.core import Core
from mvcd.repo.records.committed import Context
from mvcd.repo.records.operations import Operation, inverse
from mvcd.repo.records.refs import (
    EMPTY_ID,
    HEADS,
    HeadValue,
    decode_components,
    head_name,
    left_out_name,
    target_of,
)
from mvcd.repo.release.promotion import compensation
from mvcd.repo.restore.planning import plan
from mvcd.repo.workspace.left_out import changes_here
from mvcd.repo.workspace.workspace import ScannedWorkspace

_UNTOLD = frozenset({"restore", "undo", "stash", "stash pop", "stash apply", "interrupted"})
"""Verbs whose writes are not the differences of HEAD's version before and after."""


def undo(core: Core, number: int | None = None, *, context: Context) -> Operation:
    """Takes operation `number` back, by default the newest that is not undone; answers the new operation.

    Raises Failure(kind="nothing-to-undo", "undone"), Conflict(kind="ref-changed").
    """
    with core.lock.hold():
        own = None if core.place.bare else core.workspace
        if own is not None:
            settle_interrupted(core, context)
        target = _undoable(core, number)
        updates = inverse(target)
        for update in updates:
            if own and update.name == head_name(own) and update.target is not None:
                branch = HeadValue.decode(update.target).branch
                if branch is not None and branch != core.head_value().branch:
                    core.others.require_free(branch)
            if core.store.ref(update.name) != update.expect:
                raise Conflict(
                    f"operation {target.number} cannot be undone any more",
                    kind="ref-changed",
                    cause=f"{update.name} has moved since",
                    help="mvc op log  (undo what came later first)",
                )
        detail = f"undo {target.number} ({target.detail})"
        if target.files:
            _undo_files(core, target, context, detail)
        else:
            updates += compensation(core, target, context)
            updates += taken_back(core, target, context)
            with core.store.session() as session:
                keep_again(core, session, unmarked(core, updates))
                core.record(context, "undo", detail, updates, undoes=target.number, session=session)
        return next(core.operations())


def _undoable(core: Core, number: int | None) -> Operation:
    undone: set[int] = set()
    own = None if core.place.bare else core.workspace
    for operation in core.operations():
        if operation.undoes is not None:
            undone.add(operation.undoes)
        ours = operation.workspace in (None, own)
        wanted = (
            operation.number == number
            if number is not None
            else (ours and operation.undoes is None and operation.number not in undone)
        )
        if wanted and not ours:
            raise _elsewhere(core, operation)
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


def _elsewhere(core: Core, operation: Operation) -> Failure:
    root = core.others.root_of(operation.workspace or "")
    return Failure(
        f"operation {operation.number} was done in another workspace",
        kind="other-workspace",
        cause=root,
        help=None if root is None else f"mvc -C {root} undo {operation.number}",
    )


def _undo_files(core: Core, target: Operation, context: Context, detail: str) -> None:
    updates = inverse(target)
    now = core.head().version
    before = _head_after(core, {u.name: u.target for u in updates})
    workspace = ScannedWorkspace(core)
    dirty = workspace.differences(now)
    back = _back(core, workspace, target, now, before)
    planned = plan(core, back, {}, unreadable=workspace.unreadable, everything=True)
    out = {u.name: u.target for u in updates}.get(left_out_name(core.workspace), b"")
    move = Rewrite(
        "undo", detail, before, core.version(before), updates, undoes=target.number,
        leaving=decode_components(out) if out != b"" else None,
    )  # fmt: skip
    carry_out(core, workspace, planned, move, context, keep=bool(dirty))


def _back(
    core: Core, workspace: ScannedWorkspace, target: Operation, now: VersionId, before: VersionId
) -> dict[str, Change]:
    """(in the workspace, as it was before the operation) of each path that has to go back."""
    old = core.version(target.saved or before)
    unsaved, fetch = workspace.unsaved
    back = changes_here(core.root, unsaved, old, core.left_out(), fetch)
    if target.verb not in _UNTOLD:
        written = changes(core.version(now), old, core.fetch)
        return {path: change for path, change in back.items() if path in written}
    return back


def _head_after(core: Core, back_to: Mapping[str, bytes | None]) -> VersionId:
    """HEAD's version once refs are back at these values."""
    name = head_name(core.workspace)
    raw = back_to.get(name) or core.store.ref(name)
    assert raw is not None
    value = HeadValue.decode(raw)
    if value.version is not None:
        return value.version
    ref = f"{HEADS}{value.branch}"
    tip = back_to[ref] if ref in back_to else core.store.ref(ref)
    return EMPTY_ID if tip is None else target_of(tip)
