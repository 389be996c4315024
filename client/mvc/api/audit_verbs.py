"""The part of `Repo` that reads the audit log of a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvc.api.opened import Opened

if TYPE_CHECKING:
    from mvc.api.audit import AuditEntry, AuditState


class AuditVerbs(Opened):
    """The part of `Repo` that reads the audit log. It has rows where a team server wrote them."""

    def audit(self, *, limit: int | None = None) -> list[AuditEntry]:
        """Reads the last `limit` rows, oldest first. Raises IntegrityError at a damaged row."""
        from mvc.api.audit import read_audit  # late: start-up

        return read_audit(self._core.store, limit)

    def audit_check(self, *, seal: str | None = None, key: str | None = None) -> AuditState:
        """Follows the chain from its first row. `seal` is a digest that has to be in it, or a file of seals
        that have to hold, by `key`: the public key that they are signed with."""
        from mvc.api.audit import check_audit  # late: start-up

        log = self._core.store
        return check_audit(log, seal, key=key, id=str(getattr(log, "id", "")))
