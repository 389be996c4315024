"""Rows of the audit log: canonical JSON, in the store of what they tell of (mvcd/store/FORMAT.md, Audit).

    who      the principal, or "operator" with the login of who ran `mvc admin` on the server itself
    token    its public id; "" for a certificate or an operator
    action   "ref.update", "token.add", ...
    peer     the address of the caller, "local" for an operator
    time_us  microseconds since 1970, by the server's clock
    request  the request's id in hex, where it came over the wire

and what the action changed: `refs` as [name, old, new] (hex, null: absent), or the account record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Protocol

from mvcd.store.api import AuditHead, AuditRow, RefUpdate
from mvcd.store.audit import problems, row_digest
from mvcd.team.records import encode
from mvcd.team.seals import Seal

_COMMON = ("who", "token", "action", "peer", "time_us", "request")


class Audited(Protocol):
    """What is asked of a store here."""

    def audit(self, *, start: int = 1) -> Iterator[AuditRow]: ...
    def audit_head(self) -> AuditHead: ...


@dataclass(frozen=True, slots=True)
class By:
    """Who acts, from where, and when."""

    who: str
    time_us: int
    peer: str = "local"
    token: str = ""
    request: str = ""

    def row(self, action: str, detail: Mapping[str, Any]) -> bytes:
        common = {
            "who": self.who,
            "token": self.token,
            "action": action,
            "peer": self.peer,
            "time_us": self.time_us,
        }
        if self.request:
            common["request"] = self.request
        return encode({**detail, **common})


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A row, read. `digest` is the chain's up to it; a row that is no JSON has an empty `action`."""

    number: int
    digest: str
    who: str
    token: str
    action: str
    peer: str
    time_us: int
    request: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChainState:
    """Whether a log holds; `digest` (hex) is its newest: kept elsewhere it proves later that nothing before
    it was rewritten."""

    rows: int
    digest: str
    problems: tuple[str, ...]
    sealed: int = 0
    """Up to which row seals vouch for it; 0: no seal was given, and a tail that was cut off cannot be seen."""

    @property
    def ok(self) -> bool:
        return not self.problems


def ref_changes(updates: Sequence[RefUpdate]) -> list[list[str | None]]:
    """Writes changes of refs as they stand in a row. Values longer than 64 bytes (messages, signatures) are
    cut: what they point to comes first in them."""
    return [[u.name, _shown(u.expect), _shown(u.target)] for u in updates]


def _shown(value: bytes | None) -> str | None:
    return None if value is None else value[:64].hex()


def entries(store: Audited, *, start: int = 1) -> Iterator[AuditEntry]:
    """Oldest first. Raises IntegrityError at a damaged row."""
    return (_entry(row) for row in store.audit(start=start))


def newest(store: Audited, limit: int) -> list[AuditEntry]:
    """The last `limit` rows, oldest first."""
    return list(entries(store, start=max(1, store.audit_head().sequence - limit + 1)))


def _entry(row: AuditRow) -> AuditEntry:
    digest = row_digest(row).hex()
    try:
        value = json.loads(row.data)
        detail = {name: value[name] for name in value if name not in _COMMON}
        return AuditEntry(
            number=row.sequence,
            digest=digest,
            who=str(value["who"]),
            token=str(value["token"]),
            action=str(value["action"]),
            peer=str(value["peer"]),
            time_us=int(value["time_us"]),
            request=str(value.get("request", "")),
            detail=detail,
        )
    except (ValueError, KeyError, TypeError):
        return AuditEntry(row.sequence, digest, "", "", "", "", 0, "")


def verify(store: Audited, *, seal: str | None = None, seals: Sequence[Seal] = ()) -> ChainState:
    """Follows the chain from its first row. `seal`: a digest noted earlier, which must be in it; `seals`: those
    of this log whose signatures are good, each of which must hold."""

    head = store.audit_head()
    wanted = {s.rows: s for s in seals}
    held: dict[int, str] = {}
    noted = 0

    def rows() -> Iterator[AuditRow]:
        nonlocal noted
        for row in takewhile(lambda row: row.sequence <= head.sequence, store.audit()):
            if row.sequence in wanted or seal:
                digest = row_digest(row).hex()
                noted = row.sequence if digest == seal else noted
                if row.sequence in wanted:
                    held[row.sequence] = digest
            yield row

    found = list(problems(rows(), head))
    if seal and not noted:
        found.append(f"no row has the digest {seal}")
    for one in seals:
        if one.rows > head.sequence:
            found.append(
                f"the log ends at row {head.sequence}, and had {one.rows} at {one.time}: its tail was cut off"
            )
        elif held.get(one.rows) != one.digest:
            found.append(f"row {one.rows} is not the one that was sealed at {one.time}")
    whole = max((s.rows for s in seals), default=0)
    return ChainState(head.sequence, head.digest.hex(), tuple(found), max(noted, whole))
