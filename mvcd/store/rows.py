"""The values of the index's tables (FORMAT.md, section Index), to and from bytes.

LMDB 0.9 keeps no checksums, so a flipped bit in a ref would be believed. Refs, operations and cache
rows carry their own CRC over key and value; rows of objects need none, since what they point at does.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import partial

from mvcd.errors import IntegrityError
from mvcd.ids import DIGEST_BYTES, ID_TYPES, ChunkId, Digest, Kind
from mvcd.lateclasses import NamedTuple
from mvcd.store.api import ObjectInfo
from mvcd.store.record import BASE_OVERHEAD_BYTES, MAX_BODY_BYTES, PLAIN_OVERHEAD_BYTES, Record

LOCATION = struct.Struct("<IIIIB")
"""Pack, offset, body size, raw size, kind; a base may follow."""

PACK_KEY = struct.Struct(">I")
PACK_ROW = struct.Struct("<QB")
SEQUENCE = struct.Struct(">Q")
_CRC = struct.Struct("<I")

ROW_SIZES = (LOCATION.size, LOCATION.size + DIGEST_BYTES)
_TYPES = {int(k): t for k, t in ID_TYPES.items()}
_KINDS = {int(k): k for k in Kind}


class BadRow(ValueError):
    """A row that FORMAT.md does not allow; the text says why."""


class ObjectLocation(NamedTuple):
    """Where one object rests. Sizes in bytes. A tuple, since one is made for each object looked up: that takes
    a third of the time of a frozen dataclass."""

    pack: int
    offset: int
    body_size: int
    raw_size: int
    kind: Kind
    base: ChunkId | None

    @property
    def size(self) -> int:
        """Bytes of the whole record."""
        # record.record_size, without a call: this is asked for each object that is read
        return self.body_size + (PLAIN_OVERHEAD_BYTES if self.base is None else BASE_OVERHEAD_BYTES)

    def info(self) -> ObjectInfo:
        return ObjectInfo(self.kind, self.raw_size, self.body_size, self.base)

    def tells_of(self, id: Digest, record: Record) -> bool:
        """Whether a record that was found there is the one of `id` that the row was written for."""
        told = id, self.body_size, self.raw_size, self.base
        return (record.id, len(record.body), record.raw_size, record.base) == told

    def row(self) -> bytes:
        row = LOCATION.pack(self.pack, self.offset, self.body_size, self.raw_size, self.kind)
        return row if self.base is None else row + self.base


_location: Callable[[tuple[object, ...]], ObjectLocation] = partial(tuple.__new__, ObjectLocation)


def parse_location(row: bytes) -> ObjectLocation:
    """Raises BadRow."""
    if len(row) not in ROW_SIZES:
        raise BadRow(f"a row of {len(row)} bytes")
    pack, offset, body_size, raw_size, kind = LOCATION.unpack_from(row)
    if kind not in _KINDS or body_size > MAX_BODY_BYTES:
        raise BadRow(f"kind {kind} with a body of {body_size} bytes")
    base = ChunkId(row[LOCATION.size :]) if len(row) > LOCATION.size else None
    return _location((pack, offset, body_size, raw_size, _KINDS[kind], base))


def typed_id(key: bytes, kind: int) -> Digest:
    return _TYPES[kind](key)


def seal(key: bytes, value: bytes) -> bytes:
    """`value` as it rests: with a CRC over key and value in front."""
    return _CRC.pack(zlib.crc32(value, zlib.crc32(key))) + value


def unseal(key: bytes, stored: bytes) -> bytes | None:
    """The value, or None when its CRC fails."""
    value = stored[_CRC.size :]
    if len(stored) < _CRC.size:
        return None
    return value if _CRC.unpack_from(stored)[0] == zlib.crc32(value, zlib.crc32(key)) else None


def unseal_or_raise(key: bytes, stored: bytes, what: str) -> bytes:
    """The value. Raises IntegrityError that names `what`."""
    value = unseal(key, stored)
    if value is None:
        raise IntegrityError(
            f"{what} is damaged",
            cause="its checksum in the index does not match",
            help="mvc verify",
        )
    return value


def sequence_of(key: bytes) -> int:
    """Returns the number in an operation's key. Raises IntegrityError."""
    if len(key) != SEQUENCE.size:
        raise IntegrityError("an operation is damaged", cause="its key has a wrong size")
    return int.from_bytes(key, "big")
