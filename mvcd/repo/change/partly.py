"""Saving some of the workspace's changes: HEAD's version, edited by the paths that a person chose.

The other changes stay what they are: the next status has them, and the next commit of everything saves them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.objects.version import EMPTY, Trigger, Version
from mvcd.repo.change import commit
from mvcd.repo.change.edits import directories_above
from mvcd.repo.contents.files import Change
from mvcd.repo.core.core import Core
from mvcd.repo.core.settingskeys import require_known
from mvcd.repo.intake.targets import StoreTarget
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.records.results import CommitResult, Context
from mvcd.repo.workspace.found import Candidate, CandidateState
from mvcd.repo.workspace.scan import Scan
from mvcd.repo.workspace.settings import FILE, load, wanted_digests
from mvcd.repo.workspace.snapshot import Snapshot
from mvcd.repo.workspace.workspace import Known, ScannedWorkspace, relative
from mvcd.store.api import Session

if TYPE_CHECKING:
    from mvcd.repo.change.signing import Signer


def commit_some(
    core: Core,
    message: str,
    paths: Sequence[str],
    *,
    context: Context,
    signer: Signer | None = None,
) -> CommitResult:
    """Stores what changed at or below `paths` as a version on the current branch.

    Raises Failure(kind="nothing-to-commit") where nothing did, and as `commit.commit` does.
    """
    wanted = [relative(core.root, path) for path in paths]
    with core.lock.hold():
        return commit.tried_again(lambda: _commit(core, message, wanted, context, signer))


def _commit(
    core: Core, message: str, wanted: Sequence[str], context: Context, signer: Signer | None
) -> CommitResult:
    require_known(load(core.root), FILE)
    head, workspace = core.head(), ScannedWorkspace(core)
    parent = core.version(head.version)
    differing = workspace.quick_differences(head.version)
    chosen = _chosen(differing, wanted)
    with core.store.session() as session:
        session.missing([id for id in (head.version,) if id != EMPTY.id])
        snapshot = _take(workspace, session, parent, head.version, chosen)
        if not chosen or commit.same_content(snapshot.version, parent):
            raise Failure(
                "nothing to commit", kind="nothing-to-commit",
                cause=f"what was chosen is as v{head.number} has it", help="mvc status",
            )  # fmt: skip
        version = commit.derived(snapshot.version, head, message, Trigger.MANUAL, context)
        place = commit.place_for(core, head)
        data = version.encode()
        id = VersionId.of(data)
        signature = None if signer is None else signer.version(core, id)
        stored = StoreTarget(core.store, session).put_object(id, data)
        core.record(
            context,
            "commit",
            f"commit v{version.generation} {commit.first_line(message)}",
            [*place.updates, commit.advance(core, place, head, id), signature],
            session=session,
            cache=snapshot.cache,  # the rows of the workspace go on describing the version that they did
        )
    return commit.committed(
        id,
        version,
        parent,
        place,
        bytes_changed=snapshot.bytes_changed,
        bytes_new=snapshot.bytes_new,
        bytes_stored=snapshot.bytes_stored + stored,
        skipped=tuple(sorted(snapshot.unreadable.items())),
        leading_out=tuple(commit.leading_out(core.root, snapshot, parent)),
        signature=signature,
        unparsed=tuple(commit.newly(snapshot.unparsed, version, parent, snapshot.fetch)),
        unfound_bases=snapshot.unfound_bases,
        dubious=tuple(commit.dubious(chosen, parent, snapshot.fetch)),
    )


def _chosen(differing: Mapping[str, Change], wanted: Sequence[str]) -> dict[str, Change]:
    """The changes at or below the wanted paths, in order, and what has to go for them: a file where there is a
    directory now, or the other way round."""
    found = {p for p in differing if any(commit.covers(root, p) for root in wanted)}
    here = {p for p in found if differing[p][1] is not None}
    above = {up for path in here for up in directories_above(path)}
    for path, (_, after) in differing.items():
        if after is None and (path in above or not here.isdisjoint(directories_above(path))):
            found.add(path)
    return {path: differing[path] for path in sorted(found)}


def _take(
    workspace: ScannedWorkspace,
    session: Session,
    parent: Version,
    id: VersionId,
    chosen: Mapping[str, Change],
) -> Snapshot:
    """Reads the chosen files into a session; of the others all is as HEAD's version has it."""
    core = workspace.core
    seen = {candidate.path: candidate.stat for candidate in workspace.scan.candidates}
    there: list[Candidate] = []
    for path, (_, after) in chosen.items():
        stat = seen.get(path) or FileStat.at(os.path.join(core.root, path))
        if after is not None and stat is not None:
            there.append(Candidate(path, stat, CandidateState.NEW))
    gone = [path for path, (_, after) in chosen.items() if after is None]
    scan = Scan(there, gone, (), False, 0, core.clock(), {}, ())
    same_rules = workspace.known.id == id and workspace.known.same_rules
    bases = commit.bases_of(core, parent, workspace.settings)
    snapshotter = workspace.snapshotter(bases.for_path, digests=wanted_digests(workspace.settings))
    target = StoreTarget(core.store, session)
    snapshot = snapshotter.take(Known(id, parent, same_rules), scan, workspace.tracked, target)
    snapshot.unfound_bases = bases.unfound
    return snapshot
