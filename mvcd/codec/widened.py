"""BF16 elements as the F32 elements that they stand for (CODEC.md, WIDENED)."""

from __future__ import annotations

import struct
from typing import Final

from mvcd.ids import Bytes

START: Final = struct.Struct("<I")
"""The base's element that goes with the first one."""


def widen(base: Bytes, start: int, size: int) -> bytearray:
    """`size` bytes of F32 elements from BF16 elements number `start` on; zeros past the end of `base`."""
    wide = bytearray(size)
    count = size // 4
    halves = memoryview(base).cast("B")[2 * start : 2 * (start + count)]
    whole = len(halves) // 2
    wide[2 : 4 * whole : 4] = halves[0 : 2 * whole : 2]
    wide[3 : 4 * whole : 4] = halves[1 : 2 * whole : 2]
    return wide
