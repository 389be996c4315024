"""Failing disks: nothing that could not be made durable is acknowledged, and the store comes back."""

from __future__ import annotations

import errno
import os
import resource
import signal
import threading

import lmdb
import pytest

from mvcd.errors import Failure, IntegrityError
from mvcd.store.api import RefUpdate
from mvcd.store.index import Index
from mvcd.store.lmdb_store import LmdbStore
from tests.store.children import Child
from tests.store.history import History, mark_history, walk
from tests.store.objects import plain

HISTORY = History(0)


def save(store, number: int) -> None:
    with store.session() as session:
        HISTORY.save(session, number)


def require_intact(path, last: int) -> None:
    with LmdbStore.open(path) as store:
        assert store.ref("main") == bytes(HISTORY.id(last))
        assert sum(1 for _ in walk(store, HISTORY.id(last))) > last
        assert list(store.check()) == []
        save(store, last + 1)
        assert list(store.check()) == []


class Nth:
    """Stands in for a system call; fails at its n-th use."""

    def __init__(self, real, n: int, error: int) -> None:
        self._real, self._left, self._error = real, n, error

    def __call__(self, *arguments):
        self._left -= 1
        if self._left == 0:
            raise OSError(self._error, os.strerror(self._error))
        return self._real(*arguments)

    @property
    def failed(self) -> bool:
        return self._left <= 0


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_a_failed_fsync_ends_the_store(tmp_path, monkeypatch, n):
    """The kernel may have dropped the pages: a second fsync would succeed and mean nothing."""
    with LmdbStore.create(tmp_path) as store:
        save(store, 1)
        sync = Nth(os.fsync, n, errno.EIO)
        monkeypatch.setattr(os, "fsync", sync)
        last = 1
        with pytest.raises(Failure) as caught:
            for number in range(2, 10):
                save(store, number)
                last = number
        assert sync.failed
        assert caught.value.kind == "store-failed"
        for use in (
            lambda: store.ref("main"),
            lambda: save(store, last + 1),
            lambda: store.update_refs([RefUpdate("x", None, b"1")]),
            lambda: store.collect(mark_history),
        ):
            with pytest.raises(Failure):
                use()
        monkeypatch.undo()
    require_intact(tmp_path, last)


def test_a_failed_fsync_while_writing_back_is_not_lost(tmp_path, monkeypatch):
    """The kernel reports it once; our thread hears it, and the commit must fail all the same."""
    monkeypatch.setattr("mvcd.disk.writeback.WRITE_BACK_STEP_BYTES", 1 << 20)
    with LmdbStore.create(tmp_path) as store:
        save(store, 1)
        real, failed = os.fsync, []

        def fail_in_the_background(file):
            if threading.current_thread() is not threading.main_thread():
                failed.append(file)
                raise OSError(errno.EIO, "Input/output error")
            real(file)

        monkeypatch.setattr(os, "fsync", fail_in_the_background)
        with pytest.raises(Failure) as caught, store.session() as session:
            session.put(*plain(b"data" * (1 << 18)))
            session.commit([RefUpdate("x", None, b"1")])
        assert caught.value.kind == "store-failed"
        assert len(failed) == 1
        monkeypatch.undo()
    require_intact(tmp_path, 1)


@pytest.mark.parametrize("n", range(1, 8))
def test_a_failed_index_commit_ends_the_store(tmp_path, monkeypatch, n):
    with LmdbStore.create(tmp_path) as store:
        save(store, 1)
        left = n

        def commit(index, txn):
            nonlocal left
            left -= 1
            if not left:
                raise lmdb.DiskError("mdb_txn_commit: Input/output error")
            txn.commit()

        monkeypatch.setattr(Index, "_commit", commit)
        last = 1
        with pytest.raises(Failure) as caught:
            for number in range(2, 10):
                save(store, number)
                last = number
                store.collect(mark_history)
        assert caught.value.kind == "store-failed"
        with pytest.raises(Failure):
            store.ref("main")
        monkeypatch.undo()
    require_intact(tmp_path, last)


@pytest.mark.parametrize(
    ("call", "n"), [("pwritev", 1), ("pwritev", 2), ("pwritev", 5), ("write", 1)]
)
def test_a_full_disk_ends_the_session_and_nothing_else(tmp_path, monkeypatch, call, n):
    with LmdbStore.create(tmp_path) as store:
        save(store, 1)
        write = Nth(getattr(os, call), n, errno.ENOSPC)
        monkeypatch.setattr(os, call, write)
        last = 1
        with pytest.raises(Failure) as caught:
            for number in range(2, 10):
                save(store, number)
                last = number
        monkeypatch.undo()
        assert write.failed
        assert caught.value.kind == "disk-full"
        assert list(store.check()) == []
        save(store, last + 1)
    require_intact(tmp_path, last + 1)


def test_a_partial_write_is_completed(tmp_path, monkeypatch):
    real = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda f, parts, at: real(f, [b"".join(parts)[:100]], at))
    with LmdbStore.create(tmp_path) as store:
        for number in range(1, 5):
            save(store, number)
    monkeypatch.undo()
    require_intact(tmp_path, 4)


def test_a_limit_on_file_sizes(tmp_path):
    """A real refusal of the kernel (EFBIG), by turns for packs and for LMDB's file."""
    LmdbStore.create(tmp_path).close()

    def work(report, limit):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with LmdbStore.open(tmp_path) as store:
            last = HISTORY.number(store.ref("main"))
            for number in range(last + 1, last + 100):
                try:
                    save(store, number)
                except Failure as failure:
                    report(failure.kind)
                    return
                report(str(number))

    HISTORY.id(400)
    last, kinds = 0, set()
    for limit in (70_000, 90_000, 150_000, 250_000):
        status, reports = Child(lambda report: work(report, limit)).end()  # noqa: B023
        assert status == 0
        kinds.add(reports[-1])
        last = max([last, *(int(text) for text in reports[:-1])])
        with LmdbStore.open(tmp_path) as store:
            assert HISTORY.number(store.ref("main")) == last
            assert list(store.check()) == []
    assert kinds == {"disk-full", "store-failed"}  # LMDB calls a write cut short an I/O error
    assert last > 4
    require_intact(tmp_path, last)


def test_a_full_disk_while_collecting_loses_nothing(tmp_path, monkeypatch):
    with LmdbStore.create(tmp_path) as store:
        for number in range(1, 5):
            save(store, number)
            with store.session() as session:
                session.put(*plain(b"%d" % number * 50_000))
                session.commit()
        write = Nth(os.pwritev, 1, errno.ENOSPC)
        monkeypatch.setattr(os, "pwritev", write)
        with pytest.raises(Failure) as caught:
            store.collect(mark_history)
        assert caught.value.kind == "disk-full"
        monkeypatch.undo()
        assert list(store.check()) == []
        store.collect(mark_history)
        assert store.stats().pack_bytes < 200_000
    require_intact(tmp_path, 4)


def test_a_journal_that_cannot_be_written_does_not_fail_a_commit(tmp_path):
    with LmdbStore.create(tmp_path) as store:
        save(store, 1)
        journal = tmp_path / "refs.journal"
        journal.unlink()
        journal.mkdir()
        save(store, 2)
        journal.rmdir()
        save(store, 3)
        history = store.journal.read()
        assert history.refs == store.refs()
        assert sorted(history.operations.items(), reverse=True) == list(store.operations())


@pytest.mark.parametrize("size", [1, 4096, 4097, 8191])
def test_half_an_index_of_a_store_that_was_never_made_is_made_anew(tmp_path, size):
    """A full disk, or a cut, may end the creation of LMDB's file anywhere; `create` must not call it damage."""
    LmdbStore.create(tmp_path / "whole").close()
    half = tmp_path / "half"
    half.mkdir()
    (half / "data.mdb").write_bytes((tmp_path / "whole" / "data.mdb").read_bytes()[:size])
    LmdbStore.create(half).close()
    with LmdbStore.open(half) as store:
        save(store, 1)
    require_intact(half, 1)
    (half / "data.mdb").write_bytes(b"damaged")
    with pytest.raises(Failure, match="holds a store already"):
        LmdbStore.create(half)
    with pytest.raises(IntegrityError):
        LmdbStore.open(half)
