"""Servers without state over S3, each by another address of the store: real processes and real HTTP."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from mvcd.errors import AuthError, Conflict, MvcError
from mvcd.store.api import RefUpdate
from mvcd.store.memory_store import MemoryStore
from mvcd.team import auditlog
from mvcd.team.bucketroot import BucketRoot
from mvcd.team.roles import Role, Scope
from mvcd.wire.client import RemotePeer
from tests.daemon.serve.servers import BY, Server, push_branch
from tests.daemon.serve.spread import STEADY, History, turning
from tests.support.s3buckets import Endpoint
from tests.support.workspace import Bench
from tests.team.acts import put_version

REPO = "team/iris"
START_SECONDS = 120.0


@dataclass
class Team:
    """Two servers over one bucket, a repository, and a token of somebody who may write it."""

    top: Path
    url: str
    endpoints: tuple[Endpoint, Endpoint]
    root: BucketRoot
    servers: list[Server]
    secret: str = ""

    def start(self, number: int) -> Server:
        """One more server."""
        return Server(
            *("--root", self.url, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"),
            *("--cache", self.top / f"cache{number}"),
            *("--admin-token", self.top / f"admin{number}.token"),
            environment=self.endpoints[number % 2].environment(), seconds=START_SECONDS,
        )  # fmt: skip

    def peer(self, number: int) -> RemotePeer:
        return self.servers[number].peer(REPO, self.secret, patience=STEADY)


@pytest.fixture
def team(
    tmp_path: Path, s3: tuple[Endpoint, Endpoint], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Team]:
    for name, value in s3[0].environment().items():
        monkeypatch.setenv(name, value)
    url = f"s3://{s3[0].make_bucket()}/models/team"
    with ExitStack() as stack:
        root = stack.enter_context(BucketRoot.create(url, {"cache": str(tmp_path / "cache")}))
        made = Team(tmp_path, url, s3, root, [])
        for number in range(2):
            made.servers.append(made.start(number))
        stack.callback(lambda: [server.stop() for server in made.servers])
        root.accounts.add_user(BY, "ada")
        root.accounts.set_grant(BY, "ada", Scope(role=Role.WRITE))
        root.create_repository(BY, REPO)
        made.secret, _ = root.accounts.add_token(BY, "ada")
        yield made


def test_any_call_goes_to_any_server(tmp_path: Path, team: Team) -> None:
    assert [path.name for path in tmp_path.glob("*.token")] == ["admin0.token"]
    bench = Bench(tmp_path / "iris")
    bench.save({"model.bin": os.urandom(20_000_000)})
    peer = turning(team.servers, REPO, team.secret)
    id = push_branch(bench, peer, "big")
    assert peer.refs() == {"heads/big": id}
    peer.close()
    bench.repo.close()
    one, other = team.peer(0), team.peer(1)
    with MemoryStore() as store:
        version = put_version(store, message="put to one, named by the other")
        (frame,) = store.records([version])
        one.put(frame)
        assert other.has([version]) == [True]
        update = RefUpdate("heads/main", None, bytes(version))
        other.update_refs([update], force=frozenset(), author="Ada", detail="")
        assert one.refs()["heads/main"] == bytes(version)
    one.close()
    other.close()


def test_pushes_are_linearisable_and_a_revoked_token_is_refused_by_all(team: Team) -> None:
    history, seen = History(), MemoryStore()
    peers = [team.peer(number) for number in range(2)]
    for number in range(10):
        for one in peers:
            parent = history.look(one, "heads/main")
            with suppress(Conflict):
                history.move(seen, one, "heads/main", parent, str(number))
    assert history.check(seen, peers[0].refs()["heads/main"]) == 20
    for token in team.root.accounts.tokens():
        if token.principal == "ada":
            team.root.accounts.revoke_token(BY, token.id)
    for one in peers:
        with pytest.raises(AuthError):
            one.refs()
        one.close()


@pytest.mark.timeout(900)
def test_a_server_is_killed_and_another_added_under_pushes(team: Team) -> None:
    if team.endpoints[0] == team.endpoints[1]:
        pytest.skip("of writers at once moto lets two win now and then")
    history, seen = History(), MemoryStore()

    def work(number: int) -> None:
        done = 0
        while done < 6:
            peer = team.peer(number % len(team.servers))
            with suppress(MvcError):
                while done < 6:
                    parent = history.look(peer, "heads/main")
                    with suppress(Conflict):
                        history.move(seen, peer, "heads/main", parent, f"{number} {done}")
                        done += 1
            number += 1
            peer.close()

    with ThreadPoolExecutor(3) as pool:
        working = [pool.submit(work, number) for number in range(3)]
        dead = team.servers[0]
        dead.process.send_signal(signal.SIGKILL)
        team.servers[0] = team.start(2)
        dead.stop()
        for one in working:
            one.result()
    peer = team.peer(0)
    assert history.check(seen, peer.refs()["heads/main"]) == 18
    peer.close()
    with team.root.open_repository(REPO) as store:
        assert auditlog.verify(store).ok
        assert list(store.check()) == []
