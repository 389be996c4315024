"""A team moves into Ceph, a real store of three disks and two gateways, and back; a killed copy goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon.serve.removal import copy_until_it_ends, live_through
from tests.daemon.serve.teams import make_team, whole
from tests.support import cephcluster
from tests.support.cephcluster import Cluster

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900), cephcluster.needed]


def test_a_team_moves_into_ceph_and_back(tmp_path: Path, ceph: Cluster) -> None:
    endpoint = ceph.endpoints[0]
    url = f"s3://{endpoint.make_bucket()}/models/team"
    live_through(tmp_path, url, endpoint.environment())


def test_a_copy_into_ceph_that_is_killed_goes_on(
    tmp_path: Path, ceph: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = ceph.endpoints[1]
    make_team(tmp_path / "root")
    url = f"s3://{endpoint.make_bucket()}/models/team"
    assert copy_until_it_ends(tmp_path / "root", url, endpoint.environment(), 7) > 1
    for name, value in endpoint.environment().items():
        monkeypatch.setenv(name, value)
    assert whole(url) == whole(tmp_path / "root")
