"""Tiers in short Python: what `tiers.c` computes, bit for bit (CODEC.md, plane kind 3)."""

from __future__ import annotations

from mvcd.ids import Bytes

MAX_TIERS = 5
SAMPLE_BYTES = 4096
SAMPLE_BLOCKS = 16


def tiers(data: Bytes) -> bytes:
    """The stored form of a plane of at least one byte."""
    rest = bytes(data)
    symbols = _choose(rest)
    parts = [bytes([len(symbols)]), *map(bytes, symbols)]
    for three in symbols:
        codes = [three.index(x) if x in three else 3 for x in rest]
        parts += [_bitmap([c & 1 for c in codes]), _bitmap([c >> 1 for c in codes])]
        rest = bytes(x for x, c in zip(rest, codes, strict=True) if c == 3)
    return b"".join((*parts, rest))


def untier(stored: Bytes, size: int) -> bytes:
    """The plane of `size` bytes. Raises ValueError if the stored bytes are not of the form."""
    body = bytes(stored)
    count = body[0] if body else 0
    at = 1 + 3 * count
    if not 1 <= count <= MAX_TIERS or len(body) < at:
        raise ValueError("no legal number of tiers")
    codes = []
    for _ in range(count):
        length = (size + 7) // 8
        ones, twos = body[at : at + length], body[at + length : at + 2 * length]
        codes.append(
            [a | b << 1 for a, b in zip(_bits(ones, size), _bits(twos, size), strict=True)]
        )
        size, at = codes[-1].count(3), at + 2 * length
    if len(body) != at + size:
        raise ValueError("the rest has another length")
    plane = body[at:]
    for tier in reversed(range(count)):
        rest = iter(plane)
        three = body[1 + 3 * tier : 4 + 3 * tier]
        plane = bytes(three[c] if c < 3 else next(rest) for c in codes[tier])
    return plane


def _choose(data: bytes) -> list[bytes]:
    """Per tier three symbols, the most frequent of a sample first, as long as two bits for each byte left save
    eight for more than a quarter of them."""
    block = len(data) if len(data) <= SAMPLE_BYTES else SAMPLE_BYTES // SAMPLE_BLOCKS
    blocks = 1 if len(data) <= SAMPLE_BYTES else SAMPLE_BLOCKS
    starts = [(len(data) - block) * k // (SAMPLE_BLOCKS - 1) for k in range(blocks)]
    sample = b"".join(data[s : s + block] for s in starts)
    counts = [sample.count(bytes([s])) for s in range(256)]
    left = len(sample)
    chosen: list[bytes] = []
    while len(chosen) < MAX_TIERS:
        before, three = left, []
        for _ in range(3):
            best = max(range(256), key=lambda s: counts[s])
            three.append(best)
            left, counts[best] = left - counts[best], 0
        if chosen and 4 * left >= 3 * before:
            break
        chosen.append(bytes(three))
    return chosen


def _bitmap(bits: list[int]) -> bytes:
    """Bit i of the map, least significant first, is `bits[i]`; the last byte is filled up with zeros."""
    value = sum(bit << i for i, bit in enumerate(bits))
    return value.to_bytes((len(bits) + 7) // 8, "little")


def _bits(bitmap: bytes, count: int) -> list[int]:
    value = int.from_bytes(bitmap, "little")
    if len(bitmap) != (count + 7) // 8 or value >> count:
        raise ValueError("a bitmap of another length, or with bits beyond the last symbol")
    return [value >> i & 1 for i in range(count)]
