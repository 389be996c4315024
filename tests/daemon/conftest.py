"""A daemon of one's own per test, and workspaces that it may be asked to watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon.daemons import LIMITS, Daemon, short_directory
from tests.support.workspace import Bench


@pytest.fixture
def places() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


@pytest.fixture
def daemon(places: Path) -> Iterator[Daemon]:
    with Daemon(places) as running:
        yield running


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """`workspace()` makes one that tracks everything; `limits` is its mvc.toml."""
    made: list[Bench] = []

    def make(name: str = "experiment", limits: str = LIMITS) -> Bench:
        bench = Bench(tmp_path / name)
        bench.write({"mvc.toml": limits})
        bench.add()
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.repo.close()
