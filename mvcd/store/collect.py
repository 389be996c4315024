"""Collection: removes rows that nothing reaches, then the bytes (FORMAT.md, section Collection).

Marking runs beside commits, on a snapshot of refs and operations. The sweep is one write transaction
that first makes sure the snapshot still holds. What may go is found in `marking.py`.
"""

from __future__ import annotations

from contextlib import suppress

from mvcd.monitor import Monitor
from mvcd.store import steps
from mvcd.store.api import Stop, never
from mvcd.store.collected import put_collected
from mvcd.store.index import Transaction
from mvcd.store.lease import leased_ids
from mvcd.store.marking import Marker, Plan
from mvcd.store.meta import CHANGES, SWEEPS, number, put_number
from mvcd.store.parts import Parts
from mvcd.store.refs import full_changes
from mvcd.store.repack import PackMover, Repacker
from mvcd.store.reports import CollectReport
from mvcd.store.rows import sequence_of

OPTIMISTIC_ROUNDS = 3


class _Moved(Exception):
    """The world changed between marking and sweeping."""


class Collector(PackMover):
    """One `run`."""

    def __init__(self, store: Parts, marker: Marker, monitor: Monitor) -> None:
        super().__init__(store, monitor, busy="another collection is running")
        self._marker = marker

    def run(
        self, *, dry_run: bool, drop_operations_below: int, stop: Stop = never
    ) -> CollectReport:
        """Raises NotPermitted where the store may only be read, unless `dry_run`."""
        if not dry_run:
            self._index.require_writable()
        self._index.clear_stale_readers()
        if dry_run:
            plan = self._marker.plan(drop_operations_below)
            freed = Repacker(self._store, self._monitor).would_free(plan.live_bytes)
            return _report(plan, freed)
        plan = self._sweep(drop_operations_below)
        self._store.reached(steps.SWEPT)
        if drop_operations_below:
            with suppress(OSError):
                self._store.journal.rewrite(full_changes(self._index))
        repacker = Repacker(self._store, self._monitor, stop=stop)
        freed = repacker.run(plan.live_bytes)
        self._remember(plan.after, repacker)
        return _report(plan, freed, stopped=repacker.stopped)

    # ------------------------------------------------------------------ sweeping

    def _sweep(self, drop_operations_below: int) -> Plan:
        """One transaction; marks again when refs moved or a lease wants a candidate."""
        for _ in range(OPTIMISTIC_ROUNDS):
            plan = self._marker.plan(drop_operations_below)
            try:
                self._index.write(lambda txn: self._remove(txn, plan, drop_operations_below))  # noqa: B023
            except _Moved:
                continue
            return plan
        return self._index.write(lambda txn: self._sweep_alone(txn, drop_operations_below))

    def _sweep_alone(self, txn: Transaction, drop_operations_below: int) -> Plan:
        """Marks inside the write transaction: commits wait, so that a busy store is collected too.

        A lease may still name a candidate after it was read here; its session will then notice the sweep.
        """
        plan = self._marker.plan(drop_operations_below)
        self._remove(txn, plan, drop_operations_below, alone=True)
        return plan

    def _remove(
        self, txn: Transaction, plan: Plan, drop_operations_below: int, *, alone: bool = False
    ) -> None:
        index = self._index
        if not alone:
            if number(index, txn, CHANGES) != plan.changes:
                raise _Moved
            if any(id in plan.dead for id in leased_ids(self._store.lease_directory)):
                raise _Moved
        put_collected(index, txn, None)  # it does not hold while rows and packs go
        for id in plan.dead:
            txn.delete(id, db=index.objects)
        if plan.dead:
            put_number(index, txn, SWEEPS, number(index, txn, SWEEPS) + 1)
        self._drop_operations(txn, drop_operations_below)

    def _drop_operations(self, txn: Transaction, below: int) -> None:
        cursor = txn.cursor(db=self._index.operations)
        while cursor.first() and sequence_of(cursor.key()) < below:
            cursor.delete()


def _report(plan: Plan, freed: int, *, stopped: bool = False) -> CollectReport:
    return CollectReport(
        objects=len(plan.dead),
        raw_bytes=plan.raw_bytes,
        freed_bytes=freed,
        kept_objects=plan.kept,
        stopped=stopped,
    )
