"""Attributes from a pickle by its opcodes: equal to what pickle gives, and nothing is ever run."""

from __future__ import annotations

import argparse
import contextlib
import os
import pickle
from enum import StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect.pickledargs import MAX_OPCODES, MAX_PICKLE_BYTES, attributes
from mvcd.inspect.spans import NotThisFormat


class Colour(StrEnum):
    RED = "red"


class Runs:
    """Unpickling it would end the process."""

    def __reduce__(self) -> object:
        return os._exit, (3,)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 40), 1 << 40)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1), plain, max_size=6), st.integers(2, 5))
def test_plain_attributes_are_those_of_pickle(state: dict[str, object], protocol: int) -> None:
    made = argparse.Namespace()
    made.__dict__.update(state)
    assert attributes(pickle.dumps(made, protocol)) == state


def test_enumerations_are_their_values_and_objects_are_left_out() -> None:
    made = argparse.Namespace(lr=0.1, colour=Colour.RED, inner=argparse.Namespace(a=1), runs=Runs())
    found = attributes(pickle.dumps(made))
    assert (found["lr"], found["colour"]) == (0.1, "red")
    assert "inner" not in found


def _shared() -> bytes:
    """A list that contains itself twice, under itself."""
    return b"\x80\x02}(X\x01\0\0\0a]q\0(h\0h\0h\0h\0h\0h\0h\0h\0h\0h\0eu."


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02.",
        b"no pickle",
        pickle.dumps([1, 2]),
        pickle.dumps(3),
        pickle.dumps(argparse.Namespace(a=1))[:-3],
        b"\x80\x02" + b"N" * (MAX_OPCODES + 1) + b"0.",
        b"\x80\x02" + b"(" * 1000 + b".",
        b"\x80\x02]\x85\x85R\x85.",
        bytes(MAX_PICKLE_BYTES + 1),
    ],
)
def test_what_is_no_such_pickle_is_refused(data: bytes) -> None:
    with pytest.raises(NotThisFormat):
        attributes(data)


def test_shared_and_circular_values_end() -> None:
    assert set(attributes(_shared())) <= {"a"}


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 200), st.integers(0, 255))
def test_any_damage_is_read_or_refused(at: int, byte: int) -> None:
    data = bytearray(pickle.dumps(argparse.Namespace(a=[1, 2.5, {"b": "c"}], d=Colour.RED)))
    data[at % len(data)] = byte
    with contextlib.suppress(NotThisFormat):
        attributes(bytes(data))
