"""Servers without state over S3, as moto has it: real processes, real HTTP on both sides."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from mvcd.errors import AuthError, Conflict
from mvcd.store.memory_store import MemoryStore
from mvcd.team.bucketroot import BucketRoot
from mvcd.team.roles import Role, Scope
from tests.daemon.serve.servers import BY, Server, push_branch
from tests.daemon.serve.spread import History, turning
from tests.support import motoserver
from tests.support.s3buckets import Endpoint
from tests.support.workspace import Bench

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def endpoint():
    with motoserver.running() as found:
        yield found


def test_two_servers_over_s3(
    tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in endpoint.environment().items():
        monkeypatch.setenv(name, value)
    url = f"s3://{endpoint.make_bucket()}/models/team"
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                Server(
                    *("--root", url, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"),
                    *("--cache", tmp_path / f"cache{number}"),
                    *("--admin-token", tmp_path / f"admin{number}.token"),
                    environment=endpoint.environment(),
                )
            )
            for number in range(2)
        ]
        assert [path.name for path in tmp_path.glob("*.token")] == ["admin0.token"]
        root = stack.enter_context(BucketRoot.open(url, {"cache": str(tmp_path / "cache")}))
        root.accounts.add_user(BY, "ada")
        root.accounts.set_grant(BY, "ada", Scope(role=Role.WRITE))
        root.create_repository(BY, "team/iris")
        secret, record = root.accounts.add_token(BY, "ada")

        bench = Bench(tmp_path / "iris")
        bench.save({"model.bin": os.urandom(20_000_000)})
        peer = turning(servers, "team/iris", secret)
        id = push_branch(bench, peer, "big")
        assert peer.refs() == {"heads/big": id}
        history, seen = History(), MemoryStore()
        peers = [server.peer("team/iris", secret) for server in servers]
        for number in range(10):
            for one in peers:
                parent = history.look(one, "heads/main")
                with suppress(Conflict):
                    history.move(seen, one, "heads/main", parent, str(number))
        assert history.check(seen, peers[0].refs()["heads/main"]) == 20
        root.accounts.revoke_token(BY, record.id)
        for one in peers:
            with pytest.raises(AuthError):
                one.refs()
            one.close()
        peer.close()
        bench.repo.close()
