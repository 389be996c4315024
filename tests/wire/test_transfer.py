"""Whole repositories over gRPC on loopback: pushed, changed, pushed again, pulled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mvcd.errors import Conflict, MissingObject, NoRepository
from mvcd.ids import ChunkId, VersionId
from mvcd.monitor import Silent
from mvcd.repo.records.refs import HEADS, target_of
from mvcd.repo.records.results import Context
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.sync.pull import pull
from mvcd.sync.push import push
from tests.support.engine import Repository
from tests.wire.conftest import History
from tests.wire.hosts import calling, core_of, serving

CONTEXT = Context(author="Ada <ada@example.org>", time_us=1_700_000_000_000_000)


@pytest.fixture
def served(tmp_path):
    with LmdbStore.create(tmp_path / "server") as store:
        served, port = serving(store)
        yield store, port
        served.stop(1)


def test_push_and_pull_of_a_history(tmp_path: Path, served) -> None:
    store, port = served
    root = tmp_path / "w"
    root.mkdir()
    with Repository.create(str(root), context=CONTEXT) as repository:
        repository.add([str(root)], context=CONTEXT)
        big = bytearray(os.urandom(3 << 20))
        ids = []
        for n in range(3):
            big[n * 1000] ^= 1
            (root / "model.bin").write_bytes(big)
            for k in range(50):
                (root / f"f{k}.txt").write_text(f"{k} {n if k < 3 else 0}")
            ids.append(repository.commit(f"v{n}", context=CONTEXT).version)
        core = core_of(repository)
        peer = calling(port)
        sent = push(core.store, peer, [ids[1]], [], monitor=Silent())
        assert sent.versions == 2
        peer.update_refs(
            [RefUpdate("heads/main", None, bytes(ids[1]))],
            force=frozenset(),
            author="a",
            detail="d",
        )
        before = store.stats().objects
        sent = push(core.store, peer, [ids[2]], [ids[1]], monitor=Silent())
        assert 0 < sent.objects < 20 and sent.bytes < 500_000
        receipt = peer.update_refs(
            [RefUpdate("heads/main", bytes(ids[1]), bytes(ids[2]))],
            force=frozenset(), author="a", detail="d",
        )  # fmt: skip
        assert receipt.objects == sent.objects == store.stats().objects - before
        peer.close()
    with LmdbStore.create(tmp_path / "clone") as clone, clone.session() as session:
        peer = calling(port)
        head = VersionId(target_of(peer.refs(HEADS)["heads/main"]))
        got = pull(clone, session, [peer], [head], [], monitor=Silent())
        session.commit([RefUpdate("heads/main", None, bytes(head))])
        assert got.versions == 3
        assert {id for id, _ in clone.ids()} == {id for id, _ in store.ids()}
        assert list(clone.check()) == []
        peer.close()


def test_errors_come_through_as_they_are(served) -> None:
    _, port = served
    peer = calling(port, "elsewhere")
    with pytest.raises(NoRepository, match="elsewhere"):
        peer.hello()
    peer = calling(port)
    with pytest.raises(MissingObject):
        list(peer.records([ChunkId.of(b"never stored")]))
    peer.update_refs(
        [RefUpdate("heads/a", None, b"1" * 32)], force=frozenset(), author="", detail=""
    )
    with pytest.raises(Conflict) as caught:
        peer.update_refs(
            [RefUpdate("heads/a", None, b"2" * 32)], force=frozenset(), author="", detail=""
        )
    assert caught.value.kind == "ref-changed"


def test_the_memory_store_is_served_too() -> None:
    served, port = serving(MemoryStore())
    try:
        peer = calling(port)
        assert peer.refs() == {}
        assert peer.has([ChunkId.of(b"x")]) == [False]
    finally:
        served.stop(1)


class Totals(Silent):
    """What was said to come, and what came."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = [0, 0]
        self.items = [0, 0]

    def expect(self, *, more_bytes: int = 0, more_items: int = 0) -> None:
        self.bytes[0] += more_bytes
        self.items[0] += more_items

    def advance(self, *, bytes_done: int = 0, items_done: int = 0, bytes_new: int = 0) -> None:
        self.bytes[1] += bytes_done
        self.items[1] += items_done
        assert self.items[1] <= self.items[0], "done before it was known"


def test_totals_are_told_before_what_they_count(history: History, served) -> None:
    _, port = served
    peer = calling(port)
    heads = [history.versions[1]]
    pushed = Totals()
    sent = push(history.store, peer, heads, [], monitor=pushed)
    assert pushed.bytes == [sent.bytes] * 2
    assert pushed.items == [sent.objects] * 2
    update = [RefUpdate("heads/main", None, bytes(heads[0]))]
    peer.update_refs(update, force=frozenset(), author="a", detail="d")
    pulled = Totals()
    with MemoryStore() as clone, clone.session() as session:
        got = pull(clone, session, [peer], heads, [], monitor=pulled)
        assert pulled.items == [got.objects] * 2
    peer.close()
