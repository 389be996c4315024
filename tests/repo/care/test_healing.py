"""Damage heals: commit, fetch, pull and repair bring the good bytes to where they were lost."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mvcd.daemon.serve.peer import OpenPeer
from mvcd.errors import AuthError, Failure, IntegrityError
from mvcd.ids import Digest, Kind
from mvcd.monitor import Silent
from mvcd.repo.care.verify import verify_apart, verify_store
from mvcd.repo.change import anew
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.wire.client import RemotePeer
from mvcd.wire.server import RemoteService, RunningServer, make_server
from tests.support.engine import Repository
from tests.support.spoiling import spoil_store
from tests.support.workspace import Bench
from tests.sync.people import Pair
from tests.wire.hosts import OneStore

FILES: dict[str, bytes | str] = {
    "model.pt": random.Random(1).randbytes(400_000),
    "params.yaml": "lr: 1\n",
    "notes.bin": random.Random(2).randbytes(9000),
    **{f"data/{n}.csv": f"{n}," * 50 for n in range(40)},
}


def spoil(repo: Repository, kinds: set[Kind], *, most: int = 1000) -> list[Digest]:
    """Flips a bit in the record of each object of these kinds."""
    store = repo._core.store
    assert isinstance(store, LmdbStore)
    return spoil_store(store, kinds, most=most)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with Pair(tmp_path) as made:
        yield made


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path / "work") as made:
        made.save(FILES)
        yield made


@pytest.mark.parametrize("kinds", [{Kind.CHUNK}, {Kind.RECIPE}, {Kind.NODE}], ids=str)
def test_a_commit_stores_it_anew(bench: Bench, kinds: set[Kind]) -> None:
    bench.age()
    with pytest.raises(Failure):
        bench.commit()  # the stat cache knows all files now, so nothing would be read again
    spoil(bench.repo, kinds)
    assert not bench.repo.verify().ok
    with pytest.raises(Failure) as caught:
        bench.reopen().commit("again", context=bench.context())
    assert caught.value.kind == "nothing-to-commit"
    assert "stored anew" in str(caught.value.cause)
    assert bench.repo.verify().ok
    assert bench.repo.read("model.pt") == FILES["model.pt"]


def test_a_new_version_is_never_made_of_what_is_known_to_be_bad(bench: Bench) -> None:
    spoil(bench.repo, {Kind.CHUNK})
    assert not bench.repo.verify().ok
    model = FILES["model.pt"]
    assert isinstance(model, bytes)
    bench.write({"copy.pt": model, "notes.bin": random.Random(3).randbytes(9000)})
    bench.commit()
    for name in ("copy.pt", "model.pt", "data/7.csv", "notes.bin"):
        assert bench.repo.read(name) == Path(bench.path(name)).read_bytes()
    with pytest.raises(IntegrityError):  # what nobody has any more stays lost, and is said to be
        bench.repo.read("notes.bin", "v1")
    assert [error.object for error in bench.repo.verify().errors] == [
        f"chunk {id.hex()}" for id in bench.repo._core.store.damaged()
    ]


def test_every_file_is_read_once_for_the_same_damage(bench: Bench) -> None:
    bench.save({"notes.bin": random.Random(3).randbytes(9000)})
    for id in spoil(bench.repo, {Kind.CHUNK}):
        with pytest.raises(IntegrityError):
            bench.repo._core.store.get(id)
    bench.save({"notes.bin": random.Random(4).randbytes(9000)})
    assert len(bench.repo.store.damaged()) == 2, "those of v1 and v2 nobody has"
    assert anew.worth_reading_all(bench.repo._core) == []


@pytest.mark.parametrize("kinds", [{Kind.CHUNK}, {Kind.RECIPE}, {Kind.CHUNK, Kind.RECIPE}], ids=str)
def test_a_commit_relies_on_nothing_that_nobody_could_read(bench: Bench, kinds: set[Kind]) -> None:
    """Damage that nobody has found yet, of a file that is read again, and of those beside it."""
    bench.age()
    with pytest.raises(Failure):
        bench.commit()
    spoil(bench.repo, kinds)
    model = FILES["model.pt"]
    assert isinstance(model, bytes)
    bench.reopen()
    bench.write({"copy.pt": model})
    bench.commit()
    assert bench.repo.verify().ok
    for name, data in {**FILES, "copy.pt": model}.items():
        assert bench.repo.read(name) == (data.encode() if isinstance(data, str) else data)


def test_a_file_that_was_only_touched_heals_too(bench: Bench) -> None:
    spoil(bench.repo, {Kind.CHUNK})
    os.utime(bench.path("model.pt"), (2, 2))
    with pytest.raises(Failure) as caught:
        bench.reopen().commit("again", context=bench.context())
    assert "stored anew" in str(caught.value.cause)
    assert bench.repo.verify().ok


@pytest.mark.parametrize("how", ["fetch", "pull"])
@pytest.mark.parametrize(
    "kinds", [{Kind.CHUNK}, set(Kind) - {Kind.VERSION}, {Kind.VERSION}], ids=str
)
def test_fetch_and_pull_bring_it(pair: Pair, how: str, kinds: set[Kind]) -> None:
    pair.ada.save(FILES)
    pair.ada.save({"params.yaml": "lr: 2\n"})
    bob = pair.join(url=str(pair.ada.root))
    spoil(bob.repo, kinds)
    assert not verify_apart(
        bob.repo.store_path, read_data=True, monitor=bob.repo._core.monitor, partial=False
    ).ok
    bob.reopen()
    pair.ada.save({"more.csv": "1,2\n"})
    getattr(bob, how)()
    assert bob.repo.verify().ok
    assert bob.repo.read("more.csv", "origin/main") == b"1,2\n"


@pytest.mark.parametrize("kinds", [{Kind.CHUNK}, set(Kind)], ids=str)
def test_repair_fetches_all_that_is_damaged(pair: Pair, kinds: set[Kind]) -> None:
    pair.ada.save(FILES)
    pair.ada.save({"params.yaml": "lr: 2\n"})
    bob = pair.join(url=str(pair.ada.root))
    for name in FILES:
        (bob.root / name).unlink()  # nor are they in the workspace
    gone = spoil(bob.repo, kinds)
    healed = bob.repo.heal_from_remote("origin")
    assert healed.objects >= len(gone)
    assert healed.left == []
    assert bob.repo.verify().ok


def test_what_is_missing_comes_level_by_level(pair: Pair) -> None:
    pair.ada.save(FILES)
    bob = pair.join(url=str(pair.ada.root))
    store = bob.repo._core.store
    ids = [id for id, info in store.ids() if info.kind is not Kind.VERSION]
    store.index.write(lambda txn: [txn.delete(id, db=store.index.objects) for id in ids])  # type: ignore[attr-defined]
    assert bob.repo.heal_from_remote(str(pair.ada.root)).left == []
    assert bob.repo.verify().ok


def test_what_the_remote_lost_too_is_told(pair: Pair) -> None:
    pair.ada.save(FILES)
    bob = pair.join(url=str(pair.ada.root))
    for person in (pair.ada, bob):
        spoil(person.repo, {Kind.CHUNK}, most=3)
    lost = bob.repo.heal_from_remote("origin").left
    assert len(lost) == 3


# -------------------------------------------------------------------- by a push


class Refusing(OpenPeer):
    """Takes no pushes."""

    def check_put(self, size: int) -> None:
        raise AuthError("this peer takes no pushes")


def serving(store: LmdbStore, kind: type[OpenPeer]) -> tuple[RunningServer, int]:
    """A server on a port of loopback; `RunningServer.stop` ends it."""
    served = make_server(OneStore(kind(store, store.id, "write")))  # type: ignore[arg-type]
    port = served.server.add_insecure_port("127.0.0.1:0")
    served.server.start()
    return served, port


@contextmanager
def shared_by(pair: Pair, how: str, kind: type[OpenPeer] = OpenPeer) -> Iterator[LmdbStore]:
    """What the two share, reached by its path or over a socket, and with a version of Ada's in it."""
    with LmdbStore.create(pair.scratch / "shared") as store:
        served = None
        if how == "socket":
            served, port = serving(store, kind)
            pair.ada.repo.remove_remote("origin")
            pair.ada.repo.add_remote("origin", f"grpc://127.0.0.1:{port}/r")
        try:
            pair.ada.save(FILES)
            yield store
        finally:
            if served is not None:
                served.stop(0)


def lose(store: LmdbStore, kinds: set[Kind], *, most: int = 1000) -> int:
    """Spoils objects and finds it out; how many are known to be damaged then."""
    spoil_store(store, kinds, most=most)
    assert not verify_store(store, read_data=True, monitor=Silent()).ok
    return len(store.damaged())


@pytest.mark.parametrize("how", ["path", "socket"])
@pytest.mark.parametrize("kinds", [{Kind.CHUNK}, {Kind.NODE, Kind.RECIPE}, set(Kind)], ids=str)
def test_a_push_that_moves_nothing_heals_the_remote(pair: Pair, how: str, kinds: set[Kind]) -> None:
    with shared_by(pair, how) as store:
        pair.ada.push()
        lost = lose(store, kinds)
        done = pair.ada.push()
        assert (done.moved, done.healed, done.damaged) == ((), lost, 0)
        assert verify_store(store, read_data=True, monitor=Silent()).ok
        assert pair.ada.push().healed == 0
    with LmdbStore.open(pair.scratch / "shared") as store:
        assert store.damaged() == [], "it was durable"


@pytest.mark.parametrize("how", ["path", "socket"])
@pytest.mark.parametrize("kinds", [{Kind.CHUNK}, set(Kind)], ids=str)
def test_a_push_of_a_new_version_heals_the_old_ones(pair: Pair, how: str, kinds: set[Kind]) -> None:
    with shared_by(pair, how) as store:
        pair.ada.push()
        lost = lose(store, kinds)
        pair.ada.save({"params.yaml": "lr: 2\n"})
        done = pair.ada.push()
        assert [m.name for m in done.moved] == ["heads/main"]
        assert (done.healed, done.damaged) == (lost, 0)
        assert verify_store(store, read_data=True, monitor=Silent()).ok


@pytest.mark.parametrize("how", ["path", "socket"])
def test_a_server_relies_on_nothing_that_nobody_could_read(pair: Pair, how: str) -> None:
    """Of what no ref reaches there any more it says that it has it; the update is what counts on it."""
    with shared_by(pair, how) as store:
        pair.ada.push("main:run")
        pair.ada.push(":run")
        spoil_store(store, {Kind.CHUNK})
        assert pair.ada.push("main").moved
        assert verify_store(store, read_data=True, monitor=Silent()).ok


def test_older_peers_push_as_they_did(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither tells of damage, nor asks for it: first the server, then the client."""
    hello, heard = RemoteService.Hello, RemotePeer._heard
    old = True

    def server(self: Any, request: Any, context: Any) -> Any:
        reply = hello(self, request, context)
        if old:
            reply.ClearField("damaged")
        return reply

    def old_client(self: RemotePeer, reply: Any) -> Any:
        assert reply.damaged
        reply.ClearField("damaged")
        return heard(self, reply)

    monkeypatch.setattr(RemoteService, "Hello", server)
    with shared_by(pair, "socket") as store:
        pair.ada.push()
        lost = lose(store, {Kind.CHUNK})
        assert pair.ada.push().healed == 0
        old = False
        with monkeypatch.context() as patch:
            patch.setattr(RemotePeer, "_heard", old_client)
            assert pair.ada.push().healed == 0
        assert len(store.damaged()) == lost
        assert pair.ada.push().healed == lost


def test_what_nobody_has_stays_lost_and_hinders_no_push(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shared_by(pair, "socket") as store:
        pair.ada.push()
        spoil(pair.ada.repo, {Kind.CHUNK}, most=3)
        lost = lose(store, {Kind.CHUNK})
        done = pair.ada.push()
        assert (done.healed, done.damaged) == (lost - 3, 3)
        asked = []
        has = RemotePeer.has

        def counted(self: RemotePeer, ids: Any) -> list[bool]:
            asked.extend(ids)
            return has(self, ids)

        monkeypatch.setattr(RemotePeer, "has", counted)
        pair.ada.save({"params.yaml": "lr: 2\n"})
        done = pair.ada.push()
        assert ([m.name for m in done.moved], done.damaged) == (["heads/main"], 3)
        assert len(asked) < 10, "what was in vain is not tried with each save"


def test_who_may_not_push_is_still_up_to_date(pair: Pair) -> None:
    with shared_by(pair, "socket") as store:
        pair.ada.push()
    pair.ada.repo.remove_remote("origin")
    with LmdbStore.open(pair.scratch / "shared") as store:
        served, port = serving(store, Refusing)
        try:
            pair.ada.repo.add_remote("origin", f"grpc://127.0.0.1:{port}/r")
            lost = lose(store, {Kind.CHUNK})
            done = pair.ada.push()
            assert (done.moved, done.healed, done.damaged) == ((), 0, lost)
        finally:
            served.stop(0)


def test_a_server_gets_nothing_that_was_not_to_be_pushed(pair: Pair) -> None:
    """One that names a version it should not have, and tells of damage."""
    with shared_by(pair, "socket") as store:
        pair.ada.push()
        pair.ada.repo.create_branch("secret", context=pair.ada.context())
        pair.ada.repo.switch("secret", context=pair.ada.context())
        secret = pair.ada.save({"secret.bin": random.Random(9).randbytes(9000)})
        store.update_refs([RefUpdate("heads/secret", None, bytes(secret.version))])
        lost = lose(store, {Kind.CHUNK})
        assert pair.ada.push("main").healed == lost
        assert store.has([secret.version]) == [False]
