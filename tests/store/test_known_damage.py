"""What is known to be damaged counts as absent, and is stored anew in its place."""

from __future__ import annotations

import os

import pytest

from mvcd.errors import CorruptObject, MissingObject
from mvcd.store.lmdb_store import LmdbStore
from tests.store.children import Child, die
from tests.store.objects import delta, plain, revisions, some


@pytest.fixture
def objects():
    return some(seed=4, count=12)


@pytest.fixture
def path(tmp_path, objects):
    with LmdbStore.create(tmp_path / "store") as store, store.session() as session:
        for id, encoded, _ in objects:
            session.put(id, encoded)
        session.commit()
    return tmp_path / "store"


def spoil(store, path, id) -> None:
    """Flips the last byte of an object's record."""
    place = store.location(id)
    with open(path / "packs" / f"{place.pack:08x}.pack", "r+b") as file:
        file.seek(place.offset + place.size - 1)
        old = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([old ^ 0x40]))


def discover(store, id, how: str) -> None:
    if how == "read":
        with pytest.raises(CorruptObject):
            store.get(id)
    elif how == "read many":
        with pytest.raises(CorruptObject):
            list(store.get_many([id]))
    elif how == "send":
        with pytest.raises(CorruptObject):
            list(store.records([id]))
            store.get(id)
    else:
        assert [damage.id for damage in store.check(read_data=how == "verify")] == [id]


@pytest.mark.parametrize("how", ["read", "read many", "verify", "verify --quick"])
def test_it_is_absent_once_known_and_stored_anew(path, objects, how):
    id, encoded, data = objects[5]
    with LmdbStore.open(path) as store:
        spoil(store, path, id)
        assert store.has([id]) == [True], "nobody has looked yet"
        discover(store, id, how)
    with LmdbStore.open(path) as store:  # it survives a restart
        assert store.damaged() == [id]
        assert store.has([o[0] for o in objects]).count(False) == 1
        with store.session() as session:
            assert session.missing([id]) == [True]
            assert session.put(id, encoded) > 0
            assert session.put(objects[6][0], objects[6][1]) == 0
            session.commit()
        assert (store.get(id), store.damaged(), store.has([id])) == (data, [], [True])
        assert list(store.check()) == []


def test_it_is_no_base_and_what_rests_on_it_heals_with_it(tmp_path):
    first, second, third = revisions(seed=5, count=3)
    with LmdbStore.create(tmp_path / "s") as store:
        with store.session() as session:
            session.put(*plain(first))
            session.put(*delta(second, first))
            session.commit()
        base, based = plain(first)[0], delta(second, first)[0]
        spoil(store, tmp_path / "s", base)
        with pytest.raises(CorruptObject):
            store.get(based)
        assert set(store.damaged()) == {base, based}
        with store.session() as session:
            with pytest.raises(MissingObject):
                session.put(*delta(third, first))
            session.put(*plain(first))
            session.commit()
        assert store.get(based) == second
        assert list(store.check()) == []
        assert store.damaged() == []


def test_what_can_be_read_after_all_is_marked_no_more(path, objects):
    id = objects[3][0]
    with LmdbStore.open(path) as store:
        spoil(store, path, id)
        discover(store, id, "read")
        spoil(store, path, id)  # back again: the disk, or the cable, was to blame
        assert store.damaged() == [id]
        assert store.get(id) == objects[3][2]
        assert list(store.check()) == []
        assert store.damaged() == []


def test_a_pack_that_is_gone_is_noticed_before_anybody_counts_on_it(path, objects):
    (path / "packs/00000000.pack").unlink()
    with LmdbStore.open(path) as store, store.session() as session:
        assert all(session.missing([id for id, _, _ in objects]))
        for id, encoded, _ in objects:
            assert session.put(id, encoded) > 0
        session.commit()
        assert [store.get(id) for id, _, _ in objects] == [data for _, _, data in objects]


def test_a_cut_pack_hurts_only_what_lay_beyond(path, objects):
    with LmdbStore.open(path) as store:
        places = sorted((store.location(id).offset, id) for id, _, _ in objects)
    middle = places[6][0] + 1
    os.truncate(path / "packs/00000000.pack", middle)
    with LmdbStore.open(path) as store, store.session() as session:
        absent = session.missing([id for _, id in places])
    assert absent == [False] * 6 + [True] * 6


def test_two_that_heal_at_once_leave_one(path, objects):
    id, encoded, data = objects[2]
    with LmdbStore.open(path) as store:
        spoil(store, path, id)
        discover(store, id, "read")
        with store.session() as one, store.session() as other:
            assert one.put(id, encoded)
            assert other.put(id, encoded)
            one.commit()
            place = store.location(id)
            other.commit()
        assert store.location(id) == place
        assert store.get(id) == data


def test_killed_while_it_heals(path, objects):
    id, encoded, data = objects[2]
    with LmdbStore.open(path) as store:
        spoil(store, path, id)
        discover(store, id, "read")
    for step in ("pack written", "pack synced", "rows committed"):

        def work(report, step=step):
            def reached(name):
                report(name)
                if name.replace("-", " ").replace("_", " ") == step:
                    die()

            with LmdbStore.open(path, reached=reached) as opened, opened.session() as session:
                session.put(id, encoded)
                session.commit()

        Child(work).end()
        with LmdbStore.open(path) as store:
            assert store.damaged() in ([id], [])
            store.salvage()
            if not store.damaged():
                assert store.get(id) == data
                return
    pytest.fail("after its commit it was healed")


def test_an_older_program_sees_nothing_but_a_cache_row(path, objects):
    """The row of the object stays; the mark is a row of the cache, which older programs pass over."""
    id = objects[1][0]
    with LmdbStore.open(path) as store:
        before = store.location(id)
        spoil(store, path, id)
        discover(store, id, "read")
        assert store.location(id) == before
        assert [key for key, _ in store.cache_scan(b"damaged/")] == [b"damaged/" + id]
