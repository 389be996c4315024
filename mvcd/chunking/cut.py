"""Where a chunk ends: the executable specification of CHUNKING.md. `cut.c` is its second edition.

The hash is *gear*: h = 2 h + TABLE[byte] modulo 2^64, so bit j depends on the last j + 1 bytes and h as a
whole on the last 64. A position is *proposed* when bits 4..15 of h are zero, which 16 bytes decide, and
*confirmed*, i.e. cut, when h as a number is at most the limit, which all 64 bytes decide. Both conditions
are about one and the same h, so plain code computes one hash; vector code computes only its low 16 bits,
in 16-bit lanes, and the whole h for the one position in 4096 that is proposed.

This module is for reading and for tests (about 5 MB/s); nothing in production imports it.
`python -m mvcd.chunking.cut` writes the text of `cut_table.h`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from hashlib import sha256

from mvcd.chunking.params import DEFAULT, ChunkParams

WINDOW = 64
"""Bytes that decide whether a position is a cut point."""

PROPOSAL_MASK = 0xFFF0
MASK64 = (1 << 64) - 1
SALT = b"mvc gear 89 "


def _words(label: bytes) -> list[int]:
    """The 16 little-endian 16-bit words of a SHA-256 digest."""
    digest = sha256(SALT + label).digest()
    return [int.from_bytes(digest[i : i + 2], "little") for i in range(0, 32, 2)]


LOW_NIBBLE = _words(b"low nibble")
HIGH_NIBBLE = _words(b"high nibble")


def _entry(byte: int) -> int:
    """48 bits of its own for every byte; the low 16 are the XOR of two 16-entry tables, because a
    16-byte table look-up is one instruction on SSSE3, AVX2, AVX-512BW and NEON alike."""
    high = int.from_bytes(sha256(SALT + b"byte " + bytes([byte])).digest()[:6], "little")
    return high << 16 | (LOW_NIBBLE[byte & 15] ^ HIGH_NIBBLE[byte >> 4])


TABLE = [_entry(byte) for byte in range(256)]


def is_proposal(h: int) -> bool:
    return h & PROPOSAL_MASK == 0


def next_cut(data: bytes, start: int, end: int, params: ChunkParams = DEFAULT) -> int | None:
    """The end of the chunk that begins at `start`, judged from data[start:end].

    None when no position is a cut point and the maximum has not been reached: more bytes will decide, or
    the content ends here and with it the chunk.
    """
    stop = min(start + params.max_size, end)
    h = 0
    for i in range(start + params.min_size - WINDOW, stop):
        h = (2 * h + TABLE[data[i]]) & MASK64
        if i >= start + params.min_size - 1 and is_proposal(h) and h <= params.limit:
            return i + 1
    return stop if stop == start + params.max_size else None


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
    lines = [
        "/* Written by `python -m mvcd.chunking.cut`; CHUNKING.md says how it is derived. */",
        "",
    ]
    lines.append("static const uint64_t gear[256] = {")
    for i in range(0, 256, 4):
        lines.append("    " + ", ".join(f"0x{entry:016x}" for entry in TABLE[i : i + 4]) + ",")
    lines += ["};", ""]
    for name, words in (("low", LOW_NIBBLE), ("high", HIGH_NIBBLE)):
        for byte in (0, 1):
            values = ", ".join(f"0x{word >> 8 * byte & 255:02x}" for word in words)
            lines.append(f"static const uint8_t {name}_nibble_byte{byte}[16] = {{")
            lines += [f"    {values},", "};", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(c_table())
