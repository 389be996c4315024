"""Packed digests and bitmaps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import UsageError
from mvcd.ids import VersionId
from mvcd.wire.ids import bitmap, flags, pack, unpack

DIGESTS = st.lists(st.binary(min_size=32, max_size=32).map(VersionId), max_size=20)


@given(DIGESTS)
def test_digests_round_trip(ids: list[VersionId]) -> None:
    found = unpack(pack(ids), VersionId, 20)
    assert found == ids
    assert all(type(id) is VersionId for id in found)


@given(st.binary(max_size=200).filter(lambda data: len(data) % 32))
def test_parts_of_digests_are_refused(data: bytes) -> None:
    with pytest.raises(UsageError) as refused:
        unpack(data, VersionId, 100)
    assert refused.value.kind == "bad-ids"


def test_one_digest_too_many_is_refused() -> None:
    assert len(unpack(bytes(64), VersionId, 2)) == 2
    with pytest.raises(UsageError) as refused:
        unpack(bytes(96), VersionId, 2)
    assert refused.value.kind == "too-large"


@given(st.lists(st.booleans(), max_size=70))
def test_bitmaps_round_trip(given_flags: list[bool]) -> None:
    bits = bitmap(given_flags)
    assert flags(bits, len(given_flags)) == given_flags
    assert int.from_bytes(bits, "little") == sum(1 << i for i, on in enumerate(given_flags) if on)


def test_a_bitmap_of_another_length_is_refused() -> None:
    for bits, count in ((b"", 1), (b"\0\0", 8), (b"\0", 9), (b"\0", 0)):
        with pytest.raises(UsageError):
            flags(bits, count)
