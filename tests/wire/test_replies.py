"""Replies to updates are remembered for a week and then forgotten, a few at each update."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvcd.errors import Conflict
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.wire.replies import FORGOTTEN_ROWS, KEPT_DAYS, Replies
from mvcd.wire.v1 import remote_pb2 as pb
from tests.wire.hosts import calling, serving

DAY = 86_400.0
START = 20_000 * DAY


class Clock:
    """Tells what it is told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def rows(store: MemoryStore | LmdbStore) -> int:
    return len(list(store.cache_scan(b"")))


def test_a_week_and_no_longer() -> None:
    clock, store = Clock(), MemoryStore()
    replies = Replies(clock)
    store.cache_put(replies.rows(store, b"a" * 16, b"first"))
    for day, found in [(0, b"first"), (KEPT_DAYS, b"first"), (KEPT_DAYS + 1, None), (-1, b"first")]:
        clock.now = START + day * DAY
        assert replies.find(store, b"a" * 16) == found
    clock.now = 3 * DAY  # a clock that was never set
    assert replies.find(store, b"a" * 16) is None


def test_one_update_forgets_a_few(tmp_path: Path) -> None:
    """Also where far more have aged than one scan of a store reads at once."""
    clock = Clock()
    replies = Replies(clock)
    with LmdbStore.create(tmp_path / "store") as store:
        old = {}
        for n in range(3 * FORGOTTEN_ROWS):
            old |= replies.rows(store, n.to_bytes(16, "big"), b"old")
        store.cache_put(old)
        clock.now += (KEPT_DAYS + 1) * DAY
        for n in range(4):
            store.cache_put(replies.rows(store, b"new %12d" % n, b"new"))
            assert rows(store) == max(0, 2 - n) * FORGOTTEN_ROWS + n + 1
        assert all(replies.find(store, b"new %12d" % n) == b"new" for n in range(4))


def test_a_server_answers_again_for_a_week() -> None:
    clock, store = Clock(), MemoryStore()
    served, port = serving(store, clock=clock)
    peer = calling(port)
    request = pb.UpdateRefsRequest(
        repo="r", request_id=b"i" * 16, updates=[pb.RefUpdate(name="heads/a", target=b"1" * 32)]
    )
    first = peer._call(peer._stub.UpdateRefs, request, 10)
    clock.now += KEPT_DAYS * DAY
    assert peer._call(peer._stub.UpdateRefs, request, 10) == first
    clock.now += DAY
    with pytest.raises(Conflict):
        peer._call(peer._stub.UpdateRefs, request, 10)
    peer.close()
    served.stop(1)
