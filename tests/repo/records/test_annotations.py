"""Annotations: their bytes, their names, and which of two holds."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import CorruptObject, UsageError
from mvcd.ids import VersionId
from mvcd.repo.records.annotations import (
    MAX_TEXT_BYTES,
    Annotation,
    decode,
    encode,
    is_greater,
    is_whole,
    name_of,
    require_key,
    require_text,
    subject_of,
    written_by,
)
from mvcd.repo.records.refs import version_named
from mvcd.store.refs import MAX_NAME_BYTES, MAX_VALUE_BYTES

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/annotations.json").read_text())
VERSION = VersionId.parse(VECTORS["version"])

TEXTS = st.text(st.sampled_from('ab ü\n"\\模🙂'), max_size=6)
ANNOTATIONS = st.builds(
    Annotation, st.integers(0, 4), st.sampled_from(["", "Ada", "Zoë"]), st.none() | TEXTS
)


@pytest.mark.parametrize("case", VECTORS["good"])
def test_what_values_say(case: dict[str, Any]) -> None:
    value = case["value"].encode()
    assert decode(value) == Annotation(*case["says"])
    assert encode(decode(value)) == value


@pytest.mark.parametrize("case", VECTORS["bad"], ids=lambda case: case["why"])
def test_values_that_are_refused(case: dict[str, Any]) -> None:
    value = case["value"].encode()
    with pytest.raises(CorruptObject, match="an annotation is damaged"):
        decode(value)
    assert not is_whole(value)


@pytest.mark.parametrize("value", [b"", b"\xff\xfe", b"[" * 100_000, b"\x00" * 70_000])
def test_bytes_that_are_no_text_are_refused(value: bytes) -> None:
    assert not is_whole(value)


def test_the_order_is_that_of_the_vectors() -> None:
    for one, other in pairwise(Annotation(*row) for row in VECTORS["order"]):
        assert is_greater(encode(other), encode(one))
        assert not is_greater(encode(one), encode(other))
        assert not is_greater(encode(one), encode(one))


@given(ANNOTATIONS, ANNOTATIONS)
def test_of_two_different_values_exactly_one_holds(one: Annotation, other: Annotation) -> None:
    a, b = encode(one), encode(other)
    assert (a == b) == (one == other)
    assert is_greater(a, b) + is_greater(b, a) == (a != b)


def test_what_is_damaged_holds_over_nothing() -> None:
    whole = encode(Annotation(0, "", None))
    assert is_greater(whole, b"garbage") and is_greater(whole, None)
    with pytest.raises(CorruptObject):
        is_greater(b"garbage", whole)


@pytest.mark.parametrize(("name", "key"), VECTORS["names"]["good"])
def test_names_that_are_taken(name: str, key: str) -> None:
    assert subject_of(name) == (VERSION, key)
    assert name_of(VERSION, key) == name
    require_key(key)
    assert len(name.encode()) <= MAX_NAME_BYTES
    assert version_named(name, encode(Annotation(1, "a", "x" * 40))) is None
    assert not name.endswith("/head"), "older programs take that for a workspace's HEAD"


@pytest.mark.parametrize("name", VECTORS["names"]["bad"])
def test_names_that_are_refused(name: str) -> None:
    assert subject_of(name) is None


def test_keys_and_texts_that_nobody_may_write() -> None:
    for key in ("", "a=b", " a", "a" * 251):
        with pytest.raises(UsageError, match="cannot be the key of an annotation"):
            require_key(key)
    require_text("k", "x" * MAX_TEXT_BYTES)
    with pytest.raises(UsageError, match="the text of k has 24,577 bytes"):
        require_text("k", "x" * (MAX_TEXT_BYTES + 1))
    with pytest.raises(UsageError, match=r"the text of k has the character U\+001B"):
        require_text("k", "a\x1b[2J")


def test_the_longest_value_fits_a_ref() -> None:
    author = written_by('"' * 500 + "\n")
    value = encode(Annotation((1 << 62) - 1, author, "\n" * MAX_TEXT_BYTES))
    assert is_whole(value) and len(value) < 50_000 < MAX_VALUE_BYTES
    assert len(encode(Annotation(0, "🙂" * 200, "🙂" * (MAX_TEXT_BYTES // 4)))) < MAX_VALUE_BYTES
