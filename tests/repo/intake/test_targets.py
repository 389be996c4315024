"""Where objects go: what was put can be read at once, however often the session is flushed."""

from __future__ import annotations

import pytest

from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import ChunkId, NodeId, RecipeId
from mvcd.repo.intake import targets
from mvcd.repo.intake.targets import DryTarget, StoreTarget
from mvcd.store import session
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.readymade import ReadyRecords
from mvcd.store.record import PLAIN_OVERHEAD_BYTES
from tests.support.memory import in_memory

OBJECTS = [b"%d" % n * 50 for n in range(60)]


@pytest.mark.parametrize("most_bytes", [1, 500, 1 << 20])
@pytest.mark.parametrize("most_rows", [1, 7, 1 << 20])
def test_what_was_put_can_be_read(
    most_bytes: int, most_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "_RECENT_BYTES", most_bytes)
    monkeypatch.setattr(session, "MAX_ROWS", most_rows)
    with in_memory() as path, LmdbStore.create(path) as store, store.session() as writer:
        target = StoreTarget(store, writer)
        for number, data in enumerate(OBJECTS):
            kind = NodeId if number % 2 else RecipeId
            target.put_object(kind.of(data), data)
            target.put_chunk(ChunkId.of(data), Encoded(Codec.RAW, len(data), data))
            for earlier, put in enumerate(OBJECTS[: number + 1]):
                id = (NodeId if earlier % 2 else RecipeId).of(put)
                recent = target.recent(id)
                assert put == (store.get(id) if recent is None else recent)


def test_what_can_be_read_from_the_store_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_ROWS", 4)
    with in_memory() as path, LmdbStore.create(path) as store, store.session() as writer:
        target = StoreTarget(store, writer)
        ids = [NodeId.of(data) for data in OBJECTS]
        for id, data in zip(ids, OBJECTS, strict=True):
            target.put_object(id, data)
        assert sum(target.recent(id) is not None for id in ids) <= 4


def test_objects_of_several_kinds_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_ROWS", 3)
    with in_memory() as path, LmdbStore.create(path) as store, store.session() as writer:
        target = StoreTarget(store, writer)
        objects = [((NodeId if d[0] % 2 else RecipeId).of(d), d) for d in OBJECTS[:7]]
        target.put_objects(objects)
        for id, data in objects:
            recent = target.recent(id)
            assert data == (store.get(id) if recent is None else recent)


def test_a_dry_target_keeps_objects_and_no_chunks() -> None:
    target = DryTarget()
    recipe = RecipeId.of(b"z")
    form = Encoded(Codec.RAW, 1, b"y")
    assert target.put_ready(target.ready({ChunkId.of(b"y"): form}, {recipe: b"z"})) == (0, 0)
    assert target.recent(recipe) == b"z"
    assert target.sealed([(ChunkId.of(b"y"), form)], memoryview(bytearray(53))) is None
    assert target.put_lot(ReadyRecords([], 0, b"")) == (0, 0)
    id = NodeId.of(b"x")
    assert target.put_object(id, b"x") == 0
    assert target.recent(id) == b"x"
    assert target.known([ChunkId.of(b"y")]) == [True]
    assert target.absent([ChunkId.of(b"y"), id]) == [False, True]


def test_a_lot_is_put_unless_a_chunk_comes_twice() -> None:
    with in_memory() as path, LmdbStore.create(path) as store, store.session() as writer:
        target = StoreTarget(store, writer)
        data = memoryview(bytearray(2 * (PLAIN_OVERHEAD_BYTES + 1)))
        forms = [Encoded(Codec.RAW, 1, data[at:][:1]) for at in (52, 105)]
        data[52], data[105] = b"xy"
        x, y = ChunkId.of(b"x"), ChunkId.of(b"y")
        assert target.sealed([(x, forms[0]), (x, forms[1])], data) is None
        lot = target.sealed([(x, forms[0]), (y, forms[1])], data)
        assert lot is not None
        assert target.put_lot(lot) == (len(data), 2)
        assert target.put_lot(lot) == (0, 0)
        writer.flush()
        assert (store.get(x), store.get(y)) == (b"x", b"y")


@pytest.mark.parametrize("most_bytes", [1, 3000, 1 << 24])
@pytest.mark.parametrize("most_rows", [1, 7, 1 << 20])
@pytest.mark.parametrize("step", [1, 9, 60])
@pytest.mark.parametrize("ready", [False, True])
def test_what_was_put_together_can_be_read(
    most_bytes: int, most_rows: int, step: int, ready: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "_RECENT_BYTES", most_bytes)
    monkeypatch.setattr(session, "MAX_ROWS", most_rows)
    with in_memory() as path, LmdbStore.create(path) as store, store.session() as writer:
        target = StoreTarget(store, writer)
        ids = [RecipeId.of(data) for data in OBJECTS]
        for at in range(0, len(OBJECTS), step):
            some = list(zip(ids, OBJECTS, strict=True))[at : at + step]
            chunks = {ChunkId.of(d): Encoded(Codec.RAW, len(d), d) for _, d in some}
            if ready:
                stored, new = target.put_ready(target.ready(chunks, dict(some)))
                assert stored > 2 * new == 2 * sum(len(data) for _, data in some)
            else:
                assert target.put_objects(some) > sum(len(data) for _, data in some)
            for id, put in zip(ids[: at + step], OBJECTS, strict=False):
                recent = target.recent(id)
                assert put == (store.get(id) if recent is None else recent)
