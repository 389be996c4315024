"""`mvcd serve` without a team's directory: one's own workspaces, for a peer."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from mvcd.daemon.serve.peer import PeerHost, offers
from mvcd.errors import AuthError, Conflict, IntegrityError, NoRepository
from mvcd.store.lmdb_store import LmdbStore
from tests.daemon.serve.servers import Server, push_branch
from tests.support.engine import Repository
from tests.support.memory import in_memory
from tests.support.workspace import Bench

HERE = ("--listen", "127.0.0.1:0")


@pytest.fixture
def bench(tmp_path: Path):
    bench = Bench(tmp_path / "iris")
    bench.save({"model.bin": os.urandom(100_000)})
    yield bench
    bench.repo.close()


@pytest.fixture
def other(tmp_path: Path):
    bench = Bench(tmp_path / "other")
    bench.save({"model.bin": os.urandom(100_000)})
    yield bench
    bench.repo.close()


def test_for_reading_by_anybody_on_this_machine(bench: Bench, other: Bench) -> None:
    with Server(*HERE, "--workspace", bench.root, "--workspace", other.root) as server:
        peer = server.peer("iris")
        assert peer.hello().role == "read"
        assert peer.refs() == {"heads/main": bytes(bench.repo.resolve("HEAD"))}
        with pytest.raises(AuthError) as refused:
            push_branch(other, peer, "theirs")
        assert refused.value.kind == "read-only"
        with pytest.raises(NoRepository):
            server.peer("absent").refs()
        assert server.stop() == 0
    assert server.said.splitlines()[0] == f"{bench.root}: grpc://{server.listen}/iris"


def test_a_clone_stands_where_the_workspace_stands(bench: Bench, tmp_path: Path) -> None:
    bench.save({"model.bin": b"newer"})
    bench.checkout("v1")
    with Server(*HERE, "--workspace", bench.root) as server:
        repo, _ = Repository.clone(
            f"grpc://{server.listen}/iris", str(tmp_path / "bob"),
            context=bench.context(), secret=lambda _: {},
        )  # fmt: skip
        with repo:
            assert repo.head == bench.repo.head
        assert (tmp_path / "bob/model.bin").read_bytes() == bench.files()["model.bin"]


def test_pushes_are_taken_where_told_but_not_to_what_is_checked_out(
    bench: Bench, other: Bench
) -> None:
    with Server(*HERE, "--workspace", bench.root, "--write") as server:
        peer = server.peer("iris")
        id = push_branch(other, peer, "theirs")
        with pytest.raises(Conflict) as refused:
            push_branch(other, peer, "main")
        assert refused.value.kind == "checked-out"
    assert bytes(bench.repo.resolve("theirs")) == id
    assert next(iter(bench.repo.operations())).verb == "receive"


def test_beyond_this_machine_a_token_is_asked(bench: Bench) -> None:
    options = ("--listen", "0.0.0.0:0", "--insecure", "--workspace", bench.root)
    with Server(*options) as server:
        server.listen = server.listen.replace("0.0.0.0", "127.0.0.1")
        with pytest.raises(AuthError):
            server.peer("iris").refs()
        assert server.process.stdout is not None
        server.process.stdout.readline()
        found = re.search(r"mvct_\S{43}", server.process.stdout.readline())
        assert found
        assert server.peer("iris", found[0]).refs()


def test_a_bare_repository_is_served_too(tmp_path: Path, bench: Bench) -> None:
    LmdbStore.create(tmp_path / "bare").close()
    with Server(*HERE, "--workspace", tmp_path / "bare", "--write") as server:
        peer = server.peer("bare")
        id = push_branch(bench, peer, "main")
        assert peer.refs() == {"heads/main": id}
        peer.close()


def test_names_must_differ(tmp_path: Path, bench: Bench) -> None:
    twin = Bench(tmp_path / "elsewhere" / "iris")
    with pytest.raises(Conflict) as refused:
        offers([str(bench.root), str(twin.root)])
    assert refused.value.kind == "same-name"
    with pytest.raises(NoRepository):
        offers([str(tmp_path)])
    twin.repo.close()


def test_300_repositories_with_256_descriptors(bench: Bench) -> None:
    """The last used stay open, and pushes and reads reach each of them."""
    with in_memory() as memory:
        names = [f"r{number}" for number in range(300)]
        options: list[object] = [*HERE, "--write", "--workspace", bench.root]
        for name in names:
            LmdbStore.create(memory / name).close()
            options += ["--workspace", memory / name]
        with Server(*options, descriptors=256) as server:
            id = bytes(bench.repo.resolve("HEAD"))
            for name in ("iris", *names):
                peer = server.peer(name)
                assert peer.refs() == ({"heads/main": id} if name == "iris" else {})
                peer.close()
            for name in names[::30]:
                peer = server.peer(name)
                assert push_branch(bench, peer, "main") == id
                assert peer.refs() == {"heads/main": id}
                peer.close()
            open_files = os.listdir(f"/proc/{server.process.pid}/fd")
            assert len(open_files) < 200


def test_one_that_cannot_be_opened_is_told_before_any_is_served(
    tmp_path: Path, bench: Bench
) -> None:
    LmdbStore.create(tmp_path / "bare").close()
    (tmp_path / "bare" / "format").write_text("garbage\n")
    served = offers([str(bench.root), str(tmp_path / "bare")])
    with pytest.raises(IntegrityError):
        PeerHost(served, token=None, write=False)
