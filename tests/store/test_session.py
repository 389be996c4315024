"""Sessions on packs: what they cost, and what the contract cannot see."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mvcd.codec.encoded import Codec, Encoded
from mvcd.disk import writeback
from mvcd.errors import StaleReuse, UsageError
from mvcd.ids import ChunkId
from mvcd.store import collect, index, marking, session, steps, writers
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.readymade import made_ready
from mvcd.store.record import PACK_HEADER
from tests.store.objects import delta, mark_values, plain, revisions, some


@pytest.fixture
def store(tmp_path):
    with LmdbStore.create(tmp_path) as store:
        yield store


@pytest.fixture
def syncs(monkeypatch):
    """Files that were fsynced, in order; directories end in a slash."""
    seen = []
    real = os.fsync

    def fsync(file):
        path = os.readlink(f"/proc/self/fd/{file}")
        seen.append(os.path.basename(path) + "/" * os.path.isdir(path))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def test_small_commits_share_a_pack_and_cost_one_fsync_each(store, syncs):
    for n in range(50):
        with store.session() as session:
            session.put(*plain(b"%d" % n))
            session.commit([RefUpdate(f"r{n}", None, b"")], operation=b"op")
    assert syncs == ["00000000.pack", "packs/", *["00000000.pack"] * 49]
    assert os.listdir(store.pack_directory) == ["00000000.pack"]
    assert os.listdir(store.lease_directory) == []


def test_a_commit_without_objects_makes_no_file(store, syncs):
    store.update_refs([RefUpdate("a", None, b"1")], operation=b"op")
    with store.session() as session:
        session.missing([ChunkId.of(b"x")])
        session.commit()
    assert syncs == []
    assert os.listdir(store.pack_directory) == []


def test_sessions_at_once_write_to_packs_of_their_own(store):
    with store.session() as a, store.session() as b:
        a.put(*plain(b"a"))
        b.put(*plain(b"b"))
        assert len(os.listdir(store.pack_directory)) == 2
        a.commit()
        b.commit()
    with store.session() as c:
        c.put(*plain(b"c"))
        c.commit()
    assert len(os.listdir(store.pack_directory)) == 2
    assert list(store.check()) == []


def test_full_packs_are_sealed_and_flushed_a_few_at_a_time(store, monkeypatch):
    monkeypatch.setattr(session, "SEAL_BYTES", 10_000)
    monkeypatch.setattr(session, "MAX_FULL_PACKS", 3)
    bodies = [b"%d" % n * 500 for n in range(60)]
    flushes = 0
    with store.session() as writer:
        known = 0
        for body in bodies:
            writer.put(*plain(body))
            now = store.stats().objects
            flushes += now != known
            known = now
        assert 0 < known < len(bodies)
        full_packs = len(os.listdir(store.pack_directory)) - 1
        assert flushes == full_packs // 3 > 0
        writer.commit()
    for body in bodies:
        assert store.get(ChunkId.of(body)) == body
    assert list(store.check()) == []


def test_many_rows_are_flushed_too(store, monkeypatch):
    monkeypatch.setattr(session, "MAX_ROWS", 100)
    with store.session() as writer:
        for id, encoded, _ in some(seed=1, count=250, size=5):
            writer.put(id, encoded)
        assert store.stats().objects >= 200


def test_two_hundred_thousand_small_objects(store):
    body = b"x" * 100
    with store.session() as writer:
        ids = [ChunkId(n.to_bytes(32)) for n in range(200_000)]
        for at in range(0, len(ids), 4096):
            assert all(writer.missing(ids[at : at + 4096]))
        for id in ids:
            writer.put(id, Encoded(Codec.RAW, 100, body))
        writer.commit()
    assert store.stats().objects == 200_000
    assert store.has(ids[::1000]) == [True] * 200


def test_write_back_runs_beside_a_large_commit(store, monkeypatch, syncs):
    monkeypatch.setattr(writeback, "WRITE_BACK_STEP_BYTES", 4 << 20)
    with store.session() as writer:
        for n in range(20):
            writer.put(*plain(n.to_bytes(4) * (1 << 18)))
        assert syncs
        writer.commit()
    assert not [t for t in threading.enumerate() if t.name.startswith("mvc-write-back")]


def test_a_base_that_was_collected_is_no_base(store, monkeypatch):
    """A delta waits for its flush while a collection that missed the lease takes its base."""
    base, changed = revisions(seed=3, count=2)
    with store.session() as writer:
        writer.put(*plain(base))
        writer.commit()
    with store.session() as writer:
        writer.put(*delta(changed, base))
        with monkeypatch.context() as patch:
            for module in (collect, marking):
                patch.setattr(module, "leased_ids", lambda directory: set())
            assert store.collect(mark_values).objects == 1
        with pytest.raises(StaleReuse):
            writer.flush()
        writer.put(*plain(changed))
        writer.commit([RefUpdate("a", None, bytes(ChunkId.of(changed)))])
    assert store.get(ChunkId.of(changed)) == changed
    assert list(store.check()) == []


def test_a_number_that_was_committed_while_we_waited_for_its_lock(store, monkeypatch):
    """Starting that pack anew would cut off what somebody committed a moment before."""
    real, first = writers.try_lock, plain(b"first")

    def commit_first(path, *, create=False):
        monkeypatch.setattr(writers, "try_lock", real)
        with store.session() as other:
            other.put(*first)
            other.commit()
        return real(path, create=create)

    monkeypatch.setattr(writers, "try_lock", commit_first)
    with store.session() as session:
        session.put(*plain(b"second"))
        session.commit()
    assert sorted(os.listdir(store.pack_directory)) == ["00000000.pack", "00000001.pack"]
    assert store.get(first[0]) == b"first"
    assert list(store.check()) == []


def test_a_pack_that_was_sealed_while_we_waited_for_its_lock(store, monkeypatch):
    with store.session() as session:
        session.put(*plain(b"first"))
        session.commit()
    real = writers.try_lock

    def seal_first(path, *, create=False):
        monkeypatch.setattr(writers, "try_lock", real)
        with monkeypatch.context() as patch, store.session() as other:
            patch.setattr("mvcd.store.session.SEAL_BYTES", 100)
            other.put(*plain(b"other" * 100))
            other.commit()
        return real(path, create=create)

    monkeypatch.setattr(writers, "try_lock", seal_first)
    with store.session() as session:
        session.put(*plain(b"second"))
        session.commit()
    assert len(os.listdir(store.pack_directory)) == 2
    assert store.get(ChunkId.of(b"other" * 100)) == b"other" * 100
    assert list(store.check()) == []


def test_rows_of_one_flush_may_be_parts(store, monkeypatch):
    """Each part is a transaction; rows with a base, refs and the rest are in the last, and the packs' lengths
    in the first."""
    seen = []

    def reached(step):
        if step in (steps.ROWS_BEGUN, steps.ROWS_COMMITTED):
            assert list(store.check()) == []
            seen.append((step, store.stats().objects, store.ref("main")))

    monkeypatch.setattr(session, "PART_PAGES", 1)
    monkeypatch.setattr(index, "KEPT_PAGES", 0)
    store.reached = reached
    with store.session() as writer:
        for n in range(300):
            writer.put(*plain(b"before %d" % n))
        writer.commit()
    assert {objects for _, objects, _ in seen} == {300}, "a small table takes all at once"
    del seen[:]
    with store.session() as writer:
        first, second = revisions(1, 2)
        objects = [plain(first), delta(second, first), *(plain(b"%d" % n) for n in range(90))]
        for id, encoded in objects:
            writer.put(id, encoded)
        writer.commit([RefUpdate("main", None, b"x")], operation=b"op")
    *begun, done = seen
    assert len(begun) > 5
    assert [step for step, _, _ in begun] == [steps.ROWS_BEGUN] * len(begun)
    assert {ref for _, _, ref in begun} == {None}
    counts = [objects for _, objects, _ in begun]
    assert counts == sorted(set(counts))
    assert counts[-1] == 300 + 91
    assert done == (steps.ROWS_COMMITTED, 300 + 92, b"x")
    assert all(store.has([id for id, _ in objects]))
    assert list(store.check()) == []


@pytest.mark.parametrize("sealed", [200, 3000, 1 << 27])
@pytest.mark.parametrize("rows", [1, 7, 1 << 17])
def test_what_was_ready_leaves_what_each_put_leaves(tmp_path, monkeypatch, sealed, rows):
    """New ones, known ones, some that another part had; more than a pack takes; asked for first, or not."""
    monkeypatch.setattr(session, "SEAL_BYTES", sealed)
    monkeypatch.setattr(session, "MAX_ROWS", rows)
    objects = [plain(b"%d" % (n % 40) * (1 + n % 60)) for n in range(50)]
    parts = [dict(part) for part in (objects[:17], objects[17:40], objects[35:], [])]
    stores = []
    for name in ("one", "many"):
        with LmdbStore.create(tmp_path / name) as made, made.session() as writer:
            writer.put(*objects[0])
            writer.flush()
            writer.missing([id for id, _ in objects[:30]])
            added = []
            for part in parts:
                if name == "many":
                    added.append(writer.put_ready(made_ready(part)))
                    continue
                sizes = {id: writer.put(id, encoded) for id, encoded in part.items()}
                new = [part[id].raw_size for id, size in sizes.items() if size]
                added.append((len(new), sum(sizes.values()), sum(new)))
            writer.commit()
            assert list(made.check()) == []
            stores.append((added, [made.get(id) for id, _ in objects], made.stats().objects))
    assert stores[0] == stores[1]


def test_what_was_ready_is_one_append(store):
    """And is asked for once: nothing is done for each object but in C."""
    ready = made_ready(dict(plain(b"%d" % n) for n in range(300)))
    with store.session() as writer:
        asked = []
        writer.missing = asked.append
        assert writer.put_ready(ready) == (300, len(ready.data), ready.raw_size)
        assert not asked
        writer.commit()
    pack = Path(store.pack_directory, "00000000.pack").read_bytes()
    assert pack[PACK_HEADER.size :] == ready.data


def test_what_was_found_absent_is_not_looked_up_again(store):
    """Where it is put as a whole; and a second time it is known."""
    ready = made_ready(dict(plain(b"%d" % n) for n in range(8)))
    with store.session() as writer:
        assert all(writer.missing(ready.ids))
        looked, real = [], writer._relied.present
        writer._relied.present = lambda ids: looked.append(list(ids)) or real(ids)
        assert writer.put_ready(ready).objects == 8
        assert not looked
        assert writer.put_ready(ready).objects == 0
        assert not any(writer.missing(ready.ids))
        writer.commit()
        assert writer.put_ready(ready).objects == 0
    assert all(store.has(ready.ids))


def test_a_closed_session_takes_nothing_that_is_ready(store):
    with store.session() as writer:
        pass
    with pytest.raises(UsageError):
        writer.put_ready(made_ready(dict([plain(b"x")])))
