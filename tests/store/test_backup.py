from __future__ import annotations

import threading

import pytest

from mvcd.errors import Busy, Failure, IntegrityError
from mvcd.ids import ChunkId
from mvcd.store import steps
from mvcd.store.api import RefUpdate
from mvcd.store.backup import back_up, verified
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.pack import pack_name
from mvcd.store.rebuild import rebuild_index
from tests.store.objects import compressed, mark_values, some


def commit(store, number):
    """One more chunk, a ref that names it, an operation and an audit row."""
    id, encoded = compressed(b"%d" % number * 100)
    with store.session() as session:
        session.put(id, encoded)
        session.commit(
            [RefUpdate(f"heads/{number}", None, bytes(id))],
            operation=bytes(id),
            audit=b"%d" % number,
        )


@pytest.fixture
def store(tmp_path):
    with LmdbStore.create(tmp_path / "store") as store:
        for number in range(5):
            commit(store, number)
        with store.session() as session:
            for id, encoded, _ in some(7, 50):
                session.put(id, encoded)
            session.flush()
        yield store


def test_the_copy_is_the_same_store(store, tmp_path):
    backup = back_up(store, str(tmp_path / "copy"))
    with LmdbStore.open(tmp_path / "copy") as copy:
        assert copy.id == store.id == backup.id
        assert copy.refs() == store.refs() == backup.refs
        assert copy.audit_head() == store.audit_head() == backup.audit
        assert list(copy.operations()) == list(store.operations())
        assert dict(copy.ids()) == dict(store.ids())
        assert not list(copy.check())
        commit(copy, 5)  # and it can be written to
    assert "heads/5" not in store.refs()


def test_its_journal_can_rebuild_it(store, tmp_path):
    back_up(store, str(tmp_path / "copy"))
    rebuild_index(str(tmp_path / "copy"))
    copy = verified(str(tmp_path / "copy"))
    assert (copy.refs, copy.audit) == (store.refs(), store.audit_head())


def test_every_copy_made_under_load_is_one_moment(store, tmp_path):
    done = threading.Event()

    def write():
        number = 5
        while not done.is_set():
            commit(store, number)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(3):
            backup = back_up(store, str(tmp_path / f"copy{n}"))
            assert backup.audit.sequence == len(backup.refs) >= 5
    finally:
        done.set()
        writer.join()


def test_no_collection_runs_meanwhile(store, tmp_path, monkeypatch):
    monkeypatch.setattr("mvcd.store.backup.WAIT_SECONDS", 0.0)
    busy = []

    def collect_too(step):
        if step == steps.MARKED:
            with pytest.raises(Busy):
                back_up(store, str(tmp_path / "copy"))
            busy.append(step)

    store.reached = collect_too
    store.collect(mark_values)
    assert busy
    assert not (tmp_path / "copy" / "format").exists()


def test_damage_of_the_original_is_not_called_a_backup(store, tmp_path):
    with LmdbStore.open(tmp_path / "store") as other:
        pack = tmp_path / "store" / "packs" / pack_name(next(iter(other.locations()))[1].pack)
    data = bytearray(pack.read_bytes())
    data[200] ^= 1
    pack.write_bytes(data)
    with pytest.raises(IntegrityError) as raised:
        back_up(store, str(tmp_path / "copy"))
    assert "is damaged" in str(raised.value)


def test_a_short_pack_leaves_no_store(store, tmp_path):
    pack = next((tmp_path / "store" / "packs").iterdir())
    pack.write_bytes(pack.read_bytes()[:-1])
    with pytest.raises(IntegrityError) as raised:
        back_up(store, str(tmp_path / "copy"))
    assert "shorter" in raised.value.cause
    with pytest.raises(Failure):
        LmdbStore.open(tmp_path / "copy")


def test_a_target_with_something_in_it_is_refused(store, tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "notes").write_text("mine")
    with pytest.raises(Failure) as raised:
        back_up(store, str(tmp_path / "copy"))
    assert raised.value.kind == "target-exists"
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure):
        back_up(store, str(tmp_path / "file"))


def test_bytes_beyond_the_committed_length_are_left_out(store, tmp_path):
    id, encoded = compressed(b"not committed")
    with store.session() as session:
        session.put(id, encoded)
        back_up(store, str(tmp_path / "copy"))
    with LmdbStore.open(tmp_path / "copy") as copy:
        assert copy.has([ChunkId(id)]) == [False]
