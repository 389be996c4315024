from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.errors import CorruptObject
from mvcd.ids import VersionId
from mvcd.objects.promotion import MAX_RECORD_BYTES, Promotion, Requirement, Step, digest_of
from mvcd.objects.v1 import promotion_pb2 as pb
from tests.objects.reference import some_id

A = VersionId(some_id(1))
FIRST = Promotion(A, "production", 1, Step.PROMOTE, "Ada <ada@example.org>", 1_000_000, 60, "good")
SECOND = replace(FIRST, number=2, previous=digest_of(FIRST.encode()))

PINNED = (
    "0a0a70726f64756374696f6e1001221541646120"
    "3c616461406578616d706c652e6f72673e2880897a30783a04676f6f64"
)
"""FIRST after its version id, written by hand from the schema."""


def test_the_bytes_are_pinned() -> None:
    assert FIRST.encode().hex() == A.hex() + PINNED
    assert digest_of(FIRST.encode()) == FIRST.digest
    assert len(FIRST.digest) == 32


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(),
)
requirements = st.builds(
    Requirement,
    st.text(min_size=1, max_size=20),
    st.dictionaries(st.text(max_size=8), values, max_size=3),
    st.booleans(),
)


@given(
    st.lists(requirements, max_size=4).map(tuple),
    st.text(max_size=50),
    st.integers(-1439, 1439),
    st.integers(-(2**62), 2**62),
    st.sets(st.text(min_size=1), max_size=3).map(lambda s: tuple(sorted(s, key=str))),
)
@settings(max_examples=60)
def test_what_is_written_is_read(
    required: Any, reason: str, offset: int, time_us: int, signatures: Any
) -> None:
    made = replace(
        SECOND, requirements=required, reason=reason, utc_offset_minutes=offset, time_us=time_us,
        signatures=signatures,
    )  # fmt: skip
    assert Promotion.decode(made.encode()) == made


def test_a_nan_that_was_found_is_kept() -> None:
    made = replace(FIRST, requirements=(Requirement("a!=1", {"a": math.nan}),))
    (requirement,) = Promotion.decode(made.encode()).requirements
    assert math.isnan(requirement.found["a"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "broken",
    [
        {"stage": ""},
        {"number": 0},
        {"previous": b"x" * 32},
        {"number": 2},
        {"number": 2, "previous": b"x" * 31},
        {"step": Step.ROLLBACK},
        {"restores": 1},
        {"step": Step.ROLLBACK, "number": 2, "previous": b"x" * 32, "restores": 2},
        {"utc_offset_minutes": 24 * 60},
        {"requirements": (Requirement(""),)},
        {"requirements": (Requirement("a>1"),) * 65},
        {"signatures": ("b", "a")},
        {"signatures": ("a", "a")},
        {"reason": "x" * MAX_RECORD_BYTES},
    ],
)
def test_no_record_breaks_a_rule(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        replace(FIRST, **broken).encode()


def _message(**fields: Any) -> bytes:
    whole = {"stage": "s", "number": 1, **fields}
    return bytes(A) + pb.Promotion(**whole).SerializeToString()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(A),
        bytes(A)[:20],
        bytes(A) + b"\xff\xff",
        FIRST.encode() + b"\x08\x01",  # a field out of order
        FIRST.encode() + b"\xa0\x06\x01",  # an unknown field
        bytes(A) + b"\0" * MAX_RECORD_BYTES,
        _message(number=0),
        _message(step=9),
        _message(previous=b"x"),
        _message(requirements=[pb.Requirement()]),
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptObject):
        Promotion.decode(data)
