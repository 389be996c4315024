"""What a collection may remove: rows that nothing reaches, among all or among those since the last collection
(FORMAT.md, section Collection). About 8 bytes of memory for each live object, 32 for each that is not.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from mvcd.ids import Digest
from mvcd.store import steps
from mvcd.store.api import Earlier, Given, Mark, MarkNew, nothing_given
from mvcd.store.collected import Collected, Pack, read_collected, young_rows
from mvcd.store.idset import Ascending, Prefixes, Sieve, prefix_of
from mvcd.store.index import Transaction
from mvcd.store.lease import leased_ids
from mvcd.store.meta import CHANGES, OPERATION, number
from mvcd.store.parts import Parts
from mvcd.store.refs import read_operations, read_refs
from mvcd.store.rows import BadRow, ObjectLocation, parse_location, typed_id
from mvcd.store.writers import PackRow, pack_rows

MOST_ABSENT_IDS = 1 << 17
"""Absent ids that are remembered from one collection to the next: 1 MiB."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one round of marking found, and the state it holds for. `after` is what may be remembered of it."""

    changes: int
    dead: Ascending
    raw_bytes: int  # of what is dead
    live_bytes: Mapping[int, int]  # by pack
    kept: int
    after: Collected | None


@dataclass(frozen=True, slots=True)
class _State:
    """The store at one moment. `young` is None where all rows have to be looked at."""

    changes: int
    operation: int
    rows: int
    refs: dict[str, bytes]
    packs: list[PackRow]
    earlier: Collected | None
    young: dict[bytes, ObjectLocation] | None


def leased_objects(store: Parts) -> list[Digest]:
    """What live sessions rely on and the store has."""
    leased = []
    ids = sorted(leased_ids(store.lease_directory))
    with store.index.read() as txn:
        for id in ids:
            location = _location(store, txn, id)
            if location is not None:
                leased.append(typed_id(id, location.kind))
    return leased


class Marker:
    """Makes plans for one store."""

    def __init__(
        self,
        store: Parts,
        mark: Mark,
        mark_new: MarkNew | None = None,
        given: Given = nothing_given,
    ) -> None:
        self._store = store
        self._index = store.index
        self._mark = mark
        self._mark_new = mark_new
        self._given = given

    def plan(self, drop_operations_below: int) -> Plan:
        state = self._state()
        leased = leased_objects(self._store)
        given = self._given(state.refs, leased)
        plan = self._plan_young(state, leased, given, drop_operations_below)
        if plan is None:
            plan = self._plan_all(state, leased, given, drop_operations_below)
        self._store.reached(steps.MARKED)
        return plan

    def _state(self) -> _State:
        index = self._index
        with index.read() as txn:
            packs = pack_rows(index, txn)
            earlier = read_collected(index, txn) if self._mark_new is not None else None
            young = None
            if earlier is not None:
                young = young_rows(index, txn, self._store.packs, packs, earlier)
            return _State(
                number(index, txn, CHANGES),
                number(index, txn, OPERATION),
                txn.stat(index.objects)["entries"],
                read_refs(index, txn),
                packs,
                earlier,
                young,
            )

    # ------------------------------------------------------------------ all rows

    def _plan_all(self, state: _State, leased: list[Digest], given: bytes, drop_below: int) -> Plan:
        live = Prefixes(
            self._mark(state.refs, self._operations(drop_below), leased, self._store.get_many)
        )
        live.update(leased)
        sieve, bases, dead = Sieve(live), Prefixes(), Ascending()
        tally = _Tally({})
        for id, location in self._store.locations():
            passes = sieve.passes(id)
            if isinstance(location, BadRow):
                continue  # damage is for `check` to report, not for us to sweep away
            if passes:
                tally.keep(location)
                if location.base is not None:
                    bases.update((location.base,))
            else:
                dead.append(id)
                tally.drop(location)
        dead = self._spare(dead, [base for base in dead if base in bases], tally)
        after = self._after(state, leased, given, tally, sieve.absent(), drop_below)
        return tally.plan(state.changes, dead, tally.kept, after)

    # ------------------------------------------------------------------ rows since the last collection

    def _plan_young(
        self, state: _State, leased: list[Digest], given: bytes, drop_below: int
    ) -> Plan | None:
        """None where that is not enough."""
        earlier, young = state.earlier, state.young
        if earlier is None or young is None or self._mark_new is None or earlier.given != given:
            return None
        missed = frozenset(earlier.absent)
        before = Earlier(
            refs=earlier.refs,
            operations=self._operations(earlier.first_operation, drop_below),
            came=[typed_id(id, at.kind) for id, at in young.items() if prefix_of(id) in missed],
            unsettled=lambda ids: self._unsettled(earlier, ids),
        )
        since = self._operations(max(drop_below, earlier.operation + 1))
        found = self._mark_new(before, state.refs, since, leased, self._store.get_many)
        if found is None:
            return None
        live, absent = set[bytes](), set(missed)
        for id in found:
            if id in young:
                live.add(id)
            elif len(absent) <= MOST_ABSENT_IDS:
                absent.add(prefix_of(id))
        live.update(id for id in leased if id in young)
        dead = Ascending()
        tally = _Tally({number: pack.live for number, pack in earlier.packs.items()})
        for key, location in sorted(young.items()):
            if key in live:
                tally.keep(location)
            else:
                dead.append(key)
                tally.drop(location)
        bases = {young[id].base for id in live}
        dead = self._spare(dead, [base for base in dead if base in bases], tally)
        still = array("Q", sorted(absent))
        after = self._after(state, leased, given, tally, still, drop_below)
        return tally.plan(state.changes, dead, earlier.rows + tally.kept, after)

    def _unsettled(self, earlier: Collected, ids: Iterable[Digest]) -> list[Digest]:
        found = []
        with self._index.read() as txn:
            for id in ids:
                location = _location(self._store, txn, id)
                if location is None or not earlier.settled(location):
                    found.append(id)
        return found

    # ------------------------------------------------------------------ both

    def _operations(self, start: int, below: int | None = None) -> Iterable[bytes]:
        rows = read_operations(self._index, newest_first=False, start=start)
        for sequence, data in rows:
            if below is not None and sequence >= below:
                return
            yield data

    def _spare(self, dead: Ascending, bases: list[bytes], tally: _Tally) -> Ascending:
        """Candidates without those that live deltas rest on, directly or through others."""
        needed: set[bytes] = set()
        with self._index.read() as txn:
            while bases:
                id = bases.pop()
                location = None if id in needed else _location(self._store, txn, id)
                if location is None:
                    continue
                needed.add(id)
                tally.drop(location, times=-1)
                tally.keep(location)
                if location.base is not None and location.base in dead:
                    bases.append(location.base)
        return dead.without(needed) if needed else dead

    def _after(
        self,
        state: _State,
        leased: Collection[Digest],
        given: bytes,
        tally: _Tally,
        absent: array[int],
        drop_below: int,
    ) -> Collected | None:
        if self._mark_new is None or leased or len(absent) > MOST_ABSENT_IDS:
            return None
        packs = {p.number: Pack(p.length, tally.live[p.number]) for p in state.packs}
        rows = state.rows - tally.dropped
        return Collected(rows, state.operation, drop_below, given, packs, absent, state.refs)


class _Tally:
    """Counts of what stays and what goes."""

    def __init__(self, live: dict[int, int]) -> None:
        self.live: dict[int, int] = defaultdict(int, live)
        self.kept = 0
        self.dropped = 0
        self.raw_bytes = 0

    def keep(self, location: ObjectLocation) -> None:
        self.kept += 1
        self.live[location.pack] += location.size

    def drop(self, location: ObjectLocation, times: int = 1) -> None:
        self.dropped += times
        self.raw_bytes += times * location.raw_size

    def plan(self, changes: int, dead: Ascending, kept: int, after: Collected | None) -> Plan:
        return Plan(changes, dead, self.raw_bytes, self.live, kept, after)


def _location(store: Parts, txn: Transaction, id: bytes) -> ObjectLocation | None:
    """None where there is no row, or a damaged one."""
    row = txn.get(id, db=store.index.objects)
    with suppress(BadRow):
        return None if row is None else parse_location(row)
    return None
