"""The kernel against its definition in compare.py, bit for bit, and both against numpy."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.inspect import _compare, compare
from mvcd.inspect.compare import DTYPES, ELEMENTS, WIDTHS

LEVELS = (0, 1, 2)
numbers = st.sampled_from(range(len(DTYPES)))


@pytest.fixture(autouse=True)
def _best_again() -> Iterator[None]:
    yield
    _compare.select(2)


def check(old_dtype: int, old: bytes, new_dtype: int, new: bytes) -> compare.Row:
    expected = compare.compare(old_dtype, old, new_dtype, new)
    for level in LEVELS:
        _compare.select(level)
        found = _compare.compare(old_dtype, old, new_dtype, new)
        # repr tells NaN from NaN and -0.0 from 0.0 as == does not
        assert repr(found) == repr(expected), (DTYPES[old_dtype], DTYPES[new_dtype], level)
    return expected


def size(dtype: int, elements: int) -> int:
    """Bytes of so many elements, which are whole units."""
    return elements // ELEMENTS[dtype] * WIDTHS[dtype]


@given(numbers, st.integers(0, 40), st.randoms(use_true_random=False))
def test_equals_the_reference_on_any_bytes(dtype, count, rng):
    most = count if ELEMENTS[dtype] < 256 else count // 4
    sides = [rng.randbytes(most * WIDTHS[dtype]) for _ in range(2)]
    check(dtype, sides[0], dtype, sides[1])


@given(numbers, numbers, st.integers(0, 40), st.randoms(use_true_random=False))
def test_equals_the_reference_across_dtypes(old, new, count, rng):
    step = math.lcm(ELEMENTS[old], ELEMENTS[new])
    elements = step * (count if step < 256 else count // 4)
    check(old, rng.randbytes(size(old, elements)), new, rng.randbytes(size(new, elements)))


@pytest.mark.parametrize("count", [7, 8, 9, 1023, 1024, 1025, 2500])
@pytest.mark.parametrize("dtype", ["BF16", "F32", "I64", "U64", "F8_E4M3"])
def test_equals_the_reference_around_its_blocks(dtype, count):
    rng = np.random.default_rng(count)
    number = DTYPES.index(dtype)
    sides = [bytearray(rng.bytes(count * WIDTHS[number])) for _ in range(2)]
    if dtype == "BF16":  # mostly finite, of one size, so that the fast path is taken too
        for side in sides:
            side[1::2] = bytes([0x3C + 0x80 * (b & 1) for b in side[1::2]])
    check(number, bytes(sides[0]), number, bytes(sides[1]))


@pytest.mark.parametrize("mean", [0.0, 1.0, 7.9, 8.0, 8.1, 1000.0, 1e6])
@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32", "F64", "F8_E5M2", "I16"])
def test_equals_the_reference_wherever_the_mean_lies(dtype, mean):
    """A block's spread comes from its sum of squares, or, beyond some 8 deviations, from a second look."""
    number = DTYPES.index(dtype)
    rng = np.random.default_rng(7)
    for count in (3, 1024, 1500):
        old = mean + rng.standard_normal(count)
        new = old + rng.standard_normal(count) * 1e-3
        check(number, encoded(dtype, old), number, encoded(dtype, new))


def encoded(dtype: str, values: np.ndarray) -> bytes:
    if dtype == "BF16":
        return (values.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    if dtype == "F8_E5M2":  # the upper byte of a half
        return (np.clip(values, -5e4, 5e4).astype("<f2").view("<u2") >> 8).astype("u1").tobytes()
    with np.errstate(over="ignore"):
        return (
            np.clip(values, -3e4, 3e4)
            .astype("<i2" if dtype == "I16" else f"<f{int(dtype[1:]) // 8}")
            .tobytes()
        )


@pytest.mark.parametrize("spread", [1e-300, 1e-12, 1.0, 1e140])
def test_a_spread_keeps_its_digits_beside_any_mean(spread):
    f64 = DTYPES.index("F64")
    shape = np.random.default_rng(5).standard_normal(1024)
    for mean in (0.0, 1.0, 1e3, 1e150):
        values = mean + spread * shape
        row = check(f64, values.tobytes(), f64, values.tobytes())
        exact = math.fsum((v - np.longdouble(values.mean(dtype="longdouble"))) ** 2 for v in values)
        assert row[12] == pytest.approx(exact, rel=1e-10, abs=1024 * (4e-15 * mean) ** 2)


@pytest.mark.parametrize("size", [1e160, 1e200, 1e305])
def test_equals_the_reference_where_squares_overflow(size):
    f64 = DTYPES.index("F64")
    rng = np.random.default_rng(9)
    for old in (np.full(1100, size), size * rng.standard_normal(1100)):
        new = np.roll(old, 1)
        row = check(f64, old.tobytes(), f64, new.tobytes())
        assert row[6] == math.inf


def test_what_is_not_finite_is_counted_and_left_out():
    nan, inf = math.nan, math.inf
    old = struct.pack("<6f", 1, nan, 2, -inf, 5, 3)
    new = struct.pack("<6f", 1, nan, nan, inf, 7, inf)
    row = check(DTYPES.index("F32"), old, DTYPES.index("F32"), new)
    assert row[:6] == (6, 4, 2, 4.0, 36.0, 2.0)
    assert row[6:8] == (26.0, 50.0)
    assert row[8:11] == (4, 1, 1)
    assert row[13:16] == (2, 2, 2)


def test_signed_zeros_differ_by_bits_and_not_by_value():
    f32, f64 = DTYPES.index("F32"), DTYPES.index("F64")
    zero, negative = struct.pack("<f", 0.0), struct.pack("<f", -0.0)
    assert check(f32, zero, f32, negative)[1] == 1
    assert check(f32, negative, f64, struct.pack("<d", 0.0))[1] == 0
    assert check(f32, zero, f32, zero)[1] == 0


@pytest.mark.parametrize(
    ("dtype", "byte", "value"),
    [
        ("F8_E4M3", 0x7E, 448.0), ("F8_E4M3", 0x01, 2.0**-9), ("F8_E4M3", 0xB8, -1.0),
        ("F8_E5M2", 0x7B, 57344.0), ("F8_E5M2", 0x01, 2.0**-16), ("F8_E5M2", 0x7C, math.inf),
        ("F8_E4M3FNUZ", 0x7F, 240.0), ("F8_E4M3FNUZ", 0x01, 2.0**-10), ("F8_E4M3FNUZ", 0x40, 1.0),
        ("F8_E5M2FNUZ", 0x7F, 57344.0), ("F8_E5M2FNUZ", 0x01, 2.0**-17), ("F8_E5M2FNUZ", 0x40, 1.0),
    ],
)  # fmt: skip
def test_eight_bit_floats_have_the_values_their_papers_give(dtype, byte, value):
    """FP8 formats for deep learning (arXiv 2209.05433), table 1; 8-bit numerical formats (2206.02915)."""
    assert compare.values(DTYPES.index(dtype), bytes([byte])) == [value]


def test_scales_of_eight_bits_are_powers_of_two():
    """E8M0 (OCP Microscaling Formats 1.0, 5.4.1)."""
    e8m0, f64 = DTYPES.index("F8_E8M0"), DTYPES.index("F64")
    powers = struct.pack("<4d", 2.0**-127, 1.0, 2.0**127, math.nan)
    assert check(e8m0, bytes([0, 127, 254, 255]), f64, powers)[:3] == (4, 0, 3)


@pytest.mark.parametrize("byte", [0x7F, 0xFF])
def test_eight_bit_floats_know_nan(byte):
    for dtype in ("F8_E4M3", "F8_E5M2"):
        assert math.isnan(compare.values(DTYPES.index(dtype), bytes([byte]))[0])
    assert math.isnan(compare.values(DTYPES.index("F8_E4M3FNUZ"), b"\x80")[0])


@pytest.mark.parametrize(
    "dtype", ["F16", "F32", "F64", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64"]
)
def test_widens_as_numpy_does(dtype):
    kind = np.dtype(f"<{dtype[0].lower()}{int(dtype[1:]) // 8}")
    data = np.random.default_rng(1).bytes(4096)
    with np.errstate(invalid="ignore"):
        expected = np.frombuffer(data, kind).astype("f8")
    found = np.array(compare.values(DTYPES.index(dtype), data))
    assert np.array_equal(found, expected, equal_nan=True)


def test_refuses_unequal_lengths_and_unknown_dtypes():
    with pytest.raises(ValueError, match="equally many"):
        _compare.compare(0, b"1234", 0, b"12")
    with pytest.raises(ValueError, match="equally many"):
        _compare.compare(2, b"123", 2, b"123")
    q4_k, f16 = DTYPES.index("Q4_K"), DTYPES.index("F16")
    assert _compare.compare(q4_k, bytes(144), f16, bytes(512))[0] == 256
    for old, new in ((143, 512), (145, 512), (144, 510), (288, 512)):
        with pytest.raises(ValueError, match="equally many"):
            _compare.compare(q4_k, bytes(old), f16, bytes(new))
    with pytest.raises(ValueError, match="number"):
        _compare.compare(99, b"", 0, b"")
