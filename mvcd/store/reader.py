"""Reading objects: lookup, pread, decode, digest check; safe beside writers and collections."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate, chain

from mvcd.codec.decode import decode, decode_many
from mvcd.codec.encoded import Codec, Encoded
from mvcd.errors import CorruptObject, IntegrityError, MissingObject, UsageError
from mvcd.ids import Bytes, Digest, Kind
from mvcd.store import _records
from mvcd.store.api import ObjectInfo
from mvcd.store.damage import all_damaged, mark, present
from mvcd.store.frames import digests_of, frame_by_frame, gather
from mvcd.store.index import Index
from mvcd.store.levels import Levels, Link
from mvcd.store.pack import PackBytes, Stretch
from mvcd.store.readorder import Place, place_order, runs, told_ahead
from mvcd.store.record import (
    MAX_DELTA_LEVELS,
    RECORD_HEAD,
    BadRecord,
    Record,
    codec_of,
    is_record_of,
    parse_record,
    plain_at,
    record_head,
)
from mvcd.store.refs import scan
from mvcd.store.rows import LOCATION, BadRow, ObjectLocation, parse_location, typed_id

LARGE_BYTES = 64 << 10
"""Bytes of a record from which a buffer for it is used again."""
BATCH_OBJECTS = 4096
MIN_PREFIX_CHARACTERS = 4

_NOWHERE = (1 << 32, 0)


class PackedObjects:
    """`api.ObjectReader` over an index and packs. Thread-safe."""

    way_to_damage = "mvc verify"
    """The command that tells more of a damaged object."""

    def __init__(self, index: Index, packs: PackBytes) -> None:
        self.index = index
        self.packs = packs
        self._levels = Levels(packs)

    def get(self, id: Digest) -> bytes:
        data = self._at_once(id)
        return self._with_care(id) if data is None else data

    def _at_once(self, id: Digest) -> bytes | None:
        """What it is if all is as the index says, and it has its digest."""
        try:
            chain = self._chain(id)
        except (MissingObject, CorruptObject):
            return None
        if len(chain) == 1 and chain[0][1].size < LARGE_BYTES:
            data = self._short(chain[0][1])
        else:
            data = self._levels.decode(chain)
        return data if data is not None and type(id).of(data) == id else None

    def _short(self, at: ObjectLocation) -> bytes | None:
        """What is not worth a buffer, if it is there and rests on nothing; its digest is not checked."""
        found = plain_at(
            memoryview(self._read([(at.pack, at.offset, at.size)])), 0, at.raw_size, at.body_size
        )
        try:
            return None if found is None else decode(found)
        except CorruptObject:
            return None

    def _chain(self, id: Digest) -> list[Link]:
        """It and what it rests on, down to what is whole. Raises MissingObject, CorruptObject."""
        chain = [(id, self.location(id))]
        while (base := chain[-1][1].base) is not None:
            if len(chain) > MAX_DELTA_LEVELS:
                raise CorruptObject("a chain of deltas does not end")
            chain.append((base, self.location(base)))
        return chain

    def _with_care(self, id: Digest) -> bytes:
        """Looks again for what was moved, and says of what is damaged where."""
        record = self._record(id, check_crc=False)
        try:
            data = self._decode(record, 0)
        except CorruptObject as error:
            self._suspect(record.base)
            raise self._corrupt(id, error.cause or str(error)) from error
        if type(record.id).of(data) != id:
            self._suspect(record.base)
            raise self._corrupt(id, "its digest does not match")
        return data

    def _suspect(self, base: Digest | None) -> None:
        """What rests on a base cannot be read: finds out, and remembers, whether the base is to blame."""
        if base is not None:
            with suppress(IntegrityError):
                self.get(base)

    def get_many(
        self,
        ids: Sequence[Digest],
        *,
        as_bases: bool = False,
        known: Mapping[Digest, Bytes] = {},
    ) -> Iterator[tuple[Digest, bytes]]:
        found = self._located(ids)
        places = sorted(((at, id) for id, at in found.items()), key=place_order)
        for run in told_ahead(runs(places), self.packs):
            yield from self._decode_run(run, known, as_bases=as_bases)

    def _decode_run(
        self, run: list[Place], known: Mapping[Digest, Bytes], *, as_bases: bool
    ) -> Iterator[tuple[Digest, bytes]]:
        """Those of a run from one read of it; those that are not as the index says are looked up again."""
        ids = [id for _, id in run]
        raws = self._raws(run, known, check_crc=as_bases)
        named = ids if as_bases else digests_of(ids, raws)
        for id, raw, digest in zip(ids, raws, named, strict=True):
            if raw is not None and digest == id:
                yield id, raw
                continue
            with suppress(MissingObject):
                yield id, self.get(id)

    def _raws(
        self, run: list[Place], known: Mapping[Digest, Bytes], *, check_crc: bool
    ) -> list[bytes | None]:
        """What a run's records decode to, digests not checked; checksums are if it is said, down to what the
        records rest on. None for what is no record or damaged; for all that are encoded, where one without a
        base is damaged."""
        data, start = memoryview(self._bytes_of(run)), run[0][0].offset
        raws: list[bytes | None] = [None] * len(run)
        if not check_crc:
            raws = _records.raws(data, start, [at for at, _ in run])
        if None not in raws:
            return raws
        found = [
            (n, _found_at(run[n], data, start, check_crc=check_crc))
            for n, raw in enumerate(raws)
            if raw is None
        ]
        try:
            alone = iter(decode_many([one for _, one in found if isinstance(one, Encoded)]))
        except CorruptObject:
            return raws
        resting = [one for _, one in found if isinstance(one, Record)]
        above = self._above(resting, known, check_crc=check_crc) if resting else {}
        for n, one in found:
            if isinstance(one, Record):
                raws[n] = above.get(one.id)
            elif one is not None:
                raws[n] = next(alone)
        return raws

    def _above(
        self, resting: list[Record], known: Mapping[Digest, Bytes], *, check_crc: bool
    ) -> dict[Digest, bytes]:
        from mvcd.store.baselevels import decode_above  # late: start-up

        return decode_above(resting, known, self._located, self.packs, check_crc=check_crc)

    def get_encoded(self, id: Digest) -> Encoded:
        return self._record(id).encoded()

    def has(self, ids: Sequence[Digest]) -> list[bool]:
        stored = present(self.index, ids)
        return [id in stored for id in ids]

    def records(self, ids: Sequence[Digest]) -> Iterator[Bytes]:
        found = self._located(ids)
        places = [(found.get(id) or self.location(id), id) for id in dict.fromkeys(ids)]
        places.sort(key=place_order)
        frames = frame_by_frame((place, place[0].size, place[0].raw_size) for place in places)
        return chain.from_iterable(map(self._read_frame, told_ahead(frames, self.packs)))

    def _read_frame(self, places: list[Place]) -> Iterator[Bytes]:
        """The records there, from one read; one by one where a collection has moved them."""
        stretches = [(at.pack, at.offset, at.size) for at, _ in places]
        data = self._read(stretches)
        *starts, end = accumulate((size for _, _, size in stretches), initial=0)
        if len(data) == end and all(
            is_record_of(id, data, start) for (_, id), start in zip(places, starts, strict=True)
        ):
            yield data
        else:
            yield from gather((self._whole(id), at.raw_size) for at, id in places)

    def _whole(self, id: Digest) -> bytes:
        record = self._record(id)
        return record_head(id, record.encoded()) + bytes(record.body)

    def _bytes_of(self, run: list[Place]) -> bytes:
        """From a run's first record to the end of its last; fewer where the pack ends before or is gone."""
        first, last = run[0][0], run[-1][0]
        return self._read([(first.pack, first.offset, last.offset + last.size - first.offset)])

    def _read(self, stretches: list[Stretch]) -> bytes:
        """Nothing where a pack is gone, or its disk fails."""
        try:
            return self.packs.read(stretches)
        except FileNotFoundError:
            return b""
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b""

    def info(self, id: Digest) -> ObjectInfo:
        return self.location(id).info()

    def infos(self, ids: Sequence[Digest]) -> dict[Digest, ObjectInfo]:
        found = self._located(ids)
        return {id: location.info() for id, location in found.items()}

    def location(self, id: Digest) -> ObjectLocation:
        """Raises MissingObject, CorruptObject."""
        try:
            return parse_location(self._row(id))
        except BadRow as error:
            raise self._damaged_row(id, error) from error

    def arranged(self, ids: Sequence[Digest]) -> list[Digest]:
        rows = self.index.rows(ids)
        return sorted(
            ids, key=lambda id: LOCATION.unpack_from(rows[id])[:2] if id in rows else _NOWHERE
        )

    def find(self, kind: Kind, prefix: str, limit: int = 16) -> list[Digest]:
        prefix = prefix.lower()
        if len(prefix) < MIN_PREFIX_CHARACTERS or prefix.strip("0123456789abcdef"):
            raise UsageError(f"{prefix!r} is not {MIN_PREFIX_CHARACTERS} or more hex digits")
        found: list[Digest] = []
        start = bytes.fromhex(prefix + "0" * (len(prefix) % 2))
        with self.index.read() as txn:
            for key, row in scan(
                txn, self.index.objects, bytes.fromhex(prefix[: len(prefix) & ~1]), start
            ):
                if not key.hex().startswith(prefix) or len(found) == limit:
                    break
                if len(row) >= LOCATION.size and row[LOCATION.size - 1] == kind:
                    found.append(typed_id(key, kind))
        return found

    def ids(self) -> Iterator[tuple[Digest, ObjectInfo]]:
        for id, location in self.locations():
            if isinstance(location, BadRow):
                raise self._damaged_row(id, location)
            yield id, location.info()

    def placed_ids(self) -> list[Digest]:
        places: list[Place] = []
        for id, location in self.locations():
            if isinstance(location, BadRow):
                raise self._damaged_row(id, location)
            places.append((location, id))
        places.sort(key=place_order)
        return [id for _, id in places]

    def codecs(self, ids: Sequence[Digest]) -> dict[Digest, Codec]:
        places = sorted(((at, id) for id, at in self._located(ids).items()), key=place_order)
        found: dict[Digest, Codec] = {}
        for at, id in places:
            head = self._read([(at.pack, at.offset, RECORD_HEAD.size)])
            codec = codec_of(id, head)
            if codec is not None:
                found[id] = codec
        return found

    def locations(self) -> Iterator[tuple[Digest, ObjectLocation | BadRow]]:
        """Every row, in digest order, in batches of one transaction each."""
        start = b""
        while True:
            with self.index.read() as txn:
                rows = scan(txn, self.index.objects, start=start)
                batch = [row for row, _ in zip(rows, range(BATCH_OBJECTS), strict=False)]
            for key, row in batch:
                try:
                    location = parse_location(row)
                    yield typed_id(key, location.kind), location
                except (BadRow, ValueError) as error:
                    yield _untyped(key), BadRow(str(error))
            if len(batch) < BATCH_OBJECTS:
                return
            start = batch[-1][0] + b"\0"

    def read_record(self, id: Digest, location: ObjectLocation) -> Record:
        """The record at a place. Raises BadRecord when it is not there, not `id`'s, or damaged."""
        try:
            data = self.packs.read([(location.pack, location.offset, location.size)])
        except FileNotFoundError:
            raise BadRecord("the pack file is gone") from None
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise BadRecord(os.strerror(error.errno).lower()) from error
        record = parse_record(data)
        if not location.tells_of(id, record):
            raise BadRecord("the record is not what the index says")
        return record

    # ------------------------------------------------------------------ inside

    def _located(self, ids: Sequence[Digest]) -> dict[Digest, ObjectLocation]:
        """Where those of the objects rest that are here. Raises CorruptObject."""
        rows = self.index.rows(ids)
        found: dict[Digest, ObjectLocation] = {}
        for id in ids:
            if id in rows:
                try:
                    found[id] = parse_location(rows[id])
                except BadRow as error:
                    raise self._damaged_row(id, error) from error
        return found

    def _row(self, id: Digest) -> bytes:
        row = self.index.lookup(id)
        if row is None:
            raise MissingObject(f"{id.kind.name.lower()} {id.short()} is not in the store")
        return row

    def _record(self, id: Digest, *, check_crc: bool = True) -> Record:
        """The record of `id`; looked up again when a collection moved it under our hands."""
        seen = None
        problem: Exception | None = None
        while True:
            row = self._row(id)
            if row == seen:
                raise self._corrupt(id, str(problem)) from problem
            seen = row
            try:
                location = parse_location(row)
                data = self.packs.read([(location.pack, location.offset, location.size)])
                record = parse_record(data, check_crc=check_crc)
                if record.id == id and len(record.body) == location.body_size:
                    return record
                problem = BadRecord("another record is there")
            except BadRow as error:
                raise self._damaged_row(id, error) from error
            except BadRecord as error:
                problem = error
            except FileNotFoundError:
                problem = BadRecord("the pack file is gone")
            except OSError as error:
                if (
                    error.errno != errno.EIO
                ):  # no descriptors, no permission: no word about the bytes
                    raise
                problem = BadRecord(os.strerror(error.errno).lower())
            self.packs.forget(location.pack)

    def _decode(self, record: Record, depth: int) -> bytes:
        """Raw bytes, digest not checked: that of the last in a chain of deltas vouches for all."""
        if record.base is None:
            return decode(record.encoded())
        if depth == MAX_DELTA_LEVELS:
            raise CorruptObject("a chain of deltas does not end")
        try:
            base = self._record(record.base, check_crc=False)
        except MissingObject:
            raise CorruptObject(f"its base {record.base.short()} is missing") from None
        return decode(record.encoded(), self._decode(base, depth + 1))

    def damaged(self) -> list[Digest]:
        """Objects that are here and known to be damaged: `has` and sessions count them as absent."""
        return all_damaged(self.index)

    def _damaged_row(self, id: Digest, error: BadRow) -> CorruptObject:
        mark(self.index, (id,))
        return CorruptObject(f"{id.short()} is damaged", cause=f"index: {error}", help="mvc verify")

    def _corrupt(self, id: Digest, problem: str) -> CorruptObject:
        """The error, and from now on it is known."""
        mark(self.index, (id,))
        try:
            location = self.location(id)
            where = self._named(location)
        except (MissingObject, CorruptObject):
            where = "index"
        return CorruptObject(
            f"{id.kind.name.lower()} {id.short()} is damaged",
            cause=f"{where}: {problem}",
            help=self.way_to_damage,
        )

    def _named(self, at: ObjectLocation) -> str:
        """Where an object lies, for an error to name."""
        return f"pack {at.pack:08x} at {at.offset}"


def _untyped(key: bytes) -> Digest:
    return typed_id(key.ljust(32, b"\0")[:32], Kind.CHUNK)


def _found_at(
    place: Place, data: memoryview, start: int, *, check_crc: bool
) -> Encoded | Record | None:
    """The record there in what was read from `start` on, if it is the one that was counted on: encoded, where
    it rests on no other."""
    at, id = place
    if at.base is None and not check_crc:  # who compares the digest needs to look at less
        plain = plain_at(data, at.offset - start, at.raw_size, at.body_size)
        if plain is not None:
            return plain
    try:
        record = parse_record(data, at.offset - start, check_crc=check_crc)
    except BadRecord:
        return None
    if not at.tells_of(id, record):
        return None
    return record.encoded() if record.base is None else record
