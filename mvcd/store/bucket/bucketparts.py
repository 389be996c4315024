"""The parts of an open store in a bucket, and what they do together: its state, this client's index, its packs.
Sessions, collections and checks work with them (BUCKET.md).
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Protocol

from mvcd.errors import CorruptObject, IntegrityError, MissingObject, MvcError, StaleReuse
from mvcd.ids import Bytes, Digest
from mvcd.store import cacherows
from mvcd.store.api import AuditHead, AuditRow, ObjectReader
from mvcd.store.bucket.blobpacks import BlobPacks
from mvcd.store.bucket.blobs import BlobAbsent, Blobs
from mvcd.store.bucket.bucketstate import PACKS, RUNS, BucketState, RunEntry
from mvcd.store.bucket.indexrun import decode_run
from mvcd.store.bucket.logsegments import audit_rows, operation_rows, read_segment, spilled
from mvcd.store.bucket.merging import Merging, RunsMoved, mergeable
from mvcd.store.bucket.runindex import RunIndex
from mvcd.store.bucket.swapping import Edit, Outdated, StateHead
from mvcd.store.damage import present
from mvcd.store.peer import HEALING
from mvcd.store.reader import PackedObjects
from mvcd.store.record import BadRecord, parse_record, require_crc
from mvcd.store.refs import RefTransaction
from mvcd.store.rows import ObjectLocation

FETCHED_RUNS = 8
"""Runs fetched at once."""
LOOK_ATTEMPTS = 8
KEPT_LOG_PARTS = 4
"""Segments of logs in memory, of 1 MiB and less: who looks for a moment asks for their rows again and again."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that is in the bucket, what it replaces, and what no state may have condemned."""

    entry: RunEntry
    data: bytes
    replaces: frozenset[str]
    names: tuple[str, ...]


class BucketWriter(Protocol):
    """What the others ask of a session. `relied` are ids that it was asked about or given; `epoch` is that of
    the index in which it asked first; `unnamed_bytes` are those of records that no state names yet."""

    relied: set[Digest]
    epoch: int
    unnamed_bytes: int

    def relied_and_stored(self) -> set[Digest]:
        """What it counts on besides what it puts."""

    def pending(self) -> set[str]:
        """Names of objects that are in the bucket, or will be, for its next swap."""

    def start_over(self) -> None:
        """Drops what was put: something that it may rest on is gone."""

    def close(self) -> None: ...


class BucketParts(PackedObjects):
    """Thread-safe. Objects that a store near by has too are read there; `read_there` does not."""

    way_to_damage = HEALING

    def __init__(
        self,
        blobs: Blobs,
        head: StateHead,
        rows: RunIndex,
        *,
        grace_seconds: float,
        nearby: ObjectReader | None,
    ) -> None:
        self.blobs = blobs
        self.head = head
        self.rows = rows
        self.grace_seconds = grace_seconds
        self.sessions: weakref.WeakSet[BucketWriter] = weakref.WeakSet()
        self.segment = lru_cache(KEPT_LOG_PARTS)(partial(read_segment, blobs))
        self._nearby = nearby
        self._lock = threading.RLock()
        packs = BlobPacks(blobs, rows.pack, rows.held, self.look)
        super().__init__(rows.index, packs)

    @property
    def state(self) -> BucketState:
        """What was last seen of the object that is swapped."""
        return self.head.state

    # ------------------------------------------------------------------ objects

    def get(self, id: Digest) -> bytes:
        if self._nearby is not None and self.has([id])[0]:
            with suppress(MissingObject, CorruptObject):
                return self._nearby.get(id)
        return super().get(id)

    def get_many(
        self,
        ids: Sequence[Digest],
        *,
        as_bases: bool = False,  # noqa: ARG002 - never on the way to a commit
        known: Mapping[Digest, Bytes] = {},
    ) -> Iterator[tuple[Digest, bytes]]:
        left = ids
        if self._nearby is not None:
            here = present(self.index, ids)
            close = [id for id in ids if id in here]
            with_us = self._nearby.has(close)
            done = set()
            with suppress(CorruptObject):
                for id, data in self._nearby.get_many(
                    [id for id, near in zip(close, with_us, strict=True) if near], known=known
                ):
                    done.add(id)
                    yield id, data
            left = [id for id in ids if id not in done]
        yield from self.read_there(left, known)

    def records(self, ids: Sequence[Digest]) -> Iterator[Bytes]:
        """Each record's checksum was compared: what is damaged there is known from then on, and who pushes from
        here heals it. Raises CorruptObject."""
        for frame in super().records(ids):
            offset = 0
            while offset < len(frame):
                record = parse_record(frame, offset, check_crc=False)
                end = offset + record.size
                try:
                    require_crc(record, memoryview(frame)[offset:end])
                except BadRecord as error:
                    raise self._corrupt(record.id, str(error)) from error
                offset = end
            yield frame

    def _named(self, at: ObjectLocation) -> str:
        return f"{self.blobs.url}, {PACKS}{self.rows.pack(at.pack).hash.hex()[:12]} at {at.offset}"

    def read_there(
        self, ids: Sequence[Digest], known: Mapping[Digest, Bytes] = {}
    ) -> Iterator[tuple[Digest, bytes]]:
        """Objects from the bucket itself, though they may be near by."""
        return super().get_many(ids, known=known)

    # ------------------------------------------------------------------ logs

    def operations(
        self, *, newest_first: bool = True, start: int | None = None
    ) -> Iterator[tuple[int, bytes]]:
        while True:
            try:
                for number, data in operation_rows(
                    self.segment, self.state, newest_first=newest_first, start=start
                ):
                    yield number, data
                    start = number - 1 if newest_first else number + 1
                return
            except Outdated as error:
                self.look_further(error)

    def audit(self, *, start: int = 1) -> Iterator[AuditRow]:
        while True:
            try:
                for row in audit_rows(self.segment, self.state, start):
                    yield row
                    start = row.sequence + 1
                return
            except Outdated as error:
                self.look_further(error)

    def audit_head(self) -> AuditHead:
        return self.state.audit_head

    # ------------------------------------------------------------------ cache: this client's

    def cache_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return cacherows.cache_get(self.index, keys)

    def cache_scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return cacherows.cache_scan(self.index, prefix)

    def cache_put(self, rows: Mapping[bytes, bytes | None]) -> None:
        cacherows.cache_put(self.index, rows)

    # ------------------------------------------------------------------ the bucket's state, and ours

    def look(self) -> BucketState:
        """Reads the newest state and brings the index up to it."""
        with self._lock:
            self.head.look()
            self.catch_up()
            return self.state

    def change(self, edit: Edit, runs: Mapping[str, bytes] | None = None) -> BucketState:
        """Swaps in what `edit` makes of the newest state; `runs` are the objects of runs that are new in it."""
        with self._lock:
            state = self.head.change(edit)
            try:
                self.catch_up(runs)
            except MvcError:
                # What was swapped in stays so; the next look brings the rest.
                for name, data in (runs or {}).items():
                    self.rows.lend(name, data)
            return state

    def catch_up(self, known: Mapping[str, bytes] | None = None) -> None:
        """Brings the index up to the state, for which it fetches runs that are not `known`."""
        with self._lock:
            for _ in range(LOOK_ATTEMPTS):
                before = self.rows.applied()
                ahead = before is not None and before.generation > self.state.generation
                if ahead:  # another process of ours was faster, or somebody put back older objects
                    self.head.look()
                put_back = before is not None and before.generation > self.state.generation
                try:
                    self.rows.bring(self.state, lambda n: self._fetched(n, known), anew=put_back)
                    return
                except Outdated as error:
                    self.head.look_further(error)
            raise IntegrityError(
                f"the index runs of {self.blobs.url} went as often as they were asked for",
                help="run the command again",
            )

    def index_epoch(self) -> int:
        """The epoch of the state whose rows the index has: what it says is there was there then."""
        applied = self.rows.applied()
        return -1 if applied is None else applied.epoch

    def publish(
        self, session: BucketWriter, run: NewRun | None, what: RefTransaction
    ) -> BucketState:
        """Swaps in a session's run and refs. Raises StaleReuse, after which the session has started over,
        Conflict, RunsMoved."""

        moves = any(update.target is not None for update in what.updates)

        def edit(state: BucketState) -> BucketState:
            if moves and session.relied and state.epoch != session.epoch:
                raise _judged_too_early()
            self._require_sound(session, run, state)
            made = state if run is None else _with_run(state, run)
            return spilled(self.blobs, made.moved(what))

        with self._starting_over(session):
            return self.change(edit, None if run is None else {run.entry.name: run.data})

    def settle(self, session: BucketWriter) -> None:
        """Finds out whether all that a session counts on is there in the state as it is known here: what is
        asked of refs from then on, and what the session commits, rest on one epoch. Raises StaleReuse, after
        which the session has started over."""
        with self._starting_over(session):
            self._require_sound(session, None, self.state)

    def to_merge(self) -> Merging:
        """The runs that the next one is to take up."""
        names = [run.name for run in mergeable(self.state.runs)]
        try:
            data = self._fetched(names, None)
        except Outdated:
            return Merging()
        return Merging({name: decode_run(name, data[name]) for name in names})

    # ------------------------------------------------------------------ inside

    @contextmanager
    def _starting_over(self, session: BucketWriter) -> Iterator[None]:
        """Under the lock; where what a session counts on is gone, it starts over."""
        with self._lock:
            try:
                yield
            except StaleReuse:
                with suppress(MvcError):
                    self.catch_up()
                session.start_over()
                raise

    def _require_sound(self, session: BucketWriter, run: NewRun | None, state: BucketState) -> None:
        """Raises StaleReuse where something that a session counts on was taken away since it began."""
        if state.epoch == session.epoch:
            return
        self.rows.bring(state, lambda names: self._fetched(names, None))
        gone = session.relied_and_stored() - present(self.index, list(session.relied_and_stored()))
        if gone:
            raise StaleReuse(
                f"{len(gone)} objects that this push reuses were collected meanwhile",
                cause=f"the first is {min(gone).hex()[:12]}",
                help="run the command again",
            )
        if run is not None:
            condemned = {one.name for one in state.condemned}
            for name in run.names:
                if name in condemned or not self._exists(name):
                    raise StaleReuse(
                        "what this push had sent was collected before it was used",
                        help="run the command again",
                    )
        session.epoch = state.epoch

    def _exists(self, name: str) -> bool:
        try:
            self.blobs.get_ranges(name, [(0, 1)])
        except BlobAbsent:
            return False
        return True

    def _fetched(self, names: Sequence[str], known: Mapping[str, bytes] | None) -> dict[str, bytes]:
        found = {name: known[name] for name in names if known and name in known}
        found |= self.rows.kept_runs([name for name in names if name not in found])
        left = [name for name in names if name not in found]
        if len(left) < 2:
            return found | dict(map(self._fetch_run, left))
        with ThreadPoolExecutor(FETCHED_RUNS, "mvc-bucket-get") as pool:
            return found | dict(pool.map(self._fetch_run, left))

    def _fetch_run(self, name: str) -> tuple[str, bytes]:
        try:
            return name, self.blobs.get(RUNS + name)[0]
        except BlobAbsent:
            raise Outdated(RUNS + name) from None

    def look_further(self, error: Outdated) -> None:
        with self._lock:
            self.head.look_further(error)


def _judged_too_early() -> StaleReuse:
    return StaleReuse(
        "something was collected while refs were about to move",
        cause="what they were found to reach may rest on a ref that is gone since then",
        help="run the command again",
    )


def _with_run(state: BucketState, run: NewRun) -> BucketState:
    """The state with a run in place of those that it took up. Raises RunsMoved when these are not all there."""
    kept = [one for one in state.runs if one.name not in run.replaces]
    if len(kept) != len(state.runs) - len(run.replaces):
        raise RunsMoved
    names = [one.name for one in state.runs]
    at = min((names.index(name) for name in run.replaces), default=len(names))
    return replace(state, runs=(*kept[:at], run.entry, *kept[at:]))
