"""A session on a bucket: records gather in packs, which are uploaded while more come; then a run, then a swap.

What it counts on is remembered with the epoch in which it was asked (BUCKET.md, section Collection).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Self

from mvcd.codec.encoded import MAX_RAW_BYTES, Encoded
from mvcd.errors import MissingObject, MvcError, UsageError
from mvcd.ids import Bytes, ChunkId, Digest, Kind
from mvcd.store.api import RefUpdate
from mvcd.store.bucket.bucketparts import BucketParts, NewRun
from mvcd.store.bucket.bucketstate import PACKS, RUNS, BucketState, RunEntry
from mvcd.store.bucket.indexrun import NamedPack, RunPlace, encode_run, object_name
from mvcd.store.bucket.merging import Merging, RunsMoved, merge_into
from mvcd.store.bucket.packing import SEAL_BYTES, OpenPack, PackUploads
from mvcd.store.damage import present
from mvcd.store.readymade import Added, ReadyRecords, put_each
from mvcd.store.record import MAX_BODY_BYTES, Record, record_head
from mvcd.store.refs import RefTransaction

MAX_ROWS = 1 << 17
"""Rows that wait for a flush, about 300 bytes each."""
FLUSH_BYTES = 512 << 20
"""Bytes in packs that no state names yet: what a push that is cut short sends again at most."""
HELD_RECORD_BYTES = 64 << 10
HELD_BYTES = 16 << 20
"""Bytes of versions' records that one run holds at most."""


class BucketSession:
    """See `api.Session`."""

    def __init__(self, store: BucketParts) -> None:
        self._store = store
        self.flushes = 0
        self.relied: set[Digest] = set()
        self.epoch = store.index_epoch()
        self._rows: dict[Digest, RunPlace] = {}
        self._absent: set[Digest] = set()
        self._held: dict[bytes, bytes] = {}
        self._held_bytes = 0
        self._slots = 0
        self._chunks: OpenPack | None = None
        self._names: OpenPack | None = None
        self._named: list[Digest] = []
        self._uploads = PackUploads(store.blobs)
        self._sent_bytes = 0
        self.unnamed_bytes = 0  # of records that were put and that no state names yet
        self._run: NewRun | None = None
        self._failure: MvcError | None = None
        store.sessions.add(self)

    # ------------------------------------------------------------------ objects

    def missing(self, ids: Sequence[Digest]) -> list[bool]:
        self._require_usable()
        rows = self._rows
        stored = present(self._store.index, [id for id in ids if id not in rows])
        self.relied.update(id for id in ids if id in stored)
        if len(self._absent) > MAX_ROWS:
            self._absent.clear()
        answer = [id not in rows and id not in stored for id in ids]
        self._absent.update(id for id, gone in zip(ids, answer, strict=True) if gone)
        return answer

    def put(self, id: Digest, encoded: Encoded) -> int:
        body = encoded.body if type(encoded.body) is bytes else bytes(encoded.body)
        return self._put(
            id, len(body), encoded.raw_size, encoded.base, lambda: record_head(id, encoded) + body
        )

    def put_ready(self, ready: ReadyRecords) -> Added:
        return put_each(self, ready)

    def put_record(self, record: Record, data: Bytes) -> int:
        return self._put(record.id, len(record.body), record.raw_size, record.base, lambda: data)

    def put_records(self, records: Sequence[tuple[Record, Bytes]]) -> list[int]:
        return [self.put_record(record, data) for record, data in records]

    def drain(self) -> None:
        self._require_usable()

    def flush(self) -> None:
        self._require_usable()
        if self._rows:
            self._write(RefTransaction())
        else:
            self._store.settle(self)

    def commit(
        self,
        updates: Sequence[RefUpdate] = (),
        *,
        operation: bytes | None = None,
        cache: Mapping[bytes, bytes | None] | None = None,
        audit: bytes | None = None,
    ) -> int:
        self._require_usable()
        what = RefTransaction(updates, operation, cache, audit)
        sequence = 0
        if self._rows or what.recorded:
            state = self._write(what)
            sequence = state.operation if operation is not None else 0
        if cache:
            self._store.cache_put(cache)
        return sequence

    def close(self) -> None:
        self._store.sessions.discard(self)
        self._uploads.close()
        self._forget()
        self._failure = self._failure or UsageError("the session is closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def pending(self) -> set[str]:
        """Names of objects that are in the bucket, or will be, for a swap of this session."""
        names = {PACKS + pack.hash.hex() for pack in self._uploads}
        return names if self._run is None else names | {*self._run.names}

    def relied_and_stored(self) -> set[Digest]:
        """What it counts on besides what it puts."""
        return self.relied - self._rows.keys()

    def start_over(self) -> None:
        """Drops what was put: something that it may rest on is gone."""
        self._forget()
        self.relied.clear()
        self.epoch = self._store.index_epoch()

    # ------------------------------------------------------------------ inside

    def _put(
        self,
        id: Digest,
        body_size: int,
        raw_size: int,
        base: ChunkId | None,
        record: Callable[[], Bytes],
    ) -> int:
        if id in self._rows:
            return 0
        if id not in self._absent and not self.missing([id])[0]:
            return 0
        if body_size > MAX_BODY_BYTES or raw_size > MAX_RAW_BYTES:
            raise UsageError(f"an object of {max(body_size, raw_size)} bytes is too large")
        if base is not None and base not in self._rows and self.missing([base])[0]:
            raise MissingObject(f"the base {base.short()} is not in the store")
        self._absent.discard(id)
        pack = self._open_pack(id)
        data = record()
        offset = pack.append(data)
        self.unnamed_bytes += len(data)
        self._rows[id] = RunPlace(pack.slot, offset, body_size, raw_size, id.kind, base)
        self.relied.add(id)
        self._run = None
        if id.kind is Kind.VERSION:
            self._hold(id, data)
        if pack.end >= SEAL_BYTES:
            self._seal(pack)
        if len(self._rows) >= MAX_ROWS or self._sent_bytes >= FLUSH_BYTES:
            self.flush()
        return len(data)

    def _hold(self, id: Digest, record: Bytes) -> None:
        size = len(record)
        if size <= HELD_RECORD_BYTES and self._held_bytes + size <= HELD_BYTES:
            self._held[id] = bytes(record)
            self._held_bytes += size

    def _open_pack(self, id: Digest) -> OpenPack:
        """The one for chunks, or the one for what names them."""
        if id.kind is Kind.CHUNK:
            if self._chunks is None:
                self._chunks = self._new_pack()
            return self._chunks
        if self._names is None:
            self._names = self._new_pack()
        self._named.append(id)
        return self._names

    def _new_pack(self) -> OpenPack:
        self._slots += 1
        return self._uploads.begin(self._slots)

    def _seal(self, pack: OpenPack) -> None:
        self._uploads.send(pack)
        self._sent_bytes += pack.end
        if pack is self._chunks:
            self._chunks = None
        else:
            self._names = None
            self._named.clear()

    def _upload(self) -> dict[int, NamedPack]:
        """Sends what is left, as one pack if it fits; answers all packs when they are there."""
        chunks, names = self._chunks, self._names
        if chunks is not None and names is not None and chunks.end + names.end <= SEAL_BYTES:
            moved = chunks.extend(names)
            for id in self._named:
                at = self._rows[id]
                self._rows[id] = at._replace(pack=chunks.slot, offset=at.offset + moved)
            names = None
        self._chunks = self._names = None
        self._named.clear()
        for pack in (chunks, names):
            if pack is not None:
                self._uploads.send_now(pack)
        return self._uploads.packs()

    def _write(self, what: RefTransaction) -> BucketState:
        """One swap, with all that was put. Raises StaleReuse, Conflict, and what an upload raised."""
        may_merge = True
        while True:
            if self._rows and self._run is None:
                self._run = self._make_run(self._store.to_merge() if may_merge else Merging())
            try:
                state = self._store.publish(self, self._run, what)
            except RunsMoved:  # somebody else has merged them, or taken something away
                self._run, may_merge = None, False
                continue
            if self._run is not None:
                self.flushes += 1
                self._forget()
            return state

    def _make_run(self, merging: Merging) -> NewRun:
        by_slot = self._upload()
        slots = sorted(by_slot)
        packs = [by_slot[slot] for slot in slots]
        place = {slot: number for number, slot in enumerate(slots)}
        rows: dict[bytes, RunPlace] = {
            id: at._replace(pack=place[at.pack]) for id, at in self._rows.items()
        }
        packs, rows, held = merge_into(merging, packs, rows, self._held)
        data = encode_run(packs, rows, held.values())
        name = object_name(data)
        self._store.blobs.put(RUNS + name, data)
        entry = RunEntry(
            name, len(data), len(rows), len(packs), sum(pack.size_bytes for pack in packs)
        )
        names = (RUNS + name, *(PACKS + pack.hash.hex() for pack in by_slot.values()))
        return NewRun(entry, data, merging.replaces, names)

    def _forget(self) -> None:
        self._rows.clear()
        self._absent.clear()
        self._held.clear()
        self._held_bytes = self._sent_bytes = self.unnamed_bytes = 0
        self._named.clear()
        self._chunks = self._names = None
        self._uploads.clear()
        self._run = None

    def _require_usable(self) -> None:
        if self._failure is not None:
            raise self._failure
