"""What a collection leaves for the next one, as a row."""

from __future__ import annotations

from array import array
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mvcd.ids import Kind
from mvcd.store.collected import (
    MAX_ROW_BYTES,
    Collected,
    Pack,
    _parse,
    carried,
    put_collected,
    read_collected,
)
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.rows import ObjectLocation

u32, u64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
rows = st.builds(
    Collected,
    rows=u64,
    operation=u64,
    first_operation=u64,
    given=st.binary(min_size=32, max_size=32),
    packs=st.dictionaries(u32, st.builds(Pack, u64, u64)),
    absent=st.lists(u64).map(lambda found: array("Q", found)),
    refs=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.binary()),
)


@given(rows)
def test_a_row_says_what_was_written(collected: Collected) -> None:
    row = collected.row()
    assert row is not None
    assert _parse(row) == collected


@given(rows, st.data())
def test_a_row_that_was_cut_is_none(collected: Collected, data: st.DataObject) -> None:
    row = collected.row()
    assert row is not None
    cut = row[: data.draw(st.integers(0, len(row) - 1))]
    try:
        assert _parse(cut) is None
    except Exception as error:  # what read_collected takes for none
        assert type(error).__name__ in ("error", "UnicodeDecodeError")


def test_one_that_is_too_long_is_not_kept(tmp_path: Path) -> None:
    large = {f"r{n}": bytes(60_000) for n in range(MAX_ROW_BYTES // 60_000 + 1)}
    with LmdbStore.create(tmp_path) as store:
        for refs, kept in (({"a": b"b"}, True), (large, False)):
            collected = Collected(1, 2, 0, bytes(32), {}, array("Q"), refs)
            store.index.write(lambda txn: put_collected(store.index, txn, collected))  # noqa: B023
            with store.index.read() as txn:
                assert (read_collected(store.index, txn) == collected) is kept


def test_settled_is_what_lies_below_the_length() -> None:
    known = Collected(1, 1, 0, bytes(32), {7: Pack(1000, 900)}, array("Q"), {})
    for pack, offset, expected in ((7, 999, True), (7, 1000, False), (8, 0, False)):
        assert known.settled(ObjectLocation(pack, offset, 1, 1, Kind.CHUNK, None)) is expected


def test_packs_that_were_copied_are_settled_where_they_are_now() -> None:
    known = Collected(9, 1, 0, bytes(32), {7: Pack(1000, 900), 8: Pack(500, 400)}, array("Q"), {})
    after = carried(known, {7: 1000}, {9: 700})
    assert after is not None
    assert after.packs == {8: Pack(500, 400), 9: Pack(700, 684)}
    assert carried(known, {7: 1001}, {9: 700}) is None, "it had grown"
    assert carried(known, {3: 1000}, {9: 700}) is None
