"""A team server as its page asks it: who comes in, which repositories there are for them, accounts.

`Hosting` is made around the host that the server's process has open; nothing here opens a root or a socket.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mvc.api.audit import AuditEntry, AuditState, check_audit
from mvc.api.errors import AuthError, MvcError
from mvc.api.hosted import RepoSummary, TeamRepo
from mvc.api.lastasked import LastAsked
from mvc.api.public import moment, public
from mvc.api.team import TeamServer
from mvcd.team import auditlog, sessions
from mvcd.team.auditlog import By
from mvcd.wire.admission import Admission, CallShares
from mvcd.wire.host import Access, Caller

if TYPE_CHECKING:
    from mvcd.team.host import TeamHost
    from mvcd.team.roles import Identity

log = logging.getLogger("mvcd.page")

_WALKS = ("tensors", "tensor", "storage", "stored", "freeable", "keys", "extents", "search")
SHARES = {
    "events": 16, "raw": 8, "repos": 4, "largest": 4, "series": 4, **dict.fromkeys(_WALKS, 2)
}  # fmt: skip
"""Most requests of one route by one caller at once."""
CALLER_CALLS = 24
MAX_CALLS = 256
SUMMARIES_SECONDS = 0.5
"""Time after which a list of repositories is answered with those whose summaries are there."""
_SUMMARIES_ROWS = 1024
"""Summaries that are remembered; one takes less than a KiB."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who asks, as far as a request tells: `peer` is the address, and one of the others lets in."""

    peer: str
    session: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Visited:
    """A user who was let in by a token (its public id; "" for none), until a session ends."""

    user: str
    token: str
    admin: bool
    until: datetime | None


class Hosting:
    """See the module. For all threads."""

    def __init__(self, host: Any) -> None:
        """Around a `TeamHost` that is open and stays its owner's."""
        self._host: TeamHost = host
        self.admission = Admission(CallShares(calls=MAX_CALLS, of_caller=CALLER_CALLS), SHARES)
        self._summaries = LastAsked[RepoSummary](_SUMMARIES_ROWS)

    def hide(self, text: str) -> str:
        """A text without the place where the server has its files."""
        return text.replace(self._host.root.path, "(the server)")

    # ---------------------------------------------------------------- who

    def enter(self, visitor: Visitor, token: str) -> str:
        """The secret of a new session for the bearer of a token. Raises AuthError(kind="unauthenticated")."""
        accounts = self._host.root.accounts
        self._host.identity(Caller(visitor.peer, token))  # a root in a bucket is looked at anew
        by = By("", self._host.now_us(), visitor.peer)
        return sessions.open_session(accounts, by, token)[0]

    def leave(self, visitor: Visitor) -> None:
        """Ends the visitor's session, if it has one."""
        if visitor.session is None:
            return
        with suppress(AuthError):
            sessions.close_session(self._host.root.accounts, self._by(visitor), visitor.session)

    def who(self, visitor: Visitor) -> Visited:
        """Raises AuthError(kind="unauthenticated")."""
        identity, session = self._host.recognise(_caller(visitor))
        until = None if session is None else moment(session.until_us)
        return Visited(identity.principal, identity.token, identity.administers_all, until)

    def _identity(self, visitor: Visitor) -> Identity:
        return self._host.identity(_caller(visitor))

    def _by(self, visitor: Visitor) -> By:
        identity = self._identity(visitor)
        return By(identity.principal, self._host.now_us(), visitor.peer, identity.token)

    # ---------------------------------------------------------------- repositories

    def repo(self, visitor: Visitor, name: str) -> TeamRepo:
        """A repository for whoever asks. Raises AuthError; NoRepository for what is not there or not to be
        read."""
        return TeamRepo._of(self._host, self._host.open(name, _caller(visitor), Access.READ))

    def repositories(
        self, visitor: Visitor, *, after: str | None, limit: int, words: str = ""
    ) -> tuple[list[RepoSummary], str | None]:
        """Lists those that may be read behind `after`, by name, and the name to go on after. With `words`, only
        names that have all of them. After SUMMARIES_SECONDS there may be fewer than `limit`."""
        identity, end = self._identity(visitor), time.monotonic() + SUMMARIES_SECONDS
        sought = words.lower().split()
        names = [
            name
            for name in self._readable(identity)
            if (after is None or name > after) and all(word in name.lower() for word in sought)
        ]
        found = list[RepoSummary]()
        for count, name in enumerate(names, 1):
            summary = self._summary(visitor, identity, name)
            if summary is not None:
                found.append(summary)
            if count < len(names) and (count >= limit or time.monotonic() > end):
                return found, name
        return found, None

    def readable(self, visitor: Visitor) -> list[str]:
        """Names of the repositories that may be read, sorted. Raises AuthError(kind="unauthenticated")."""
        return self._readable(self._identity(visitor))

    def _readable(self, identity: Identity) -> list[str]:
        every = (one.name for one in self._host.root.accounts.repositories())
        return sorted(name for name in every if identity.role(name) is not None)

    def _summary(self, visitor: Visitor, identity: Identity, name: str) -> RepoSummary | None:
        """None for one that was removed meanwhile."""
        try:
            repo = self.repo(visitor, name)
            return self._summaries.of((repo.identity, repo.number), repo.summary)
        except AuthError:
            raise
        except MvcError as error:
            if error.kind == "no-such-repository":
                return None
            log.exception("a repository cannot be read", extra={"fields": {"repo": name}})
            role = identity.role(name)
            return RepoSummary(name, "unreadable", role.word if role else "")

    # ---------------------------------------------------------------- accounts

    def admin(self, visitor: Visitor) -> TeamServer:
        """The accounts, changed in the visitor's name. Raises AuthError(kind="scope") for who does not
        administer all."""
        identity = self._identity(visitor)
        if not identity.administers_all:
            raise AuthError(
                f"{identity.principal} may not see accounts", kind="scope",
                cause="it takes the role admin on all repositories and refs",
                help="mvc admin  (on the server)",
            )  # fmt: skip
        return TeamServer._around(self._host.root, lambda: self._by(visitor))

    def audit(
        self, visitor: Visitor, repo: str | None, *, before: int | None, limit: int
    ) -> tuple[list[AuditEntry], AuditState]:
        """Rows before number `before`, newest first, of the log of the accounts or of a repository, and
        whether its chain holds."""
        self.admin(visitor)
        store = self._host.root.store if repo is None else self.repo(visitor, repo)._audited
        end = store.audit_head().sequence + 1 if before is None else before
        rows = auditlog.entries(store, start=max(1, end - limit))
        found = [public(AuditEntry, row) for row in rows if row.number < end]
        return found[::-1][:limit], check_audit(store, None, id=store.id)


def _caller(visitor: Visitor) -> Caller:
    return Caller(visitor.peer, visitor.token, session=visitor.session)
