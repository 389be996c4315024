"""Collection in a bucket: what nothing needs is condemned by one swap, and deleted by a later collection
(BUCKET.md, section Collection, has the argument why that is safe).
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice

from mvcd.errors import Busy
from mvcd.ids import Digest, Kind
from mvcd.store.api import Mark, Stop
from mvcd.store.bucket.blobs import BlobInfo
from mvcd.store.bucket.bucketparts import BucketParts, BucketWriter
from mvcd.store.bucket.bucketstate import (
    CLOCK,
    LOGS,
    PACKS,
    REFS,
    RUNS,
    BucketState,
    Condemned,
    RunEntry,
    is_of_store,
)
from mvcd.store.bucket.indexrun import NamedPack, RunPlace, encode_run, object_name
from mvcd.store.bucket.logsegments import operation_rows, without_operations
from mvcd.store.bucket.moving import MovedRecords, RecordMover
from mvcd.store.idset import Prefixes
from mvcd.store.reports import CollectReport
from mvcd.store.rows import BadRow, ObjectLocation

ROUNDS = 6
"""Collections that somebody's push made void, until this one gives up."""
SMALL_PACK_BYTES = 4 << 20
SMALL_PACKS = 16
"""Packs below 4 MiB from which on they are put together: a clone reads each of them with a request."""
DEAD_SHARE = 0.5
"""Share of a pack that is dead from which on the rest is written anew."""
RUN_ROWS = 1 << 20
"""Rows of a run that a collection writes: 50 MB."""


class _Outrun(Exception):
    """Something was swapped in since this collection looked."""


@dataclass(slots=True)
class _Tally:
    live_bytes: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    live_rows: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    dead: set[bytes] = field(default_factory=set)
    dead_raw_bytes: int = 0
    kept: int = 0

    def keep(self, at: ObjectLocation) -> None:
        self.live_bytes[at.pack] += at.size
        self.live_rows[at.pack] += 1
        self.kept += 1


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one look found. Packs by number: `going` have no live row, `moving` are written anew."""

    state: BucketState
    now_ns: int
    tally: _Tally
    going: frozenset[int]
    moving: frozenset[int]
    due: tuple[Condemned, ...]
    orphans: tuple[Condemned, ...]


class BucketCollector:
    """One `run`."""

    def __init__(self, store: BucketParts, mark: Mark, stop: Stop) -> None:
        """`store` has an index made for this collection from the bucket's runs: what is written there as the
        index of all clients must not come from one that may have been damaged here, and what lives is found
        by reading what that state has."""
        self._store = store
        self._mark = mark
        self._stop = stop
        self._grace_ns = round(store.grace_seconds * 1e9)
        self._given_up: list[Condemned] = []
        self._leased: dict[BucketWriter, int] = {}  # ids that sessions of this process relied on

    def run(self, *, dry_run: bool, drop_operations_below: int) -> CollectReport:
        """Raises Busy where others push all the time, and what `mark` raises."""
        for _ in range(ROUNDS):
            plan = self._plan(drop_operations_below, dry_run=dry_run)
            if dry_run:
                return self._report(plan)
            self._delete(plan.due)
            try:
                stopped = self._carry_out(plan, drop_operations_below)
            except _Outrun:
                self._store.look()
                continue
            return replace(self._report(plan), stopped=stopped)
        raise Busy(
            f"{self._store.blobs.url} changes too often to be collected",
            cause=f"somebody pushed {ROUNDS} times while it was looked at",
            help="run the command again when there are fewer pushes",
        )

    # ------------------------------------------------------------------ looking

    def _plan(self, drop_below: int, *, dry_run: bool) -> _Plan:
        store, state = self._store, self._store.state
        there = {one.name: one for space in (PACKS, RUNS, LOGS) for one in self._own(space)}
        stamps = [*there.values(), *store.blobs.list(REFS)]
        now_ns = max((one.modified_ns for one in stamps), default=0)
        if not dry_run:
            now_ns = self._bucket_time(now_ns)
        before_ns = now_ns - self._grace_ns

        @cache
        def is_young(pack: int) -> bool:
            found = there.get(PACKS + store.rows.pack(pack).hash.hex())
            return self._grace_ns > 0 and found is not None and found.modified_ns > before_ns

        operations = self._operations(max(drop_below, state.first_operation))
        tally = self._tallied(state, operations, is_young)
        going, moving = self._sorted(tally, there)
        named = {PACKS + store.rows.pack(n).hash.hex() for n in tally.live_bytes}
        named |= {RUNS + run.name for run in state.runs}
        named |= {LOGS + s.name for s in (*state.operation_segments, *state.audit_segments)}
        named |= {one.name for one in state.condemned}
        named |= {name for session in store.sessions for name in session.pending()}
        named |= {PACKS + store.rows.pack(n).hash.hex() for n in going}
        orphans = [
            Condemned(one.name, one.size_bytes, now_ns)
            for one in there.values()
            if one.name not in named and one.modified_ns <= before_ns
        ]
        due = tuple(one for one in state.condemned if one.since_ns <= before_ns)
        return _Plan(state, now_ns, tally, going, moving, due, tuple(orphans))

    def _own(self, space: str) -> Iterator[BlobInfo]:
        return (one for one in self._store.blobs.list(space) if is_of_store(one.name))

    def _bucket_time(self, at_least_ns: int) -> int:
        """The time by the bucket's clock, which only what it writes down tells."""
        name = CLOCK + secrets.token_hex(8)
        self._store.blobs.put(name, name.encode())
        stamps = list(self._own(CLOCK))
        self._store.blobs.delete([one.name for one in stamps])
        return max([at_least_ns, *(one.modified_ns for one in stamps)])

    def _operations(self, start: int) -> Iterator[bytes]:
        for _, data in operation_rows(
            self._store.segment, self._store.state, newest_first=False, start=start
        ):
            yield data

    def _tallied(
        self, state: BucketState, operations: Iterable[bytes], is_young: _IsYoung
    ) -> _Tally:
        """What lives and what does not, by rows. Raises what marking raises."""
        store = self._store
        self._leased = {session: len(session.relied) for session in store.sessions}
        relied = sorted({id for session in store.sessions for id in session.relied})
        leased = [id for id, here in zip(relied, store.has(relied), strict=True) if here]
        leased += self._young_versions(is_young)
        live = Prefixes(self._mark(dict(state.refs), operations, leased, store.get_many))
        live.update(leased)
        tally, bases = _Tally(), Prefixes()
        candidates: dict[bytes, ObjectLocation] = {}
        for id, at in store.locations():
            if isinstance(at, BadRow):
                continue  # of this client's index alone: it is made anew when it is opened next
            if id in live or is_young(at.pack):
                tally.keep(at)
                if at.base is not None:
                    bases.update((at.base,))
            else:
                candidates[bytes(id)] = at
        needed = [id for id in candidates if id in bases]
        while needed:
            spared = candidates.pop(needed.pop(), None)
            if spared is not None:
                tally.keep(spared)
                if spared.base is not None and spared.base in candidates:
                    needed.append(bytes(spared.base))
        for digest, location in candidates.items():
            tally.dead.add(digest)
            tally.dead_raw_bytes += location.raw_size
            tally.live_bytes[location.pack] += 0
        return tally

    def _young_versions(self, is_young: _IsYoung) -> Iterator[Digest]:
        """Who pushes upon a version that stays counts on its content, which may be older than its record."""
        for id, at in self._store.locations():
            if not isinstance(at, BadRow) and at.kind is Kind.VERSION and is_young(at.pack):
                yield id

    def _sorted(self, tally: _Tally, there: Iterable[str]) -> tuple[frozenset[int], frozenset[int]]:
        """Packs that go, and those whose live records are written anew."""
        sizes = {number: self._store.rows.pack(number).size_bytes for number in tally.live_bytes}
        present = set(there)
        going = {number for number, live in tally.live_bytes.items() if not live}
        moving = {
            number
            for number, live in tally.live_bytes.items()
            if number not in going and live < (1 - DEAD_SHARE) * sizes[number]
        }
        small = {n for n, size in sizes.items() if size < SMALL_PACK_BYTES} - going
        if len(small) >= SMALL_PACKS:
            moving |= small
        lost = {n for n in moving if PACKS + self._store.rows.pack(n).hash.hex() not in present}
        return frozenset(going), frozenset(moving - lost)

    # ------------------------------------------------------------------ doing

    def _carry_out(self, plan: _Plan, drop_below: int) -> bool:
        """Swaps in what is left; whether it was told to stop before packs were written anew. Raises _Outrun."""
        store, state = self._store, plan.state
        made = without_operations(state, drop_below)
        stopped, data, taken, new = False, dict[str, bytes](), [*plan.orphans], list[Condemned]()
        if plan.tally.dead or plan.going or plan.moving:
            moved = RecordMover(store, self._stop).move(plan.moving, plan.tally.dead)
            stopped = moved.stopped
            kept = self._kept_runs(plan, moved)
            runs, data = self._new_runs(plan, moved, kept)
            made = replace(made, runs=(*kept, *runs))
            gone = sorted(plan.going | moved.left)
            taken += [self._condemned_pack(store.rows.pack(n), plan) for n in gone]
            taken += [
                Condemned(RUNS + r.name, r.size_bytes, plan.now_ns)
                for r in state.runs
                if r not in kept
            ]
            new += [self._condemned_pack(pack, plan) for pack in moved.packs]
            new += [Condemned(RUNS + r.name, r.size_bytes, plan.now_ns) for r in runs]
        taken += [
            Condemned(LOGS + one.name, one.size_bytes, plan.now_ns)
            for one in state.operation_segments
            if one not in made.operation_segments
        ]
        taken += self._given_up
        if not taken and not plan.due and made is state:
            return stopped
        due = {one.name for one in plan.due}
        condemned = [one for one in state.condemned if one.name not in due]
        made = replace(
            made,
            epoch=state.epoch + bool(taken),
            condemned=(*condemned, *taken),
            kept_bytes=made.pack_bytes,
        )
        self._given_up += new

        def edit(now: BucketState) -> BucketState:
            if now.generation != state.generation:
                raise _Outrun
            return made

        store.change(edit, data)
        for session, count in self._leased.items():
            if session.epoch == state.epoch and len(session.relied) == count:
                session.epoch = (
                    made.epoch
                )  # all that it relies on was marked, with what that reaches
        if not self._grace_ns:
            self._delete(taken)
        return stopped

    def _kept_runs(self, plan: _Plan, moved: MovedRecords) -> list[RunEntry]:
        """The runs that stay as they are: every row of theirs lives, where it was and as the newest of its
        digest, and no other run names their packs."""
        applied = self._store.rows.applied()
        assert applied is not None
        gone, kept = plan.going | moved.left, []
        for run in plan.state.runs:
            packs = applied.left_by([run.name])
            if packs is not None and packs.isdisjoint(gone):
                rows = sum(plan.tally.live_rows[number] for number in packs)
                kept += [run] * (rows == run.rows)
        return kept

    def _new_runs(
        self, plan: _Plan, moved: MovedRecords, kept: Sequence[RunEntry]
    ) -> tuple[tuple[RunEntry, ...], dict[str, bytes]]:
        """All live rows of other runs than the `kept` as runs, in the bucket. Their packs are counted with the
        first."""
        entries: list[RunEntry] = []
        data: dict[str, bytes] = {}
        applied = self._store.rows.applied()
        assert applied is not None
        staying = frozenset[int]().union(*(applied.packs[run.name] for run in kept))
        gone = plan.going | moved.left | staying
        live = [self._store.rows.pack(n) for n in sorted(plan.tally.live_bytes.keys() - gone)]
        packs = len(live) + len(moved.packs)
        pack_bytes = sum(pack.size_bytes for pack in (*live, *moved.packs))
        found = self._live_rows(plan, moved, staying)
        while batch := list(islice(found, RUN_ROWS)):
            numbers: dict[NamedPack, int] = {}
            rows = {
                digest: at._replace(pack=numbers.setdefault(pack, len(numbers)))
                for digest, pack, at, _ in batch
            }
            held = [record for *_, record in batch if record is not None]
            object = encode_run(list(numbers), rows, held)
            name = object_name(object)
            self._store.blobs.put(RUNS + name, object)
            entries.append(RunEntry(name, len(object), len(rows), packs, pack_bytes))
            data[name] = object
            packs = pack_bytes = 0
        return tuple(entries), data

    def _live_rows(
        self, plan: _Plan, moved: MovedRecords, staying: frozenset[int]
    ) -> Iterator[tuple[bytes, NamedPack, RunPlace, bytes | None]]:
        """Digest, pack, place, and the record where it is held, but for packs whose runs are `staying`."""
        rows = self._store.rows
        for id, at in self._store.locations():
            if isinstance(at, BadRow) or id in plan.tally.dead or at.pack in staying:
                continue
            held = None
            if id.kind is Kind.VERSION:
                held = rows.held([(at.pack, at.offset, at.size)]).get((at.pack, at.offset))
            place = moved.places.get(id)
            if place is not None and at.pack in moved.left:
                yield bytes(id), moved.packs[place.pack], place, held
            else:
                place = RunPlace(0, at.offset, at.body_size, at.raw_size, at.kind, at.base)
                yield bytes(id), rows.pack(at.pack), place, held

    def _delete(self, condemned: Sequence[Condemned]) -> None:
        if condemned:
            self._store.blobs.delete([one.name for one in condemned])

    def _condemned_pack(self, pack: NamedPack, plan: _Plan) -> Condemned:
        return Condemned(PACKS + pack.hash.hex(), pack.size_bytes, plan.now_ns)

    def _report(self, plan: _Plan) -> CollectReport:
        """Bytes are those that go now: with a time of grace, what was condemned before."""
        tally = plan.tally
        freed = sum(one.size_bytes for one in plan.due)
        if not self._grace_ns:
            freed += sum(one.size_bytes for one in plan.orphans)
            for number in plan.going | plan.moving:
                size = self._store.rows.pack(number).size_bytes
                freed += max(0, size - tally.live_bytes[number])
        return CollectReport(
            objects=len(tally.dead),
            raw_bytes=tally.dead_raw_bytes,
            freed_bytes=freed,
            kept_objects=tally.kept,
        )


_IsYoung = Callable[[int], bool]
