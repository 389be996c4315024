"""What `_planes` computes, in short Python: the definition, and the oracle of its tests.

Same names, same arguments, same results to the bit; hundreds of times slower, so nothing else uses it.
CODEC.md gives the reasons.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from mvcd.ids import Bytes

ONE = 1 << 16
"""Fixed point: 16 fractional bits."""
HALF_OVER_LN2 = 47274
"""ONE / (2 ln 2), of Miller and Madow's correction."""
REPEAT_BYTES = 8
"""Bytes. Noise with 2.6 bits a byte repeats 8 of them by chance once in 2^21."""


def split(
    out: bytearray | memoryview, data: Bytes, width: int, floats: bool, base: Bytes | None, /
) -> None:
    """Writes `width` planes of the transformed elements, then the tail, into the first len(data) bytes."""
    size, bits = len(data), 8 * width
    whole = size // width * width
    moved = bytearray()
    for x, y in _elements(bytes(data), base, width):
        moved += _forward(x, y, bits, floats and width > 1).to_bytes(width, "little")
    for k in range(width):
        out[k * (whole // width) : (k + 1) * (whole // width)] = moved[k::width]
    out[whole:size] = _xor(bytes(data[whole:]), None if base is None else base[whole:])


def join(
    size: int,
    planes: tuple[Bytes, ...],
    tail: Bytes,
    floats: bool,
    base: Bytes | None,
    out: bytearray | memoryview | None,
    /,
) -> bytes | None:
    """The inverse of `split`. A plane of one byte stands for `size // width` of them."""
    width = len(planes)
    n, bits = size // width, 8 * width
    moved = bytearray(n * width)
    for k, plane in enumerate(planes):
        moved[k::width] = bytes(plane) * n if len(plane) == 1 else plane
    data = bytearray()
    for x, y in _elements(bytes(moved), None if base is None else base[: n * width], width):
        data += _backward(x, y, bits, floats and width > 1).to_bytes(width, "little")
    data += _xor(bytes(tail), None if base is None else base[n * width :])
    if out is None:
        return bytes(data)
    out[:] = data
    return None


def _elements(data: bytes, base: Bytes | None, width: int) -> Iterator[tuple[int, int | None]]:
    """Whole little-endian elements, each with the base's if there is a base."""
    for at in range(0, len(data) // width * width, width):
        y = None if base is None else int.from_bytes(base[at : at + width], "little")
        yield int.from_bytes(data[at : at + width], "little"), y


def _forward(x: int, y: int | None, bits: int, floats: bool) -> int:
    if not floats:
        return x ^ (y or 0)
    if y is None:  # the top nine bits rotated left by one: the sign goes below the next eight
        top, rest = divmod(x, 1 << (bits - 9))
        return (top % 256 * 2 + top // 256) << (bits - 9) | rest
    difference = (_ordered(x, bits) - _ordered(y, bits)) % (1 << bits)
    return (difference << 1) % (1 << bits) ^ -(difference >> (bits - 1)) % (1 << bits)


def _backward(x: int, y: int | None, bits: int, floats: bool) -> int:
    if not floats:
        return x ^ (y or 0)
    if y is None:
        top, rest = divmod(x, 1 << (bits - 9))
        return (top // 2 + top % 2 * 256) << (bits - 9) | rest
    difference = x >> 1 ^ -(x % 2)
    return _unordered((difference + _ordered(y, bits)) % (1 << bits), bits)


def _ordered(x: int, bits: int) -> int:
    """Sign and magnitude -> a number in the order of the floats: ..., -0, +0, ... ascend by one."""
    sign = 1 << (bits - 1)
    return (1 << bits) - 1 - x if x & sign else x | sign


def _unordered(x: int, bits: int) -> int:
    sign = 1 << (bits - 1)
    return x ^ sign if x & sign else (1 << bits) - 1 - x


def _xor(data: bytes, base: Bytes | None) -> bytes:
    return data if base is None else bytes(a ^ b for a, b in zip(data, base, strict=True))


def period(data: Bytes, /) -> int:
    """The smallest w of 1, 2, 4, 8 such that `data`, longer than w, repeats its first w bytes; else 0."""
    raw = bytes(data)
    return next((w for w in (1, 2, 4, 8) if len(raw) > w and raw[w:] == raw[:-w]), 0)


def probe(data: Bytes, /) -> tuple[int, int]:
    """(order-0 entropy in 1/1000 bit per byte, per mille of positions whose 8 bytes came before)."""
    limit = min(max(1024, len(data) // 16 // 32 * 32), 2048)
    sample = _sample(bytes(data), limit, 4)
    return _entropy(sample) * 1000 // ONE, _repeats(sample)


def lanes(data: Bytes, /) -> tuple[int, int, int, int]:
    """Mean entropy, 1/1000 bit per byte, of a sample read as 1, 2, 4 and 8 interleaved lanes."""
    sample = _sample(bytes(data), 8192, 8)
    sample = sample[: len(sample) // 8 * 8]
    one, two, four, eight = (
        sum(_entropy(sample[lane::width]) for lane in range(width)) * 1000 // ONE // width
        for width in (1, 2, 4, 8)
    )
    return one, two, four, eight


def _sample(data: bytes, limit: int, blocks: int) -> bytes:
    if len(data) <= limit:
        return data
    size = limit // blocks
    starts = (((len(data) - size) * i // (blocks - 1)) & ~7 for i in range(blocks))
    return b"".join(data[start : start + size] for start in starts)


@cache
def _log2(count: int) -> int:
    """log2(count) in fixed point: squaring a number in [1, 2) yields its logarithm bit by bit."""
    whole = count.bit_length() - 1
    x = count << (31 - whole)
    fraction = 0
    for _ in range(16):
        x = x * x >> 31
        fraction <<= 1
        if x >> 32:
            fraction |= 1
            x >>= 1
    return whole * ONE + fraction


def _entropy(sample: bytes) -> int:
    """Bits per byte in fixed point, at most 8, corrected by (symbols seen - 1) / (2 N ln 2)."""
    total = len(sample)
    if not total:
        return 0
    counts = [c for c in (sample.count(bytes([s])) for s in range(256)) if c]
    mean = sum(c * _log2(c) for c in counts) // total
    return min(8 * ONE, _log2(total) - mean + (len(counts) - 1) * HALF_OVER_LN2 // total)


def _repeats(sample: bytes) -> int:
    positions = len(sample) - REPEAT_BYTES + 1
    if positions <= 1:
        return 0
    last: dict[int, int] = {}
    repeats = 0
    for i in range(positions):
        now = sample[i : i + REPEAT_BYTES]
        slot = (int.from_bytes(now, "little") * 0x9E3779B97F4A7C15 & (1 << 64) - 1) >> 53
        before = last.get(slot)
        repeats += before is not None and sample[before : before + REPEAT_BYTES] == now
        last[slot] = i
    return repeats * 1000 // positions
