"""How large a difference between two chunks would be, guessed from a sample: for choosing among bases."""

from __future__ import annotations

from math import gcd
from typing import Final

from mvcd.codec import _planes
from mvcd.codec.encode import EXPONENT_SHIFT
from mvcd.ids import Bytes

SAMPLE_BYTES: Final = 16384
"""Bytes from the middle of a chunk that are looked at: 30 us."""


def difference_bits(data: Bytes, base: Bytes, *, element_size: int, dtype: str) -> int:
    """Bits that the difference of `data` to `base` takes by the order-0 entropy of its planes, in the sample.

    To be compared with nothing but the same of another base. `element_size` in bytes and `dtype` as for
    `Encoder.encode`; where the base is shorter, what both have is looked at.
    """
    width = gcd(element_size, 8)
    size = min(len(data), len(base))
    start = max(0, size - SAMPLE_BYTES) // 2 & ~7
    count = min(size - start, SAMPLE_BYTES) // width
    mine, other = (memoryview(d).cast("B")[start : start + count * width] for d in (data, base))
    split = bytearray(count * width)
    _planes.split(split, mine, width, dtype in EXPONENT_SHIFT and width > 1, other)
    planes = memoryview(split)
    bits = 0
    for k in range(width if count else 0):
        plane = planes[k * count : (k + 1) * count]
        bits += 0 if _planes.period(plane) == 1 else _planes.probe(plane)[0] * count // 1000
    return bits
