"""Two runs of tensor elements compared, in short Python: what compare.c computes, bit for bit.

Elements are taken by blocks of 1024; sums of a block run in eight lanes (element i in lane i mod 8), so that
vector registers of any width add the same numbers in the same order. A block's spread (sum of squared distances
from the mean) is its sum of squares less what the mean has of it; where that leaves less than a 64th, and so
fewer digits, distances are squared. Means and spreads of blocks are merged by Chan, Golub and LeVeque's formula
(1979). What is not finite is counted and left out: differences and products are over pairs that are finite on
both sides.

Elements that are packed together count as changed by value, since two spellings of a block may say the same;
others by bits.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import TypeVar

from mvcd.ids import Bytes
from mvcd.inspect.blocks import BLOCKS, PACKED_FLOATS
from mvcd.inspect.blocks import values as block_values

Row = tuple[
    int,
    int,
    int,
    float,
    float,
    float,
    float,
    float,
    int,
    int,
    int,
    float,
    float,
    int,
    int,
    int,
    float,
    float,
]
"""elements, changed, pairs, sum of (new - old)^2, of old * new, largest |new - old|, sums of old^2 and of
new^2; then for old and for new:
finite elements, NaNs, infinities, mean, spread."""

DTYPES = (
    "BF16", "F16", "F32", "F64", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0",
    "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "F4", *BLOCKS,
    "FLOAT6E2M3", "FLOAT6E3M2",
)  # fmt: skip
"""The kernel's dtypes by number."""

_BLOCKS = BLOCKS.values()
WIDTHS = (
    2,
    2,
    4,
    8,
    1,
    1,
    1,
    1,
    1,
    1,
    2,
    4,
    8,
    1,
    2,
    4,
    8,
    1,
    *(width for _, width, _ in _BLOCKS),
    3,
    3,
)
"""Bytes of a unit: an element, or a block of those that are packed together."""

ELEMENTS = (*[1] * 17, 2, *(elements for elements, _, _ in _BLOCKS), 4, 4)
"""Elements of a unit."""

_BLOCK_ELEMENTS = 1024
_SPREAD_SHARE = 1 / 64
"""As in compare.c, where the digits are counted."""
_T = TypeVar("_T")
_CODES = {"F16": "e", "F32": "f", "F64": "d"} | {
    f"{sign}{bits}": code for sign, codes in (("I", "bhiq"), ("U", "BHIQ"))
    for bits, code in zip((8, 16, 32, 64), codes, strict=True)
}  # fmt: skip


def compare(old_dtype: int, old: Bytes, new_dtype: int, new: Bytes, /) -> Row:
    """Raises ValueError unless both have a whole and equal number of elements."""
    a, b = values(old_dtype, old), values(new_dtype, new)
    if len(a) != len(b):
        raise ValueError(f"{len(a)} elements and {len(b)}")
    by_bits = old_dtype == new_dtype and ELEMENTS[old_dtype] == 1
    width, total = WIDTHS[old_dtype], _Total()
    for at in range(0, len(a), _BLOCK_ELEMENTS):
        x, y = a[at : at + _BLOCK_ELEMENTS], b[at : at + _BLOCK_ELEMENTS]
        if by_bits:
            p, q = bytes(old[at * width :]), bytes(new[at * width :])
            cells = range(0, len(x) * width, width)
            total.changed += sum(p[i : i + width] != q[i : i + width] for i in cells)
        else:
            total.changed += sum(u != v and not (u != u and v != v) for u, v in zip(x, y))  # noqa: B905, PLR0124
        total.add(x, y)
    return (len(a), total.changed, total.pairs, total.squares, total.dot, total.most,
            total.power_old, total.power_new, *total.old.row(), *total.new.row())  # fmt: skip


def values(dtype: int, data: Bytes) -> list[float]:
    """Little-endian elements as double floats, as C's conversions round them."""
    name, n = DTYPES[dtype], len(data) // WIDTHS[dtype]
    if n * WIDTHS[dtype] != len(data):
        raise ValueError(f"{len(data)} bytes are not whole elements")
    if name in BLOCKS:
        return block_values(name, data)
    if name in PACKED_FLOATS:
        return PACKED_FLOATS[name](data)
    if name == "F8_E8M0":  # OCP Microscaling Formats 1.0, 5.4.1
        return [math.nan if x == 255 else math.ldexp(1.0, x - 127) for x in bytes(data)]
    if name == "BF16":
        wide = b"".join(b"\0\0" + bytes(data[i : i + 2]) for i in range(0, 2 * n, 2))
        return list(struct.unpack(f"<{n}f", wide))
    if name.startswith("F8"):
        return [_eight_bits(x, int(name[4]), name.endswith("FNUZ")) for x in bytes(data)]
    return [float(x) for x in struct.unpack(f"<{n}{_CODES[name]}", data)]


def _eight_bits(x: int, exponent_bits: int, fnuz: bool) -> float:
    mantissa_bits, bias = 7 - exponent_bits, (1 << exponent_bits - 1) - 1 + fnuz
    exponent, mantissa = x >> mantissa_bits & (1 << exponent_bits) - 1, x & (1 << mantissa_bits) - 1
    low, sign = x & 0x7F, -1.0 if x & 0x80 else 1.0
    if x == 0x80 if fnuz else low == 0x7F if exponent_bits == 4 else low > 0x7C:
        return math.nan
    if not fnuz and exponent_bits == 5 and low == 0x7C:
        return sign * math.inf
    fraction = mantissa / (1 << mantissa_bits)
    return sign * (
        math.ldexp(1 + fraction, exponent - bias) if exponent else math.ldexp(fraction, 1 - bias)
    )


class _Side:
    def __init__(self) -> None:
        self.finite = self.nans = self.infinities = 0
        self.mean = self.spread = 0.0

    def row(self) -> tuple[int, int, int, float, float]:
        return self.finite, self.nans, self.infinities, self.mean, self.spread

    def add(self, x: Sequence[float]) -> float:
        """Returns the sum of squares of what is finite."""
        self.nans += sum(map(math.isnan, x))
        self.infinities += sum(map(math.isinf, x))
        x = [v for v in x if math.isfinite(v)]
        total = self.finite + len(x)
        if not total:
            return 0.0
        sum_, power = _sum(x, lambda v: v), _sum(x, lambda v: v * v)
        mean = sum_ / len(x) if x else 0.0
        around = power - sum_ * mean
        if not around >= power * _SPREAD_SHARE:  # nor is NaN, of what overflowed
            around = _sum(x, lambda v: (v - mean) * (v - mean))
        delta, share = mean - self.mean, len(x) / total
        self.mean += delta * share
        self.spread += around + delta * delta * self.finite * share
        self.finite = total
        return power


class _Total:
    def __init__(self) -> None:
        self.changed = self.pairs = 0
        self.squares = self.dot = self.most = 0.0
        self.power_old = self.power_new = 0.0
        self.old, self.new = _Side(), _Side()

    def add(self, x: Sequence[float], y: Sequence[float]) -> None:
        self.old.add(x)
        self.new.add(y)
        finite = [
            (u, v) for u, v in zip(x, y, strict=True) if math.isfinite(u) and math.isfinite(v)
        ]
        self.pairs += len(finite)
        self.power_old += _Side().add([u for u, _ in finite])
        self.power_new += _Side().add([v for _, v in finite])
        self.squares += _sum(finite, lambda p: (p[1] - p[0]) * (p[1] - p[0]))
        self.dot += _sum(finite, lambda p: p[0] * p[1])
        self.most = max([self.most, *(abs(v - u) for u, v in finite)])


def _sum(items: Sequence[_T], term: Callable[[_T], float]) -> float:
    lanes = [0.0] * 8
    for i, item in enumerate(items):
        lanes[i % 8] += term(item)
    a, b, c, d = (lanes[k] + lanes[k + 4] for k in range(4))
    return (a + c) + (b + d)
