"""Where a chunk ends: the executable specification of CHUNKING.md. `cut.c` is its second edition.

Two hashes decide. The *gear*, g = 2 g + GEAR[byte] modulo 2^16, moves over every byte; because each
step shifts by one bit it depends on the last 16 bytes. Where it falls below 64, a cut is *proposed*: at
one position in 1024 of random data. The *weight* of a proposal is a 64-bit hash of the last 256 bytes.
A chunk ends at its first proposal whose weight is at most the limit; if there is none up to the maximum
size, at its lightest proposal; if there is no proposal either, at the maximum.

So the hash that runs over every byte may be small enough for 16-bit vector lanes, while the one that
decides sees far enough to tell repetitive data apart (a row of a table is seldom longer than 256 bytes).

This module is for reading and for tests (about 5 MB/s); nothing in production imports it.
`python -m mvcd.chunking.cut` writes the text of `cut_table.h`.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from hashlib import sha256

from mvcd.chunking.params import DEFAULT, PROPOSAL_SPACING_BYTES, ChunkParams

GEAR_WINDOW_BYTES = 16
WEIGHT_WINDOW_BYTES = 256
"""Bytes that decide whether a position is proposed, and whether it cuts."""

PROPOSAL_LIMIT = 2**16 // PROPOSAL_SPACING_BYTES
SALT = b"mvc cut 5 "
MASK32 = (1 << 32) - 1
MASK64 = (1 << 64) - 1


def _digest(label: str, number: int) -> bytes:
    return sha256(SALT + f"{label} {number}".encode()).digest()


LOW_NIBBLE = struct.unpack("<16H", _digest("low nibble", 0))
HIGH_NIBBLE = struct.unpack("<16H", _digest("high nibble", 0))

GEAR = [LOW_NIBBLE[byte & 15] ^ HIGH_NIBBLE[byte >> 4] for byte in range(256)]
"""Made of two 16-entry tables, because a 16-byte table look-up is one instruction on SSSE3, AVX2,
AVX-512BW and NEON alike."""

KEYS = [key for i in range(8) for key in struct.unpack("<4Q", _digest("keys", i))]
MIX = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio, odd: carries every bit of a sum into the top bits."""


def weight(window: bytes) -> int:
    """A 64-bit hash of 256 bytes: NH of UMAC (RFC 4418, section 5.2), with XOR as XXH3 has it.

    Sixteen multiplications in parallel on AVX2; nothing waits for anything.
    """
    total = 0
    for word, key in zip(struct.unpack("<32Q", window), KEYS, strict=True):
        mixed = word ^ key
        total += (mixed & MASK32) * (mixed >> 32)
    total &= MASK64
    return (total ^ total >> 32) * MIX & MASK64


def next_cut(data: bytes, start: int, end: int, params: ChunkParams = DEFAULT) -> int | None:
    """The end of the chunk that begins at `start`, judged from data[start:end].

    None when no position cuts and the maximum has not been reached: more bytes will decide, or the
    content ends here and with it the chunk.
    """
    stop = min(start + params.max_size, end)
    first = start + params.min_size
    lightest, fallback = MASK64, start + params.max_size
    gear = 0
    for i in range(first - GEAR_WINDOW_BYTES, stop):
        gear = (2 * gear + GEAR[data[i]]) % 2**16
        if i >= first - 1 and gear < PROPOSAL_LIMIT:
            found = weight(data[i + 1 - WEIGHT_WINDOW_BYTES : i + 1])
            if found <= params.limit:
                return i + 1
            if found <= lightest:  # of equal ones the last: repetitive data gets few, long chunks
                lightest, fallback = found, i + 1
    return fallback if stop == start + params.max_size else None


def cut_points(data: bytes, *, final: bool, params: ChunkParams = DEFAULT) -> Sequence[int]:
    """The ends of all chunks of `data`, which begins at a chunk's start. Unless `final`, the bytes after
    the last point are not decided yet; with it they are the last chunk."""
    points: list[int] = []
    start = 0
    while (end := next_cut(data, start, len(data), params)) is not None:
        points.append(end)
        start = end
    if final and start < len(data):
        points.append(len(data))
    return points


def c_table() -> str:
    """The text of cut_table.h."""

    def array(declaration: str, values: Sequence[int], digits: int, per_line: int) -> list[str]:
        texts = [f"0x{value:0{digits}x}" for value in values]
        rows = [texts[i : i + per_line] for i in range(0, len(texts), per_line)]
        return [
            f"static const {declaration} = {{",
            *(f"    {', '.join(row)}," for row in rows),
            "};",
            "",
        ]

    lines = [
        "/* Written by `python -m mvcd.chunking.cut`; CHUNKING.md says how it is derived. */",
        "",
    ]
    lines += [f"enum {{ PROPOSAL_SHIFT = {PROPOSAL_LIMIT.bit_length() - 1} }};", ""]
    lines += array("uint16_t gear[256]", GEAR, 4, 12)
    for name, words in (("low", LOW_NIBBLE), ("high", HIGH_NIBBLE)):
        for byte in (0, 1):
            values = [word >> 8 * byte & 255 for word in words]
            lines += array(f"uint8_t {name}_nibble_byte{byte}[16]", values, 2, 16)
    lines += array("uint64_t keys[32]", KEYS, 16, 4)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(c_table())
