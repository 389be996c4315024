"""Content stored as differences of differences: what it rests on comes along, wherever it is wanted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.errors import Failure
from mvcd.ids import ChunkId, Digest
from mvcd.monitor import Silent
from mvcd.repo.bases.chains import MOST_LEVELS, chain_of
from mvcd.repo.core.wanted import Wanted
from mvcd.store.frames import RecordFrame, parse_frame
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.store.record import MAX_DELTA_LEVELS
from mvcd.sync.pull import fetch_records
from tests.store.objects import delta, plain, revisions
from tests.sync.people import Pair
from tests.wire.hosts import serving


def checkpoints(count: int) -> list[bytes]:
    rng = np.random.default_rng(1)
    weights = [rng.normal(0, 0.02, 300_000).astype("f4")]
    for _ in range(count - 1):
        weights.append(weights[-1] + rng.normal(0, 1e-4, 300_000).astype("f4"))
    return [save({"w": values}) for values in weights]


def deepest(pair: Pair, data: bytes) -> int:
    start = 8 + int.from_bytes(data[:8], "little")
    ids = [ChunkId.of(data[at : at + 262144]) for at in range(start, len(data), 262144)]
    return max(len(chain_of(lambda id: pair.ada.repo.store.info(id).base, id)) - 1 for id in ids)


@pytest.fixture(params=["file", "grpc"])
def shared(request: pytest.FixtureRequest, pair: Pair) -> Iterator[Pair]:
    """The place that both know, by its path or from a server."""
    if request.param == "file":
        yield pair
        return
    with LmdbStore.open(pair.url) as store:
        served, port = serving(store)
        try:
            pair.url = f"grpc://127.0.0.1:{port}/r"
            pair.ada.repo.set_remote_url("origin", pair.url)
            yield pair
        finally:
            served.stop(1)


@pytest.mark.parametrize(
    "wanted",
    [Wanted(), Wanted(frozenset()), Wanted(depth=1)],
    ids=["all", "records", "depth"],
)
def test_what_is_read_in_a_clone_has_what_it_rests_on(shared: Pair, wanted: Wanted) -> None:
    files = checkpoints(MOST_LEVELS + 1)
    for data in files:
        shared.ada.save({"model.safetensors": data})
    assert deepest(shared, files[-1]) == MOST_LEVELS
    shared.ada.push()
    bob = shared.join(wanted=wanted)
    assert bob.repo.read("model.safetensors", "v4") == files[3]
    assert list(bob.repo.store.check()) == []
    for number, data in enumerate(files, 1):
        assert bob.repo.read("model.safetensors", f"v{number}") == data
    assert bob.repo.verify().ok


def test_a_clone_from_before_takes_what_is_deeper(shared: Pair) -> None:
    """What the clone has is stored whole there, and differences to it and to more come."""
    files = checkpoints(6)
    shared.ada.save({"model.safetensors": files[0]})
    shared.ada.push()
    bob = shared.join()
    for data in files[1:5]:
        shared.ada.save({"model.safetensors": data})
        shared.ada.push()
    bob.pull()
    assert bob.files() == {"model.safetensors": files[4]}
    bob.save({"model.safetensors": files[5]})
    bob.push()
    shared.ada.pull()
    assert shared.ada.files() == {"model.safetensors": files[5]}
    for person in (shared.ada, bob):
        assert person.repo.verify().ok
        assert person.repo.verify_remote(read_data=True).ok


# ---------------------------------------------------------------- a peer that holds chains


class Peer:
    """Sends one record a frame, and only what it is asked for."""

    url = "here"

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.requests = 0

    def arranged(self, ids: Sequence[Digest]) -> list[Digest]:
        return list(ids)

    def records(self, ids: Sequence[Digest]) -> Iterator[RecordFrame]:
        self.requests += 1
        for id in ids:
            yield from map(parse_frame, self._store.records([id]))


def chained(count: int) -> tuple[MemoryStore, list[bytes]]:
    store, data = MemoryStore(), revisions(seed=4, count=count)
    with store.session() as session:
        session.put(*plain(data[0]))
        for base, one in pairwise(data):
            session.put(*delta(one, base))
        session.commit()
    return store, data


def fetched(peer: Peer, into: MemoryStore, data: bytes) -> None:
    with into.session() as session:
        fetch_records(session, into, [peer], [ChunkId.of(data)], Silent())  # type: ignore[list-item]
        session.commit()


class Waiting(Peer):
    """Keeps back the first answer with `base` until what rests on it came, or `base` was asked for again."""

    def __init__(self, store: MemoryStore, base: ChunkId, difference: ChunkId) -> None:
        super().__init__(store)
        self._base, self._difference = base, difference
        self._came, self._again = threading.Event(), threading.Event()
        self.asked: Counter[Digest] = Counter()

    def records(self, ids: Sequence[Digest]) -> Iterator[RecordFrame]:
        self.asked.update(ids)
        if self._base in ids:
            if self.asked[self._base] > 1:
                self._again.set()
            elif self._difference not in ids:
                self._came.wait(10)
                self._again.wait(0.2)
        yield from super().records(ids)
        if self._difference in ids:
            self._came.set()


def test_a_base_that_is_on_its_way_is_waited_for() -> None:
    """The base is in the first request, what rests on it in the third; the second is over long before."""
    theirs, data = chained(2)
    base, difference = map(ChunkId.of, data)
    others = [plain(b"%d" % n) for n in range(100)]
    with theirs, MemoryStore() as ours:
        with theirs.session() as session:
            for other in others:
                session.put(*other)
            session.commit()
        peer = Waiting(theirs, base, difference)
        ids: list[Digest] = [base, *(ChunkId.of(b"%d" % n) for n in range(100))]
        ids.insert(50, difference)
        with ours.session() as session:
            got = fetch_records(session, ours, [peer], ids, Silent())  # type: ignore[list-item]
            session.commit()
        assert max(peer.asked.values()) == 1
        assert got.objects == len(ids)


def test_one_object_brings_its_whole_chain() -> None:
    theirs, data = chained(10)
    with theirs, MemoryStore() as ours:
        peer = Peer(theirs)
        fetched(peer, ours, data[4])
        assert peer.requests == 5, "one for each level"
        fetched(peer, ours, data[9])
        assert peer.requests == 10, "what is here is not asked for again"
        assert [ours.get(ChunkId.of(one)) for one in data] == data


def test_a_chain_that_does_not_end_is_refused() -> None:
    theirs, data = chained(MAX_DELTA_LEVELS + 2)
    with theirs, MemoryStore() as ours:
        with pytest.raises(Failure, match="rest on no whole chunk"):
            fetched(Peer(theirs), ours, data[-1])
        assert list(ours.ids()) == []
