"""The rows that tell what is known of xorbs."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from mvcd.hub.xetbuild import Examined
from mvcd.hub.xettable import (
    MAX_LISTED_XORBS,
    MAX_PLACES,
    MAX_RECENT_XORBS,
    Run,
    XetTable,
    _layered,
)
from mvcd.hub.xetxorb import Xorb
from mvcd.store.memory_store import MemoryStore


def table() -> XetTable:
    return XetTable(MemoryStore())


def test_an_era_goes_on_while_its_row_is_there_and_the_system_runs() -> None:
    rows = MemoryStore()
    first, goes_on = XetTable(rows).era(b"run 1")
    assert not goes_on
    assert XetTable(rows).era(b"run 1") == (first, True)
    second, goes_on = XetTable(rows).era(b"run 2")
    assert second != first and not goes_on
    assert table().era(b"run 2")[0] != second  # where the rows were lost
    third = XetTable(rows).begin_era(b"run 2")
    assert XetTable(rows).era(b"run 2") == (third, True)


def test_an_era_never_goes_on_where_the_system_does_not_tell_its_runs() -> None:
    rows = MemoryStore()
    first, _ = XetTable(rows).era(b"")
    assert XetTable(rows).era(b"") not in ((first, True), (first, False))


def test_a_xorb_is_known_until_it_is_dropped() -> None:
    known = table()
    assert known.xorb(b"x" * 32) is None and known.runs(b"x" * 32) == []
    known.add_xorb(b"x" * 32, Xorb(b"r" * 40))
    known.note({b"x" * 32: [Run(0, 1, b"s" * 32, 5)]}, [])
    assert known.xorb(b"x" * 32) == Xorb(b"r" * 40)
    assert known.runs(b"x" * 32) == [Run(0, 1, b"s" * 32, 5)]
    known.drop_xorb(b"x" * 32)
    assert known.xorb(b"x" * 32) is None and known.runs(b"x" * 32) == []


def test_the_last_places_of_each_chunk_are_remembered() -> None:
    known = table()
    first, second, third, short = (Run(0, 9, name * 32, 0) for name in (b"a", b"b", b"c", b"d"))
    short = Run(2, 4, b"d" * 32, 7)
    for run in (first, short, second, third):
        known.note({b"x" * 32: [run]}, [])
    assert known.runs(b"x" * 32) == [second, third]
    known.note({b"x" * 32: [short]}, [])
    assert known.runs(b"x" * 32) == [second, third, short]
    known.note({b"x" * 32: [short] * 50}, [])
    assert known.runs(b"x" * 32).count(short) == 1


@given(st.randoms(use_true_random=False))
def test_no_chunk_loses_its_last_places(rng: random.Random) -> None:
    runs = []
    for number in range(rng.randrange(1, 40)):
        start = rng.randrange(20)
        runs.append(Run(start, rng.randrange(start + 1, 22), bytes([number % 7]) * 32, number))
    kept = _layered(runs)
    assert [run for run in runs if run in kept] == kept
    for chunk in range(22):
        there = [run for run in runs if run.start <= chunk < run.end]
        left = [run for run in kept if run.start <= chunk < run.end]
        assert there[-MAX_PLACES:] == left[-MAX_PLACES:]
    assert len(kept) <= MAX_PLACES * 22


def file(first: bytes, xorbs: Sequence[bytes], **asked: bytes) -> Examined:
    found = {chunk.encode(): xorb for chunk, xorb in asked.items()}
    return Examined(first=first.ljust(32), asked=found, xorbs=dict.fromkeys(xorbs))


def test_a_file_is_found_by_its_first_chunk_and_by_those_that_clients_ask_for() -> None:
    """Of a long one only a part is answered: it begins where the chunk is."""
    known = table()
    x, y, z = (name * 32 for name in (b"x", b"y", b"z"))
    known.note({}, [file(b"first", [x, y, z], early=x, late=z, lost=b"w" * 32)])
    assert known.xorbs_of_file_with(b"first".ljust(32)) == [x, y, z]
    assert known.xorbs_of_file_with(b"early") == known.xorbs_of_file_with(b"lost") == [x, y, z]
    assert known.xorbs_of_file_with(b"late") == [z, x, y]
    assert known.xorbs_of_file_with(b"other") == []


def test_what_came_last_stands_first_and_is_bounded() -> None:
    known = table()
    assert known.recent_xorbs() == []
    names = [number.to_bytes(32) for number in range(MAX_LISTED_XORBS + 9)]
    known.note({}, [file(b"f", names)])
    assert known.xorbs_of_file_with(b"f".ljust(32)) == names[:MAX_LISTED_XORBS]
    assert known.recent_xorbs() == names[:MAX_RECENT_XORBS]
    known.note({}, [file(b"g", [names[7]]), file(b"h", [b"new".ljust(32)])])
    assert known.recent_xorbs()[:3] == [b"new".ljust(32), names[7], names[0]]
    assert len(known.recent_xorbs()) == MAX_RECENT_XORBS
