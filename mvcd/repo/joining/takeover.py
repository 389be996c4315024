"""A version made of HEAD's and of what another side changed: the common part of merge, cherry-pick, revert."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.objects.version import Trigger
from mvcd.repo.change import rewriting
from mvcd.repo.change.commit import advance, committed, derived, first_line, place_for, same_content
from mvcd.repo.contents.files import changes
from mvcd.repo.core.core import Core
from mvcd.repo.core.kept_here import require_here
from mvcd.repo.intake.targets import StoreTarget
from mvcd.repo.joining.threeway import Choices, Clash, decide, edited, with_values
from mvcd.repo.records.committed import CommitResult, Context
from mvcd.repo.records.standing import Head
from mvcd.repo.restore.planning import plan
from mvcd.repo.workspace.left_out import changes_here
from mvcd.repo.workspace.workspace import ScannedWorkspace


@dataclass(frozen=True, slots=True)
class TakeOver:
    """What is taken over, and how the version says so."""

    verb: str
    rev: str  # as it was typed
    base: VersionId
    theirs: VersionId
    message: str
    trigger: Trigger
    parents: tuple[VersionId, ...] = ()  # besides HEAD's version

    @property
    def command(self) -> str:
        return f"mvc {self.verb} {self.rev}"


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The version that was made, and whose side conflicts were decided for."""

    commit: CommitResult
    resolved: tuple[tuple[Clash, str], ...]


def take_over(
    core: Core, head: Head, what: TakeOver, choices: Choices, context: Context
) -> TakenOver:
    """Makes the version, moves HEAD's branch to it and brings the files along. The caller holds the lock.

    Raises MergeConflict, Conflict(kind="would-overwrite"), Failure(kind="nothing-to-commit").
    """
    require_here(core, what.base, what.theirs)
    base, ours, theirs = (core.version(i) for i in (what.base, head.version, what.theirs))
    if core.promised is not None:
        core.promised.bring([what.base, head.version, what.theirs], lists_only=True)
    taken, resolved = decide(
        changes(base, ours, core.fetch), changes(base, theirs, core.fetch), choices, what.command
    )
    place = place_for(core, head)
    with core.store.session() as session:
        core.rely_on(session, [what.theirs, head.version])
        target = StoreTarget(core.store, session)
        content = edited(core, base, ours, theirs, taken, target)
        if not what.parents:  # one version's changes take nothing out of care: what is here goes on
            content = replace(content, tracked=tuple(sorted({*ours.tracked, *content.tracked})))
        if not what.parents and same_content(content, ours):
            raise _nothing(what, head)
        session.flush()
        content = with_values(core, content, ours)
        version = derived(content, head, what.message, what.trigger, context)
        if what.parents:
            number = max(head.number, *(core.glance(id).generation for id in what.parents)) + 1
            version = replace(version, parents=(head.version, *what.parents), generation=number)
        data = version.encode()
        id = VersionId.of(data)
        stored = target.put_object(id, data)
        session.flush()
        workspace = ScannedWorkspace(core)
        wanted = changes_here(core.root, ours, version, core.left_out(), core.fetch)
        dirty = workspace.differences(head.version)
        planned = plan(core, wanted, dirty, unreadable=workspace.unreadable, everything=False)
        rewriting.refuse_unsaved(planned, what.verb, force=False)
        refs = [*place.updates, advance(core, place, head, id), core.move_tracked(version.tracked)]
        detail = f"{what.verb} v{version.generation} {first_line(what.message)}"
        move = rewriting.Rewrite(what.verb, detail, id, version, refs)
        keep = bool(planned.unsaved or planned.right)
        rewriting.carry_out(core, workspace, planned, move, context, keep=keep)
    made = committed(
        id, version, ours, place,
        bytes_changed=sum(n.entry.size for _, n in wanted.values() if n is not None),
        bytes_new=0, bytes_stored=stored, skipped=tuple(workspace.unreadable.reasons.items()),
    )  # fmt: skip
    return TakenOver(made, resolved)


def _nothing(what: TakeOver, head: Head) -> Failure:
    return Failure(
        f"there is nothing of {what.rev} to take over",
        kind="nothing-to-commit",
        cause=f"v{head.number} has it so already",
        help=f"mvc show {what.rev}",
    )
