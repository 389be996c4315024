"""Connections that break: calls are repeated, lost replies are remembered, and nothing is sent twice."""

from __future__ import annotations

import os
import random

import pytest

from mvcd.errors import Conflict, RemoteUnreachable
from mvcd.ids import ChunkId
from mvcd.store.api import RefUpdate
from mvcd.store.frames import FRAME_END_BYTES, gather
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.record import record_head
from tests.store.objects import plain
from tests.support.proxy import Proxy
from tests.wire.hosts import ONCE, calling, serving


@pytest.fixture
def line(tmp_path):
    """A served store and a proxy before it."""
    with LmdbStore.create(tmp_path / "server") as store:
        served, port = serving(store)
        with Proxy(port) as proxy:
            yield store, proxy
        served.stop(1)


def record_of(data: bytes) -> bytes:
    id, encoded = plain(data)
    return record_head(id, encoded) + data


def frames_of(count: int, size: int = 64 << 10) -> tuple[list[ChunkId], list[bytes]]:
    data = [os.urandom(size) for _ in range(count)]
    return [ChunkId.of(d) for d in data], list(gather((record_of(d), len(d)) for d in data))


def move(peer, name: str, old: bytes | None, new: bytes | None):
    update = [RefUpdate(name, old, new)]
    return peer.update_refs(update, force=frozenset(), author="a", detail="moved")


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.97])
def test_puts_go_on_after_a_cut(line, part: float) -> None:
    store, proxy = line
    ids, frames = frames_of(40)
    peer = calling(proxy.port)
    proxy.cut_after(up=int(part * sum(map(len, frames))))
    for frame in frames:
        peer.put(frame)
    move(peer, "heads/a", None, b"1" * 32)
    assert proxy.cuts == 1
    assert all(store.has(ids)) and list(store.check()) == []
    assert proxy.carried["up"] < 1.02 * sum(map(len, frames)) + FRAME_END_BYTES
    peer.close()


@pytest.mark.parametrize("part", [0.02, 0.5, 0.97])
def test_a_stream_of_records_goes_on_after_a_cut(line, part: float) -> None:
    _, proxy = line
    ids, frames = frames_of(60)
    peer = calling(proxy.port)
    for frame in frames:
        peer.put(frame)
    move(peer, "heads/a", None, b"1" * 32)
    proxy.cut_after(down=int(part * sum(map(len, frames))))
    got = [record.id for frame in peer.records(ids) for record, _ in frame.records]
    assert proxy.cuts == 1
    assert sorted(got) == sorted(ids)
    peer.close()


@pytest.mark.parametrize("after", range(1, 200, 20))
def test_the_lost_reply_of_an_update_is_no_conflict(line, after: int) -> None:
    """The cut comes at every place of the reply; the ref has moved once, and the caller hears of success."""
    store, proxy = line
    peer = calling(proxy.port)
    peer.refs()
    for n in range(3):
        old = None if n == 0 else b"%d" % (n - 1) * 32
        proxy.cut_after(down=after + n)
        assert move(peer, "heads/a", old, b"%d" % n * 32).changes == n + 1
    assert len(list(store.operations())) == 3
    peer.close()


def test_a_reply_that_was_forgotten_is_found_in_the_refs(line) -> None:
    store, proxy = line
    peer = calling(proxy.port)
    peer.refs()
    given = store.cache_get
    store.cache_get = lambda keys: [None] * len(keys)  # cache rows may be lost without harm
    proxy.cut_after(down=1)
    move(peer, "heads/a", None, b"1" * 32)
    store.cache_get = given
    assert store.refs() == {"heads/a": b"1" * 32}
    with pytest.raises(Conflict):
        move(peer, "heads/a", None, b"2" * 32)
    peer.close()


def test_who_never_answers_is_said_to_be_unreachable(line) -> None:
    _, proxy = line
    proxy.close()
    with pytest.raises(RemoteUnreachable):
        calling(proxy.port, patience=ONCE).hello()


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(200))
def test_cuts_anywhere(line, seed: int) -> None:
    store, proxy = line
    source = random.Random(seed)
    ids, frames = frames_of(source.randrange(1, 40))
    total = sum(map(len, frames))
    peer = calling(proxy.port)
    for frame in frames:
        if source.random() < 0.3:
            proxy.cut_after(up=source.randrange(1, total + 1))
        peer.put(frame)
    proxy.cut_after(down=source.randrange(1, 400))
    move(peer, "heads/a", None, b"1" * 32)
    proxy.cut_after(down=source.randrange(1, total))
    got = [record.id for frame in peer.records(ids) for record, _ in frame.records]
    assert sorted(got) == sorted(ids) and len(list(store.operations())) == 1
    peer.close()
