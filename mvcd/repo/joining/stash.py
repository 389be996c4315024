"""`stash`: unsaved work put aside under a number, and taken up again, here or on another branch.

A stash is a version whose parent is the one that HEAD was on; the ref `stash/NUMBER` keeps it. No branch shows
it, and it does not travel. What it changed against its parent is taken over as by a merge (threeway.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.objects.version import Version
from mvcd.repo.change import rewriting
from mvcd.repo.change.rewriting import Rewrite, carry_out
from mvcd.repo.contents.files import changes
from mvcd.repo.core.core import Core
from mvcd.repo.core.kept_here import require_here
from mvcd.repo.joining.threeway import Choices, decide
from mvcd.repo.records.committed import Context
from mvcd.repo.records.refs import EMPTY_ID, STASH, target_of
from mvcd.repo.records.results import CheckoutResult
from mvcd.repo.restore.planning import plan
from mvcd.repo.workspace.left_out import changes_here
from mvcd.repo.workspace.workspace import ScannedWorkspace
from mvcd.store.api import RefUpdate


@dataclass(frozen=True, slots=True)
class Stashed:
    """Work that was put aside, and the version that it was done on."""

    number: int
    id: VersionId
    version: Version

    @property
    def base(self) -> VersionId:
        return self.version.parents[0] if self.version.parents else EMPTY_ID

    @property
    def ref(self) -> str:
        return f"{STASH}{self.number}"


@dataclass(frozen=True, slots=True)
class StashResult:
    """What became of the files; `stashed` is what was put aside, taken up or dropped."""

    stashed: Stashed
    checkout: CheckoutResult | None = None


def stashes(core: Core) -> list[Stashed]:
    """All of them, newest first."""
    refs = core.store.refs(STASH)
    numbers = sorted((int(name.removeprefix(STASH)) for name in refs), reverse=True)
    ids = {number: target_of(refs[f"{STASH}{number}"]) for number in numbers}
    return [Stashed(number, id, core.version(id)) for number, id in ids.items()]


def put_aside(core: Core, message: str | None, *, context: Context) -> StashResult:
    """Stores unsaved work as the next stash and brings the files to HEAD's version.

    Files under care that HEAD does not have go too. Raises Failure(kind="nothing-to-stash").
    """
    with core.lock.hold():
        rewriting.settle_interrupted(core, context)
        head = core.head()
        version = core.version(head.version)
        workspace = ScannedWorkspace(core)
        dirty = workspace.differences(head.version)
        if not dirty and tuple(core.tracked()) == tuple(version.tracked):
            raise Failure(
                "there is no unsaved work",
                kind="nothing-to-stash",
                cause=f"the workspace is as v{head.number} has it",
                help="mvc status",
            )
        number = max((s.number for s in stashes(core)), default=0) + 1
        text = message or f"work on {head.branch or 'an old version'}, at v{head.number}"
        unsaved, fetch = workspace.unsaved
        wanted = changes_here(core.root, unsaved, version, core.left_out(), fetch)
        planned = plan(core, wanted, {}, unreadable=workspace.unreadable, everything=True)
        move = Rewrite(
            "stash", f"stash {number}", head.version, version,
            [core.move_tracked(version.tracked)], stash=(f"{STASH}{number}", text),
        )  # fmt: skip
        done = carry_out(core, workspace, planned, move, context, keep=True)
        return StashResult(find(core, number), done)


def take_up(
    core: Core, number: int | None, choices: Choices, *, context: Context, drop: bool
) -> StashResult:
    """Does in the workspace what a stash (by default the newest) changed, and with `drop` lets go of it then.

    Raises MergeConflict, Conflict(kind="would-overwrite"), Failure(kind="unknown-stash"); nothing was changed.
    """
    with core.lock.hold():
        rewriting.settle_interrupted(core, context)
        found, head = find(core, number), core.head()
        require_here(core, found.base, found.id)
        base, ours = core.version(found.base), core.version(head.version)
        verb = "stash pop" if drop else "stash apply"
        taken, _ = decide(
            changes(base, ours, core.fetch), changes(base, found.version, core.fetch),
            choices, f"mvc {verb} {found.number}",
        )  # fmt: skip
        workspace = ScannedWorkspace(core)
        dirty = workspace.differences(head.version)
        planned = plan(core, taken, dirty, unreadable=workspace.unreadable, everything=False)
        rewriting.refuse_unsaved(planned, verb, force=False)
        dropped = RefUpdate(found.ref, bytes(found.id), None) if drop else None
        tracked = core.move_tracked(_tracked(core.tracked(), base, found.version))
        move = Rewrite(verb, f"{verb} {found.number}", head.version, ours, [tracked, dropped])
        done = carry_out(core, workspace, planned, move, context, keep=bool(dirty))
        return StashResult(found, done)


def drop(core: Core, number: int | None, *, context: Context) -> StashResult:
    """Lets go of a stash (by default the newest); `undo` takes that back. Raises Failure."""
    with core.lock.hold():
        found = find(core, number)
        update = RefUpdate(found.ref, bytes(found.id), None)
        core.record(context, "stash drop", f"stash drop {found.number}", [update])
        return StashResult(found)


def find(core: Core, number: int | None) -> Stashed:
    """One by its number, by default the newest. Raises Failure(kind="unknown-stash")."""
    every = stashes(core)
    found = next((s for s in every if number in (None, s.number)), None)
    if found is None:
        said = "there is no stash" if number is None else f"there is no stash {number}"
        raise Failure(said, kind="unknown-stash", help="mvc stash list")
    return found


def _tracked(now: Sequence[str], base: Version, then: Version) -> list[str]:
    """Paths under care now, with those that came into care by the work."""
    came, went = set(then.tracked) - set(base.tracked), set(base.tracked) - set(then.tracked)
    return sorted((set(now) | came) - went)
