from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.site import HubSide


@pytest.fixture
def side(tmp_path: Path) -> Iterator[HubSide]:
    with HubSide(tmp_path / "server") as side:
        yield side


@pytest.fixture
def iris(side: HubSide) -> HubSide:
    """With the repository team/iris."""
    assert side.create().status == 200
    return side


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubSide]:
    """The same for all tests of a file that change nothing: a start takes as long as ten of those."""
    with HubSide(tmp_path_factory.mktemp("hub") / "server") as side:
        assert side.create().status == 200
        yield side
