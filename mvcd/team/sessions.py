"""Sessions of a team server's page: what a browser holds instead of a token.

A session is a secret of its own, of 256 random bits, which rests as SHA-256 in the accounts store, so every
server over one root knows it. It stands for one token and is asked of that at each request: a session whose
token was revoked, expired or removed is none. It lets in to the page alone, so a cookie that leaks pushes
nothing.

    sessions/SHA256   {"token": the token's hash, "opened_us", "until_us"}
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from typing import Any

from mvcd.store.api import RefUpdate
from mvcd.team.accounts import Accounts, hash_of
from mvcd.team.auditlog import By
from mvcd.team.records import decode, encode, key
from mvcd.team.roles import Identity, unauthenticated

SESSION_US = 12 * 3600 * 1_000_000
"""Microseconds that a session lasts: a working day."""
MAX_SESSIONS = 16
"""Sessions of one token; one more ends the oldest."""
_PREFIX = "mvcs_"
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class WebSession:
    """`token` is the hash of the token that it stands for; times are microseconds since 1970."""

    name: str
    token: str
    opened_us: int
    until_us: int

    def encode(self) -> bytes:
        return encode({"token": self.token, "opened_us": self.opened_us, "until_us": self.until_us})


def open_session(accounts: Accounts, by: By, token: str) -> tuple[str, WebSession]:
    """The secret of a new session for the bearer of a token, and its record; one row of the audit log. What
    ended by itself is removed with it. Raises AuthError(kind="unauthenticated")."""
    identity = accounts.authenticate(token, by.time_us)
    secret = _PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    made = WebSession(_name(secret), hash_of(token), by.time_us, by.time_us + SESSION_US)
    row = By(identity.principal, by.time_us, by.peer, identity.token)
    updates = [
        RefUpdate(made.name, None, made.encode()), *_ended(accounts, made.token, by.time_us)
    ]  # fmt: skip
    with accounts.store.session() as session:
        session.commit(updates, audit=row.row("session.open", {"until_us": made.until_us}))
    return secret, made


def session_identity(accounts: Accounts, secret: str, now_us: int) -> tuple[Identity, WebSession]:
    """Who a session is of. Raises AuthError(kind="unauthenticated")."""
    found = _found(accounts, secret)
    if found is None or now_us >= found.until_us:
        raise unauthenticated("the session has ended")
    return accounts.bearer(found.token, now_us), found


def close_session(accounts: Accounts, by: By, secret: str) -> None:
    """Ends a session; one that is none has ended already."""
    found = _found(accounts, secret)
    if found is None:
        return
    update = RefUpdate(found.name, found.encode(), None)
    with accounts.store.session() as session:
        session.commit([update], audit=by.row("session.close", {}))


def _name(secret: str) -> str:
    return key("sessions", hash_of(secret))


def _found(accounts: Accounts, secret: str) -> WebSession | None:
    name = _name(secret)
    stored = accounts.store.ref(name) if secret.startswith(_PREFIX) else None
    return None if stored is None else _read(name, stored)


def _read(name: str, stored: bytes) -> WebSession:
    def make(value: dict[str, Any]) -> WebSession:
        return WebSession(name, value["token"], value["opened_us"], value["until_us"])

    return decode(name, stored, make)


def _ended(accounts: Accounts, token: str, now_us: int) -> list[RefUpdate]:
    """Removals of what is over, and of the oldest of a token that has as many as it may."""
    every = [_read(name, value) for name, value in accounts.store.refs("sessions/").items()]
    over = [one for one in every if one.until_us <= now_us]
    living = sorted((one for one in every if one.token == token and one.until_us > now_us),
                    key=lambda one: one.opened_us)  # fmt: skip
    over += living[: max(0, len(living) - MAX_SESSIONS + 1)]
    return [RefUpdate(one.name, one.encode(), None) for one in over]
