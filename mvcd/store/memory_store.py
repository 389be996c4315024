"""The store in memory: what the others are compared with. Dicts, a lock and no cleverness."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

from mvcd.codec.decode import decode
from mvcd.codec.encoded import MAX_RAW_BYTES, Codec, Encoded
from mvcd.errors import Conflict, CorruptObject, MissingObject, StaleReuse, UsageError
from mvcd.ids import Bytes, Digest, Kind
from mvcd.monitor import Monitor
from mvcd.store.api import (
    AuditHead,
    AuditRow,
    Forms,
    GarbageBound,
    Given,
    Mark,
    MarkNew,
    ObjectInfo,
    Recode,
    RefUpdate,
    Stop,
    Store,
    never,
    nothing_given,
)
from mvcd.store.audit import NO_ROWS, after, problems
from mvcd.store.frames import gather
from mvcd.store.reader import MIN_PREFIX_CHARACTERS
from mvcd.store.readymade import Added, ReadyRecords, put_each
from mvcd.store.record import MAX_BODY_BYTES, Record, record_head, record_size
from mvcd.store.refs import RefTransaction
from mvcd.store.reports import CollectReport, Damage, OptimizeReport, RebaseReport, StoreStats


def _stored(encoded: Encoded) -> int:
    return record_size(len(encoded.body), encoded.base is not None)


class MemoryStore:
    """`api.Store` that lasts as long as the process."""

    def __init__(self) -> None:
        self.id = os.urandom(16).hex()
        self._lock = threading.RLock()
        self._objects: dict[Digest, Encoded] = {}
        self._refs: dict[str, bytes] = {}
        self._operations: dict[int, bytes] = {}
        self._sequence = 0
        self._cache: dict[bytes, bytes] = {}
        self._audit: list[AuditRow] = []
        self._head = NO_ROWS
        self._sweeps = 0
        self._changes = 0
        self._sessions: set[MemorySession] = set()

    @property
    def read_only(self) -> bool:
        return False

    def session(self) -> MemorySession:
        return MemorySession(self)

    def salvage(self) -> None:
        """Nothing outlives its process."""

    # ------------------------------------------------------------------ objects

    def get(self, id: Digest) -> bytes:
        encoded = self.get_encoded(id)
        data = decode(encoded, None if encoded.base is None else self.get(encoded.base))
        if type(id).of(data) != id:
            raise CorruptObject(f"{id.kind.name.lower()} {id.short()} is damaged")
        return data

    def get_encoded(self, id: Digest) -> Encoded:
        try:
            return self._objects[id]
        except KeyError:
            raise MissingObject(
                f"{id.kind.name.lower()} {id.short()} is not in the store"
            ) from None

    def get_many(
        self,
        ids: Sequence[Digest],
        *,
        as_bases: bool = False,  # noqa: ARG002 - no record
        known: Mapping[Digest, Bytes] = {},  # noqa: ARG002 - nothing rests on another
    ) -> Iterator[tuple[Digest, bytes]]:
        return ((id, self.get(id)) for id in dict.fromkeys(ids) if id in self._objects)

    def has(self, ids: Sequence[Digest]) -> list[bool]:
        return [id in self._objects for id in ids]

    def damaged(self) -> list[Digest]:
        return []  # memory is not read back from anywhere

    def records(self, ids: Sequence[Digest]) -> Iterator[Bytes]:
        """The ids asked for may come without their kind; the store knows it."""
        asked = dict.fromkeys(ids)
        with self._lock:
            named = {id: id for id in self._objects if id in asked}
        found = [(named.get(id, id), self.get_encoded(id)) for id in asked]
        return gather((record_head(id, e) + bytes(e.body), e.raw_size) for id, e in found)

    def find(self, kind: Kind, prefix: str, limit: int = 16) -> list[Digest]:
        prefix = prefix.lower()
        if len(prefix) < MIN_PREFIX_CHARACTERS or prefix.strip("0123456789abcdef"):
            raise UsageError(f"{prefix!r} is not {MIN_PREFIX_CHARACTERS} or more hex digits")
        with self._lock:
            ids = sorted(self._objects)
        return [id for id in ids if id.kind == kind and id.hex().startswith(prefix)][:limit]

    def info(self, id: Digest) -> ObjectInfo:
        encoded = self.get_encoded(id)
        return ObjectInfo(id.kind, encoded.raw_size, len(encoded.body), encoded.base)

    def infos(self, ids: Sequence[Digest]) -> dict[Digest, ObjectInfo]:
        return {id: self.info(id) for id in ids if id in self._objects}

    def arranged(self, ids: Sequence[Digest]) -> list[Digest]:
        return sorted(ids, key=lambda id: id not in self._objects)

    def ids(self) -> Iterator[tuple[Digest, ObjectInfo]]:
        with self._lock:
            ids = sorted(self._objects)
            infos = [self.info(id) for id in ids]
        return iter(zip(ids, infos, strict=True))

    def placed_ids(self) -> list[Digest]:
        with self._lock:
            return list(self._objects)

    def codecs(self, ids: Sequence[Digest]) -> dict[Digest, Codec]:
        with self._lock:
            return {id: self._objects[id].codec for id in ids if id in self._objects}

    # ------------------------------------------------------------------ refs and operations

    def ref(self, name: str) -> bytes | None:
        return self._refs.get(name)

    def refs(self, prefix: str = "") -> dict[str, bytes]:
        with self._lock:
            names = sorted(self._refs, key=str.encode)
            return {name: self._refs[name] for name in names if name.startswith(prefix)}

    def changes(self) -> int:
        return self._changes

    def update_refs(self, updates: Sequence[RefUpdate], *, operation: bytes | None = None) -> int:
        with self.session() as session:
            return session.commit(updates, operation=operation)

    def take_over(self, other: Store, refs: Mapping[str, bytes]) -> None:
        with self._lock:
            self._refs = dict(refs)
            self._operations = dict(other.operations(newest_first=False))
            self._sequence = max(self._operations, default=0)
            self._audit = list(other.audit())
            self._head = other.audit_head()
            self._changes = other.changes()

    def operations(
        self, *, newest_first: bool = True, start: int | None = None
    ) -> Iterator[tuple[int, bytes]]:
        with self._lock:
            rows = sorted(self._operations.items(), reverse=newest_first)
        if start is not None:
            rows = [row for row in rows if (row[0] <= start if newest_first else row[0] >= start)]
        return iter(rows)

    # ------------------------------------------------------------------ audit

    def audit(self, *, start: int = 1) -> Iterator[AuditRow]:
        with self._lock:
            return iter(self._audit[max(0, start - 1) :])

    def audit_head(self) -> AuditHead:
        return self._head

    # ------------------------------------------------------------------ cache

    def cache_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._cache.get(key) for key in keys]

    def cache_scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        with self._lock:
            return iter(sorted(row for row in self._cache.items() if row[0].startswith(prefix)))

    def cache_put(self, rows: Mapping[bytes, bytes | None]) -> None:
        self._apply(RefTransaction(cache=rows))

    # ------------------------------------------------------------------ maintenance

    def check(
        self,
        *,
        read_data: bool = True,
        sample: float = 1.0,  # noqa: ARG002 - and what may be read in part is read whole
        monitor: Monitor | None = None,  # noqa: ARG002 - the protocol's; here nothing takes long
    ) -> Iterator[Damage]:
        for problem in problems(self.audit(), self._head):
            yield Damage(None, f"audit: {problem}", "memory")
        for id, info in self.ids():
            if info.base is not None and info.base not in self._objects:
                yield Damage(id, "base: it is missing", "memory")
            elif read_data:
                try:
                    self.get(id)
                except CorruptObject as error:
                    yield Damage(id, f"digest: {error}", "memory")

    def collect(
        self,
        mark: Mark,
        *,
        mark_new: MarkNew | None = None,  # noqa: ARG002
        given: Given = nothing_given,  # noqa: ARG002
        dry_run: bool = False,
        drop_operations_below: int = 0,
        stop: Stop = never,  # noqa: ARG002 - nothing takes long
        monitor: Monitor | None = None,  # noqa: ARG002
    ) -> CollectReport:
        with self._lock:
            operations = [
                data
                for n, data in self.operations(newest_first=False)
                if n >= drop_operations_below
            ]
            leased = {id for session in self._sessions for id in session.relied}
            known = [id for id in leased if id in self._objects]
            live = set(mark(self.refs(), operations, known, self.get_many))
            todo = list(live | leased)
            while todo:
                encoded = self._objects.get(todo.pop())
                if encoded is not None and encoded.base is not None and encoded.base not in live:
                    live.add(encoded.base)
                    todo.append(encoded.base)
            dead = [id for id in self._objects if id not in live and id not in leased]
            report = CollectReport(
                len(dead),
                sum(self._objects[id].raw_size for id in dead),
                sum(len(self._objects[id].body) for id in dead),
                len(self._objects) - len(dead),
            )
            if not dry_run:
                for id in dead:
                    del self._objects[id]
                for n in [n for n in self._operations if n < drop_operations_below]:
                    del self._operations[n]
                self._sweeps += bool(dead)
            return report

    def garbage_bound(self) -> GarbageBound:
        return GarbageBound(sum(len(e.body) for e in self._objects.values()), 0, 0)

    def optimize(
        self,
        recode: Recode,
        *,
        dry_run: bool = False,
        edition: int = 0,  # noqa: ARG002 - there are no packs
        stop: Stop | None = None,  # noqa: ARG002
        monitor: Monitor | None = None,  # noqa: ARG002
    ) -> OptimizeReport:
        freed = 0
        with self._lock:
            for id, encoded in list(self._objects.items()):
                base = None if encoded.base is None else self.get(encoded.base)
                smaller = recode(encoded, self.get(id), base)
                if smaller is not None:
                    freed += len(encoded.body) - len(smaller.body)
                    if not dry_run:
                        self._objects[id] = smaller._replace(body=bytes(smaller.body))
        return OptimizeReport(0, 0, freed)

    def rebase(
        self,
        plans: Iterable[Forms],
        *,
        dry_run: bool = False,
        stop: Stop = never,
        monitor: Monitor | None = None,  # noqa: ARG002
    ) -> RebaseReport:
        chunks = freed = 0
        with self._lock:
            for forms in plans:
                saved = sum(_stored(self._objects[id]) - _stored(encoded) for id, encoded in forms)
                if freed + saved >= 0:
                    chunks, freed = chunks + len(forms), freed + saved
                    if not dry_run:
                        self._objects.update(
                            {id: e._replace(body=bytes(e.body)) for id, e in forms}
                        )
                if stop():
                    break
        return RebaseReport(chunks, freed)

    def stats(self) -> StoreStats:
        return StoreStats(
            len(self._objects), 0, sum(len(e.body) for e in self._objects.values()), 0
        )

    def require_room(self, size: int, what: str, *, reserve: int = 0) -> None:
        """No disk is filled."""

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _apply(self, what: RefTransaction) -> int:
        refs = dict(self._refs)
        for update in what.updates:
            if refs.get(update.name) != update.expect:
                raise Conflict(f"{update.name} has changed meanwhile", kind="ref-changed")
            if update.target is None:
                refs.pop(update.name, None)
            else:
                refs[update.name] = update.target
        self._refs = refs
        self._changes += what.recorded
        for key, value in (what.cache or {}).items():
            if value is None:
                self._cache.pop(key, None)
            else:
                self._cache[key] = value
        if what.audit is not None:
            row, self._head = after(self._head, what.audit)
            self._audit.append(row)
        if what.operation is None:
            return 0
        self._sequence += 1
        self._operations[self._sequence] = what.operation
        return self._sequence


class MemorySession:
    """`api.Session` over a MemoryStore."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._new: dict[Digest, Encoded] = {}
        self.relied: set[Digest] = set()
        self.flushes = 0
        self._sweeps = store._sweeps
        self._closed = False
        store._sessions.add(self)

    def missing(self, ids: Sequence[Digest]) -> list[bool]:
        self._require_open()
        with self._store._lock:
            answer = [id not in self._new and id not in self._store._objects for id in ids]
            self.relied.update(id for id, absent in zip(ids, answer, strict=True) if not absent)
            return answer

    def put(self, id: Digest, encoded: Encoded) -> int:
        if not self.missing([id])[0]:
            return 0
        if len(encoded.body) > MAX_BODY_BYTES or encoded.raw_size > MAX_RAW_BYTES:
            raise UsageError("the object is too large")
        if encoded.base is not None and self.missing([encoded.base])[0]:
            raise MissingObject(f"the base {encoded.base.short()} is not in the store")
        self._new[id] = Encoded(encoded.codec, encoded.raw_size, bytes(encoded.body), encoded.base)
        self.relied.add(id)
        return len(encoded.body)

    def put_ready(self, ready: ReadyRecords) -> Added:
        return put_each(self, ready)

    def put_record(self, record: Record, data: Bytes) -> int:
        return len(data) if self.put(record.id, record.encoded()) else 0

    def put_records(self, records: Sequence[tuple[Record, Bytes]]) -> list[int]:
        return [self.put_record(record, data) for record, data in records]

    def drain(self) -> None:
        pass

    def flush(self) -> None:
        self.commit()

    def commit(
        self,
        updates: Sequence[RefUpdate] = (),
        *,
        operation: bytes | None = None,
        cache: Mapping[bytes, bytes | None] | None = None,
        audit: bytes | None = None,
    ) -> int:
        self._require_open()
        what = RefTransaction(updates, operation, cache, audit)
        store = self._store
        with store._lock:
            gone = [id for id in self.relied if id not in self._new and id not in store._objects]
            if gone and self._sweeps != store._sweeps:
                self._start_over()
                raise StaleReuse(f"{len(gone)} objects were collected meanwhile")
            self._sweeps = store._sweeps
            sequence = store._apply(what)
            for id, encoded in self._new.items():
                store._objects.setdefault(id, encoded)
            self.flushes += bool(self._new)
            self._new.clear()
            return sequence

    def close(self) -> None:
        self._store._sessions.discard(self)
        self._new.clear()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start_over(self) -> None:
        self._new.clear()
        self.relied.clear()
        self._sweeps = self._store._sweeps

    def _require_open(self) -> None:
        if self._closed:
            raise UsageError("the session is closed")
