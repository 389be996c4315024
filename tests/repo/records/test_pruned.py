"""Marks of pruned versions: their bytes, and what several say together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import CorruptObject
from mvcd.ids import VersionId
from mvcd.repo.records import pruned
from mvcd.repo.records.pruned import MAX_VALUE_BYTES, Pruning, decode, encode, marked_by, name_of

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/pruned.json").read_text())


def version(number: int) -> VersionId:
    return VersionId.of(b"%d" % number)


@pytest.mark.parametrize("case", VECTORS["good"])
def test_what_marks_say(case: dict[str, Any]) -> None:
    value = case["value"].encode()
    says = {VersionId.parse(i): Pruning(t, u, rule) for i, (rule, t, u) in case["says"].items()}
    assert decode(value) == says
    assert name_of(value) == case["name"]


@pytest.mark.parametrize("case", VECTORS["bad"], ids=lambda case: case["why"])
def test_values_that_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(CorruptObject, match="a mark of pruned versions is damaged"):
        decode(case["value"].encode())


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(CorruptObject):
        decode(b"\xff\xfe")
    big = next(encode({version(n): Pruning(1, 2, "r") for n in range(800)}))
    with pytest.raises(CorruptObject) as caught:
        decode(big.replace(b'"r"', b'"' + b"r" * 7000 + b'"'))
    assert caught.value.cause == f"it has {len(big) + 6999} bytes"


PRUNINGS = st.builds(
    lambda time, grace, rule: Pruning(time, time + grace, pruned.shortened(rule)),
    st.integers(0, 5), st.integers(0, 3), st.sampled_from(["", "keep_all 24h", "ü" * 300, 'a "b" \\c\n']),
)  # fmt: skip
MARKED = st.dictionaries(st.integers(0, 40).map(version), PRUNINGS, max_size=40)


@given(MARKED)
def test_marks_say_together_what_was_written(marked: dict[VersionId, Pruning]) -> None:
    values = list(encode(marked))
    assert marked_by({name_of(value): value for value in values}) == marked
    assert (len(values) == 0) == (not marked)


def test_many_versions_are_several_marks() -> None:
    marked = {version(n): Pruning(n % 3, 9, "x" * 200) for n in range(5000)}
    values = list(encode(marked))
    assert 6 <= len(values) < 9
    assert max(map(len, values)) <= MAX_VALUE_BYTES
    assert marked_by({name_of(value): value for value in values}) == marked


def test_of_several_marks_the_oldest_tells() -> None:
    one, other = Pruning(5, 6, "one"), Pruning(4, 9, "other")
    refs = {
        name_of(value): value
        for pruning in (one, other)
        for value in encode({version(1): pruning, version(pruning.time_us): pruning})
    }
    assert marked_by(refs | {"heads/main": b"x"}) == {
        version(1): other, version(4): other, version(5): one,
    }  # fmt: skip


def marks(count: int, until_us: int) -> dict[str, bytes]:
    values = [next(encode({version(n): Pruning(n, until_us, f"r{n}")})) for n in range(count)]
    return {name_of(value): value for value in values}


def test_marks_that_nobody_can_undo_are_put_together() -> None:
    refs = marks(8, until_us=100)
    assert pruned.settled(refs, 99) == {}, "the time of grace is not over"
    assert pruned.settled(refs, 100).keys() == refs.keys()
    assert pruned.settled(marks(7, until_us=100), 100) == {}, "too few"
    young = marks(9, until_us=200).items() - refs.items()
    assert pruned.settled(refs | dict(young), 100).keys() == refs.keys()
    many = marks(100, until_us=100)
    taken = pruned.settled(many, 100)
    assert 40 < len(taken) < 100
    merged = {id: pruning for one in taken.values() for id, pruning in one.items()}
    assert len(list(encode(merged))) == 1


def test_content_is_let_go_when_grace_is_over_or_the_operation_forgotten() -> None:
    refs = marks(1, until_us=100) | {"heads/main": bytes(version(0))}

    def gone(now: int, forgotten: int, needed: set[VersionId] = frozenset()) -> bool:  # type: ignore[assignment]
        return bool(pruned.let_go(refs, now, forgotten, needed))

    assert [gone(99, 0), gone(100, 0), gone(99, 1)] == [False, True, True]
    assert not gone(100, 1, {version(0)}), "a ref points to it"
