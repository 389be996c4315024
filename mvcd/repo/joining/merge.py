"""`merge`: what another line did since the two parted, taken over into this one, as a version with two parents.

How files are taken over, and what a conflict is: threeway.py.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.objects.version import Trigger
from mvcd.repo.change import moves, rewriting
from mvcd.repo.change.commit import place_for
from mvcd.repo.core.core import Core
from mvcd.repo.joining.takeover import TakeOver, take_over
from mvcd.repo.joining.threeway import Choices, Clash
from mvcd.repo.records.committed import CommitResult, Context
from mvcd.repo.records.refs import EMPTY_ID
from mvcd.repo.records.results import CheckoutResult
from mvcd.repo.records.standing import Head
from mvcd.repo.trust.incoming import is_ancestor


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
    base = merge_base(core, head.version, other)
    text = message or f"merge {rev} into {place_for(core, head).branch}"
    what = TakeOver("merge", rev, base, other, text, Trigger.MERGE, (other,))
    done = take_over(core, head, what, choices, context)
    return MergeResult(core.head(), base, commit=done.commit, resolved=done.resolved)


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
