from __future__ import annotations

import os
import random
import shutil
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.store.api import RefUpdate
from mvcd.store.journal import SECTOR_BYTES, TAIL_BYTES, Change, Journal
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.repair import survey
from tests.support.memory import in_memory


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
        journal.append(changes(n, refs={"a": os.urandom(n * TAIL_BYTES)}))
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
        store.collect(lambda *roots: [], drop_operations_below=9)
        assert (tmp_path / "refs.journal").stat().st_size < size / 3
        assert sorted(store.journal.read().operations) == [9, 10]
        store.update_refs([], operation=b"next")
        assert sorted(store.journal.read().operations) == [9, 10, 11]


# ---------------------------------------------------------------------- power cuts


def a_store(path, count: int) -> list[int]:
    """A store of so many changes; where each line of its journal ends."""
    ends = []
    with LmdbStore.create(path) as store:
        for n in range(1, count + 1):
            value = random.Random(n).randbytes(700)
            store.update_refs([RefUpdate(f"r{n}", None, value)], operation=b"op %d" % n)
            ends.append((path / "refs.journal").stat().st_size)
    return ends


@pytest.fixture(scope="module")
def place():
    with in_memory() as directory:
        yield directory


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_a_power_cut_tears_is_no_damage_and_is_made_up_for(place, data):
    """Of what was appended since any line, any sectors arrive, and any length."""
    if not (place / "whole").exists():
        a_store(place / "whole", 6)
    path = Path(shutil.copytree(place / "whole", place / "cut"))
    try:
        cut(path / "refs.journal", data)
        with LmdbStore.open(path) as store:
            assert list(store.check()) == []
            store.update_refs([RefUpdate("after", None, b"1")])
            assert list(store.check()) == []
            history = store.journal.read()
            assert (history.refs, history.torn) == (store.refs(), False)
            assert sorted(history.operations.items(), reverse=True) == list(store.operations())
    finally:
        shutil.rmtree(path)


def cut(journal, data) -> None:
    """Leaves a part of what came after a line that was on the disk."""
    whole = journal.read_bytes()
    ends = [0, *(n + 1 for n, byte in enumerate(whole) if byte == ord("\n"))]
    synced = data.draw(st.sampled_from(ends), "synced")
    left = bytearray(whole)
    edges = [
        synced,
        *range((synced // SECTOR_BYTES + 1) * SECTOR_BYTES, len(whole), SECTOR_BYTES),
        len(whole),
    ]
    for start, end in pairwise(edges):
        if data.draw(st.booleans(), f"sector {start} is lost"):
            left[start:end] = bytes(end - start)
    journal.write_bytes(left[: data.draw(st.sampled_from(edges), "length")])


def test_two_cuts_one_after_the_other(tmp_path):
    ends = a_store(tmp_path / "s", 4)
    journal = tmp_path / "s/refs.journal"
    os.truncate(journal, ends[2] + 300)
    with LmdbStore.open(tmp_path / "s") as store:
        store.update_refs([RefUpdate("b", None, b"1")])
        left = journal.read_bytes()
        edge = (len(left) // SECTOR_BYTES - 1) * SECTOR_BYTES
        journal.write_bytes(left[:edge] + bytes(SECTOR_BYTES) + left[edge + SECTOR_BYTES :])
        assert list(store.check()) == []
        assert survey(tmp_path / "s").findings == []
        store.update_refs([RefUpdate("c", None, b"1")])
        assert list(store.check()) == []
        assert store.journal.read().refs == store.refs()


@pytest.mark.parametrize(
    ("start", "size"),
    [(100, 1), (100, SECTOR_BYTES), (SECTOR_BYTES, 100), (SECTOR_BYTES + 1, SECTOR_BYTES)],
)
def test_zeros_that_are_no_sectors_are_damage(tmp_path, start, size):
    a_store(tmp_path / "s", 4)
    journal = tmp_path / "s/refs.journal"
    left = bytearray(journal.read_bytes())
    left[start : start + size] = bytes(size)
    journal.write_bytes(left)
    with LmdbStore.open(tmp_path / "s") as store:
        (damage,) = store.check()
        assert damage.where == "refs.journal"
