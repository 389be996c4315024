"""Shards of Xet: which chunks of which xorbs make which files (XET.md, section Shards).

A shard is read from a file of its bytes, entry by entry: it may have a million of them, and none is kept.
What it says about xorbs is passed over: their chunks are known from the xorbs themselves.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mvcd.errors import UsageError
from mvcd.hub.xethash import BOOKEND, is_asked_for, swapped, to_hex
from mvcd.hub.xetxorb import MAX_CHUNKS, MAX_CONTENT_BYTES, Xorb

MAX_SHARD_BYTES = 68 << 20
"""Clients join shards up to 64 MiB; one that a single file makes may be a little longer."""

_TAG = b"HFRepoMetaData\0" + bytes.fromhex("556967456a7b815783a5bdd95ccdd14aa9")
_HEAD = struct.Struct("<32sQQ")
_VERSION = 2
_ENTRY = struct.Struct("<32sIIII")
_VERIFIED, _SHA256 = 0x8000_0000, 0x4000_0000
_FOOTER = struct.Struct("<9Q32sQQ48s4Q")
_FOOTER_VERSION = 1
_ASKED_FOR = 0x8000_0000


@dataclass(frozen=True, slots=True)
class Term:
    """A piece of a file: chunks `start` to before `end` of a xorb, `size` bytes.

    `proof` is the range hash of these chunks: who gives it knows what they are.
    """

    xorb: bytes
    start: int
    end: int
    size: int
    proof: bytes


class ShardFile:
    """A file as a shard describes it."""

    def __init__(self, name: bytes, sha256: bytes, terms: memoryview, proofs: memoryview) -> None:
        self.name = name
        """The file's Xet hash."""
        self.sha256 = sha256
        self._terms = terms
        self._proofs = proofs

    def __len__(self) -> int:
        return len(self._terms) // _ENTRY.size

    def terms(self) -> Iterator[Term]:
        """The pieces of the file, in order. Raises UsageError(kind="xet-shard")."""
        proofs = _ENTRY.iter_unpack(self._proofs)
        for entry, (proof, *_) in zip(_ENTRY.iter_unpack(self._terms), proofs, strict=True):
            xorb, _, size, start, end = entry
            if not start < end <= MAX_CHUNKS or not 0 < size <= MAX_CONTENT_BYTES:
                raise _bad(f"a term has chunks {start} to {end} of a xorb, and {size:,} bytes")
            yield Term(xorb, start, end, size, proof)


def shard_files(shard: memoryview) -> Iterator[ShardFile]:
    """The files of a shard. Raises UsageError(kind="xet-shard"), when all before were yielded: who must not
    take a part goes through it once before."""
    if len(shard) < _HEAD.size:
        raise _bad("it ends inside of its header")
    tag, version, _ = _HEAD.unpack_from(shard)
    if tag != _TAG or version != _VERSION:
        raise _bad(f"it does not begin as a shard of version {_VERSION}")
    at = _HEAD.size
    while True:
        name, flags, many, _, _ = _entry(shard, at)
        at += _ENTRY.size
        if name == BOOKEND:
            break
        if not flags & _VERIFIED or not flags & _SHA256:
            raise _bad(f"file {to_hex(name)} comes without its range hashes or its sha256")
        size = many * _ENTRY.size
        if 2 * size + _ENTRY.size > len(shard) - at:
            raise _bad(f"it ends inside of file {to_hex(name)}")
        sha256 = swapped(_entry(shard, at + 2 * size)[0])
        yield ShardFile(name, sha256, shard[at : at + size], shard[at + size : at + 2 * size])
        at += 2 * size + _ENTRY.size


def _entry(shard: memoryview, at: int) -> tuple[bytes, int, int, int, int]:
    if at + _ENTRY.size > len(shard):
        raise _bad("it ends before its list of files does")
    digest, first, second, third, fourth = _ENTRY.unpack_from(shard, at)
    return digest, first, second, third, fourth


def known_chunks_shard(xorbs: Sequence[tuple[bytes, Xorb]], now_s: int, until_s: int) -> bytes:
    """The answer to a client that asks for a chunk: a shard without files that lists the chunks of xorbs.

    Clients keep it and refer to these chunks until the time `until_s`, seconds since 1970 like `now_s`.
    """
    bookend = _ENTRY.pack(BOOKEND, 0, 0, 0, 0)
    body = bytearray(_HEAD.pack(_TAG, _VERSION, _FOOTER.size) + bookend)
    begins = len(body)
    rows = bytearray()
    at = content_bytes = 0
    for name, xorb in xorbs:
        size = xorb.starts[-1]
        rows += struct.pack("<QI", int.from_bytes(name[:8], "little"), at)
        body += _ENTRY.pack(name, 0, len(xorb), size, 0)
        for (digest, length), start in zip(xorb.chunks(), xorb.starts, strict=False):
            flags = _ASKED_FOR if is_asked_for(digest) else 0
            body += _ENTRY.pack(digest, start, length, flags, 0)
        at += 1 + len(xorb)
        content_bytes += size
    body += bookend
    lists_end = len(body)
    end = lists_end + len(rows)
    return bytes(body + rows) + _FOOTER.pack(
        _FOOTER_VERSION, _HEAD.size, begins, lists_end, 0, lists_end, len(xorbs), end, 0,
        bytes(32), now_s, until_s, bytes(48), 0, 0, content_bytes, end,
    )  # fmt: skip


def _bad(why: str) -> UsageError:
    return UsageError("the body is no shard", kind="xet-shard", cause=why)
