"""Server processes without state over one bucket: any call to any of them, and none matters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from mvcd.errors import AuthError, Conflict, MvcError, NoRepository
from mvcd.monitor import Silent
from mvcd.store.api import RefUpdate
from mvcd.store.memory_store import MemoryStore
from mvcd.sync.pull import pull
from mvcd.team import auditlog
from mvcd.team.bucketroot import FIRST_START, BucketRoot
from mvcd.wire.v1 import remote_pb2 as pb
from tests.daemon.serve.servers import BY, ENVIRONMENT, Server, push_branch
from tests.daemon.serve.spread import History, address, spread_team, start, turning
from tests.support.workspace import Bench
from tests.team.acts import put_version


@dataclass(frozen=True)
class Spread:
    """Two servers over one bucket. `repo` makes a repository there."""

    bucket: Path
    token: str
    servers: list[Server]

    def repo(self) -> str:
        name = f"r{os.urandom(4).hex()}"
        with BucketRoot.open(address(self.bucket)) as root:
            root.create_repository(BY, name)
        return name


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spread]:
    bucket = tmp_path_factory.mktemp("spread") / "bucket"
    token = spread_team(bucket)
    with started(bucket, 2) as servers:
        yield Spread(bucket, token, servers)


@contextmanager
def started(bucket: Path, count: int) -> Iterator[list[Server]]:
    """So many servers, started at once."""
    with ThreadPoolExecutor(count) as pool:
        servers = list(pool.map(lambda number: start(bucket, number), range(count)))
    with ExitStack() as stack:
        for server in servers:
            stack.enter_context(server)
        yield servers


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    return tmp_path / "bucket"


def test_a_push_whose_calls_go_to_two_servers(tmp_path: Path, spread: Spread) -> None:
    token, both, repo = spread.token, spread.servers, spread.repo()
    bench = Bench(tmp_path / "iris")
    bench.save({"model.bin": os.urandom(9_000_000), "params.yaml": "lr: 1\n"})
    peer = turning(both, repo, token)
    id = push_branch(bench, peer, "main")
    head = bench.repo.resolve("HEAD")
    for server in both:
        clone = server.peer(repo, token)
        assert clone.refs() == {"heads/main": id}
        with MemoryStore() as store, store.session() as session:
            pull(store, session, [clone], [head], [], monitor=Silent())
            session.flush()
            assert store.has([head]) == [True]
        clone.close()
    peer.close()
    bench.repo.close()
    for server in both:
        calls = {call["call"] for call in server.calls()}
        assert calls & {"Put", "Has", "UpdateRefs"}  # they took turns


def test_put_to_one_update_to_the_other(spread: Spread) -> None:
    token, (one, other), repo = spread.token, spread.servers, spread.repo()
    with MemoryStore() as store:
        id = put_version(store, message="from afar")
        putting, moving = one.peer(repo, token), other.peer(repo, token)
        (frame,) = store.records([id])
        putting.put(frame)
        assert moving.has([id]) == [True]
        update = RefUpdate("heads/main", None, bytes(id))
        moving.update_refs([update], force=frozenset(), author="Ada", detail="")
        assert putting.refs() == {"heads/main": bytes(id)}
        putting.close()
        moving.close()


def test_what_was_acknowledged_is_there_after_a_kill(spread: Spread) -> None:
    token, other, repo = spread.token, spread.servers[1], spread.repo()
    with start(spread.bucket, 2) as one, MemoryStore() as store:
        ids = [put_version(store, message=str(n)) for n in range(20)]
        putting = one.peer(repo, token)
        with ThreadPoolExecutor(5) as pool:
            for done in [
                pool.submit(putting.put, frame) for id in ids for frame in store.records([id])
            ]:
                done.result()
        one.process.send_signal(signal.SIGKILL)
        one.process.wait()
        moving = other.peer(repo, token)
        assert all(moving.has(ids))
        update = RefUpdate("heads/main", None, bytes(ids[7]))
        moving.update_refs([update], force=frozenset(), author="Ada", detail="")
        putting.close()
        moving.close()


def test_a_revoked_token_is_refused_by_all_at_once(spread: Spread) -> None:
    both, repo = spread.servers, spread.repo()
    with BucketRoot.open(address(spread.bucket)) as root:
        for _ in range(3):
            secret, token = root.accounts.add_token(BY, "ada")
            peers = [server.peer(repo, secret) for server in both]
            for peer in peers:
                peer.refs()
            root.accounts.revoke_token(BY, token.id)
            for peer in peers:
                with pytest.raises(AuthError) as refused:
                    peer.refs()
                assert refused.value.cause == "the token was revoked"
                peer.close()


def test_a_new_repository_and_a_removal_are_seen_by_all(spread: Spread) -> None:
    token, both = spread.token, spread.servers
    with BucketRoot.open(address(spread.bucket)) as root, ExitStack() as stack:
        peers = [server.peer("new", token) for server in both]
        for peer in peers:
            stack.callback(peer.close)
            with pytest.raises(NoRepository):
                peer.refs()
        first = root.create_repository(BY, "new")
        for peer in peers:
            assert peer.hello().repo_id == first.id
        root.remove_repository(BY, "new")
        for peer in peers:
            with pytest.raises(NoRepository):
                peer.hello()
        second = root.create_repository(BY, "new")
        assert second.id != first.id
        for peer in peers:
            assert peer.hello().repo_id == second.id


def test_an_update_that_is_repeated_elsewhere_gets_the_first_answer(spread: Spread) -> None:
    token, (one, other), repo = spread.token, spread.servers, spread.repo()
    with MemoryStore() as store:
        first, second = put_version(store), put_version(store, message="2")
        here, there = one.peer(repo, token), other.peer(repo, token)
        for frame in store.records([first, second]):
            here.put(frame)
        request = pb.UpdateRefsRequest(
            repo=repo, session=here._session, request_id=os.urandom(16), author="Ada",
            updates=[pb.RefUpdate(name="heads/main", target=bytes(first))],
        )  # fmt: skip
        answer = here._call(here._stub.UpdateRefs, request, 10)
        assert there._call(there._stub.UpdateRefs, request, 10) == answer
        # Somebody deletes the branch: a repetition must not bring it back.
        gone = RefUpdate("heads/main", bytes(first), None)
        there.update_refs([gone], force=frozenset({"heads/main"}), author="Ada", detail="")
        for peer in (here, there):
            assert peer._call(peer._stub.UpdateRefs, request, 10) == answer
            assert peer.refs() == {}
        request.request_id = os.urandom(16)
        request.updates[0].expect = bytes(second)
        with pytest.raises(Conflict):
            there._call(there._stub.UpdateRefs, request, 10)
        here.close()
        there.close()


def test_pushes_through_several_servers_are_linearisable(spread: Spread) -> None:
    token, both, repo = spread.token, spread.servers, spread.repo()
    history = History()
    with start(spread.bucket, 3) as third, MemoryStore() as seen:

        def work(number: int) -> None:
            peer = (
                turning([*both, third], repo, token)
                if number % 2
                else [*both, third][number // 2].peer(repo, token)
            )
            done = 0
            while done < 4:
                parent = history.look(peer, "heads/main")
                with suppress(Conflict):
                    history.move(seen, peer, "heads/main", parent, f"{number}-{done}")
                    done += 1
            peer.close()

        with ThreadPoolExecutor(5) as pool:
            for worker in [pool.submit(work, number) for number in range(5)]:
                worker.result()
        peer = third.peer(repo, token)
        assert history.check(seen, peer.refs()["heads/main"]) == 20
        peer.close()


def test_of_servers_that_start_first_one_makes_the_administrator(bucket: Path) -> None:
    with started(bucket, 3) as servers:
        for server in servers:
            assert server.stop() == 0
    told = [server for server in servers if "first token" in server.said]
    assert len(told) == 1
    files = list(bucket.parent.glob("state*/admin.token*"))
    assert len(files) == 1
    assert files[0].stat().st_mode & 0o777 == 0o600
    assert not [path for path in bucket.rglob("*") if "token" in path.name]
    with BucketRoot.open(address(bucket)) as root:
        assert [user.name for user in root.accounts.users()] == ["admin"]
        assert len(root.accounts.tokens()) == 1
        rows = list(auditlog.entries(root.store))
        assert [row.action for row in rows] == [FIRST_START]
        assert auditlog.verify(root.store).ok
        who = root.accounts.authenticate(files[0].read_text().strip(), BY.time_us)
        assert who.principal == "admin"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--hub", "127.0.0.1:0"), "--hub does not go with a bucket"),
        (("--seal-to", "seals"), "--seal-to needs --seal-key FILE"),
    ],
)
def test_what_needs_the_disk_of_one_machine_is_refused(
    bucket: Path, options: tuple[str, ...], why: str
) -> None:
    done = serve("--root", address(bucket), *options)
    assert (done.returncode, why in done.stderr) == (2, True)
    assert not bucket.exists()


def test_options_of_a_bucket_do_not_go_with_a_directory(tmp_path: Path) -> None:
    done = serve("--root", str(tmp_path / "root"), "--cache", str(tmp_path / "cache"))
    assert (done.returncode, "go with the address of a bucket" in done.stderr) == (2, True)


def test_a_bucket_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    done = serve("--root", address(tmp_path / "absent" / "bucket"))
    assert done.returncode == 1
    assert "is not mounted" in done.stderr


def test_a_bucket_that_goes_and_comes_back(bucket: Path) -> None:
    token, gone = spread_team(bucket, "r"), bucket.parent / "gone"
    with start(bucket, 0) as server:
        assert ready(server) == (200, "ok\n")
        peer = server.peer("r", token)
        assert peer.refs() == {}
        bucket.rename(gone)
        with pytest.raises(MvcError):
            peer.refs()
        gone.rename(bucket)
        assert peer.refs() == {}
        assert ready(server) == (200, "ok\n")
        peer.close()


def ready(server: Server) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{server.http}/readyz", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def serve(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mvcd.daemon", "serve", "--listen", "127.0.0.1:0", *options],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
