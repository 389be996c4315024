"""Live records of packs that go, copied into new packs of the bucket."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Set
from dataclasses import dataclass, field

from mvcd.ids import Digest, Kind
from mvcd.store.api import Stop
from mvcd.store.bucket.bucketparts import BucketParts
from mvcd.store.bucket.indexrun import NamedPack, RunPlace
from mvcd.store.bucket.packing import SEAL_BYTES, OpenPack, PackUploads
from mvcd.store.record import BadRecord, parse_record
from mvcd.store.rows import BadRow, ObjectLocation

READ_BYTES = 4 << 20
"""Bytes read at a time."""

_Found = tuple[Digest, ObjectLocation]


@dataclass(slots=True)
class MovedRecords:
    """Where records are now: `places` name packs by their place in `packs`. `left` are the numbers of packs
    that nothing live is in any more."""

    packs: list[NamedPack] = field(default_factory=list)
    places: dict[bytes, RunPlace] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)
    stopped: bool = False


class RecordMover:
    """One move. A pack in which a record is damaged stays as it is: `verify` is to find it there."""

    def __init__(self, store: BucketParts, stop: Stop) -> None:
        self._store = store
        self._stop = stop
        self._uploads = PackUploads(store.blobs)
        self._open: dict[bool, OpenPack] = {}
        self._slots = 0

    def move(self, packs: Collection[int], dead: Set[bytes]) -> MovedRecords:
        """Copies what is not dead; asks `stop` between two packs. Raises what reading and writing raise."""
        inside: dict[int, list[_Found]] = {number: [] for number in packs}
        if packs:
            for id, at in self._store.locations():
                if not isinstance(at, BadRow) and at.pack in inside and id not in dead:
                    inside[at.pack].append((id, at))
        moved = MovedRecords()
        try:
            for number, found in inside.items():
                if self._stop():
                    moved.stopped = True
                    break
                found.sort(key=lambda one: one[1].offset)
                if self._copy(found, moved.places):
                    moved.left.add(number)
            for pack in self._open.values():
                self._uploads.send(pack)
            by_slot = self._uploads.packs()
        finally:
            self._uploads.close()
        slots = sorted(by_slot)
        moved.packs = [by_slot[slot] for slot in slots]
        number_of = {slot: number for number, slot in enumerate(slots)}
        moved.places = {id: at._replace(pack=number_of[at.pack]) for id, at in moved.places.items()}
        return moved

    def _copy(self, found: list[_Found], places: dict[bytes, RunPlace]) -> bool:
        """One pack; whether all of it was sound."""
        copied: dict[bytes, RunPlace] = {}
        for batch in _batches(found):
            try:
                data = self._store.packs.read([(a.pack, a.offset, a.size) for _, a in batch])
            except FileNotFoundError:
                return False
            start = 0
            for id, at in batch:
                try:
                    record = parse_record(data, start)
                except BadRecord:
                    return False
                if record.id != id or record.size != at.size:
                    return False
                pack = self._pack_for(id)
                offset = pack.append(data[start : start + at.size])
                copied[id] = RunPlace(
                    pack.slot, offset, at.body_size, at.raw_size, at.kind, at.base
                )
                start += at.size
        places |= copied
        return True

    def _pack_for(self, id: Digest) -> OpenPack:
        is_chunk = id.kind is Kind.CHUNK
        pack = self._open.get(is_chunk)
        if pack is not None and pack.end >= SEAL_BYTES:
            self._uploads.send(pack)
            pack = None
        if pack is None:
            self._slots += 1
            pack = self._open[is_chunk] = self._uploads.begin(self._slots)
        return pack


def _batches(found: list[_Found]) -> Iterator[list[_Found]]:
    batch: list[_Found] = []
    size = 0
    for one in found:
        if batch and size + one[1].size > READ_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one[1].size
    if batch:
        yield batch
