"""F32 elements relative to BF16 ones: what rounding took away, and any other bits all the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.codec.decode import decode, decode_into
from mvcd.codec.encode import Encoder, elements_of
from mvcd.codec.encoded import Codec, Encoded
from mvcd.codec.recode import Recoder
from mvcd.codec.widened import START, widen
from mvcd.errors import CorruptObject
from tests.codec.samples import BASE_ID

Array = np.ndarray  # type: ignore[type-arg]


def rounded(values: Array) -> bytes:
    """BF16, to nearest, ties to even."""
    bits = values.view("<u4").astype("u8")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def master(count: int = 40_000) -> Array:
    return np.random.default_rng(1).normal(0, 0.02, count).astype("<f4")


def truncated(values: Array) -> bytes:
    return values.view("<u2")[1::2].tobytes()


@pytest.mark.parametrize(("narrow", "most"), [(rounded, 0.51), (truncated, 0.56)])
@pytest.mark.parametrize("start", [0, 1, 20_000])
def test_a_master_takes_half_beside_its_copy(narrow, most, start):
    values = master()
    data = values[start : start + 20_000].tobytes()
    encoded = Encoder().encode(
        data, element_size=4, dtype="F32", base=(BASE_ID, narrow(values)), widen=start
    )
    assert (encoded.codec, encoded.base) == (Codec.WIDENED4, BASE_ID)
    assert len(encoded.body) < most * len(data)
    assert decode(encoded, narrow(values)) == data
    assert elements_of(encoded) == (4, "F32")
    assert Recoder().recode(encoded, data, narrow(values)) is None


def test_what_is_no_copy_stands_alone():
    values = master()
    encoded = Encoder().encode(
        values.tobytes(), element_size=4, dtype="F32",
        base=(BASE_ID, rounded(values[::-1].copy())), widen=0,
    )  # fmt: skip
    assert (encoded.codec, encoded.base) == (Codec.PLANES4, None)


@given(st.binary(min_size=65, max_size=400), st.binary(max_size=200), st.integers(0, 100))
def test_any_bits_come_back(data: bytes, base: bytes, start: int) -> None:
    """NaNs with payloads, -0, denormals, whatever the copy says, and tails."""
    start = min(start, len(base) // 2)
    planes = Encoder().alone.planes(
        memoryview(data), 4, True, memoryview(widen(base, start, len(data)))
    )
    encoded = Encoded(Codec.WIDENED4, len(data), START.pack(start) + planes, BASE_ID)
    assert decode(encoded, base) == data
    out = bytearray(len(data))
    decode_into(encoded, memoryview(out), base)
    assert out == data


@given(st.binary(max_size=50), st.integers(0, 20), st.integers(0, 60))
def test_elements_are_the_upper_halves(base: bytes, start: int, size: int) -> None:
    wide = widen(base, start, size)
    assert len(wide) == size
    for n in range(size // 4):
        half = base[2 * (start + n) : 2 * (start + n) + 2]
        assert wide[4 * n : 4 * n + 4] == b"\0\0" + (half if len(half) == 2 else b"\0\0")


@given(st.binary(max_size=60), st.integers(0, 40))
def test_a_body_of_any_bytes_is_refused_or_decodes(body: bytes, size: int) -> None:
    encoded = Encoded(Codec.WIDENED4, size, body, BASE_ID)
    try:
        assert len(decode(encoded, b"ab" * 8)) == size
    except CorruptObject as error:
        assert error.cause


def test_a_base_is_needed():
    with pytest.raises(ValueError, match="base"):
        decode(Encoded(Codec.WIDENED4, 4, bytes(4), BASE_ID))
