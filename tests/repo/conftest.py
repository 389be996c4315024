"""A workspace on disk with its repository, and a person who acts on it at a time of our choosing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.store.lmdb_store import LmdbStore
from tests.support.memory import in_memory
from tests.support.workspace import Bench
from tests.sync.people import Pair


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory for files, in memory where the machine has such a place."""
    with in_memory() as directory:
        yield directory


@pytest.fixture
def bench(scratch: Path) -> Iterator[Bench]:
    with Bench(scratch / "experiment") as made:
        yield made


@pytest.fixture
def pair(scratch: Path) -> Iterator[Pair]:
    """Two people, each with a workspace, and a repository that they share."""
    LmdbStore.create(scratch / "shared").close()
    with Pair(scratch) as made:
        yield made
