"""What is found present is counted on only if it can be read: packs that changed unseen are read before."""

from __future__ import annotations

import os
import random
import shutil
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.record import PACK_HEADER, scan
from mvcd.store.reuse import AGE_SECONDS, Reuse
from mvcd.store.stamp import Stamp, put_stamps
from mvcd.store.stretches import bad_stretches
from tests.store.objects import delta, plain, revisions, some

PACK = "packs/00000000.pack"


@pytest.fixture
def objects():
    return some(seed=6, count=12)


@pytest.fixture
def path(tmp_path, objects):
    with LmdbStore.create(tmp_path / "store") as store:
        put(store, objects)
    return tmp_path / "store"


def put(store, objects) -> list[bool]:
    """Which of them were stored, and not counted on."""
    with store.session() as session:
        added = [session.put(id, encoded) > 0 for id, encoded, _ in objects]
        session.commit()
    return added


def spoil(path, offset: int, size: int = 1) -> None:
    with open(path / PACK, "r+b") as file:
        file.seek(offset)
        old = file.read(size)
        file.seek(offset)
        file.write(bytes(byte ^ 0x55 for byte in old))


def reads(store, monkeypatch) -> list:
    """What is read of packs from now on."""
    seen = []
    read = store.packs.read
    monkeypatch.setattr(store.packs, "read", lambda places: seen.extend(places) or read(places))
    return seen


@pytest.mark.parametrize("where", [0, 5, 20, 50, -1])
@pytest.mark.parametrize("n", [0, 5, 11])
@pytest.mark.parametrize("copied", [False, True])
def test_damage_that_nobody_knew_is_found_before_it_is_counted_on(
    path, objects, where, n, copied, tmp_path
):
    with LmdbStore.open(path) as store:
        places = [store.location(id) for id, _, _ in objects]
    spoil(path, places[n].offset + where % places[n].size)
    if copied:
        shutil.copytree(path, tmp_path / "copy")
        path = tmp_path / "copy"
    with LmdbStore.open(path) as store:
        with store.session() as session:
            assert session.missing([o[0] for o in objects]) == [k == n for k in range(12)]
        assert put(store, objects) == [k == n for k in range(12)]
        assert [store.get(id) for id, _, _ in objects] == [data for _, _, data in objects]
        assert list(store.check()) == []


def test_a_put_without_a_question_finds_it_too(path, objects):
    with LmdbStore.open(path) as store:
        spoil(path, store.location(objects[3][0]).offset + 60)
        assert put(store, objects).count(True) == 1
        assert list(store.check()) == []


def test_what_rests_on_a_damaged_base_is_not_counted_on(tmp_path):
    first, second, _ = revisions(seed=5, count=3)
    with LmdbStore.create(tmp_path / "s") as store:
        with store.session() as session:
            session.put(*plain(first))
            session.put(*delta(second, first))
            session.commit()
        base, based = plain(first)[0], delta(second, first)[0]
        spoil(tmp_path / "s", store.location(base).offset + 70)
        with store.session() as session:
            assert session.missing([based]) == [True]
            assert session.put(*plain(second))
            session.commit()
        assert store.get(based) == second
        assert store.damaged() == [base]


def test_what_rests_on_a_base_that_another_session_found_damaged(tmp_path):
    first, second, _ = revisions(seed=5, count=3)
    base, based = plain(first)[0], delta(second, first)[0]
    with LmdbStore.create(tmp_path / "s") as store:
        with store.session() as session:
            session.put(*plain(first))
            session.put(*delta(second, first))
            session.commit()
        spoil(tmp_path / "s", store.location(base).offset + 70)
        with store.session() as session:
            assert session.missing([base]) == [True]
        with store.session() as session:
            assert session.missing([based]) == [True]


def test_a_pack_that_nobody_touched_is_not_read(path, objects, monkeypatch):
    """Nor one that others appended to since, each in a commit of its own."""
    more = some(seed=7, count=20)
    with LmdbStore.open(path) as store:
        for one in more:
            put(store, [one])
        list(store.check(read_data=False))
        seen = reads(store, monkeypatch)
        for one in some(seed=8, count=3):
            assert put(store, [one, *objects, *more]) == [True] + [False] * 32
        assert seen == []


def test_one_that_is_written_at_this_moment_is_not_read(path, objects, monkeypatch):
    with LmdbStore.open(path) as store, store.session() as writer:
        for id, encoded, _ in some(seed=9, count=3):
            writer.put(id, encoded)
        writer.drain()
        seen = reads(store, monkeypatch)
        assert put(store, objects) == [False] * 12
        assert seen == []
        writer.commit()
        assert put(store, objects) == [False] * 12
        assert seen == []


def test_a_pack_is_read_once_and_then_known(path, objects, monkeypatch):
    os.utime(path / PACK)
    with LmdbStore.open(path) as store:
        seen = reads(store, monkeypatch)
        assert put(store, objects) == [False] * 12
        assert len(seen) == 1
        assert put(store, objects) == [False] * 12
        assert len(seen) == 1


def test_verify_vouches_for_packs(path, objects, monkeypatch):
    os.utime(path / PACK)
    with LmdbStore.open(path) as store:
        assert list(store.check()) == []
        seen = reads(store, monkeypatch)
        assert put(store, objects) == [False] * 12
        assert seen == []


def test_rot_below_the_file_system_is_found_when_the_pack_is_old(path, objects):
    with LmdbStore.open(path) as store:
        spoil(path, store.location(objects[3][0]).offset + 60)
        now = time.time()
        put_stamps(store.index, {0: Stamp.of(os.stat(path / PACK), now)})  # as if nobody had
        ids = [id for id, _, _ in objects]
        assert Reuse(store, lambda: now + AGE_SECONDS - 9).present(ids) == set(ids)
        assert Reuse(store, lambda: now - 9).present(ids) == set(ids) - {ids[3]}, "a clock set back"


@given(seed=st.integers(0, 99), hits=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 400))))
@settings(deadline=None, max_examples=40)
def test_bad_stretches_are_where_records_are_not_whole(tmp_path_factory, seed, hits):
    data, ends = pack_of(tmp_path_factory, seed)
    spoiled = bytearray(data)
    for place, size in hits:
        at = PACK_HEADER.size + place % (len(data) - PACK_HEADER.size)
        spoiled[at : at + size] = bytes(byte ^ 0x55 for byte in spoiled[at : at + size])
    bad = list(bad_stretches(lambda at, size: bytes(spoiled[at : at + size]), len(data)))
    for start, end in ends:
        whole = spoiled[start:end] == data[start:end]
        assert whole == (not any(a < end and start < b for a, b in bad))


def pack_of(tmp_path_factory, seed):
    """The bytes of a pack, and where its records are."""
    root = tmp_path_factory.mktemp("pack") / "s"
    source = random.Random(seed)
    with LmdbStore.create(root) as store:
        put(store, some(seed=seed, count=source.randint(1, 12)))
    data = (root / PACK).read_bytes()
    shutil.rmtree(root)
    return data, [(at, at + record.size) for at, record in scan(data)]  # type: ignore[union-attr]


def test_records_across_windows(tmp_path, monkeypatch):
    monkeypatch.setattr("mvcd.store.stretches.WINDOW_BYTES", 3 << 20)
    with LmdbStore.create(tmp_path / "s") as store:
        chunks = [random.Random(n).randbytes(1_500_000) for n in range(8)]
        with store.session() as session:
            for chunk in chunks:
                session.put(*plain(chunk))
            session.commit()
        places = sorted(store.location(plain(chunk)[0])[:3] for chunk in chunks)
    data = bytearray((tmp_path / "s" / PACK).read_bytes())

    def read(at, size):
        return bytes(data[at : at + size])

    assert list(bad_stretches(read, len(data))) == []
    data[places[3][1] + 1_000_000] ^= 1
    assert list(bad_stretches(read, len(data))) == [(places[3][1], places[4][1])]
    data[places[7][1]] ^= 1
    assert list(bad_stretches(read, len(data)))[1:] == [(places[7][1], len(data))]


def test_what_is_all_new_costs_one_transaction(path, monkeypatch):
    """A server asks so for each frame of a push, and each transaction hands the interpreter's lock over."""
    with LmdbStore.open(path) as store, store.session() as session:
        begun = []
        begin = store.index._begin_read
        monkeypatch.setattr(store.index, "_begin_read", lambda: begun.append(1) or begin())
        assert all(session.missing([id for id, _, _ in some(seed=9, count=12)]))
        assert len(begun) == 1
