"""Extent and counts of the kernel against their definition in a few lines of Python, for every dtype."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.inspect import _compare
from mvcd.inspect.compare import DTYPES, ELEMENTS, WIDTHS, values

F32, F64 = DTYPES.index("F32"), DTYPES.index("F64")
numbers = st.sampled_from(range(len(DTYPES)))


def plain(low: float, high: float, bins: int, found: list[float]) -> list[int]:
    counts = [0] * bins
    for value in found:
        if low <= value <= high:
            width = high / 2 - low / 2
            share = (value / 2 - low / 2) / width if width > 0 else 0.0
            counts[min(int(share * bins), bins - 1)] += 1
    return counts


def check(dtype: int, data: bytes, old_dtype: int = 0, old: bytes | None = None) -> None:
    found = values(dtype, data)
    if old is not None:
        found = [b - a for a, b in zip(values(old_dtype, old), found, strict=True)]
    finite = [value for value in found if math.isfinite(value)]
    low, high = min(finite, default=math.inf), max(finite, default=-math.inf)
    assert _compare.extent(dtype, data, old_dtype, old) == (low, high)
    if finite:
        counted = _compare.histogram(low, high, 7, dtype, data, old_dtype, old)
        assert counted == plain(low, high, 7, found)
        assert sum(counted) == len(finite)


@given(numbers, st.integers(0, 40), st.randoms(use_true_random=False))
def test_values_of_any_dtype(dtype, count, rng):
    most = count if ELEMENTS[dtype] < 256 else count // 4
    check(dtype, rng.randbytes(most * WIDTHS[dtype]))


@given(numbers, numbers, st.integers(0, 40), st.randoms(use_true_random=False))
def test_differences_across_dtypes(old, new, count, rng):
    step = math.lcm(ELEMENTS[old], ELEMENTS[new])
    elements = step * (count if step < 256 else count // 4)
    sides = [rng.randbytes(elements // ELEMENTS[n] * WIDTHS[n]) for n in (old, new)]
    check(new, sides[1], old, sides[0])


@pytest.mark.parametrize("count", [1023, 1024, 1025, 3000])
def test_runs_longer_than_a_block(count):
    check(F32, struct.pack(f"<{count}f", *(math.sin(i) for i in range(count))))


def test_the_whole_range_of_a_dtype_and_a_single_value():
    check(F64, struct.pack("<4d", -1.7e308, 1.7e308, 0.0, math.nan))
    check(F32, struct.pack("<3f", 0.5, 0.5, 0.5))
    check(F32, struct.pack("<2f", math.nan, math.inf))


def test_what_cannot_be_asked():
    data = struct.pack("<2f", 1, 2)
    for low, high, bins in ((0, 1, 0), (0, 1, 1025), (1, 0, 4), (0, math.inf, 4), (math.nan, 1, 4)):
        with pytest.raises(ValueError):
            _compare.histogram(low, high, bins, F32, data)
    for words in ((99, data), (F32, data[:7]), (F32, data, F32, data[:4])):
        with pytest.raises(ValueError):
            _compare.extent(*words)
