"""Objects stored again in fewer bytes: what earlier releases, or less patient writers, stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mvcd.codec.recode import EDITION, Recoder
from mvcd.monitor import Monitor
from mvcd.repo.bases import masters, newest
from mvcd.repo.core.core import Core
from mvcd.store.api import Stop, Store
from mvcd.store.reports import OptimizeReport, RebaseReport


def optimize(core: Core, *, dry_run: bool = False) -> OptimizeReport:
    """Raises Busy beside a collection, Failure when the disk is full."""
    return optimize_store(core.store, dry_run=dry_run, monitor=core.monitor)


def optimize_at_leisure(core: Core, stop: Stop) -> OptimizeReport:
    """Goes on where the last time ended, until `stop` says so between two packs. Raises as `optimize`."""
    return optimize_store(core.store, dry_run=False, monitor=core.monitor, stop=stop)


def optimize_store(
    store: Store, *, dry_run: bool, monitor: Monitor, stop: Stop | None = None
) -> OptimizeReport:
    """The same for a store without a workspace, as servers have them. Bases stay as they are where it may be
    told to stop: which ones are worth it takes a walk through history."""
    rebased = [] if stop is not None else list(_rebased(store, dry_run=dry_run, monitor=monitor))
    done = store.optimize(
        Recoder().recode, edition=EDITION, dry_run=dry_run, stop=stop, monitor=monitor
    )
    freed = done.freed_bytes + sum(one.freed_bytes for one in rebased)
    return replace(done, freed_bytes=freed, rebased=done.rebased + sum(o.chunks for o in rebased))


def _rebased(store: Store, *, dry_run: bool, monitor: Monitor) -> Iterator[RebaseReport]:
    """One after the other, for what masters rest on is known when the newest is whole."""
    forms = newest.plans(store, written=not dry_run)
    yield store.rebase(forms, dry_run=dry_run, monitor=monitor)
    yield store.rebase(masters.plans(store), dry_run=dry_run, monitor=monitor)
