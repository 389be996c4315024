"""Packed digests and bitmaps, as remote.proto has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from mvcd.errors import UsageError
from mvcd.ids import DIGEST_BYTES, Digest, Kind

T = TypeVar("T", bound=Digest)


class AnyId(Digest):
    """A digest whose kind the caller did not tell: good for looking up, not for reading. Errors call it a
    chunk, which most objects are."""

    __slots__ = ()
    kind = Kind.CHUNK


def pack(ids: Iterable[Digest]) -> bytes:
    return b"".join(ids)


def unpack(data: bytes, kind: type[T], limit: int) -> list[T]:
    """Raises UsageError unless `data` is at most `limit` whole digests."""
    count, rest = divmod(len(data), DIGEST_BYTES)
    if rest:
        raise UsageError(f"{len(data)} bytes are not whole digests", kind="bad-ids")
    if count > limit:
        raise UsageError(f"{count} digests in one call; the limit is {limit}", kind="too-large")
    return [kind(data[at : at + DIGEST_BYTES]) for at in range(0, len(data), DIGEST_BYTES)]


def bitmap(flags: Sequence[bool]) -> bytes:
    """Bit i in byte i // 8 under mask 1 << i % 8."""
    bits = bytearray((len(flags) + 7) // 8)
    for i, flag in enumerate(flags):
        if flag:
            bits[i >> 3] |= 1 << (i & 7)
    return bytes(bits)


def flags(bits: bytes, count: int) -> list[bool]:
    """Raises UsageError when the bitmap is not for `count` flags."""
    if len(bits) != (count + 7) // 8:
        raise UsageError(f"a bitmap of {len(bits)} bytes for {count} ids", kind="bad-reply")
    return [bool(bits[i >> 3] >> (i & 7) & 1) for i in range(count)]
