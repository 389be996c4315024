"""What `_planes` computes, in short Python: the definition, and the oracle of its tests.

Same names, same arguments, same results to the bit; hundreds of times slower, so nothing else uses it.
CODEC.md gives the reasons.
"""

from __future__ import annotations

from functools import cache

from mvcd.ids import Bytes

ONE = 1 << 16
"""Fixed point: 16 fractional bits."""
HALF_OVER_LN2 = 47274
"""ONE / (2 ln 2), of Miller and Madow's correction."""
REPEAT_LENGTH = 8
"""Bytes. Noise with 2.6 bits a byte repeats 8 of them by chance once in 2^21."""


def split(
    out: bytearray | memoryview, data: Bytes, width: int, rotate: bool, base: Bytes | None
) -> None:
    """Writes the `width` planes of data ^ base, then the tail, into the first len(data) bytes of `out`."""
    delta = bytes(data) if base is None else bytes(a ^ b for a, b in zip(data, base, strict=True))
    n = len(delta) // width
    if rotate and width > 1:
        delta = _rotate(delta, width, 1)
    for k in range(width):
        out[k * n : (k + 1) * n] = delta[k : n * width : width]
    out[n * width : len(delta)] = delta[n * width :]


def join(
    size: int,
    planes: tuple[Bytes, ...],
    tail: Bytes,
    rotate: bool,
    base: Bytes | None,
    out: bytearray | memoryview | None,
) -> bytes | None:
    """The inverse of `split`. A plane of one byte stands for `size // width` of them."""
    width = len(planes)
    n = size // width
    delta = bytearray(size)
    for k, plane in enumerate(planes):
        delta[k : n * width : width] = bytes(plane) * n if len(plane) == 1 else plane
    delta[n * width :] = tail
    data = _rotate(bytes(delta), width, 8 * width - 1) if rotate and width > 1 else bytes(delta)
    if base is not None:
        data = bytes(a ^ b for a, b in zip(data, base, strict=True))
    if out is None:
        return data
    out[:] = data
    return None


def _rotate(data: bytes, width: int, count: int) -> bytes:
    """Each whole little-endian element rotated left by `count` bits; the tail as it is."""
    bits = 8 * width
    whole = len(data) // width * width
    rotated = bytearray()
    for start in range(0, whole, width):
        x = int.from_bytes(data[start : start + width], "little")
        x = (x << count | x >> (bits - count)) & ((1 << bits) - 1)
        rotated += x.to_bytes(width, "little")
    return bytes(rotated) + data[whole:]


def period(data: Bytes) -> int:
    """The smallest w of 1, 2, 4, 8 such that `data`, longer than w, repeats its first w bytes; else 0."""
    raw = bytes(data)
    return next((w for w in (1, 2, 4, 8) if len(raw) > w and raw[w:] == raw[:-w]), 0)


def probe(data: Bytes) -> tuple[int, int]:
    """(order-0 entropy in 1/1000 bit per byte, per mille of positions whose 8 bytes came before)."""
    sample = _sample(bytes(data), 4096, 4)
    return _entropy(sample) * 1000 // ONE, _repeats(sample)


def lanes(data: Bytes) -> tuple[int, int, int, int]:
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
    counts = [c for c in map(sample.count, map(lambda s: bytes([s]), range(256))) if c]
    mean = sum(c * _log2(c) for c in counts) // total
    return min(8 * ONE, _log2(total) - mean + (len(counts) - 1) * HALF_OVER_LN2 // total)


def _repeats(sample: bytes) -> int:
    positions = len(sample) - REPEAT_LENGTH + 1
    if positions <= 1:
        return 0
    last: dict[int, int] = {}
    repeats = 0
    for i in range(positions):
        now = sample[i : i + REPEAT_LENGTH]
        slot = (int.from_bytes(now, "little") * 0x9E3779B97F4A7C15 & (1 << 64) - 1) >> 52
        before = last.get(slot)
        repeats += before is not None and sample[before : before + REPEAT_LENGTH] == now
        last[slot] = i
    return repeats * 1000 // positions
