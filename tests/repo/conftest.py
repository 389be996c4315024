"""A workspace on disk with its repository, and a person who acts on it at a time of our choosing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.memory import in_memory
from tests.support.workspace import Bench


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory for files, in memory where the machine has such a place."""
    with in_memory() as directory:
        yield directory


@pytest.fixture
def bench(scratch: Path) -> Iterator[Bench]:
    with Bench(scratch / "experiment") as made:
        yield made
