"""The search that judges histories finds what is wrong, and nothing else: against every order of short ones."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.linearising import Call, linearisable

ONE = Call(0, 1, None, b"a", moved=True)
UNKNOWN = Call(0, math.inf, b"a", b"c", moved=None)


@pytest.mark.parametrize(
    "history",
    [
        [],
        [ONE, Call(2, 3, b"a", b"b", moved=True)],
        [ONE, Call(0.5, 3, None, b"b", moved=False)],
        [UNKNOWN, ONE, Call(2, 3, b"c", b"d", moved=True)],
        [UNKNOWN, ONE, Call.look(2, 3, b"a"), Call.look(4, 5, b"c")],
        [ONE, Call.look(0.5, 3, None)],
    ],
)
def test_what_has_an_order(history: list[Call]) -> None:
    assert linearisable(history)


@pytest.mark.parametrize(
    "history",
    [
        [ONE, Call(2, 3, None, b"b", moved=True)],  # one of the two is lost
        [ONE, Call(2, 3, b"a", b"b", moved=False)],
        [ONE, Call.look(2, 3, None)],
        [ONE, UNKNOWN, Call.look(2, 3, b"c"), Call.look(4, 5, b"a")],  # time went back
        [ONE, UNKNOWN, Call(2, 3, b"c", b"a", moved=True), Call.look(4, 5, b"c"), Call.look(6, 7, b"a")],
    ],
)  # fmt: skip
def test_what_has_none(history: list[Call]) -> None:
    assert not linearisable(history)


VALUES = st.sampled_from([None, b"a", b"b"])


@st.composite
def calls(draw: st.DrawFn) -> Call:
    begin = draw(st.integers(0, 8))
    moved = draw(st.sampled_from([True, False, None]))
    end = math.inf if moved is None else begin + draw(st.integers(0, 4))
    return Call(begin, end, draw(VALUES), draw(VALUES), moved)


@given(st.lists(calls(), max_size=5))
def test_it_finds_what_trying_every_order_finds(history: list[Call]) -> None:
    assert linearisable(history) == any(map(in_order, permutations(history)))


def in_order(history: tuple[Call, ...]) -> bool:
    """Whether this very order is right; unknown calls happen only where they match."""
    value: bytes | None = None
    for n, call in enumerate(history):
        if any(later.end < call.begin for later in history[n + 1 :]):
            return False
        matches = call.expect == value
        if call.moved is not None and call.moved != matches:
            return False
        if matches:
            value = call.target
    return True


def test_thousands_of_calls() -> None:
    """Four write by turns; each fourth does not hear what became of it."""
    history, value = [], None
    for n in range(4000):
        target = b"%d" % n
        sure = n % 4 != 0
        history.append(Call(n, n + 3 if sure else math.inf, value, target, sure or None))
        history.append(Call(n, n + 3, target, b"lost %d" % n, moved=False))
        value = target
    assert linearisable(history)
    assert not linearisable([*history, Call.look(4100, 4101, b"3998")])
