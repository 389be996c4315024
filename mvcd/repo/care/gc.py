"""What must stay: the mark phase of collection. The store sweeps (mvcd/store/FORMAT.md).

Roots are refs, every version an operation still names, and what live sessions lean on. From a version all
ancestors follow, with everything they consist of, but for pruned versions whose time of grace is over
(records/PRUNED.md): only their records stay. Objects that are absent (pruned, never fetched) are no obstacle:
what lies below them is kept only if something else reaches it.

Most collections look only at what came since the last one. That is enough as long as every version that was
named then is named still, or is an ancestor of one that is; history is walked only where an operation grew too
old or a branch went, and no further than to what it named.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from blake3 import blake3

from mvcd.errors import Conflict
from mvcd.ids import Digest, Kind, VersionId
from mvcd.monitor import Monitor
from mvcd.objects.ancestry import between
from mvcd.objects.closure import named
from mvcd.objects.glance import Glance, names
from mvcd.objects.version import Version
from mvcd.repo.core import connecting, remotes
from mvcd.repo.core.core import Core
from mvcd.repo.records.annotations import subject_of, subjects_of
from mvcd.repo.records.committed import Context
from mvcd.repo.records.operations import decode, versions_named
from mvcd.repo.records.pruned import let_go
from mvcd.repo.records.refs import EMPTY_ID, NOTES, SIGNATURES, versions_of_refs
from mvcd.repo.trust.signatures import stale
from mvcd.store.api import Earlier, GetMany, RefUpdate, Stop, Store, never
from mvcd.store.reports import CollectReport

BATCH_OBJECTS = 512
"""Objects that marking reads at a time, in the order in which they rest on the disk."""

SET_BACK_ENTRIES = 1000
"""Operations before one that is old enough which are looked at, for a clock may have been set back between."""

KEEP_OPERATIONS_US = 30 * 24 * 3600 * 1_000_000
"""How long the operation log, and what only it remembers, outlives a collection."""


class MarkingStopped(Exception):
    """Marking was told to stop; nothing was changed."""


def gc(
    core: Core,
    *,
    context: Context,
    dry_run: bool = False,
    keep_operations_us: int = KEEP_OPERATIONS_US,
    stop: Stop = never,
) -> CollectReport:
    """Frees what no ref and no operation younger than `keep_operations_us` reaches; the newest operation always
    stays. Raises MarkingStopped where `stop` said so before anything was freed."""
    oldest_us = context.time_us - keep_operations_us
    return collect_store(
        core.store,
        dry_run=dry_run,
        oldest_us=oldest_us,
        now_us=context.time_us,
        stop=stop,
        monitor=core.monitor,
    )


def gc_there(
    core: Core,
    name: str | None,
    *,
    context: Context,
    dry_run: bool = False,
    keep_operations_us: int = KEEP_OPERATIONS_US,
) -> CollectReport:
    """The same for a remote in a bucket or a directory, by who may write there. Versions that are here too are
    not fetched. Raises what `connecting.store_of` raises."""
    found = remotes.remote(core.config, name)
    with connecting.store_of(found, core.secret, core.monitor.warn, nearby=core.store) as store:
        return collect_store(
            store,
            dry_run=dry_run,
            oldest_us=context.time_us - keep_operations_us,
            now_us=context.time_us,
            monitor=core.monitor,
        )


def collect_store(
    store: Store,
    *,
    dry_run: bool,
    oldest_us: int,
    now_us: int,
    monitor: Monitor,
    stop: Stop = never,
) -> CollectReport:
    """Frees what neither refs nor operations since `oldest_us` reach, and the content of versions that were
    pruned, in a store without a workspace too, as servers have them. Raises MarkingStopped."""
    pruned = Forgotten(now_us, oldest_us)
    report = store.collect(
        partial(live, forgotten=pruned, stop=stop),
        mark_new=partial(live_since, store=store, forgotten=pruned, stop=stop),
        given=pruned.digest,
        dry_run=dry_run,
        drop_operations_below=first_kept(store, oldest_us),
        stop=stop,
        monitor=monitor,
    )
    if not dry_run:
        forget_signatures(store)
        forget_annotations(store)
    return report


def forget_signatures(store: Store) -> None:
    """Drops signatures of what is gone; of a version they come in the same commit, never before it.

    One update each: a signature that somebody moves at this very moment is no reason to keep the others.
    """
    for update in stale(store, store.refs(SIGNATURES)):
        with contextlib.suppress(Conflict):
            store.update_refs([update])


def forget_annotations(store: Store) -> None:
    """Drops annotations of what is gone: together, or one by one if somebody moves one at this very moment."""
    refs = store.refs(NOTES)
    there = store.infos(sorted(subjects_of(refs)))
    gone = []
    for name, value in refs.items():
        subject = subject_of(name)  # None: of a kind that is not known here, which stays
        if subject is not None and subject[0] not in there:
            gone.append(RefUpdate(name, value, None))
    if not gone:
        return
    try:
        store.update_refs(gone)
    except Conflict:
        for update in gone:
            with contextlib.suppress(Conflict):
                store.update_refs([update])


def first_kept(store: Store, oldest_us: int) -> int:
    """The number of the oldest operation since `oldest_us`, or of the newest of all; 0 where there is none.

    By halving, as numbers and times ascend together. A clock that was set back breaks that, so operations
    before the place found are looked at too, and the way goes on while any is young enough.
    """
    newest = next((n for n, _ in store.operations()), 0)
    oldest = next((n for n, _ in store.operations(newest_first=False)), 0)
    numbers = range(oldest, newest)
    first = oldest + bisect_left(numbers, oldest_us, key=lambda n: _time_us(store, n))
    while any(
        _time_us(store, n) >= oldest_us for n in range(max(oldest, first - SET_BACK_ENTRIES), first)
    ):
        first = max(oldest, first - SET_BACK_ENTRIES)
    return first


def _time_us(store: Store, number: int) -> int:
    row = next(store.operations(newest_first=False, start=number), None)
    return 0 if row is None else decode(*row).time_us  # another collection has just dropped it


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Which pruned versions keep their record alone: those whose time of grace was over at `now_us`, or whose
    operation is older than `oldest_us`, and that neither a ref points to nor a session relies on."""

    now_us: int
    oldest_us: int

    def versions(self, refs: Mapping[str, bytes], leased: Iterable[Digest]) -> frozenset[VersionId]:
        needed = {
            *versions_of_refs(refs),
            *(VersionId(id) for id in leased if id.kind is Kind.VERSION),
        }
        return let_go(refs, self.now_us, self.oldest_us, needed)

    def digest(self, refs: Mapping[str, bytes], leased: Iterable[Digest]) -> bytes:
        return blake3(b"".join(sorted(self.versions(refs, leased)))).digest()


def live(
    refs: Mapping[str, bytes],
    operations: Iterable[bytes],
    leased: Iterable[Digest],
    read: GetMany,
    *,
    forgotten: Forgotten,
    stop: Stop = never,
) -> Iterator[Digest]:
    """Every object reachable from the given roots, itself included."""
    bare = forgotten.versions(refs, leased := list(leased))
    return reach([*_named(refs, operations), *leased], _until(stop, read), bare=bare)


def live_since(
    earlier: Earlier,
    refs: Mapping[str, bytes],
    operations: Iterable[bytes],
    leased: Iterable[Digest],
    read: GetMany,
    *,
    store: Store,
    forgotten: Forgotten,
    stop: Stop = never,
) -> Iterator[Digest] | None:
    """The same without what was reached when `earlier` was collected. None where a version is named no more, so
    that something which was live then may not be now."""
    now = _named(refs, operations)
    lost = _named(earlier.refs, earlier.operations) - now
    here = [id for id, present in zip(lost, store.has([*lost]), strict=True) if present]
    glance = lambda id: Glance(id, store.get(id))  # noqa: E731
    if any(True for _ in between(here, now, glance)):
        return None
    bare = forgotten.versions(refs, leased := list(leased))
    roots = [*now, *leased, *earlier.came]
    return reach(roots, _until(stop, read), earlier.unsettled, bare=bare)


def _until(stop: Stop, read: GetMany) -> GetMany:
    """Reads until it is told to stop, which raises MarkingStopped."""

    def get_many(ids: Sequence[Digest]) -> Iterable[tuple[Digest, bytes]]:
        if stop():
            raise MarkingStopped
        return read(ids)

    return get_many


def _named(refs: Mapping[str, bytes], operations: Iterable[bytes]) -> set[VersionId]:
    found = set(versions_of_refs(refs))
    for record in operations:
        found |= versions_named(decode(0, record))
    return found


def _below(id: Digest, data: bytes, bare: Collection[Digest]) -> list[Digest]:
    if id.kind is not Kind.VERSION:
        return names(id.kind, data)
    version = Version.decode(data)
    content = () if id in bare else named(version)
    return [*content, *(parent for parent in version.parents if parent != EMPTY_ID)]


def reach(
    roots: Iterable[Digest],
    get_many: GetMany,
    among: Callable[[Sequence[Digest]], list[Digest]] = list,
    *,
    bare: Collection[Digest] = (),
) -> Iterator[Digest]:
    """All that is reachable on ways through objects of `among` only; of versions that are `bare` the record and
    what is before them. A chunk may come more than once."""
    stack = among([id for id in roots if id != EMPTY_ID])
    found = set(stack)
    yield from found
    while stack:
        batch = [id for id in stack[-BATCH_OBJECTS:] if id.kind is not Kind.CHUNK]
        del stack[-BATCH_OBJECTS:]
        for id, data in get_many(batch):
            below = _below(id, data, bare)
            for child in among([child for child in below if child not in found]):
                yield child
                if child.kind is not Kind.CHUNK:
                    found.add(child)
                    stack.append(child)
