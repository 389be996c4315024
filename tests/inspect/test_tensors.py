"""Tensor tables of two recipes compared by name."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect.tensors import Row, TensorChanges, compare_tensors

OLD: list[Row] = [
    ("same", "F32", (2, 3), b"1"),
    ("trained", "F32", (2,), b"2"),
    ("wider", "F32", (2,), b"3"),
    ("halved", "F32", (2,), b"4"),
    ("both", "F32", (2,), b"5"),
    ("view", "F32", (2, 3), b"6"),
    ("gone", "F32", (2,), b"7"),
]
NEW: list[Row] = [
    ("fresh", "F32", (2,), b"7"),
    ("same", "F32", (2, 3), b"1"),
    ("trained", "F32", (2,), b"2x"),
    ("wider", "F32", (4,), b"3x"),
    ("halved", "BF16", (2,), b"4x"),
    ("both", "BF16", (4,), b"5x"),
    ("view", "F32", (6,), b"6"),
]


def test_every_kind_of_change() -> None:
    assert compare_tensors(OLD, NEW) == TensorChanges(
        added=("fresh",),
        removed=("gone",),
        reshaped=("view", "wider"),
        retyped=("both", "halved"),
        changed=("trained",),
        unchanged=("same",),
    )


def test_nothing_against_nothing() -> None:
    assert compare_tensors([], []) == TensorChanges()


rows = st.dictionaries(
    st.sampled_from("abcd"),
    st.tuples(st.sampled_from(["F32", "I8"]), st.sampled_from([(), (1,)]), st.integers(0, 1)),
).map(lambda table: [(name, *rest) for name, rest in table.items()])


@settings(deadline=None)
@given(old=rows, new=rows)
def test_each_name_is_in_exactly_one_list_and_sides_swap(old: list[Row], new: list[Row]) -> None:
    forth, back = compare_tensors(iter(old), iter(new)), compare_tensors(new, old)
    listed = [name for field in TensorChanges.__slots__ for name in getattr(forth, field)]
    assert sorted(listed) == sorted({row[0] for row in old} | {row[0] for row in new})
    assert (forth.added, forth.removed) == (back.removed, back.added)
    assert (forth.changed, forth.reshaped, forth.retyped) == (
        back.changed,
        back.reshaped,
        back.retyped,
    )
    assert compare_tensors(old, old).unchanged == tuple(sorted(row[0] for row in old))
