"""Two people, each with a workspace, and a repository that they share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.store.lmdb_store import LmdbStore
from tests.support.workspace import Bench
from tests.sync.people import Pair

_MEMORY = "/dev/shm"  # a file system where fsync costs nothing, while a shared disk may take 50 ms


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A directory for files, in memory where the machine has such a place."""
    if not os.access(_MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY) as directory:
        yield Path(directory)


@pytest.fixture
def pair(scratch: Path) -> Iterator[Pair]:
    LmdbStore.create(scratch / "shared").close()
    with Pair(scratch) as made:
        yield made


@pytest.fixture
def bench(scratch: Path) -> Iterator[Bench]:
    with Bench(scratch / "experiment") as made:
        yield made
