"""The audit log of a repository: who moved which refs on a team server, each row chained to the one before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mvc.api.results import moment

if TYPE_CHECKING:
    from mvcd.repo.repository import Repository
    from mvcd.team.auditlog import Audited, Entry


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

    @property
    def ok(self) -> bool:
        return not self.problems


class AuditVerbs:
    """The part of `Repo` that reads the audit log. It has rows where a team server wrote them."""

    _engine: Repository

    def audit(self, *, limit: int | None = None) -> list[AuditEntry]:
        """Oldest first, the last `limit`. Raises IntegrityError at a damaged row."""
        return read_audit(self._engine.audit_log, limit)

    def audit_check(self, *, seal: str | None = None) -> AuditState:
        """Follows the chain from its first row; `seal` is a digest that has to be in it."""
        return check_audit(self._engine.audit_log, seal)


def read_audit(store: Audited, limit: int | None) -> list[AuditEntry]:
    from mvcd.team import auditlog

    found = auditlog.entries(store) if limit is None else auditlog.newest(store, limit)
    return [_entry(row) for row in found]


def _entry(row: Entry) -> AuditEntry:
    return AuditEntry(
        number=row.number,
        time=moment(row.time_us, 0),
        who=row.who,
        token=row.token,
        action=row.action,
        peer=row.peer,
        request=row.request,
        detail=dict(row.detail),
        digest=row.digest,
    )


def check_audit(store: Audited, seal: str | None) -> AuditState:
    from mvcd.team import auditlog

    found = auditlog.verify(store, seal=seal)
    return AuditState(found.rows, found.digest, found.problems)
