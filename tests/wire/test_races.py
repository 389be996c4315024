"""Many at once: histories of compare-and-swap are linearisable, and no collection takes what a push needs."""

from __future__ import annotations

import math
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.errors import Conflict, MissingObject, RemoteUnreachable, StaleReuse
from mvcd.ids import VersionId
from mvcd.monitor import Silent
from mvcd.repo.care.gc import reach
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.sync.pull import pull
from mvcd.wire.client import Patience
from tests.support.linearising import Call, linearisable
from tests.support.proxy import Proxy
from tests.wire.conftest import History
from tests.wire.hosts import CarefulRepository, calling, serving

SHORT = Patience(first=0.001, most=0.002, total=0.01)
"""Gives up soon, so that histories hold updates whose end nobody knows."""


def play(seed: int, callers: int, calls: int) -> dict[str, list[Call]]:
    """`callers` threads, each `calls` updates of two refs over a line that is cut now and then."""
    store = MemoryStore()
    served, port = serving(store)
    history: dict[str, list[Call]] = defaultdict(list)
    lock = threading.Lock()

    def caller(number: int) -> None:
        source = random.Random(f"{seed} {number}")
        peer = calling(proxy.port, patience=SHORT)
        for _ in range(calls):
            ref = source.choice(["heads/a", "heads/b"])
            expect, target = store.ref(ref), source.randbytes(32)
            if source.random() < 0.1:
                proxy.cut()
            begin, moved = time.monotonic(), None
            try:
                peer.update_refs(
                    [RefUpdate(ref, expect, target)], force=frozenset(), author="", detail="x"
                )
                moved = True
            except Conflict:
                moved = False
            except RemoteUnreachable:
                pass
            end = math.inf if moved is None else time.monotonic()
            with lock:
                history[ref].append(Call(begin, end, expect, target, moved))
        peer.close()

    with Proxy(port) as proxy:
        threads = [threading.Thread(target=caller, args=(n,)) for n in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    served.stop(1)
    return history


def judge(seed: int, callers: int, calls: int) -> None:
    history = play(seed, callers, calls)
    assert sum(map(len, history.values())) == callers * calls
    for one in history.values():
        assert any(call.moved for call in one)
        assert linearisable(one)


@pytest.mark.parametrize("seed", range(5))
def test_no_update_is_lost(seed: int) -> None:
    judge(seed, 4, 20)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(200))
def test_no_update_is_ever_lost(seed: int) -> None:
    judge(seed, 4, 50)


@pytest.fixture
def collected(tmp_path: Path) -> Iterator[tuple[LmdbStore, int]]:
    """A server whose store is collected without pause, keeping just what refs and leases reach."""
    with LmdbStore.create(tmp_path / "server") as store:
        served, port = serving(store, CarefulRepository)
        ending = threading.Event()
        thread = threading.Thread(target=collect, args=(store, ending))
        thread.start()
        yield store, port
        ending.set()
        thread.join()
        served.stop(1)


def collect(store: LmdbStore, ending: threading.Event) -> None:
    while not ending.is_set():
        store.collect(
            lambda refs, _, leased, read: reach([*map(VersionId, refs.values()), *leased], read)
        )


def insist(history: History, port: int, bits: int) -> None:
    """Pushes until it is done: a collection may take what nobody named yet, and says so."""
    for _ in range(20):
        peer = calling(port)
        try:
            history.push(peer, bits)
            return
        except (StaleReuse, MissingObject):
            continue
        finally:
            peer.close()
    raise AssertionError("a push never came to its end")


def race(history: History, store: LmdbStore, port: int) -> None:
    insist(history, port, 1)
    insist(history, port, 2)
    assert store.refs() == {"heads/main": bytes(history.versions[1])}
    whole = {id for id, _ in history.store.ids()}
    copy = MemoryStore()
    peer = calling(port)
    with copy.session() as session:
        pull(copy, session, [peer], [history.versions[1]], [], monitor=Silent())
        session.commit()
    peer.close()
    assert {id for id, _ in copy.ids()} == whole


def test_a_collection_races_push_and_pull(
    history: History, collected: tuple[LmdbStore, int]
) -> None:
    store, port = collected
    for n in range(5):
        if n:
            store.update_refs([RefUpdate("heads/main", store.ref("heads/main"), None)])
        race(history, store, port)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_collections_race_pushes_for_long(
    history: History, collected: tuple[LmdbStore, int]
) -> None:
    store, port = collected
    for n in range(1000):
        if n:
            store.update_refs([RefUpdate("heads/main", store.ref("heads/main"), None)])
        race(history, store, port)
