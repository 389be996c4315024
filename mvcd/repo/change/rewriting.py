"""The common part of verbs that rewrite files: unsaved work is refused or put aside; files, then refs."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mvcd.errors import Conflict, MvcError
from mvcd.ids import RecipeId, VersionId
from mvcd.objects.version import Trigger, Version
from mvcd.repo.change.commit import derived, take
from mvcd.repo.contents.files import VersionFiles
from mvcd.repo.core.core import Core
from mvcd.repo.intake.targets import StoreTarget
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.records.committed import Context
from mvcd.repo.records.refs import EMPTY_ID, saved_name, target_of
from mvcd.repo.records.results import CheckoutResult
from mvcd.repo.restore.checkout import Checkout, why_reserved
from mvcd.repo.restore.early import Begun
from mvcd.repo.restore.planning import CheckoutPlan, refuse_alike, some
from mvcd.repo.workspace import left_out
from mvcd.repo.workspace.found import CacheRows
from mvcd.repo.workspace.left_out import Components, changes_here
from mvcd.repo.workspace.scan import CandidateOutcome
from mvcd.repo.workspace.workspace import ScannedWorkspace
from mvcd.store.api import RefUpdate, Session


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What a verb is about to do, besides its files: where HEAD's files will be, refs, words for the log."""

    verb: str
    detail: str
    id: VersionId  # HEAD's version afterwards
    version: Version
    refs: Sequence[RefUpdate | None] = ()
    undoes: int | None = None
    leaving: Components | None = None  # what is left out afterwards; None: what is now
    early: Begun | None = None  # files that were begun before
    stash: tuple[str, str] | None = None  # ref and message under which work put aside stays


FORCED = {"checkout", "switch", "rollback"}
"""Verbs that take --force; a pull and a merge do not."""


def settle_interrupted(core: Core, context: Context) -> None:
    """Logs unsaved work that a verb put aside before it died, so that `undo` can bring it back."""
    name = saved_name(core.workspace)
    value = core.store.ref(name)
    if value is not None:
        core.record(
            context, "interrupted", "unsaved work before a command that was interrupted",
            [RefUpdate(name, value, None)], files=True, saved=target_of(value),
        )  # fmt: skip


def refuse_unsaved(planned: CheckoutPlan, verb: str, *, force: bool) -> None:
    if planned.unsaved and not force:
        other = f"or: mvc {verb} --force, which mvc undo can take back"
        raise Conflict(
            f"{verb} would overwrite unsaved work in {some(planned.unsaved)}",
            kind="would-overwrite",
            help=f"mvc commit -m '...'  ({other if verb in FORCED else 'then run it again'})",
        )


def carry_out(
    core: Core,
    workspace: ScannedWorkspace,
    planned: CheckoutPlan,
    move: Rewrite,
    context: Context,
    *,
    keep: bool,
) -> CheckoutResult:
    """Files first, then refs, cache rows and operation in one transaction. Of an operation that found all files
    as they are to be, `undo` takes back no file.

    `keep`: the workspace is stored aside before, since the files of HEAD's version do not tell how it was.
    """
    leaving = core.left_out() if move.leaving is None else move.leaving
    rewrites = keep or bool(planned.write or planned.remove or planned.respell)
    refuse_alike(core, planned, move.version, leaving)
    if core.promised is not None:
        core.promised.bring_entries(planned.write)
    work = Checkout(
        core.root, core.place.staging, core.contents, core.monitor, move.early, core.names
    )
    with core.store.session() as session:
        core.rely_on(session, [move.id])
        saved = _put_aside(core, workspace, move, context, session) if keep else None
        try:
            written = work.apply(
                planned.write, planned.remove, expect=planned.expect, respell=planned.respell
            )
        except BaseException:
            if not work.touched:
                _forget(core, saved)
            raise
        stats = {w.path: w.stat for w in written}
        refs = [*move.refs, *_kept(core, move, saved)]
        core.record(
            context, move.verb, move.detail, refs, session=session, files=rewrites,
            saved=saved, undoes=move.undoes,
            cache=_rows_after(core, move.id, move.version, planned, stats, leaving),
        )  # fmt: skip
    return CheckoutResult(
        head=core.head(),
        written=len(written),
        removed=len(planned.remove),
        bytes_written=sum(e.size for e in planned.write if e.path in stats),
        kept=tuple(planned.kept),
        saved=saved,
        skipped=(
            *work.skipped,
            *workspace.unreadable.reasons.items(),
            *((path, why_reserved(path) or "") for path in planned.reserved),
        ),
        left_out=left_out.named(move.version, leaving),
    )


def _put_aside(
    core: Core, workspace: ScannedWorkspace, move: Rewrite, context: Context, session: Session
) -> VersionId:
    """Stores the workspace as a version that the ref `saved/ID` names until the verb has ended."""
    head = core.head()
    snapshot = take(workspace, session, core.version(head.version))
    said, trigger = f"work before {move.verb}", Trigger.AUTO
    if move.stash is not None:
        said, trigger = move.stash[1], Trigger.MANUAL  # which no retention takes
    version = derived(snapshot.version, head, said, trigger, context)
    data = version.encode()
    id = VersionId.of(data)
    StoreTarget(core.store, session).put_object(id, data)
    session.commit([RefUpdate(saved_name(core.workspace), None, bytes(id))])
    return id


def _kept(core: Core, move: Rewrite, saved: VersionId | None) -> Sequence[RefUpdate]:
    """The end of a verb's own note about work put aside, which a stash goes on holding."""
    if saved is None:
        return []
    stash = [] if move.stash is None else [RefUpdate(move.stash[0], None, bytes(saved))]
    return [*stash, RefUpdate(saved_name(core.workspace), saved, None)]


def _forget(core: Core, saved: VersionId | None) -> None:
    """No file was touched, so the work is still where it was."""
    if saved is not None:
        with contextlib.suppress(MvcError):
            core.store.update_refs([RefUpdate(saved_name(core.workspace), saved, None)])


def _rows_after(
    core: Core,
    id: VersionId,
    version: Version,
    planned: CheckoutPlan,
    stats: Mapping[str, FileStat],
    leaving: Components,
) -> CacheRows:
    """Cache rows after the files were written; none where the old rows cannot be turned into new ones."""
    if id == EMPTY_ID:
        return CacheRows()
    ended = core.left_out() - leaving
    gone = next(left_out.not_here(core.root, version, ended, core.fetch), None)
    workspace = ScannedWorkspace(
        core, fresh=gone is not None
    )  # no row tells of a file that was left out
    scan, files = workspace.scan, VersionFiles(version, workspace.fetch)
    here = {c.path: c.stat for c in scan.candidates}
    if scan.fresh:
        entries = {p.entry.path: p for p in left_out.kept(files, leaving)}
        missing = [path for path in entries if path not in here]
        entries |= files.lookup(stats.keys() - entries.keys())  # left out, but here
    else:
        moved = changes_here(core.root, workspace.known.version, version, leaving, core.fetch)
        if not moved.keys() <= here.keys() | set(scan.vanished):
            return CacheRows()
        entries = files.lookup(stats.keys() | set(scan.vanished))
        missing = [path for path in scan.vanished if path in entries]
    settled: dict[str, CandidateOutcome | RecipeId] = {}
    for entry in planned.write:
        path = entry.path
        if path in stats and here.get(path) == stats[path]:
            same = path in entries and entries[path].entry == entry
            settled[path] = CandidateOutcome.CLEAN if same else entry.recipe
    return workspace.rows(id, settled, missing, leaving=leaving)
