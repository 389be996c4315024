from __future__ import annotations

import os
import threading

import pytest

from mvcd.errors import Failure, IntegrityError, UsageError
from mvcd.store import index as index_module
from mvcd.store.api import RefUpdate
from mvcd.store.index import Index
from mvcd.store.lmdb_store import LmdbStore
from tests.store.children import Child, die


@pytest.fixture
def index(tmp_path):
    index = Index.acquire(str(tmp_path), create=True, map_size=1 << 20)
    yield index
    index.release()


def test_one_environment_for_a_directory(tmp_path, index):
    again = Index.acquire(str(tmp_path))
    assert again is index
    again.release()
    assert index.write(lambda txn: txn.put(b"k", b"v", db=index.meta))


def test_another_directory_at_the_same_path_is_another_store(tmp_path):
    path = tmp_path / "store"
    with LmdbStore.create(path) as old:
        old.update_refs([RefUpdate("a", None, b"old")])
        path.rename(tmp_path / "moved")
        with LmdbStore.create(path) as new:
            assert new.refs() == {}
            assert old.refs() == {"a": b"old"}


def test_the_map_grows_as_needed(index):
    before = index._env.info()["map_size"]

    def fill(txn):
        for n in range(100):
            txn.put(b"%d" % n, bytes(50_000), db=index.cache)

    index.write(fill)
    assert index._env.info()["map_size"] >= 8 * before
    assert index.used_bytes() > 5_000_000
    with index.read() as txn:
        assert txn.stat(index.cache)["entries"] == 100


def test_the_map_grows_while_others_read(index):
    """Growing waits for readers, and readers that come meanwhile wait for it."""
    index.write(lambda txn: txn.put(b"k" * 32, b"v", db=index.objects))
    stop = threading.Event()
    seen: set[bytes | None] = set()

    def read():
        while not stop.is_set():
            seen.add(index.lookup(b"k" * 32))

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(4):
        index.write(lambda txn: txn.put(b"%d" % n, bytes(1_000_000), db=index.cache))  # noqa: B023
    stop.set()
    reader.join()
    assert seen == {b"v"}


def mapped_pages(path):
    """Pages of the index that this process has in its map now."""
    size = here = 0
    with open("/proc/self/smaps") as maps:
        for line in maps:
            name, _, rest = line.partition(":")
            if not name.isalpha():
                here = line.rstrip().endswith(f"{path}/data.mdb")
            elif name == "Rss" and here:
                size += int(rest.split()[0])
    return size // 4


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="only Linux tells")
def test_pages_that_were_read_are_let_go_unless_somebody_reads(tmp_path, index, monkeypatch):
    monkeypatch.setattr(index_module, "KEPT_PAGES", 500)
    keys = [b"%032d" % n for n in range(20_000)]

    def fill(txn):
        for key in keys:
            txn.put(key, bytes(64), db=index.objects)

    def all_read():
        assert len(index.rows(keys)) == len(keys)
        return mapped_pages(tmp_path)

    index.write(fill)
    many = all_read()
    assert many > 500
    inside, leave = threading.Event(), threading.Event()

    def stay():
        with index.read():
            inside.set()
            leave.wait()

    reader = threading.Thread(target=stay)
    reader.start()
    inside.wait()
    index.let_go()
    assert mapped_pages(tmp_path) == many, "a reader's pages stay where they are"
    leave.set()
    reader.join()
    index.let_go()
    assert mapped_pages(tmp_path) < many / 10
    assert all_read() == many
    monkeypatch.setattr(index_module, "KEPT_PAGES", 1 << 14)
    index.let_go()
    assert mapped_pages(tmp_path) == many, "a small map stays"
    index.write(lambda txn: txn.put(b"k" * 32, b"v", db=index.objects))
    assert index.lookup(b"k" * 32) == b"v"


def test_an_exception_aborts(index):
    def work(txn):
        txn.put(b"k", b"v", db=index.meta)
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        index.write(work)
    with index.read() as txn:
        assert txn.get(b"k", db=index.meta) is None


def test_writing_inside_of_writing_is_refused_and_reading_is_not(index):
    def work(txn):
        assert index.writing
        assert index.lookup(b"k") is None
        with pytest.raises(UsageError):
            index.write(lambda txn: None)

    index.write(work)
    assert not index.writing


def test_a_closed_index_says_so(tmp_path):
    index = Index.acquire(str(tmp_path), create=True)
    index.release()
    with pytest.raises(Failure, match="closed"):
        index.lookup(b"k")
    with pytest.raises(Failure, match="closed"):
        index.write(lambda txn: None)


def test_an_index_without_tables_is_damaged(tmp_path):
    import lmdb

    lmdb.open(str(tmp_path)).close()
    with pytest.raises(IntegrityError, match="damaged"):
        Index.acquire(str(tmp_path))


def test_slots_of_dead_readers_are_freed(tmp_path):
    """A reader that died in a transaction would pin every page that is freed after it."""
    with LmdbStore.create(tmp_path) as store:

        def read_and_die(report):
            with LmdbStore.open(tmp_path) as mine, mine.index.read():
                die()

        Child(read_and_die).end()
        assert store.index.clear_stale_readers() == 1
        assert store.index.clear_stale_readers() == 0


def test_many_processes_may_die_in_transactions(tmp_path, monkeypatch):
    """More deaths than there are reader slots: whoever finds none left clears the table."""
    monkeypatch.setattr("mvcd.store.index.MAX_READERS", 4)
    with LmdbStore.create(tmp_path) as store:
        held = [store.index._env.begin() for _ in range(3)]

        def read_and_die(report):
            with LmdbStore.open(tmp_path) as mine, mine.index.read():
                die()

        for _ in range(3):
            Child(read_and_die).end()
        assert store.refs() == {}
        for txn in held:
            txn.abort()
