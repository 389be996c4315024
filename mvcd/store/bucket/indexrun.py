"""Index runs: which object rests where, as immutable objects of the bucket (BUCKET.md, section Runs)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, chain
from operator import ge
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
_DIGEST = struct.Struct(f"{DIGEST_BYTES}s")
_NUMBER = struct.Struct("<I")
_PACK_AND_REST = struct.Struct(f"4s{LOCATION.size - 4}s")
_PIECE_ROWS = 1 << 14
"""Rows that are unpacked at once."""


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
    """A whole run in memory, about 400 bytes a row. Raises what `RunReader` does."""
    run = RunReader(name, data)
    rows = dict(run.rows(range(len(run.packs))))
    return IndexRun(run.packs, {key: _place(row) for key, row in rows.items()}, run.held())


class RunReader:
    """A run that is unpacked piece by piece: of one with a million rows, 3 MB are in memory beside its object.

    Its columns lie one after the other in one frame, so each is read by a decompressor of its own, which passes
    over those before it: 20 ms for a million rows. Raises IntegrityError for what is not the run of
    this name, Failure for a newer format.
    """

    def __init__(self, name: str, data: Bytes) -> None:
        if object_name(data) != name:
            raise _damaged(name, "its bytes are not those that it is named after")
        if data[: len(RUN_MAGIC)] != RUN_MAGIC:
            raise Failure(
                f"index run {name[:12]} is of a format that this mvc does not know",
                kind="newer-format",
                help="upgrade mvc",
            )
        self._name = name
        self._frame = memoryview(data)[len(RUN_MAGIC) :]
        with self._told():
            head = self._column(0)
            _, packs, self.count, bases, held = _HEAD.unpack(_exactly(head, _HEAD.size))
            sizes = (_HEAD.size, NONCE_BYTES, packs * _PACK.size, self.count * DIGEST_BYTES,
                     self.count * LOCATION.size, bases * DIGEST_BYTES, held)  # fmt: skip
            self._starts = list(accumulate(sizes))
            if self._starts[-1] > MAX_RUN_BYTES:
                raise ValueError("it is larger than a run may be")
            table = _exactly(self._column(self._starts[1]), sizes[2])
            self.packs = [NamedPack(*one) for one in _PACK.iter_unpack(table)]

    def rows(self, numbers: Sequence[int]) -> Iterator[tuple[bytes, bytes]]:
        """Digests ascending, each with its row of an index in which the run's packs have these numbers."""
        return chain.from_iterable(self._pieces(numbers))

    def _pieces(self, numbers: Sequence[int]) -> Iterator[Iterable[tuple[bytes, bytes]]]:
        with self._told():
            digests, places, bases = map(self._column, self._starts[2:5])
            packs = {_NUMBER.pack(n): _NUMBER.pack(mine) for n, mine in enumerate(numbers)}
            last = b""
            for start in range(0, self.count, _PIECE_ROWS):
                count = min(_PIECE_ROWS, self.count - start)
                column = _exactly(digests, count * DIGEST_BYTES)
                keys = [key for (key,) in _DIGEST.iter_unpack(column)]
                if keys[0] <= last or any(map(ge, keys, keys[1:])):
                    raise ValueError("its digests do not ascend")
                last = keys[-1]
                column = _exactly(places, count * LOCATION.size)
                yield zip(keys, _rows(column, packs, bases), strict=True)
            if bases.tell() != self._starts[5]:
                raise ValueError("it has more bases than rows with one")

    def held(self) -> dict[bytes, bytes]:
        """Whole records that it holds, by digest."""
        with self._told():
            column = self._column(self._starts[5])
            records = _records(_exactly(column, self._starts[6] - self._starts[5]))
            if column.read(1):
                raise ValueError("it goes on after its parts")
            return records

    def _column(self, start: int) -> zstandard.ZstdDecompressionReader:
        reader = zstandard.ZstdDecompressor().stream_reader(self._frame)
        reader.seek(start)
        return reader

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (zstandard.ZstdError, struct.error, ValueError) as error:
            raise _damaged(self._name, str(error)) from error


def _exactly(column: zstandard.ZstdDecompressionReader, size: int) -> bytes:
    data = column.read(size)
    if len(data) != size:
        raise ValueError("its parts are not as long as its head says")
    return data


def _rows(
    places: bytes, packs: Mapping[bytes, bytes], bases: zstandard.ZstdDecompressionReader
) -> list[bytes]:
    """Rows of an index, where `packs` has the numbers there by those here."""
    try:
        rows = [packs[pack] + rest for pack, rest in _PACK_AND_REST.iter_unpack(places)]
    except KeyError:
        raise ValueError("a row names no pack") from None
    if max(places[LOCATION.size - 1 :: LOCATION.size]) >= _HAS_BASE:
        for number, row in enumerate(rows):
            if row[-1] & _HAS_BASE:
                kind = bytes((row[-1] & ~_HAS_BASE,))
                rows[number] = row[:-1] + kind + _exactly(bases, DIGEST_BYTES)
    return rows


def _place(row: bytes) -> RunPlace:
    pack, offset, body_size, raw_size, kind = LOCATION.unpack_from(row)
    return RunPlace(pack, offset, body_size, raw_size, kind, row[LOCATION.size :] or None)


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
        help="put it back from a version or a copy of the bucket, or push to another place",
    )
