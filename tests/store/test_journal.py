from __future__ import annotations

import os
import threading

from mvcd.store.api import RefUpdate
from mvcd.store.journal import TAIL, Change, Journal
from mvcd.store.lmdb_store import LmdbStore


def changes(n: int, *, full: bool = False, refs=None, operations=()) -> Change:
    return Change(n, full, refs or {}, list(operations))


def test_changes_are_replayed_in_their_order(tmp_path):
    journal = Journal(str(tmp_path / "journal"))
    assert journal.last() is None
    assert journal.read().refs == {}
    one = changes(1, refs={"a": b"1", "é": b"\x00\xff"}, operations=[(1, b"first")])
    two = changes(2, refs={"a": b"2"})
    three = changes(3, refs={"é": None}, operations=[(2, b"")])
    for change in (one, three, two):
        journal.append(change)
    assert journal.last() == two
    history = journal.read()
    assert history.refs == {"a": b"2"}
    assert history.operations == {1: b"first", 2: b""}
    assert (history.changes, history.bad_lines, history.holes) == (3, 0, 0)


def test_a_full_line_makes_up_for_what_is_missing(tmp_path):
    journal = Journal(str(tmp_path / "journal"))
    journal.append(changes(1, refs={"a": b"1"}))
    journal.append(changes(3, refs={"b": b"3"}))
    assert journal.read().holes == 1
    journal.append(changes(4, full=True, refs={"c": b"4"}))
    history = journal.read()
    assert history.refs == {"c": b"4"}
    assert history.changes == 4


def test_a_torn_line_hurts_no_other(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(str(path))
    journal.append(changes(1, refs={"a": b"1"}))
    whole = path.read_bytes()
    journal.append(changes(2, refs={"a": b"2"}))
    os.truncate(path, len(whole) + 20)
    assert journal.last() is None
    journal.append(changes(2, full=True, refs={"a": b"2"}))
    history = journal.read()
    assert (history.refs, history.bad_lines) == ({"a": b"2"}, 1)


def test_the_last_line_may_be_long(tmp_path):
    journal = Journal(str(tmp_path / "journal"))
    for n in range(1, 4):
        journal.append(changes(n, refs={"a": os.urandom(n * TAIL)}))
        assert journal.last().changes == n


def test_the_store_fills_the_holes_that_a_crash_left(tmp_path):
    with LmdbStore.create(tmp_path) as store:
        path = tmp_path / "refs.journal"
        for n in range(1, 6):
            store.update_refs([RefUpdate(f"r{n}", None, b"%d" % n)], operation=b"op %d" % n)
            if n == 2:
                before = path.stat().st_size
            if n == 4:
                os.truncate(path, before + 5)  # lines 3 and 4 never reached the disk
        history = store.journal.read()
        assert history.refs == store.refs()
        assert sorted(history.operations.items(), reverse=True) == list(store.operations())
        assert history.holes == 0


def test_lines_of_many_threads_do_not_mix(tmp_path):
    with LmdbStore.create(tmp_path) as store:

        def work(name):
            for n in range(10):
                store.update_refs([RefUpdate(name, b"%d" % n if n else None, b"%d" % (n + 1))])

        threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        history = store.journal.read()
        assert history.refs == store.refs() == {f"t{n}": b"10" for n in range(4)}
        assert (history.changes, history.bad_lines) == (40, 0)


def test_cutting_off_operations_cuts_the_journal_too(tmp_path):
    with LmdbStore.create(tmp_path) as store:
        for n in range(1, 11):
            store.update_refs([], operation=b"%d" % n * 1000)
        size = (tmp_path / "refs.journal").stat().st_size
        store.collect(lambda refs, operations, leased: [], drop_operations_below=9)
        assert (tmp_path / "refs.journal").stat().st_size < size / 3
        assert sorted(store.journal.read().operations) == [9, 10]
        store.update_refs([], operation=b"next")
        assert sorted(store.journal.read().operations) == [9, 10, 11]
