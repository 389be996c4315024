"""Xorbs of Xet: chunks packed one after the other, as a client sends them (XET.md, section Xorbs).

All is checked before it is believed: lengths before memory is used, a chunk's bytes by the hash of the chunk,
and the chunks together by the xorb's name.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import BinaryIO

from lz4.frame import LZ4FrameDecompressor

from mvcd.codec import _planes
from mvcd.errors import UsageError
from mvcd.hub.xethash import HASH_BYTES, HashTree, chunk_hash, to_hex
from mvcd.ids import Bytes

MAX_CHUNKS = 8192
MAX_CHUNK_BYTES = 128 << 10
"""The most content of a chunk; packed it has no more than twice that."""
MAX_CONTENT_BYTES = 64 << 20
MAX_XORB_BYTES = MAX_CONTENT_BYTES + (1 << 20)
"""The most of a body: content that does not compress, 8 bytes before each chunk, and the footer of older
clients, which takes some 40 bytes for each."""

_HEADER = struct.Struct("<B3sB3s")
_FOOTER = b"XETBLOB"
_RAW, _LZ4, _GROUPED_LZ4 = 0, 1, 2
_ROW = struct.Struct("<32sII")


@dataclass(frozen=True)
class Xorb:
    """Which chunks a xorb has. `rows` has 40 bytes for each: its hash, the length of its content, and where its
    header is in the xorb's body."""

    rows: bytes

    def __len__(self) -> int:
        return len(self.rows) // _ROW.size

    def chunk_hash(self, index: int) -> bytes:
        at = index * _ROW.size
        return self.rows[at : at + HASH_BYTES]

    def body_offset(self, index: int) -> int:
        offset: int = _ROW.unpack_from(self.rows, index * _ROW.size)[2]
        return offset

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int]]:
        """The hash of each chunk from `start` to before `end`, and its bytes of content."""
        part = memoryview(self.rows)[start * _ROW.size : None if end is None else end * _ROW.size]
        for digest, size, _ in _ROW.iter_unpack(part):
            yield digest, size

    @cached_property
    def starts(self) -> list[int]:
        """Where each chunk begins in the content of the whole xorb, and where the last one ends."""
        return list(accumulate((size for _, size in self.chunks()), initial=0))


def read_xorb(file: BinaryIO, size: int, name: bytes) -> Xorb:
    """Reads a body of `size` bytes from the file's position, checks all of it, and says which chunks it has.

    Raises UsageError(kind="xet-xorb") when it is not the xorb of that name.
    """
    rows = bytearray()
    tree = HashTree()
    content_bytes = 0
    for offset, data in _unpacked(file, size):
        content_bytes += len(data)
        if content_bytes > MAX_CONTENT_BYTES:
            raise _bad(f"its chunks have more than {MAX_CONTENT_BYTES:,} bytes")
        if len(rows) == MAX_CHUNKS * _ROW.size:
            raise _bad(f"it has more than {MAX_CHUNKS:,} chunks")
        digest = chunk_hash(data)
        tree.add(digest, len(data))
        rows += _ROW.pack(digest, len(data), offset)
    if not rows:
        raise _bad("it has no chunks")
    if (root := tree.root()) != name:
        raise _bad(f"its chunks make {to_hex(root)}", name)
    return Xorb(bytes(rows))


def _unpacked(file: BinaryIO, size: int) -> Iterator[tuple[int, Bytes]]:
    offset = 0
    while offset < size:
        header = file.read(min(_HEADER.size, size - offset))
        if header.startswith(_FOOTER):
            return  # what follows repeats what the chunks say
        stored, data = _chunk(file, header, size - offset)
        yield offset, data
        offset += _HEADER.size + stored


def read_chunk(file: BinaryIO) -> Bytes:
    """The content of the chunk whose header is at the file's position, which moves behind it.

    Raises UsageError(kind="xet-xorb").
    """
    return _chunk(file, file.read(_HEADER.size), MAX_XORB_BYTES)[1]


def _chunk(file: BinaryIO, header: bytes, left: int) -> tuple[int, Bytes]:
    """How many bytes the chunk has packed, and its content; `left` counts from its header on."""
    if len(header) < _HEADER.size:
        raise _bad("it ends inside of a header")
    version, stored_field, scheme, raw_field = _HEADER.unpack(header)
    stored = int.from_bytes(stored_field, "little")
    raw = int.from_bytes(raw_field, "little")
    if version != 0 or scheme > _GROUPED_LZ4:
        raise _bad(f"a chunk has version {version} and scheme {scheme}; known are 0, and 0 to 2")
    if not 0 < raw <= MAX_CHUNK_BYTES or not 0 < stored <= 2 * MAX_CHUNK_BYTES:
        raise _bad(f"a chunk of {raw:,} bytes, packed {stored:,}, is none that clients make")
    if stored > left - _HEADER.size:
        raise _bad("it ends inside of a chunk")
    packed = file.read(stored)
    if len(packed) < stored:
        raise _bad("it ends inside of a chunk")
    return stored, _decoded(packed, scheme, raw)


def _decoded(packed: bytes, scheme: int, raw: int) -> Bytes:
    data = packed if scheme == _RAW else _decompressed(packed, raw)
    if len(data) != raw:
        raise _bad(f"a chunk has {len(data):,} bytes and not the {raw:,} that it says")
    return _regrouped(data) if scheme == _GROUPED_LZ4 else data


def _decompressed(packed: bytes, raw: int) -> bytes:
    """One LZ4 frame, and nothing behind it. Makes no more than `raw` + 1 bytes of it, whatever it promises."""
    frame = LZ4FrameDecompressor()
    try:
        data: bytes = frame.decompress(packed, max_length=raw + 1)
    except (RuntimeError, ValueError, EOFError) as error:
        raise _bad(f"a chunk is no LZ4 frame: {error}") from None
    if not frame.eof or frame.unused_data:
        raise _bad("a chunk is not one LZ4 frame of the length that it says")
    return data


def _regrouped(groups: bytes) -> bytes:
    """Takes bytes 0, 4, 8 …, then 1, 5, 9 … and so on, back to their order."""
    whole, rest = divmod(len(groups), 4)
    view = memoryview(groups)
    starts = [plane * whole + min(plane, rest) for plane in range(4)]
    planes = tuple(view[start : start + whole] for start in starts)
    last = bytes(groups[start + whole] for start in starts[:rest])
    data = _planes.join(len(groups), planes, last, False, None, None)
    assert data is not None
    return data


def _bad(why: str, name: bytes | None = None) -> UsageError:
    what = "the body is no xorb" if name is None else f"the body is not the xorb {to_hex(name)}"
    return UsageError(what, kind="xet-xorb", cause=why)
