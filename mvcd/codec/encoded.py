"""The stored form of one object, and the numbers of the codecs (CODEC.md)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from mvcd.ids import Bytes, ChunkId

MAX_RAW_BYTES = 2 << 20
"""Bytes; no object is larger, so no decoder ever allocates more for one."""


class Codec(IntEnum):
    """Codec numbers; part of the pack and wire formats, append-only."""

    RAW = 0
    ZSTD = 1
    PLANES2 = 2  # byte planes of 2-byte elements
    PLANES4 = 3
    PLANES8 = 4
    FILL = 5  # one repeated element
    DELTA1 = 6  # difference from a base chunk, then planes of 1-, 2-, 4-, 8-byte elements
    DELTA2 = 7
    DELTA4 = 8
    DELTA8 = 9


class Encoded(NamedTuple):
    """One object as it rests and travels. `base` is the chunk a delta codec refers to, else None."""

    codec: Codec
    raw_size: int
    body: Bytes
    base: ChunkId | None = None
