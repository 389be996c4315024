"""What calls ask of the accounts: who bears a token, a repository by its name, quotas. Read anew only when an
account has changed.

Each question first asks for the store's count of changes, which any process moves with any account: so a token
revoked by `mvc admin` is refused at the next call, for one read of LMDB. Reading all that a call is judged by
took ten: 0.4 ms in one thread, where it is 0.1 now, and more beside threads that check frames, for each read
hands the interpreter's lock over several times. That nothing was found is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from mvcd.team.accounts import (
    PREFIX,
    USED_STEP_US,
    Accounts,
    hash_of,
    identify,
    require_lasting,
)
from mvcd.team.records import HostedRepository, Quota, Token
from mvcd.team.roles import Identity

T = TypeVar("T")
MOST_KEPT_VALUES = 4096
"""Answers that are kept, about 1 KB each."""


@dataclass(slots=True)
class _Borne:
    """A token and its bearer; `used_us` is when its use was noted last, as far as this process knows."""

    token: Token
    identity: Identity
    used_us: int | None = None


class KnownAccounts:
    """Answers as `Accounts` does, and raises the same. Thread-safe, for stores whose `changes` is cheap."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._kept: tuple[int, dict[tuple[str, str], Any]] = (-1, {})

    def identify(self, token: str | None, certificates: Collection[str], now_us: int) -> Identity:
        """See `accounts.identify`."""
        if token is None or not token.startswith(PREFIX):
            return identify(self._accounts, token, certificates, now_us)
        hash = hash_of(token)
        borne = self._kept_or(("token", hash), lambda: _Borne(*self._accounts.borne(hash, now_us)))
        require_lasting(borne.token, now_us)
        if borne.used_us is None or now_us - borne.used_us >= USED_STEP_US:
            borne.used_us = self._accounts.note_use(borne.token, now_us)
        return borne.identity

    def identify_now(self, token: str, now_us: int) -> Identity | None:
        """The same for a token that was asked about before, unless the store has to be read or written for it;
        else None, and `identify` says what is wrong."""
        count, kept = self._kept
        borne: _Borne | None = kept.get(("token", hash_of(token)))
        if borne is None or borne.used_us is None or now_us - borne.used_us >= USED_STEP_US:
            return None
        expires = borne.token.expires_us
        if (expires is not None and now_us >= expires) or self._accounts.store.changes() != count:
            return None
        return borne.identity

    def repository(self, name: str) -> HostedRepository | None:
        """See `Accounts.repository`."""
        return self._kept_or(("repository", name), lambda: self._accounts.repository(name))

    def quotas(self) -> tuple[Quota, ...]:
        """See `Accounts.quotas`."""
        return self._kept_or(("quotas", ""), lambda: tuple(self._accounts.quotas()))

    def _kept_or(self, name: tuple[str, str], find: Callable[[], T]) -> T:
        """What `find` answered since the last change. It reads after the count was read, so what it finds is of
        that count or later, and one of a later count is not asked for under this one again."""
        changes = self._accounts.store.changes()
        count, kept = self._kept
        if count != changes:
            kept = {}
            self._kept = changes, kept
        found: T | None = kept.get(name)
        if found is not None:
            return found
        found = find()
        if found is not None:
            if len(kept) >= MOST_KEPT_VALUES:
                kept.clear()
            kept[name] = found
        return found
