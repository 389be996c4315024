"""A team moves into S3, as moto has it, and back; and a copy into it that is killed goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.serve.removal import copy_until_it_ends, live_through
from tests.daemon.serve.teams import make_team, whole
from tests.support import motoserver
from tests.support.s3buckets import Endpoint

pytestmark = [pytest.mark.tools, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with motoserver.running() as found:
        yield found


def test_a_team_moves_into_s3_and_back(tmp_path: Path, endpoint: Endpoint) -> None:
    url = f"s3://{endpoint.make_bucket()}/models/team"
    live_through(tmp_path, url, endpoint.environment())


def test_a_copy_into_s3_that_is_killed_goes_on(
    tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_team(tmp_path / "root")
    url = f"s3://{endpoint.make_bucket()}/models/team"
    assert copy_until_it_ends(tmp_path / "root", url, endpoint.environment(), 7) > 1
    for name, value in endpoint.environment().items():
        monkeypatch.setenv(name, value)
    assert whole(url) == whole(tmp_path / "root")
