"""The audit log of a repository: who moved which refs on a team server, each row chained to the one before."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mvc.api.errors import Failure, UsageError
from mvc.api.public import public

if TYPE_CHECKING:
    from mvcd.repo.trust.keygen import Keygen
    from mvcd.team.auditlog import Audited
    from mvcd.team.seals import Seal


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row of an audit log. `detail` is what the action was about; `digest` that of the chain up to it."""

    number: int
    time: datetime
    who: str
    token: str
    action: str
    peer: str
    request: str
    detail: dict[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class AuditState:
    """Whether the chain holds. Keep `digest` elsewhere: given as `seal` it proves later that no row up to now
    was rewritten."""

    rows: int
    digest: str
    problems: tuple[str, ...]
    sealed: int = 0
    """Number of the last row that seals vouch for; 0 without a seal: then a tail that was cut off cannot be
    seen."""

    @property
    def ok(self) -> bool:
        """Whether the chain holds, and everything that was asked for."""
        return not self.problems


def read_audit(store: Audited, limit: int | None) -> list[AuditEntry]:
    """Reads the last rows of an audit log."""
    from mvcd.team import auditlog  # late: start-up

    found = auditlog.entries(store) if limit is None else auditlog.newest(store, limit)
    return [public(AuditEntry, row) for row in found]


def check_audit(
    store: Audited, seal: str | None, *, id: str, key: str | None = None, own: str | None = None
) -> AuditState:
    """Follows the chain of an audit log. `id` is the id of the store; `own` the key that seals unless `key`
    names another."""
    from mvcd.team import auditlog  # late: start-up

    if seal is None or _is_digest(seal):
        found = auditlog.verify(store, seal=seal)
        return public(AuditState, found)
    good, bad = _seals(seal, id, key or own)
    found = auditlog.verify(store, seals=good)
    return public(AuditState, found, problems=(*bad, *found.problems))


def _is_digest(text: str) -> bool:
    return not os.path.exists(text) and "/" not in text and text != "-"


def _seals(path: str, id: str, key: str | None) -> tuple[list[Seal], list[str]]:
    """Those of this log in a file ("-": standard input), and what is wrong with others."""
    from mvcd.team import seals  # late: start-up

    if key is None:
        raise UsageError(
            "whose seals count is not known", kind="no-seal-key",
            cause="a seal is worth what its key is",
            help="--seal-key FILE  (the server's seal.key.pub, as you noted it)",
        )  # fmt: skip
    allowed = [seals.fingerprint_of(key)]
    try:
        with sys.stdin if path == "-" else open(path, encoding="utf-8", errors="replace") as file:
            found = list(seals.read(file))
    except OSError as error:
        raise Failure(f"cannot read {path}", kind="unreadable", cause=str(error)) from None
    good, bad = [], []
    for one in found:
        if one.signature and one.seal.id != id:
            continue  # of another log
        problem = seals.problem_of(one, allowed, _keygen())
        if problem is None:
            good.append(one.seal)
        else:
            bad.append(problem)
    if not good and not bad:
        bad.append(f"no line of {path} is a seal of this log")
    return good, bad


def _keygen() -> Keygen:
    from mvcd.repo.trust.keygen import Keygen  # late: start-up

    return Keygen({"PATH": os.environ.get("PATH", "")})
