"""Several processes on one store: they write, collect and read at once, and nothing gets lost."""

from __future__ import annotations

import random

import pytest

from mvcd.errors import Busy, Conflict, Failure, StaleReuse
from mvcd.ids import ChunkId
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from tests.store.children import Child
from tests.store.objects import mark_values, plain

POOL = [plain(b"shared %d" % n * 20) for n in range(60)]
"""Content that all writers reuse, so that one's garbage is another's commit."""


def write(path, name: str, commits: int, report) -> None:
    """Moves its own ref; each value lists chunks from the pool and one of its own."""
    source = random.Random(name)
    with LmdbStore.open(path) as store:
        before = None
        for n in range(commits):
            objects = [*source.sample(POOL, 8), plain(f"{name} {n}".encode())]
            ids = [id for id, _ in objects]
            while True:
                try:
                    with store.session() as session:
                        absent = session.missing(ids)
                        for (id, encoded), new in zip(objects, absent, strict=True):
                            if new:
                                session.put(id, encoded)
                        after = b"".join(ids)
                        session.commit([RefUpdate(name, before, after)], operation=b"")
                except StaleReuse:
                    continue
                break
            before = after
            for id in ids:
                store.get(id)
    report("done")


def collect(path, rounds: int, report) -> None:
    with LmdbStore.open(path) as store:
        for _ in range(rounds):
            try:
                removed = store.collect(mark_values).objects
            except Busy:
                continue
            report(f"removed {removed}")
    report("done")


def read(path, rounds: int, report) -> None:
    """Whatever a ref names is there, as long as the ref has not moved on."""
    with LmdbStore.open(path) as store:
        for _ in range(rounds):
            for name, value in store.refs().items():
                for at in range(0, len(value), 32):
                    try:
                        store.get(ChunkId(value[at : at + 32]))
                    except Exception:
                        if store.ref(name) == value:
                            raise
    report("done")


def run_at_once(path, commits: int) -> None:
    LmdbStore.create(path).close()
    children = [Child(lambda r, n=n: write(path, f"writer {n}", commits, r)) for n in range(3)]
    children += [Child(lambda r: collect(path, commits, r)) for _ in range(2)]
    children += [Child(lambda r: read(path, 2 * commits, r))]
    removed = 0
    for child in children:
        status, reports = child.end()
        assert (status, reports[-1]) == (0, "done")
        removed += sum(int(text.split()[1]) for text in reports if text.startswith("removed"))
    assert removed > 0
    with LmdbStore.open(path) as store:
        assert list(store.check()) == []
        assert sorted(store.refs()) == [f"writer {n}" for n in range(3)]
        assert [n for n, _ in store.operations()] == list(range(3 * commits, 0, -1))
        for value in store.refs().values():
            for at in range(0, len(value), 32):
                store.get(ChunkId(value[at : at + 32]))
        history = store.journal.read()
        assert history.refs == store.refs()
        assert history.bad_lines == 0
        store.collect(mark_values)
        assert store.stats().objects == len(
            {value[at : at + 32] for value in store.refs().values() for at in range(0, 288, 32)}
        )


def test_writers_collectors_and_a_reader(tmp_path):
    run_at_once(tmp_path, commits=25)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_writers_collectors_and_a_reader_at_length(tmp_path):
    run_at_once(tmp_path, commits=1500)


def test_one_ref_many_writers(tmp_path):
    """Compare-and-set: each success is seen by all others, none is overwritten."""
    LmdbStore.create(tmp_path).close()

    def count_up(report):
        with LmdbStore.open(tmp_path) as store:
            done = 0
            while done < 15:
                value = store.ref("count")
                after = b"%d" % (int(value or b"0") + 1)
                try:
                    store.update_refs([RefUpdate("count", value, after)])
                except Conflict:
                    continue
                done += 1

    for child in [Child(count_up) for _ in range(4)]:
        assert child.end() == (0, [])
    with LmdbStore.open(tmp_path) as store:
        assert store.ref("count") == b"60"


def test_a_map_that_another_process_grew_is_adopted(tmp_path, monkeypatch):
    monkeypatch.setattr("mvcd.store.index.INITIAL_MAP_BYTES", 1 << 20)
    with LmdbStore.create(tmp_path) as store:

        def grow(report):
            with LmdbStore.open(tmp_path) as mine:
                mine.cache_put({b"%d" % n: bytes(60_000) for n in range(100)})
                mine.update_refs([RefUpdate("grown", None, b"1")])

        assert Child(grow).end() == (0, [])
        assert store.ref("grown") == b"1"
        store.update_refs([RefUpdate("here", None, b"2")])
        assert set(store.refs()) == {"grown", "here"}


def test_only_one_collector_at_a_time(tmp_path):
    with LmdbStore.create(tmp_path) as store:

        def mark(refs, operations, leased, read):
            with pytest.raises(Busy):
                store.collect(mark_values)
            return []

        store.collect(mark)


def test_a_store_survives_fork(tmp_path):
    """Open before the fork, used on both sides after it, and a session in the parent stays the parent's."""
    with LmdbStore.create(tmp_path) as store, store.session() as session:
        id, encoded = plain(b"parent")
        session.put(id, encoded)

        def work(report):
            with pytest.raises(Exception, match="forked"):
                session.put(*plain(b"x"))
            session.close()
            with store.session() as mine:
                child_id, child_encoded = plain(b"child")
                mine.put(child_id, child_encoded)
                mine.commit([RefUpdate("child", None, bytes(child_id))])
            report(store.get(child_id).decode())
            assert store.collect(mark_values).objects == 0

        assert Child(work).end() == (0, ["child"])
        assert session.commit([RefUpdate("parent", None, bytes(id))]) == 0
        assert store.get(ChunkId(store.ref("child"))) == b"child"
        assert store.get(id) == b"parent"
        assert list(store.check()) == []


def test_a_fork_inside_a_transaction_gives_a_clear_error(tmp_path):
    with LmdbStore.create(tmp_path) as store, store.index.read():

        def work(report):
            for use in (store.refs, lambda: LmdbStore.open(tmp_path)):
                with pytest.raises(Failure) as caught:
                    use()
                report(caught.value.kind)

        assert Child(work).end() == (0, ["forked", "forked"])
