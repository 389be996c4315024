"""The stored form of one object, and the numbers of the codecs (CODEC.md)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from mvcd.ids import Bytes, ChunkId
from mvcd.lateclasses import NamedTuple

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
    RANS1 = (
        10  # difference from a base chunk, in classes coded by rANS, of 1-, 2-, 4-, 8-byte elements
    )
    RANS2 = 11
    RANS4 = 12
    RANS8 = 13
    PATCH = 14  # one zstd frame with a base chunk as prefix
    WIDENED4 = 20  # F32 elements as differences from a chunk of BF16 ones


CODEC_FEATURES: Mapping[Codec, str] = MappingProxyType(
    {
        Codec.RANS1: "rans",
        Codec.RANS2: "rans",
        Codec.RANS4: "rans",
        Codec.RANS8: "rans",
        Codec.PATCH: "patch",
        Codec.WIDENED4: "widened",
    }
)
"""Features of peers (proto/README.md) that say which codecs they read of those that version 1 began without."""


class Encoded(NamedTuple):
    """One object as it rests and travels. `base` is the chunk a delta codec refers to, else None."""

    codec: Codec
    raw_size: int
    body: Bytes
    base: ChunkId | None = None
