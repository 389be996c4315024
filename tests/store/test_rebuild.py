from __future__ import annotations

import shutil

import pytest

from mvcd.errors import Busy, Failure, IntegrityError
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.rebuild import rebuild_index
from mvcd.store.record import PACK_HEADER
from tests.store.history import History, walk
from tests.store.objects import delta, plain, revisions, some


def everything(store):
    """Objects, refs and operations, read back from a store."""
    return (
        {id: (info, store.get(id)) for id, info in store.ids()},
        store.refs(),
        list(store.operations()),
    )


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A store of several packs, with its content."""
    monkeypatch.setattr("mvcd.store.session.SEAL_BYTES", 20_000)
    path = tmp_path / "store"
    with LmdbStore.create(path) as store:
        history = History(3)
        for number in range(1, 8):
            with store.session() as session:
                history.save(session, number)
        first, second = revisions(seed=1, count=2)
        with store.session() as session:
            session.put(*plain(first))
            session.put(*delta(second, first))
            session.commit([RefUpdate("tags/é", None, b"value")])
        store.update_refs([RefUpdate("gone", None, b"1")])
        store.update_refs([RefUpdate("gone", b"1", None)], operation=b"last")
        assert store.stats().packs > 2
        content = everything(store)
    return path, content


def test_a_rebuilt_index_equals_the_lost_one(made):
    path, content = made
    with LmdbStore.open(path) as store:
        id = store.id
    (path / "data.mdb").unlink()
    with pytest.raises(IntegrityError):
        LmdbStore.open(path)
    report = rebuild_index(path)
    assert report.objects == len(content[0])
    assert (report.refs, report.operations) == (2, 8)
    assert (report.damaged, report.journal_gaps) == (0, 0)
    with LmdbStore.open(path) as store:
        assert store.id == id
        assert everything(store) == content
        assert list(store.check()) == []
        assert sum(1 for _ in walk(store, History(3).id(7))) > 7


def test_the_store_goes_on_after_a_rebuild(made):
    path, content = made
    (path / "data.mdb").write_bytes(b"garbage")
    rebuild_index(path)
    assert (path / "data.mdb.damaged-1").read_bytes() == b"garbage"
    with LmdbStore.open(path) as store:
        packs = store.stats().packs
        id, encoded = plain(b"new")
        with store.session() as session:
            session.put(id, encoded)
            assert session.commit([RefUpdate("new", None, b"1")], operation=b"new") == 9
        assert store.stats().packs == packs + 1, "old packs stay as they are"
        assert list(store.check()) == []
    rebuild_index(path)
    with LmdbStore.open(path) as store:
        assert store.refs() == content[1] | {"new": b"1"}
        assert store.get(id) == b"new"


def test_damaged_records_are_left_out_and_hide_no_others(made):
    path, content = made
    lost = set()
    with LmdbStore.open(path) as store:
        for pack in sorted((path / "packs").iterdir())[:2]:
            rows = sorted(
                (location.offset, location.size, id)
                for id, location in store.locations()
                if location.pack == int(pack.stem, 16)
            )
            offset, size, id = rows[len(rows) // 2]
            data = bytearray(pack.read_bytes())
            data[offset + size - 1] ^= 1
            pack.write_bytes(data)
            lost.add(id)
    report = rebuild_index(path)
    assert report.damaged == 2
    with LmdbStore.open(path) as store:
        assert {id for id, _ in store.ids()} == content[0].keys() - lost


def test_a_record_inside_another_ones_body_is_not_found(tmp_path):
    """Packs may themselves be versioned: a body that looks like a record is not one."""
    inner_id, inner = plain(b"inner")
    with LmdbStore.create(tmp_path / "a") as store, store.session() as session:
        session.put(inner_id, inner)
        session.commit()
    data = (tmp_path / "a/packs/00000000.pack").read_bytes()
    outer_id, outer = plain(data)
    with LmdbStore.create(tmp_path / "b") as store, store.session() as session:
        session.put(outer_id, outer)
        session.commit()
    assert rebuild_index(tmp_path / "b").objects == 1
    with LmdbStore.open(tmp_path / "b") as store:
        assert [id for id, _ in store.ids()] == [outer_id]


def test_without_a_journal_objects_come_back_alone(made):
    path, content = made
    (path / "refs.journal").unlink()
    report = rebuild_index(path)
    assert (report.refs, report.operations) == (0, 0)
    with LmdbStore.open(path) as store:
        assert {id for id, _ in store.ids()} == content[0].keys()


def test_uncommitted_bytes_are_kept_if_they_are_whole(tmp_path):
    """Nobody can tell them from committed ones; at worst they are garbage once more."""
    with LmdbStore.create(tmp_path) as store, store.session() as session:
        for id, encoded, _ in some(seed=1, count=10):
            session.put(id, encoded)
        session.commit()
    pack = tmp_path / "packs/00000000.pack"
    record = pack.read_bytes()[PACK_HEADER.size :]
    pack.write_bytes(pack.read_bytes() + record[: len(record) // 2])
    report = rebuild_index(tmp_path)
    assert (report.objects, report.damaged) == (10, 1)


def test_rebuilding_needs_the_store_for_itself(made):
    path, _ = made
    with LmdbStore.open(path), pytest.raises(Busy):
        rebuild_index(path)
    shutil.rmtree(path)
    with pytest.raises(Failure):
        rebuild_index(path)
