"""`cherry-pick` and `revert`: what one version changed against its first parent, done here, or taken back here.

Each makes a version of its own on the current branch. History is not rewritten: versions on other lines stay
what they are.
"""

from __future__ import annotations

from mvcd.errors import Failure
from mvcd.objects.version import Trigger
from mvcd.repo.change import rewriting
from mvcd.repo.change.commit import first_line
from mvcd.repo.core.core import Core
from mvcd.repo.joining.takeover import TakenOver, TakeOver, take_over
from mvcd.repo.joining.threeway import Choices
from mvcd.repo.records.committed import Context
from mvcd.repo.records.refs import EMPTY_ID


def cherry_pick(
    core: Core, rev: str, choices: Choices, *, context: Context, message: str | None = None
) -> TakenOver:
    """Does here what version `rev` changed. Its message is kept, and says where it comes from.

    Raises MergeConflict, Conflict(kind="would-overwrite"), Failure(kind="nothing-to-commit", "no-versions").
    """
    return _pick(core, rev, choices, context, message, back=False)


def revert(
    core: Core, rev: str, choices: Choices, *, context: Context, message: str | None = None
) -> TakenOver:
    """Takes back here what version `rev` changed; what came after it stays.

    Raises MergeConflict, Conflict(kind="would-overwrite"), Failure(kind="nothing-to-commit", "no-versions").
    """
    return _pick(core, rev, choices, context, message, back=True)


def _pick(
    core: Core, rev: str, choices: Choices, context: Context, message: str | None, *, back: bool
) -> TakenOver:
    with core.lock.hold():
        rewriting.settle_interrupted(core, context)
        id = core.resolve(rev)
        if id == EMPTY_ID:
            raise Failure(f"{rev} is the empty version", kind="no-versions", help="mvc log --all")
        version = core.version(id)
        before = version.parents[0] if version.parents else EMPTY_ID
        name = f"v{version.generation} {id.short()}"
        picked = f"{version.message.rstrip()}\n\n(cherry-picked from {name})"
        reverted = f"revert {name}: {first_line(version.message)}"
        text = message or (reverted if back else picked)
        base, theirs = (id, before) if back else (before, id)
        verb = "revert" if back else "cherry-pick"
        what = TakeOver(verb, rev, base, theirs, text, Trigger.MANUAL)
        return take_over(core, core.head(), what, choices, context)
