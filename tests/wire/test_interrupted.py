"""Whole pushes and pulls whose network goes away at any byte; an update whose server does, too."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from mvcd.errors import RemoteUnreachable
from mvcd.monitor import Silent
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.sync.pull import Received, pull
from mvcd.wire import uploads
from mvcd.wire.client import Patience, RemotePeer
from mvcd.wire.v1 import remote_pb2 as pb
from mvcd.wire.v1 import remote_pb2_grpc
from tests.support.proxy import Proxy
from tests.wire.conftest import History
from tests.wire.hosts import ONCE, calling, serving

SHARES = [0.02, 0.25, 0.5, 0.75, 0.9, 0.999]
CAMPAIGN = [n / 60 for n in range(60)]


class Counting(RemotePeer):
    """Knows how much of what it put was acknowledged."""

    acknowledged = 0

    def put(self, frame: object) -> None:
        super().put(frame)  # type: ignore[arg-type]
        with self._counting:
            self.acknowledged += len(frame)  # type: ignore[arg-type]

    _counting = threading.Lock()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an interrupted push left is looked for at once, not after a third of a second."""
    monkeypatch.setattr(uploads, "QUIET_SECONDS", 0.0)


@pytest.fixture
def server() -> Iterator[tuple[MemoryStore, int]]:
    store = MemoryStore()
    served, port = serving(store)
    yield store, port
    served.stop(1)


def whole(store: MemoryStore | LmdbStore, history: History) -> None:
    assert {id for id, _ in store.ids()} == {id for id, _ in history.store.ids()}
    assert list(store.check()) == []
    assert store.refs() == {"heads/main": bytes(history.versions[1])}


@pytest.fixture(scope="module")
def traffic(history: History) -> tuple[int, int]:
    """Bytes to the server of an undisturbed push, and from it of a pull."""
    store = MemoryStore()
    served, port = serving(store)
    try:
        with Proxy(port) as proxy:
            peer = calling(proxy.port)
            history.push(peer)
            peer.close()
            up = proxy.carried["up"]
            assert up <= 1.02 * history.stored + 20_000
        with Proxy(port) as proxy:
            peer = calling(proxy.port)
            fetch(MemoryStore(), peer, history)
            peer.close()
            assert proxy.carried["down"] <= 1.02 * history.stored + 20_000
            return up, proxy.carried["down"]
    finally:
        served.stop(1)


def fetch(store: MemoryStore, peer: RemotePeer, history: History) -> Received:
    with store.session() as session:
        try:
            got = pull(store, session, [peer], [history.versions[1]], [], monitor=Silent())
        finally:
            session.flush()
        session.commit([RefUpdate("heads/main", None, bytes(history.versions[1]))])
        return got


def cut_push(history: History, at: int, once: bool) -> None:
    store = MemoryStore()
    served, port = serving(store)
    try:
        with Proxy(port) as proxy:
            proxy.cut_after(up=at)
            if once:
                peer = calling(proxy.port)
                history.push(peer)
            else:
                first = Counting(f"127.0.0.1:{proxy.port}", "r", "cut", patience=ONCE)
                try:
                    history.push(first)
                except RemoteUnreachable:
                    peer = calling(port)
                    sent = history.push(peer)
                    assert sent <= history.stored - first.acknowledged
                else:
                    peer = first
            peer.close()
        whole(store, history)
        assert len(list(store.operations())) == 1
    finally:
        served.stop(1)


def cut_pull(history: History, port: int, at: int, once: bool) -> None:
    store = MemoryStore()
    with Proxy(port) as proxy:
        proxy.cut_after(down=at)
        peer = calling(proxy.port) if once else calling(proxy.port, patience=ONCE)
        try:
            fetch(store, peer, history)
        except RemoteUnreachable:
            assert not once
            here = sum(len(frame) for frame in store.records([id for id, _ in store.ids()]))
            peer.close()
            peer = calling(port)
            got = fetch(store, peer, history)
            assert got.bytes <= history.stored - here
        else:
            assert proxy.carried["down"] <= history.stored * 1.02 + (4 << 20)
        peer.close()
    whole(store, history)


@pytest.mark.parametrize("share", SHARES)
def test_a_push_cut_short_goes_on(history: History, traffic: tuple[int, int], share: float) -> None:
    for once in (True, False):
        cut_push(history, int(traffic[0] * share) + 1, once)


@pytest.mark.parametrize("share", SHARES)
def test_a_pull_cut_short_goes_on(
    history: History, server: tuple[MemoryStore, int], traffic: tuple[int, int], share: float
) -> None:
    _, port = server
    history.push(calling(port))
    for once in (True, False):
        cut_pull(history, port, int(traffic[1] * share) + 1, once)


@pytest.mark.campaign
def test_cut_everywhere(
    history: History, server: tuple[MemoryStore, int], traffic: tuple[int, int]
) -> None:
    _, port = server
    history.push(calling(port))
    for share in CAMPAIGN:
        for once in (True, False):
            cut_push(history, int(traffic[0] * share) + 1, once)
            cut_pull(history, port, int(traffic[1] * share) + 1, once)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_lost_reply_is_asked_for_again(tmp_path: Path, restarted: bool) -> None:
    with LmdbStore.create(tmp_path / "server") as store:
        served, port = serving(store)
        with Proxy(port) as proxy:
            peer = calling(proxy.port)
            peer.hello()
            proxy.swallowing = True
            answers: list[int] = []
            update = RefUpdate("heads/main", None, b"v" * 32)

            def move() -> None:
                receipt = peer.update_refs([update], force=frozenset(), author="a", detail="push")
                answers.append(receipt.changes)

            mover = threading.Thread(target=move)
            mover.start()
            deadline = time.monotonic() + 10
            while store.ref("heads/main") is None and time.monotonic() < deadline:
                time.sleep(0.005)
            if restarted:
                served.stop(1)
                served, proxy.target = serving(store)
            proxy.swallowing = False
            proxy.cut()
            mover.join(10)
            assert answers == [1]
            assert [data for _, data in store.operations()] == [b"push"]
            peer.close()
        served.stop(1)


def test_what_comes_twice_and_out_of_order(
    history: History, server: tuple[MemoryStore, int]
) -> None:
    """Every recorded Put and UpdateRefs again, shuffled: the same answers, and nothing else happens."""
    store, port = server
    frames = [bytes(f) for f in history.store.records([id for id, _ in history.store.ids()])]
    puts = [pb.PutRequest(repo="r", session=b"s" * 16, records=frame) for frame in frames]
    moves = [
        pb.UpdateRefsRequest(
            repo="r", session=b"s" * 16, request_id=bytes([n]) * 16, detail=f"{n}",
            updates=[pb.RefUpdate(name="heads/main", expect=(bytes([n - 1]) * 32 if n else None),
                                  target=bytes([n]) * 32)],
        )
        for n in range(5)
    ]  # fmt: skip
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = remote_pb2_grpc.RemoteStub(channel)  # type: ignore[no-untyped-call]
        for put in puts:
            stub.Put(put)
        replies = [stub.UpdateRefs(move) for move in moves]
        before = store.stats(), store.refs()
        again = [*moves, *puts] * 3
        random.Random(3).shuffle(again)
        for message in again:
            if isinstance(message, pb.PutRequest):
                assert stub.Put(message).stored == 0
            else:
                assert stub.UpdateRefs(message) == replies[moves.index(message)]
    assert (store.stats(), store.refs()) == before
    assert [data for _, data in store.operations(newest_first=False)] == [
        str(n).encode() for n in range(5)
    ]


def test_a_server_that_comes_back_is_found_as_soon_as_it_is_asked_again() -> None:
    """gRPC by itself would try anew 2.6 s after its first failure, whoever asks meanwhile."""
    tries = 0

    def pause(seconds: float) -> None:
        nonlocal tries, back
        time.sleep(seconds)
        tries += 1
        if tries == 20:
            proxy.target, back = port, time.monotonic()

    patience = Patience(first=0.1, most=0.1, total=20.0, sleep=pause)
    back = 0.0
    with MemoryStore() as store, socket.create_server(("127.0.0.1", 0)) as nobody:
        served, port = serving(store)
        with Proxy(nobody.getsockname()[1]) as proxy:
            nobody.close()
            url = f"grpc://127.0.0.1:{proxy.port}/r"
            peer = RemotePeer(f"127.0.0.1:{proxy.port}", "r", url, patience=patience)
            assert peer.refs() == {}
            assert back and time.monotonic() - back < 0.5
            peer.close()
        served.stop(1)
