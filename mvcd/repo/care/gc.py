"""What must stay: the mark phase of collection. The store sweeps (mvcd/store/FORMAT.md).

Roots are refs, every version an operation still names, and what live sessions lean on. From a version all
ancestors follow, with everything they consist of. Objects that are absent (pruned, never fetched) are no
obstacle: what lies below them is kept only if something else reaches it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from functools import partial

from mvcd.errors import Conflict, MissingObject
from mvcd.ids import Digest, Kind
from mvcd.monitor import Monitor
from mvcd.objects.closure import children, parents
from mvcd.objects.tree import Fetch
from mvcd.repo.core.core import Core
from mvcd.repo.records.operations import decode, versions_named
from mvcd.repo.records.refs import EMPTY_ID, SIGNATURES, versions_of_refs
from mvcd.repo.records.results import Context
from mvcd.repo.trust.signatures import stale
from mvcd.store.api import CollectReport, Store

KEEP_OPERATIONS_US = 30 * 24 * 3600 * 1_000_000
"""How long the operation log, and what only it remembers, outlives a collection."""


def gc(
    core: Core,
    *,
    context: Context,
    dry_run: bool = False,
    keep_operations_us: int = KEEP_OPERATIONS_US,
) -> CollectReport:
    """Frees what no ref and no operation younger than `keep_operations_us` reaches; the newest operation always
    stays."""
    oldest_us = context.time_us - keep_operations_us
    return collect_store(core.store, dry_run=dry_run, oldest_us=oldest_us, monitor=core.monitor)


def collect_store(
    store: Store, *, dry_run: bool, oldest_us: int, monitor: Monitor
) -> CollectReport:
    """Frees what neither refs nor operations since `oldest_us` reach, in a store without a workspace too, as
    servers have them."""
    first_kept = 0
    for number, data in store.operations():
        if first_kept and decode(number, data).time_us < oldest_us:
            break
        first_kept = number
    report = store.collect(
        partial(live, fetch=store.get),
        dry_run=dry_run,
        drop_operations_below=first_kept,
        monitor=monitor,
    )
    if not dry_run:
        forget_signatures(store)
    return report


def forget_signatures(store: Store) -> None:
    """Drops signatures of what is gone; of a version they come in the same commit, never before it.

    One update each: a signature that somebody moves at this very moment is no reason to keep the others.
    """
    for update in stale(store, store.refs(SIGNATURES)):
        with contextlib.suppress(Conflict):
            store.update_refs([update])


def live(
    refs: Mapping[str, bytes], operations: Iterable[bytes], leased: Iterable[Digest], fetch: Fetch
) -> set[Digest]:
    """Every object reachable from the given roots, itself included."""
    stack: list[Digest] = [*versions_of_refs(refs)]
    for record in operations:
        stack.extend(versions_named(decode(0, record)))
    stack.extend(leased)
    return reach(stack, fetch)


def reach(roots: Iterable[Digest], fetch: Fetch) -> set[Digest]:
    found: set[Digest] = set()
    stack = [id for id in roots if id != EMPTY_ID]
    while stack:
        id = stack.pop()
        if id in found:
            continue
        found.add(id)
        if id.kind is Kind.CHUNK:
            continue
        try:
            data = fetch(id)
        except MissingObject:
            continue
        for child in children(id.kind, data):
            if child.kind is Kind.CHUNK:
                found.add(child)
            elif child not in found:
                stack.append(child)
        if id.kind is Kind.VERSION:
            stack.extend(p for p in parents(data) if p not in found)
    return found
