"""LZF, the compression that h5py brings along (LibLZF's format), unpacked piece by piece.

    000LLLLL  then L + 1 bytes as they are
    LLLOOOOO  o  L + 2 bytes from 256 O + o + 1 bytes back; L of 7 is followed by what it is more

Nothing is further back than 8 KiB, so memory does not follow what a chunk holds. It takes a second for 10 to
120 MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_BEHIND_BYTES = 8 << 10
_PIECE_BYTES = 64 << 10


class NoLzf(Exception):
    """Bytes that LZF does not write."""


def unpacked(stored: Iterable[bytes | bytearray | memoryview]) -> Iterator[bytes]:
    """What `stored`, one chunk in pieces, holds. Raises NoLzf, also for a chunk that is cut short."""
    data, at = b"".join(stored), 0
    out, given = bytearray(), 0
    try:
        while at < len(data):
            sign = data[at]
            at += 1
            if sign < 32:
                if at + sign >= len(data):
                    raise NoLzf("bytes are missing")
                out += data[at : at + sign + 1]
                at += sign + 1
            else:
                length = (sign >> 5) + 2
                if length == 9:
                    length += data[at]
                    at += 1
                back = ((sign & 31) << 8) + data[at] + 1
                at += 1
                start = len(out) - back
                if start < 0:
                    raise NoLzf("it refers to before its beginning")
                run = out[start : start + length]
                out += run if back >= length else (run * (length // back + 1))[:length]
            if len(out) >= given + _PIECE_BYTES:
                yield bytes(out[given:])
                del out[:-_BEHIND_BYTES]
                given = len(out)
    except IndexError as error:
        raise NoLzf("bytes are missing") from error
    if len(out) > given:
        yield bytes(out[given:])
