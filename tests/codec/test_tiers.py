"""Tiers in C, with every set of instructions this processor has, against tiers.py, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mvcd.codec import _planes, tiers
from mvcd.codec import planes as byte_planes
from mvcd.codec.decode import PLANE_TIERS, decode
from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.errors import CorruptObject
from tests.codec.samples import bf16, noise, weights

LEVELS = (0, 1, 2)
UNLIMITED = 1 << 40

planes = st.one_of(
    st.binary(min_size=1, max_size=300),
    st.lists(st.sampled_from([120, 121, 122, 122, 119, 118, 7]), min_size=1, max_size=600).map(
        bytes
    ),
    st.builds(
        lambda symbol, count: bytes([symbol]) * count, st.integers(0, 255), st.integers(1, 200)
    ),
)


@pytest.fixture(autouse=True, scope="module")
def best_again() -> Iterator[None]:
    yield
    _planes.tiers_select(2)


def scratch(size: int) -> bytearray:
    return bytearray(_planes.tiers_scratch(size))


def exponents(count: int) -> bytes:
    split = bytearray(2 * count)
    byte_planes.split(split, bf16(weights(count)), 2, True, None)
    return bytes(split[count:])


@pytest.mark.parametrize("level", LEVELS)
@given(plane=planes)
@example(plane=b"\0")
@example(plane=bytes(range(256)))
@example(plane=bytes(64))
def test_c_is_the_reference(level: int, plane: bytes) -> None:
    _planes.tiers_select(level)
    stored = _planes.tiers(plane, UNLIMITED, scratch(len(plane)))
    assert stored == tiers.tiers(plane)
    assert _planes.untier(stored, len(plane), scratch(len(plane))) == plane
    assert tiers.untier(stored, len(plane)) == plane


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("size", [63, 64, 65, 127, 129, 4095, 4096, 4097, 131_072, 131_101])
def test_long_planes_and_their_edges(level: int, size: int) -> None:
    _planes.tiers_select(level)
    for plane in (exponents(size), noise(size)):
        stored = _planes.tiers(plane, UNLIMITED, scratch(size))
        assert stored == tiers.tiers(plane)
        assert _planes.untier(stored, size, scratch(size)) == plane


def test_exponents_of_weights_take_a_third() -> None:
    plane = exponents(131_072)
    assert len(tiers.tiers(plane)) < 0.34 * len(plane)


def test_a_limit_is_kept() -> None:
    plane = exponents(5000)
    size = len(tiers.tiers(plane))
    assert _planes.tiers(plane, size, scratch(len(plane))) is None
    assert _planes.tiers(plane, size + 1, scratch(len(plane))) is not None


@pytest.mark.parametrize("level", LEVELS)
@given(size=st.integers(0, 200), body=st.binary(max_size=200))
def test_any_bytes_are_read_as_the_reference_reads_them(level: int, size: int, body: bytes) -> None:
    _planes.tiers_select(level)
    try:
        expected: bytes | None = tiers.untier(body, size)
    except ValueError:
        expected = None
    assert _planes.untier(body, size, scratch(size)) == expected


@given(st.data())
def test_damage_is_refused_or_gives_as_many_bytes(data: st.DataObject) -> None:
    plane = exponents(700)
    stored = bytearray(tiers.tiers(plane))
    at = data.draw(st.integers(0, len(stored) - 1))
    stored[at] ^= data.draw(st.integers(1, 255))
    found = _planes.untier(bytes(stored), len(plane), scratch(len(plane)))
    assert found is None or len(found) == len(plane)


def test_scratch_that_is_too_small_is_refused() -> None:
    for call in (lambda s: _planes.tiers(b"abc", 99, s), lambda s: _planes.untier(b"", 3, s)):
        with pytest.raises(ValueError, match="scratch"):
            call(bytearray(_planes.tiers_scratch(3) - 1))


def test_the_encoder_uses_them_for_weights() -> None:
    raw = bf16(weights(50_000))
    encoded = Encoder().encode(raw, element_size=2, dtype="BF16")
    assert encoded.codec is Codec.PLANES2
    assert bytes(encoded.body)[5] == PLANE_TIERS  # the kind of the second plane
    assert decode(encoded) == raw


def test_a_plane_whose_tiers_do_not_add_up_is_corrupt() -> None:
    raw = bf16(weights(5000))
    encoded = Encoder().encode(raw, element_size=2, dtype="BF16")
    body = bytearray(encoded.body)
    body[9 + 5000] = random.Random(1).choice([0, 6, 255])  # the number of tiers
    with pytest.raises(CorruptObject):
        decode(Encoded(encoded.codec, encoded.raw_size, bytes(body)))
