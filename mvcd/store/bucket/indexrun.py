"""Index runs: which object rests where, as immutable objects of the bucket (BUCKET.md, section Runs)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import zstandard
from blake3 import blake3

from mvcd.errors import Failure, IntegrityError
from mvcd.ids import DIGEST_BYTES, Bytes
from mvcd.store.record import BadRecord, parse_record
from mvcd.store.rows import LOCATION

RUN_MAGIC = b"MVCRUN\n1"
NONCE_BYTES = 16
MAX_RUN_BYTES = 1 << 30
"""Bytes that a run may take when it is unpacked: 20 million rows."""

_HEAD = struct.Struct("<IIIIQ")
"""Zero, packs, rows, bases, bytes of held records."""
_PACK = struct.Struct("<32sQ")
_HAS_BASE = 0x80


class NamedPack(NamedTuple):
    """A pack by the hash of its content, and its size in bytes."""

    hash: bytes
    size_bytes: int


class RunPlace(NamedTuple):
    """Where one object rests: `pack` counts in the list of packs that goes with it. Sizes in bytes."""

    pack: int
    offset: int
    body_size: int
    raw_size: int
    kind: int
    base: bytes | None = None

    def row(self, pack: int) -> bytes:
        """The same as a row of an index in which that pack has this number."""
        row = LOCATION.pack(pack, self.offset, self.body_size, self.raw_size, self.kind)
        return row if self.base is None else row + self.base


@dataclass(frozen=True, slots=True)
class IndexRun:
    """Rows in the order of their digests, the packs that they name, and records that are held whole, by
    digest."""

    packs: list[NamedPack]
    rows: dict[bytes, RunPlace]
    held: dict[bytes, bytes]


def object_name(data: Bytes) -> str:
    """The hash by which an immutable object is named."""
    return blake3(data).hexdigest()


def encode_run(
    packs: list[NamedPack], rows: Mapping[bytes, RunPlace], held: Iterable[bytes]
) -> bytes:
    """The object of a run. `held` are whole records."""
    digests = sorted(rows)
    places, bases = [], []
    for digest in digests:
        at = rows[digest]
        kind = at.kind if at.base is None else at.kind | _HAS_BASE
        places.append(LOCATION.pack(at.pack, at.offset, at.body_size, at.raw_size, kind))
        if at.base is not None:
            bases.append(at.base)
    records = b"".join(held)
    body = b"".join([
        _HEAD.pack(0, len(packs), len(digests), len(bases), len(records)),
        os.urandom(NONCE_BYTES),
        *(_PACK.pack(*pack) for pack in packs),
        *digests, *places, *bases, records,
    ])  # fmt: skip
    if len(body) > MAX_RUN_BYTES:
        raise Failure(f"an index run of {len(body)} bytes is too large", kind="too-large")
    return RUN_MAGIC + zstandard.ZstdCompressor(3, write_checksum=True).compress(body)


def decode_run(name: str, data: Bytes) -> IndexRun:
    """Raises IntegrityError for what is not the run of this name, Failure for a newer format."""
    if object_name(data) != name:
        raise _damaged(name, "its bytes are not those that it is named after")
    if data[: len(RUN_MAGIC)] != RUN_MAGIC:
        raise Failure(
            f"index run {name[:12]} is of a format that this mvc does not know",
            kind="newer-format",
            help="upgrade mvc",
        )
    try:
        body = zstandard.ZstdDecompressor().decompress(
            bytes(data[len(RUN_MAGIC) :]), max_output_size=MAX_RUN_BYTES
        )
        return _parse(body)
    except (zstandard.ZstdError, struct.error, ValueError) as error:
        raise _damaged(name, str(error)) from error


def _parse(body: bytes) -> IndexRun:
    _, packs, rows, bases, held = _HEAD.unpack_from(body)
    sizes = (NONCE_BYTES, packs * _PACK.size, rows * DIGEST_BYTES, rows * LOCATION.size,
             bases * DIGEST_BYTES, held)  # fmt: skip
    if _HEAD.size + sum(sizes) != len(body):
        raise ValueError("its parts are not as long as its head says")
    ends = [_HEAD.size]
    for size in sizes:
        ends.append(ends[-1] + size)
    parts = [body[ends[n] : ends[n + 1]] for n in range(len(sizes))]
    found = [NamedPack(*entry) for entry in _PACK.iter_unpack(parts[1])]
    return IndexRun(
        found, dict(_rows(parts[2], parts[3], parts[4], len(found))), _records(parts[5])
    )


def _rows(
    digests: bytes, places: bytes, bases: bytes, packs: int
) -> Iterator[tuple[bytes, RunPlace]]:
    at = base_at = 0
    for pack, offset, body_size, raw_size, kind in LOCATION.iter_unpack(places):
        base = None
        if kind & _HAS_BASE:
            base = bases[base_at : base_at + DIGEST_BYTES]
            base_at += DIGEST_BYTES
        if pack >= packs:
            raise ValueError("a row names no pack")
        place = RunPlace(pack, offset, body_size, raw_size, kind & ~_HAS_BASE, base)
        yield digests[at : at + DIGEST_BYTES], place
        at += DIGEST_BYTES


def _records(data: bytes) -> dict[bytes, bytes]:
    found = {}
    offset = 0
    while offset < len(data):
        try:
            record = parse_record(data, offset)
        except BadRecord as error:
            raise ValueError(f"a held record is damaged: {error}") from error
        found[bytes(record.id)] = data[offset : offset + record.size]
        offset += record.size
    return found


def _damaged(name: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"index run {name[:12]} is damaged",
        kind="index-damaged",
        cause=why,
        help="put back the object from a version or a copy of the bucket",
    )
