"""Collection: removes rows that nothing reaches, then the bytes (FORMAT.md, section Collection).

Marking runs beside commits, on a snapshot of refs and operations. The sweep is one write transaction
that first makes sure the snapshot still holds. About 110 bytes of memory for each live object.
"""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from mvcd.disk.locks import lock_directory
from mvcd.errors import Busy
from mvcd.ids import Digest
from mvcd.monitor import Monitor
from mvcd.store import steps
from mvcd.store.api import CollectReport, Mark
from mvcd.store.index import Transaction
from mvcd.store.lease import leased_ids
from mvcd.store.meta import CHANGES, SWEEPS, number, put_number
from mvcd.store.parts import Parts
from mvcd.store.refs import full_changes, read_operations, read_refs
from mvcd.store.repack import Repacker
from mvcd.store.rows import (
    BadRow,
    ObjectLocation,
    parse_location,
    sequence_of,
    typed_id,
)

OPTIMISTIC_ROUNDS = 3


class _Moved(Exception):
    """The world changed between marking and sweeping."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one round of marking found, and the state it holds for."""

    changes: int
    dead: dict[bytes, ObjectLocation]
    live_bytes: dict[int, int]  # by pack
    kept: int


class Collector:
    """Holds the collector's lock; one `run`."""

    def __init__(self, store: Parts, mark: Mark, monitor: Monitor) -> None:
        self._store = store
        self._index = store.index
        self._mark = mark
        self._monitor = monitor
        lock = lock_directory(store.pack_directory)
        if lock is None:
            raise Busy("another collection is running", help="run the command again later")
        self._lock = lock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._lock)

    def run(self, *, dry_run: bool, drop_operations_below: int) -> CollectReport:
        """Raises NotPermitted where the store may only be read, unless `dry_run`."""
        if not dry_run:
            self._index.require_writable()
        self._index.clear_stale_readers()
        if dry_run:
            plan = self._plan(drop_operations_below)
            freed = Repacker(self._store, self._monitor).would_free(plan.live_bytes)
            return _report(plan, freed)
        plan = self._sweep(drop_operations_below)
        self._store.reached(steps.SWEPT)
        if drop_operations_below:
            with suppress(OSError):
                self._store.journal.rewrite(full_changes(self._index))
        freed = Repacker(self._store, self._monitor).run(plan.live_bytes)
        return _report(plan, freed)

    # ------------------------------------------------------------------ marking

    def _plan(self, drop_operations_below: int) -> _Plan:
        with self._index.read() as txn:
            changes = number(self._index, txn, CHANGES)
            refs = read_refs(self._index, txn)
        operations = (
            data
            for _, data in read_operations(
                self._index, newest_first=False, start=drop_operations_below
            )
        )
        leased = self._leased()
        live: set[bytes] = set(self._mark(refs, operations, leased))
        live.update(leased)
        dead: dict[bytes, ObjectLocation] = {}
        bases: dict[bytes, bytes] = {}  # of candidates: a live delta may rest on one of them
        live_bytes: dict[int, int] = defaultdict(int)
        kept = 0
        for id, location in self._store.locations():
            if isinstance(location, BadRow):
                continue  # damage is for `check` to report, not for us to sweep away
            if id in live:
                kept += 1
                live_bytes[location.pack] += location.size
                if location.base is not None:
                    bases[id] = location.base
            else:
                dead[id] = location
        for base in self._closure_of_bases(bases, dead):
            location = dead.pop(base)
            kept += 1
            live_bytes[location.pack] += location.size
        self._store.reached(steps.MARKED)
        return _Plan(changes, dead, live_bytes, kept)

    def _closure_of_bases(
        self, bases: dict[bytes, bytes], dead: dict[bytes, ObjectLocation]
    ) -> set[bytes]:
        """Candidates that live deltas rest on, directly or through others."""
        needed: set[bytes] = set()
        todo = list(bases.values())
        while todo:
            base = todo.pop()
            if base in dead and base not in needed:
                needed.add(base)
                further = dead[base].base
                if further is not None:
                    todo.append(further)
        return needed

    def _leased(self) -> list[Digest]:
        """What live sessions rely on and the store has."""
        leased = []
        ids = sorted(leased_ids(self._store.lease_directory))
        with self._index.read() as txn:
            for id in ids:
                row = txn.get(id, db=self._index.objects)
                if row is not None:
                    with suppress(BadRow):
                        leased.append(typed_id(id, parse_location(row).kind))
        return leased

    # ------------------------------------------------------------------ sweeping

    def _sweep(self, drop_operations_below: int) -> _Plan:
        """One transaction; marks again when refs moved or a lease wants a candidate."""
        for _ in range(OPTIMISTIC_ROUNDS):
            plan = self._plan(drop_operations_below)
            try:
                self._index.write(lambda txn: self._remove(txn, plan, drop_operations_below))  # noqa: B023
            except _Moved:
                continue
            return plan
        return self._index.write(lambda txn: self._sweep_alone(txn, drop_operations_below))

    def _sweep_alone(self, txn: Transaction, drop_operations_below: int) -> _Plan:
        """Marks inside the write transaction: commits wait, so that a busy store is collected too.

        A lease may still name a candidate after it was read here; its session will then notice the sweep.
        """
        plan = self._plan(drop_operations_below)
        self._remove(txn, plan, drop_operations_below, alone=True)
        return plan

    def _remove(
        self, txn: Transaction, plan: _Plan, drop_operations_below: int, *, alone: bool = False
    ) -> None:
        index = self._index
        if not alone:
            if number(index, txn, CHANGES) != plan.changes:
                raise _Moved
            if not plan.dead.keys().isdisjoint(leased_ids(self._store.lease_directory)):
                raise _Moved
        for id in sorted(plan.dead):
            txn.delete(id, db=index.objects)
        if plan.dead:
            put_number(index, txn, SWEEPS, number(index, txn, SWEEPS) + 1)
        self._drop_operations(txn, drop_operations_below)

    def _drop_operations(self, txn: Transaction, below: int) -> None:
        cursor = txn.cursor(db=self._index.operations)
        while cursor.first() and sequence_of(cursor.key()) < below:
            cursor.delete()


def _report(plan: _Plan, freed: int) -> CollectReport:
    return CollectReport(
        objects=len(plan.dead),
        raw_bytes=sum(location.raw_size for location in plan.dead.values()),
        freed_bytes=freed,
        kept_objects=plan.kept,
    )
