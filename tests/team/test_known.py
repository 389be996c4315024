from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import AuthError, Failure, MvcError
from mvcd.store.memory_store import MemoryStore
from mvcd.team.accounts import USED_STEP_US, Accounts, identify
from mvcd.team.known import MOST_KEPT_VALUES, KnownAccounts
from mvcd.team.records import HostedRepository, Quota
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from tests.team.acts import BY, NOW

HOSTED = HostedRepository("team/iris", "0" * 32, NOW)


class Counted(MemoryStore):
    """Counts what is read of it but for its count of changes."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def ref(self, name: str) -> bytes | None:
        self.reads += 1
        return super().ref(name)

    def refs(self, prefix: str = "") -> dict[str, bytes]:
        self.reads += 1
        return super().refs(prefix)

    def cache_get(self, keys: Any) -> list[bytes | None]:
        self.reads += 1
        return super().cache_get(keys)


def told(ask: Callable[[], Any]) -> Any:
    """What an answer comes to, for comparing."""
    try:
        return ask()
    except MvcError as error:
        return type(error), error.kind, str(error), error.cause


def test_nothing_is_read_twice_until_an_account_changes() -> None:
    store = Counted()
    accounts = Accounts(store)
    accounts.add_user(BY, "ada")
    secret, _ = accounts.add_token(BY, "ada")
    accounts.add_repository(BY, HOSTED)
    known = KnownAccounts(accounts)

    def ask() -> None:
        assert known.identify(secret, (), NOW).principal == "ada"
        assert known.repository("team/iris") == HOSTED
        assert known.quotas() == ()

    ask()
    store.reads = 0
    ask()
    assert store.reads == 0
    accounts.set_quota(BY, Quota("team/*", None, 9))
    assert known.quotas() == (Quota("team/*", None, 9),)


def test_a_token_that_another_process_revokes_is_refused_at_the_next_call(tmp_path: Path) -> None:
    with Root.create(tmp_path / "server") as root:
        root.accounts.add_user(BY, "ada")
        secret, token = root.accounts.add_token(BY, "ada")
        known = KnownAccounts(root.accounts)
        assert known.identify(secret, (), NOW).principal == "ada"
        with Root.open(tmp_path / "server") as admin:
            admin.accounts.revoke_token(BY, token.id)
        with pytest.raises(AuthError) as caught:
            known.identify(secret, (), NOW)
        assert caught.value.cause == "the token was revoked"


def test_a_token_that_is_kept_expires(ada: Accounts) -> None:
    secret, _ = ada.add_token(BY, "ada", expires_us=NOW + 10)
    known = KnownAccounts(ada)
    assert known.identify(secret, (), NOW + 9).principal == "ada"
    with pytest.raises(AuthError) as caught:
        known.identify(secret, (), NOW + 10)
    assert caught.value.cause == "the token has expired"


def test_the_use_of_a_token_that_is_kept_is_noted_to_the_hour(ada: Accounts) -> None:
    secret, token = ada.add_token(BY, "ada")
    known = KnownAccounts(ada)
    for now, seen in (
        (NOW, NOW),
        (NOW + USED_STEP_US - 1, NOW),
        (NOW + USED_STEP_US, NOW + USED_STEP_US),
        (NOW + 2 * USED_STEP_US - 1, NOW + USED_STEP_US),
    ):
        known.identify(secret, (), now)
        assert ada.last_used_us(token) == seen


def test_what_is_known_now_was_asked_before_and_still_holds(ada: Accounts) -> None:
    secret, _ = ada.add_token(BY, "ada", expires_us=NOW + 2 * USED_STEP_US)
    known = KnownAccounts(ada)
    assert known.identify_now(secret, NOW) is None
    identity = known.identify(secret, (), NOW)
    assert known.identify_now(secret, NOW) == identity
    assert known.identify_now(secret, NOW + USED_STEP_US) is None, "its use has to be noted"
    known.identify(secret, (), NOW + USED_STEP_US + 1)
    assert known.identify_now(secret, NOW + 2 * USED_STEP_US - 1) == identity
    assert known.identify_now(secret, NOW + 2 * USED_STEP_US) is None, "it has expired"
    ada.add_user(BY, "eve")
    assert known.identify_now(secret, NOW + USED_STEP_US + 1) is None, "an account has changed"


def test_what_is_not_there_is_not_kept_and_what_is_kept_is_bounded(ada: Accounts) -> None:
    known = KnownAccounts(ada)
    for number in range(MOST_KEPT_VALUES + 10):
        assert known.repository(f"team/{number}") is None
    assert known._kept[1] == {}
    secrets = [ada.add_token(BY, "ada")[0] for _ in range(3)]
    known.quotas()
    known._kept[1].update({("token", str(n)): None for n in range(MOST_KEPT_VALUES)})
    for secret in secrets:
        known.identify(secret, (), NOW)
    assert len(known._kept[1]) == len(secrets)


class Changes:
    """Changes of accounts by name, each for one of three users and a small number."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self.secrets: list[str | None] = [None, "mvct_unknown", "garbage"]
        self._ids = ["none"]

    def user(self, name: str, _number: int, _now: int) -> None:
        self._accounts.add_user(BY, name)

    def token(self, name: str, number: int, now: int) -> None:
        expires = now + number if number % 2 else None
        secret, token = self._accounts.add_token(BY, name, expires_us=expires)
        self.secrets.append(secret)
        self._ids.append(token.id)

    def revoke(self, _name: str, number: int, _now: int) -> None:
        self._accounts.revoke_token(BY, self._ids[number % len(self._ids)])

    def remove(self, name: str, _number: int, _now: int) -> None:
        self._accounts.remove_user(BY, name)

    def grant(self, name: str, number: int, _now: int) -> None:
        self._accounts.set_grant(BY, name, Scope(f"team/{number % 3}", Role(1 + number % 5)))

    def ungrant(self, name: str, number: int, _now: int) -> None:
        self._accounts.remove_grant(BY, name, f"team/{number % 3}")

    def quota(self, name: str, number: int, _now: int) -> None:
        self._accounts.set_quota(BY, Quota("**", None if number % 2 else name, number))

    def repository(self, name: str, _number: int, _now: int) -> None:
        self._accounts.add_repository(BY, replace(HOSTED, name=name))

    def gone(self, name: str, _number: int, _now: int) -> None:
        self._accounts.remove_repository(BY, name)

    def certificate(self, name: str, number: int, _now: int) -> None:
        self._accounts.set_certificate(BY, f"box-{number % 3}", name)


KINDS = sorted(name for name in vars(Changes) if not name.startswith("_"))
ACTS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(["ada", "bob", "eve"]), st.integers(0, 30)),
    max_size=25,
)


@given(ACTS)
def test_answers_are_those_of_the_accounts_whatever_changes(
    acts: list[tuple[str, str, int]],
) -> None:
    accounts = Accounts(MemoryStore())
    known, changes = KnownAccounts(accounts), Changes(accounts)
    for now, (act, name, number) in enumerate(acts, NOW):
        with suppress(Failure):
            getattr(changes, act)(name, number, now)
        boxes = [f"box-{number % 3}"]
        for secret in changes.secrets:
            there = told(partial(identify, accounts, secret, boxes, now))
            assert secret is None or known.identify_now(secret, now) in (None, there)
            assert told(partial(known.identify, secret, boxes, now)) == there
        assert known.repository(name) == accounts.repository(name)
        assert [*known.quotas()] == accounts.quotas()
