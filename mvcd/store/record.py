"""The bytes of a pack (FORMAT.md, section Packs): its header and its self-describing records.

Pure functions over bytes; files are `pack.py`'s concern. Parsing never trusts a length: each is
checked against the format's limits before anything is allocated.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import cast

from zlib_ng.zlib_ng import crc32

from mvcd.codec.encoded import MAX_RAW_BYTES, Codec, Encoded
from mvcd.ids import DIGEST_BYTES, ID_TYPES, Bytes, ChunkId, Digest
from mvcd.lateclasses import NamedTuple

PACK_VERSION = 1
PACK_HEADER = struct.Struct("<8sII")
PACK_MAGIC = b"MVCPACK\n"

RECORD_MAGIC = b"\x89OBJ"
RECORD_HEAD = struct.Struct("<4sBBBBII32s")
"""Magic, kind, codec, flags, zero, raw size, body size, digest. A base may follow; the CRC does."""

HAS_BASE = 1
CRC = struct.Struct("<I")
PLAIN_OVERHEAD_BYTES = RECORD_HEAD.size + CRC.size
BASE_OVERHEAD_BYTES = PLAIN_OVERHEAD_BYTES + DIGEST_BYTES
MAX_BODY_BYTES = MAX_RAW_BYTES + (64 << 10)
"""Bytes; a codec that does not shrink a chunk gives way to RAW, so no body is far beyond its raw size."""
MAX_DELTA_LEVELS = 64
"""Bases under one another that a reader follows (FORMAT.md)."""

CODECS = {int(c): c for c in Codec}
TYPES = {int(k): t for k, t in ID_TYPES.items()}


class BadRecord(ValueError):
    """Raised for bytes that are not a whole, valid record; the text says why."""


class Record(NamedTuple):
    """One record as parsed. `body` is a view into the bytes it was parsed from."""

    id: Digest
    codec: Codec | int  # int: one that only later versions know
    raw_size: int
    base: ChunkId | None
    body: memoryview

    @property
    def size(self) -> int:
        """Bytes in the pack."""
        return record_size(len(self.body), self.base is not None)

    def encoded(self) -> Encoded:
        return Encoded(cast(Codec, self.codec), self.raw_size, self.body, self.base)


def pack_header(number: int) -> bytes:
    return PACK_HEADER.pack(PACK_MAGIC, PACK_VERSION, number)


def check_pack_header(data: Bytes, number: int) -> None:
    """Raises BadRecord unless `data` starts with the header of pack `number`."""
    if len(data) < PACK_HEADER.size:
        raise BadRecord("no pack header")
    magic, version, found = PACK_HEADER.unpack_from(data)
    if magic != PACK_MAGIC:
        raise BadRecord("not a pack")
    if version != PACK_VERSION:
        raise BadRecord(f"pack version {version} is not known")
    if found != number:
        raise BadRecord(f"the header names pack {found}")


def record_size(body_size: int, has_base: bool) -> int:
    return body_size + (BASE_OVERHEAD_BYTES if has_base else PLAIN_OVERHEAD_BYTES)


def record_head(id: Digest, encoded: Encoded) -> bytes:
    """All of a record before the body. Sizes must be within the limits (the session checks)."""
    body, base = encoded.body, encoded.base
    flags = 0 if base is None else HAS_BASE
    head = RECORD_HEAD.pack(
        RECORD_MAGIC, id.kind, encoded.codec, flags, 0, encoded.raw_size, len(body), id
    )
    if base is not None:
        head += base
    return head + CRC.pack(crc32(body, crc32(head)))


class RecordHead(NamedTuple):
    """The first bytes of a record; sizes in bytes."""

    kind: int
    codec: int
    flags: int
    raw_size: int
    body_size: int
    digest: bytes

    @property
    def size(self) -> int:
        """Bytes of the whole record."""
        return record_size(self.body_size, bool(self.flags))


def parse_head(data: Bytes, offset: int = 0) -> RecordHead:
    """The head of the record at `offset`, whose checksum is not asked for: so its codec may be one that we do
    not know. Raises BadRecord."""
    if len(data) - offset < PLAIN_OVERHEAD_BYTES:
        raise BadRecord("cut short")
    magic, kind, codec, flags, zero, raw_size, size, digest = RECORD_HEAD.unpack_from(data, offset)
    if magic != RECORD_MAGIC or zero or flags & ~HAS_BASE:
        raise BadRecord("no record here")
    if kind not in TYPES:
        raise BadRecord(f"kind {kind} is not known")
    if raw_size > MAX_RAW_BYTES or size > MAX_BODY_BYTES:
        raise BadRecord(f"sizes {raw_size} and {size} are beyond the limits")
    return RecordHead(kind, codec, flags, raw_size, size, digest)


def parse_record(data: Bytes, offset: int = 0, *, check_crc: bool = True) -> Record:
    """The record at `offset`. Raises BadRecord. Without `check_crc` the caller checks the digest.

    A sound record may have a codec of later versions: it is moved and sent like any other, and `decode` says
    that it cannot be read here."""
    view = memoryview(data)
    kind, codec, flags, raw_size, size, digest = parse_head(view, offset)
    end = offset + (BASE_OVERHEAD_BYTES if flags else PLAIN_OVERHEAD_BYTES)
    if len(view) < end + size:
        raise BadRecord("cut short")
    base = ChunkId(view[offset + RECORD_HEAD.size : end - CRC.size]) if flags else None
    body = view[end : end + size]
    # unpacked with 32 bytes: Digest's own check of the length would be a third of the time
    id = bytes.__new__(TYPES[kind], digest)
    record = Record(id, CODECS.get(codec, codec), raw_size, base, body)
    if check_crc or codec not in CODECS:  # or it was a flipped bit
        require_crc(record, view[offset : end + size])
    return record


def plain_at(data: memoryview, offset: int, raw_size: int, body_size: int) -> Encoded | None:
    """A record without a base, CRC not checked, where its head says these sizes and a codec that we know; None
    for anything else, which `parse_record` judges. For small ones, of which there are many."""
    body = offset + PLAIN_OVERHEAD_BYTES
    if len(data) < body + body_size:
        return None
    magic, _, codec, flags, zero, *sizes, _ = RECORD_HEAD.unpack_from(data, offset)
    if magic != RECORD_MAGIC or flags or zero or sizes != [raw_size, body_size]:
        return None
    known = CODECS.get(codec)
    return None if known is None else Encoded(known, raw_size, data[body : body + body_size])


def require_crc(record: Record, data: memoryview) -> None:
    """`data` are all bytes of a parsed record. Raises BadRecord."""
    end = len(data) - len(record.body) - CRC.size
    (crc,) = CRC.unpack_from(data, end)
    if crc32(record.body, crc32(data[:end])) != crc:
        raise BadRecord("checksum mismatch")


def is_record_of(id: Digest, data: bytes | bytearray, offset: int) -> bool:
    """Whether a record of this object begins there, as far as its head tells."""
    digest = offset + RECORD_HEAD.size - DIGEST_BYTES
    return data.startswith(RECORD_MAGIC, offset) and data[digest : digest + DIGEST_BYTES] == id


def codec_of(id: Digest, head: Bytes) -> Codec | None:
    """How a record is encoded, from the bytes before its CRC; None for what is no record of this object."""
    if len(head) < RECORD_HEAD.size:
        return None
    magic, _, codec, _, _, _, _, digest = RECORD_HEAD.unpack_from(head)
    return CODECS.get(codec) if magic == RECORD_MAGIC and digest == id else None


def scan(
    data: bytes | mmap.mmap, start: int = PACK_HEADER.size
) -> Iterator[tuple[int, Record | BadRecord]]:
    """(offset, record) of all valid records, in order; damage once per damaged stretch.

    After damage the scan goes on at the next magic, so one bad record hides no other. A record's body
    is valid until the next step.
    """
    view = memoryview(data)
    try:
        offset = start
        while offset < len(view):
            try:
                record = parse_record(view, offset)
            except BadRecord as bad:
                yield offset, bad
                offset = _next_valid(data, view, offset + 1)
                continue
            yield offset, record
            offset += record.size
            record.body.release()
    finally:
        view.release()


def _next_valid(data: bytes | mmap.mmap, view: memoryview, offset: int) -> int:
    """Where the next valid record starts, or the end of `data`."""
    while (offset := data.find(RECORD_MAGIC, offset)) >= 0:
        try:
            parse_record(view, offset).body.release()
        except BadRecord:
            offset += 1
        else:
            return offset
    return len(view)
