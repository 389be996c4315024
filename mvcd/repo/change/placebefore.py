"""`-` as a place: where HEAD stood before it stands where it does, as in `cd -` and `git switch -`."""

from __future__ import annotations

from mvcd.errors import Failure
from mvcd.repo.core.core import Core
from mvcd.repo.records.names import written
from mvcd.repo.records.refs import HEADS, HeadValue, head_name

DASH = "-"


def place_before(core: Core) -> str:
    """The branch, or else the version, that HEAD was on before: a revision as people write it.

    The operation log tells. Raises Failure(kind="no-place-before").
    """
    name, now = head_name(core.workspace), core.head_value()
    for operation in core.operations():
        for move in operation.moves:
            if move.name != name or move.old is None:
                continue
            before = HeadValue.decode(move.old)
            if before == now:
                continue
            if before.version is not None:
                return before.version.hex()
            if core.store.ref(f"{HEADS}{before.branch}") is not None:
                return written(f"{HEADS}{before.branch}")
    raise Failure(
        "HEAD has been nowhere else",
        kind="no-place-before",
        cause="the operation log has no move from another branch or version",
        help="mvc branch  (lists the branches)",
    )
