"""A server directory, and versions to push to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.store.memory_store import MemoryStore
from mvcd.team.accounts import Accounts
from mvcd.team.root import Root
from tests.team.acts import BY


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    with Root.create(tmp_path / "server") as root:
        yield root


@pytest.fixture
def accounts() -> Accounts:
    return Accounts(MemoryStore())


@pytest.fixture
def ada(accounts: Accounts) -> Accounts:
    accounts.add_user(BY, "ada")
    return accounts
