"""Quotas count what was put, whatever became of it; what no ref reached is freed within an hour."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.codec.encoded import Codec, Encoded
from mvcd.errors import Conflict, Failure
from mvcd.ids import ChunkId, Kind
from mvcd.objects.version import Version
from mvcd.store.api import RefUpdate
from mvcd.store.memory_store import MemoryStore
from mvcd.team.host import TeamHost
from mvcd.team.records import Quota
from mvcd.team.roles import Role, Scope
from mvcd.team.root import Root
from mvcd.wire.client import RemotePeer
from mvcd.wire.host import Access, Caller
from mvcd.wire.server import RunningServer, make_server
from mvcd.wire.uploads import EXPIRE_SECONDS, PROGRESS_BYTES
from tests.store.objects import plain
from tests.team.acts import BY, NOW
from tests.wire.hosts import QUICK

QUOTA = 10 << 20


class Ticks:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Running:
    """A server of the repository "r", with users who may write there."""

    def __init__(self, root: Root, ticks: Ticks) -> None:
        self.host = TeamHost(root, lambda: NOW)
        self.served: RunningServer = make_server(self.host, ticks=ticks)
        self.port = self.served.server.add_insecure_port("127.0.0.1:0")
        self.served.server.start()

    def peer(self, token: str) -> RemotePeer:
        target = f"127.0.0.1:{self.port}"
        return RemotePeer(target, "r", f"grpc://{target}/r", token=token, patience=QUICK)

    def stop(self) -> None:
        self.served.stop(1)
        self.host.close()


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def tokens(root: Root) -> dict[str, str]:
    root.create_repository(BY, "r")
    found = {}
    for name in ("ada", "eve"):
        root.accounts.add_user(BY, name)
        root.accounts.set_grant(BY, name, Scope("r", Role.WRITE))
        root.accounts.set_quota(BY, Quota("r", name, QUOTA))
        found[name] = root.accounts.add_token(BY, name)[0]
    return found


@pytest.fixture
def running(root: Root, tokens: dict[str, str], ticks: Ticks) -> Iterator[Running]:
    made = Running(root, ticks)
    yield made
    made.stop()


def frame_of(seed: int, size: int = 2 << 20) -> bytes:
    """A record of noise, as it travels."""
    data = random.Random(seed).randbytes(size)
    with MemoryStore() as store, store.session() as session:
        id = ChunkId.of(data)
        session.put(id, Encoded(Codec.RAW, len(data), data))
        session.commit()
        return b"".join(map(bytes, store.records([id])))


def version_frame(message: str) -> tuple[bytes, bytes]:
    version = Version((), 1, author="A <a@b>", message=message)
    with MemoryStore() as store, store.session() as session:
        session.put(*plain(version.encode(), Kind.VERSION))
        session.commit()
        return b"".join(map(bytes, store.records([version.id]))), bytes(version.id)


def on_disk(root: Root) -> int:
    return sum(f.stat().st_size for f in Path(root.repository_path("r")).rglob("*.pack"))


def move(peer: RemotePeer, name: str, old: bytes | None, new: bytes) -> None:
    peer.update_refs([RefUpdate(name, old, new)], force=frozenset(), author="", detail="")


def test_a_conflict_gives_nothing_back(running: Running, tokens: dict[str, str]) -> None:
    """The way to fill a disk: put, be refused, put more."""
    ada = running.peer(tokens["ada"])
    record, id = version_frame("ada")
    ada.put(record)
    move(ada, "heads/main", None, id)
    ada.close()
    for n in range(4):
        peer = running.peer(tokens["eve"])
        peer.put(frame_of(n))
        record, id = version_frame(str(n))
        peer.put(record)
        with pytest.raises(Conflict):
            move(peer, "heads/main", None, id)
        peer.close()
    last = running.peer(tokens["eve"])
    with pytest.raises(Failure) as caught:
        last.put(frame_of(100))
        last.put(frame_of(101))
    assert caught.value.kind == "quota"
    last.close()


def test_what_was_named_is_counted_once(running: Running, tokens: dict[str, str]) -> None:
    peer = running.peer(tokens["ada"])
    peer.put(frame_of(1))
    record, id = version_frame("1")
    peer.put(record)
    move(peer, "heads/main", None, id)
    usage = running.host.open("r", _caller(tokens["ada"]), Access.READ)._usage
    assert usage.owed("ada") == 0
    assert usage._pushed["ada"] == len(frame_of(1)) + len(record)
    peer.put(frame_of(2))
    assert usage.owed("ada") == len(frame_of(2))
    peer.close()


def test_a_server_that_starts_anew_remembers(
    root: Root, tokens: dict[str, str], ticks: Ticks
) -> None:
    first = Running(root, ticks)
    peer = first.peer(tokens["eve"])
    for n in range(4):
        peer.put(frame_of(n))
    peer.close()
    first.stop()
    second = Running(root, ticks)
    peer = second.peer(tokens["eve"])
    with pytest.raises(Failure) as caught:
        peer.put(frame_of(10))
        peer.put(frame_of(11))
    assert caught.value.kind == "quota"
    second.served.remote.tidy()  # no upload of hers is open here but the last
    peer.close()
    second.stop()


def test_an_upload_that_rests_is_freed(
    root: Root, running: Running, tokens: dict[str, str], ticks: Ticks
) -> None:
    """Its client is still there and its session open; the space and the quota come back by themselves."""
    peer = running.peer(tokens["eve"])
    for n in range(4):
        peer.put(frame_of(n))
    running.served.remote.tidy()
    assert on_disk(root) >= 8 << 20
    ticks.now += EXPIRE_SECONDS
    running.served.remote.tidy()
    assert on_disk(root) < 1 << 20
    for n in range(4):
        peer.put(frame_of(n))
    peer.close()


def test_one_that_sends_a_little_now_and_then_is_freed(
    root: Root, running: Running, tokens: dict[str, str], ticks: Ticks
) -> None:
    peer = running.peer(tokens["eve"])
    for n in range(4):
        peer.put(frame_of(n))
    for n in range(9):
        ticks.now += EXPIRE_SECONDS / 8  # less than EXPIRE_SMALL_SECONDS
        running.served.remote.tidy()
        peer.put(frame_of(100 + n, 1000))
    assert on_disk(root) < 2 << 20
    peer.close()


def test_a_long_push_goes_on(
    root: Root, running: Running, tokens: dict[str, str], ticks: Ticks
) -> None:
    root.accounts.set_quota(BY, Quota("r", "ada", 1 << 30))
    peer = running.peer(tokens["ada"])
    frames = [frame_of(n) for n in range(2 * PROGRESS_BYTES // (2 << 20))]
    for frame in frames:
        ticks.now += 2 * EXPIRE_SECONDS / len(frames)
        running.served.remote.tidy()
        peer.put(frame)
    assert on_disk(root) >= 30 << 20
    record, id = version_frame("long")
    peer.put(record)
    move(peer, "heads/main", None, id)
    peer.close()


def test_the_space_of_others_is_not_touched(
    root: Root, running: Running, tokens: dict[str, str], ticks: Ticks
) -> None:
    eve, ada = running.peer(tokens["eve"]), running.peer(tokens["ada"])
    eve.put(frame_of(1))
    ticks.now += EXPIRE_SECONDS - 1
    ada.put(frame_of(2))
    ticks.now += 1
    running.served.remote.tidy()
    record, id = version_frame("ada")
    ada.put(record)
    move(ada, "heads/main", None, id)
    usage = running.host.open("r", _caller(tokens["ada"]), Access.READ)._usage
    assert usage.owed("eve") == 0
    assert usage._pushed["ada"] == len(frame_of(2)) + len(record)
    eve.close()
    ada.close()


def _caller(token: str) -> Caller:
    return Caller("unix:", token)
