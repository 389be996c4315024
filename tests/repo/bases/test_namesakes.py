"""The same tensor in another file: by name, by folded name, by its place among those of its kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.repo.bases.namesakes import KindPlace, TensorIndex, folded

SQUARE, ROW = ("F32", (4, 4)), ("F32", (4,))


def index(**kinds: tuple[str, tuple[int, ...]]) -> TensorIndex[str]:
    return TensorIndex((name, *kind, name) for name, kind in kinds.items())


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("module.model.h.0.w", "h.0.w"),
        ("_orig_mod.h.0.w", "h.0.w"),
        ("h.model.w", "h.model.w"),
        ("model", "model"),
        ("model.", "model."),
        ("modelled.w", "modelled.w"),
    ],
)
def test_names_without_what_frameworks_put_before_them(name: str, bare: str) -> None:
    assert folded(name) == bare


def test_a_name_counts_only_with_dtype_and_shape() -> None:
    one = index(a=SQUARE)
    assert one.named("a", SQUARE) == one.named("module.a", SQUARE) == "a"
    assert one.named("a", ROW) is one.named("b", SQUARE) is one.exact("module.a", SQUARE) is None


def test_a_folded_name_that_two_have_is_nobodys() -> None:
    two = TensorIndex([("model.a", *SQUARE, 1), ("module.a", *SQUARE, 2)])
    assert two.named("model.a", SQUARE) == 1
    assert two.named("a", SQUARE) is None


def test_places_count_where_there_are_as_many() -> None:
    one, other = index(a=SQUARE, b=ROW, c=SQUARE), index(x=ROW, y=SQUARE, z=SQUARE)
    found = {name: other.placed(place) for name, place in one.places().items()}
    assert found == {"a": "y", "b": "x", "c": "z"}
    assert index(x=SQUARE).placed(one.places()["a"]) is None
    assert other.placed(KindPlace(("I8", (1,)), 0, 1)) is None


KINDS = st.sampled_from([SQUARE, ROW])
NAMES = st.sampled_from(["a", "b", "model.a", "module.b", "module.model.c"])


@given(st.dictionaries(NAMES, KINDS), NAMES, KINDS)
def test_what_is_found_is_one_of_the_file(
    tensors: dict[str, tuple[str, tuple[int, ...]]], name: str, kind: tuple[str, tuple[int, ...]]
) -> None:
    fits = [n for n, k in tensors.items() if k == kind and folded(n) == folded(name)]
    found = index(**tensors).named(name, kind)
    assert found in (name if name in fits else None, *fits, None)
    if name in fits:
        assert found == name
