"""Quantised blocks of GGUF as numbers, in short Python: what compare_blocks.h computes, bit for bit.

Layouts are ggml's (ggml-common.h and ggml-quants.c of llama.cpp). A block is codes, which are small integers,
with a scale and perhaps a minimum for so many of them: an element is scale * code - minimum, in float32. What
NVFP4 holds is without the scale of the whole tensor, which is a tensor of its own.

Some types stay packed. The codes of IQ1, IQ2 and IQ3 are places in grids of up to 2048 vectors. Q8_1 is in no
file that ggml writes, and has blocks of 36 bytes there, but of 40 in its Python package. How elements of six
bits (F6_E2M3, F6_E3M2) share bytes, safetensors does not say. ONNX does, whose own are called FLOAT6E2M3 and
FLOAT6E3M2 for that.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from mvcd.ids import Bytes


class Codes(NamedTuple):
    """A block taken apart. Scales and minimums are for equally many codes each; no minimums are zeros."""

    codes: list[int]
    scales: list[float]
    minimums: list[float]


def values(dtype: str, data: Bytes) -> list[float]:
    """Elements of whole blocks, each a float32."""
    _, width, read = BLOCKS[dtype]
    found: list[float] = []
    for at in range(0, len(data), width):
        codes, scales, minimums = read(bytes(data[at : at + width]))
        each = len(codes) // len(scales)
        scaled = array("f", [scales[i // each] * code for i, code in enumerate(codes)])
        if minimums:
            scaled = array("f", [x - minimums[i // each] for i, x in enumerate(scaled)])
        found += scaled
    return found


# ---------------------------------------------------------------- parts of blocks


def _half(block: bytes, at: int) -> float:
    value: float = struct.unpack_from("<e", block, at)[0]
    return value


def _codes(data: bytes, width: int, each: int) -> list[int]:
    """Codes of `width` bits: of `each` bytes first the lowest bits, then the next ones."""
    mask = (1 << width) - 1
    return [
        data[i] >> shift & mask
        for start in range(0, len(data), each)
        for shift in range(0, 8, width)
        for i in range(start, start + each)
    ]


def _above(low: list[int], high: list[int], bits: int) -> list[int]:
    return [x | y << bits for x, y in zip(low, high, strict=True)]


def _thirds(data: bytes, digits: int) -> list[int]:
    """Digits to the base three of a fraction of 256: of all bytes the first, then the second."""
    return [(x * 3**k & 255) * 3 >> 8 for k in range(digits) for x in data]


def _six_bits(block: bytes) -> tuple[list[float], list[float]]:
    """Eight scales and eight minimums in twelve bytes, times the block's own."""
    scale, minimum, six = _half(block, 0), _half(block, 2), block[4:16]
    tops = [x >> 6 << 4 for x in six]
    scales = [x & 63 for x in six[:4]] + [six[8 + k] & 15 | tops[k] for k in range(4)]
    minimums = [x & 63 for x in six[4:8]] + [six[8 + k] >> 4 | tops[4 + k] for k in range(4)]
    return [scale * x for x in scales], [minimum * x for x in minimums]


def _signed(data: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(data)}b", data))


def _e4m3(x: int) -> float:
    """Half the value of a scale without a sign; 0x7f, the NaN of other E4M3, is none."""
    exponent, mantissa = x >> 3 & 15, x & 7
    if x == 0x7F:
        return 0.0
    return math.ldexp(8 + mantissa, exponent - 11) if exponent else math.ldexp(mantissa, -10)


_NONLINEAR = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
_HALVES = (0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)


def four_bit_floats(data: Bytes) -> list[float]:
    """E2M1 (OCP Microscaling Formats 1.0, 5.3.3), two in a byte, the lower half first as torch has them."""
    return [0.5 * _HALVES[code] for code in _codes(bytes(data), 4, 1)]


def six_bit_floats(data: Bytes, exponent_bits: int) -> list[float]:
    """E2M3 and E3M2 (OCP Microscaling Formats 1.0, 5.3.2), four in three bytes, the first in the lowest bits as
    ONNX has them (raw_data in onnx.proto)."""
    found = []
    for at in range(0, len(data), 3):
        codes = int.from_bytes(data[at : at + 3], "little")
        found += [_six_bit_float(codes >> shift & 63, exponent_bits) for shift in (0, 6, 12, 18)]
    return found


def _six_bit_float(x: int, exponent_bits: int) -> float:
    mantissa_bits, bias = 5 - exponent_bits, (1 << exponent_bits - 1) - 1
    exponent, mantissa = x >> mantissa_bits & (1 << exponent_bits) - 1, x & (1 << mantissa_bits) - 1
    fraction = mantissa / (1 << mantissa_bits)
    value = (
        math.ldexp(1 + fraction, exponent - bias) if exponent else math.ldexp(fraction, 1 - bias)
    )
    return -value if x & 32 else value


PACKED_FLOATS: dict[str, Callable[[Bytes], list[float]]] = {
    "F4": four_bit_floats,
    "FLOAT6E2M3": partial(six_bit_floats, exponent_bits=2),
    "FLOAT6E3M2": partial(six_bit_floats, exponent_bits=3),
}
"""Floats that share bytes without a scale: how whole units of them are read."""


# ---------------------------------------------------------------- blocks


def _plain(start: int, lowered: int) -> Callable[[bytes], Codes]:
    """One scale, and codes of four bits from byte `start` on; bytes between are their fifth bits."""

    def read(block: bytes) -> Codes:
        codes = _codes(block[start:], 4, 16)
        if start > 4:
            codes = _above(codes, _codes(block[start - 4 : start], 1, 1), 4)
        if lowered:
            return Codes([x - lowered for x in codes], [_half(block, 0)], [])
        return Codes(codes, [_half(block, 0)], [-_half(block, 2)])

    return read


def _q8_0(block: bytes) -> Codes:
    return Codes(_signed(block[2:]), [_half(block, 0)], [])


def _q2_k(block: bytes) -> Codes:
    scale, minimum = _half(block, 80), _half(block, 82)
    scales, minimums = (
        [scale * (x & 15) for x in block[:16]],
        [minimum * (x >> 4) for x in block[:16]],
    )
    return Codes(_codes(block[16:80], 2, 32), scales, minimums)


def _q3_k(block: bytes) -> Codes:
    codes = _above(_codes(block[32:96], 2, 32), _codes(block[:32], 1, 32), 2)
    six = _above(_codes(block[96:104], 4, 8), _codes(block[104:108], 2, 4), 4)
    return Codes([x - 4 for x in codes], [_half(block, 108) * (x - 32) for x in six], [])


def _q4_k(block: bytes) -> Codes:
    return Codes(_codes(block[16:], 4, 32), *_six_bits(block))


def _q5_k(block: bytes) -> Codes:
    codes = _above(_codes(block[48:], 4, 32), _codes(block[16:48], 1, 32), 4)
    return Codes(codes, *_six_bits(block))


def _q6_k(block: bytes) -> Codes:
    codes = _above(_codes(block[:128], 4, 64), _codes(block[128:192], 2, 32), 4)
    scales = [_half(block, 208) * x for x in _signed(block[192:208])]
    return Codes([x - 32 for x in codes], scales, [])


def _q8_k(block: bytes) -> Codes:
    """What follows the codes are their sums."""
    return Codes(_signed(block[4:260]), [struct.unpack_from("<f", block)[0]], [])


def _iq4_nl(block: bytes) -> Codes:
    return Codes([_NONLINEAR[x] for x in _codes(block[2:], 4, 16)], [_half(block, 0)], [])


def _iq4_xs(block: bytes) -> Codes:
    six = _above(_codes(block[4:8], 4, 1), _codes(block[2:4], 2, 1), 4)
    scales = [_half(block, 0) * (x - 32) for x in six]
    return Codes([_NONLINEAR[x] for x in _codes(block[8:], 4, 16)], scales, [])


def _tq1_0(block: bytes) -> Codes:
    digits = _thirds(block[:32], 5) + _thirds(block[32:48], 5) + _thirds(block[48:52], 4)
    return Codes([x - 1 for x in digits], [_half(block, 52)], [])


def _tq2_0(block: bytes) -> Codes:
    return Codes([x - 1 for x in _codes(block[:64], 2, 32)], [_half(block, 64)], [])


def _mxfp4(block: bytes) -> Codes:
    """The scale 255 is NaN in the OCP's specification, and 2^127 in ggml, which is followed."""
    codes = [_HALVES[x] for x in _codes(block[1:], 4, 16)]
    return Codes(codes, [math.ldexp(1.0, block[0] - 128)], [])


def _nvfp4(block: bytes) -> Codes:
    return Codes([_HALVES[x] for x in _codes(block[4:], 4, 8)], [_e4m3(x) for x in block[:4]], [])


def _q1_0(block: bytes) -> Codes:
    return Codes([2 * x - 1 for x in _codes(block[2:], 1, 1)], [_half(block, 0)], [])


BLOCKS: dict[str, tuple[int, int, Callable[[bytes], Codes]]] = {
    "Q4_0": (32, 18, _plain(2, 8)), "Q4_1": (32, 20, _plain(4, 0)), "Q5_0": (32, 22, _plain(6, 16)),
    "Q5_1": (32, 24, _plain(8, 0)), "Q8_0": (32, 34, _q8_0), "Q2_K": (256, 84, _q2_k),
    "Q3_K": (256, 110, _q3_k), "Q4_K": (256, 144, _q4_k), "Q5_K": (256, 176, _q5_k),
    "Q6_K": (256, 210, _q6_k), "Q8_K": (256, 292, _q8_k), "IQ4_NL": (32, 18, _iq4_nl),
    "IQ4_XS": (256, 136, _iq4_xs), "TQ1_0": (256, 54, _tq1_0), "TQ2_0": (256, 66, _tq2_0),
    "MXFP4": (32, 17, _mxfp4), "NVFP4": (64, 36, _nvfp4), "Q1_0": (128, 18, _q1_0),
}  # fmt: skip
"""Elements and bytes of a block, and how one is taken apart."""
