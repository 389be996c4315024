"""Every invariant of a store in a bucket (BUCKET.md), looked at from a client."""

from __future__ import annotations

import random
from collections.abc import Collection, Generator, Iterator

from mvcd.errors import CorruptObject, IntegrityError, MissingObject
from mvcd.ids import Digest
from mvcd.monitor import Monitor
from mvcd.store.audit import problems
from mvcd.store.bucket.blobs import BlobAbsent
from mvcd.store.bucket.bucketparts import BucketParts
from mvcd.store.bucket.bucketstate import PACKS, RUNS
from mvcd.store.bucket.indexrun import decode_run
from mvcd.store.damage import mark, present
from mvcd.store.reports import Damage
from mvcd.store.rows import BadRow, ObjectLocation

BATCH_OBJECTS = 512


def check(
    store: BucketParts, *, read_data: bool, sample: float, monitor: Monitor
) -> Iterator[Damage]:
    """Looks at the newest state: its logs, its runs, that each pack is there as long as it should be, that each
    base has a row; with `read_data` at `sample` of the objects, which are fetched, decoded and re-hashed."""
    store.look()
    try:
        for problem in problems(store.audit(), store.audit_head()):
            yield Damage(None, f"audit: {problem}", "refs")
    except IntegrityError as error:
        yield Damage(None, f"audit: {error}", "logs")
    try:
        for _ in store.operations():
            pass
    except IntegrityError as error:
        yield Damage(None, f"operations: {error}", "logs")
    yield from _runs(store)
    packs: set[int] = set()
    bases: set[Digest] = set()
    for _, at in store.locations():
        if isinstance(at, BadRow):
            yield Damage(None, f"index: {at}", "the index of this client")
        else:
            packs.add(at.pack)
            bases |= {at.base} if at.base is not None else set()
    unsound = yield from _packs(store, packs)
    yield from _objects_without(store, unsound, bases - present(store.index, list(bases)))
    if read_data:
        places = [(at, id) for id, at in _places(store)]
        places.sort(key=lambda one: (one[0].pack, one[0].offset))
        chosen = [id for _, id in places if random.random() < sample]  # noqa: S311
        yield from _objects(store, chosen, monitor)


def _places(store: BucketParts) -> Iterator[tuple[Digest, ObjectLocation]]:
    return ((id, at) for id, at in store.locations() if not isinstance(at, BadRow))


def _runs(store: BucketParts) -> Iterator[Damage]:
    for run in store.state.runs:
        try:
            decode_run(run.name, store.blobs.get(RUNS + run.name)[0])
        except BlobAbsent:
            yield Damage(None, "run: it is gone", RUNS + run.name)
        except IntegrityError as error:
            yield Damage(None, f"run: {error.cause or error}", RUNS + run.name)


def _packs(store: BucketParts, numbers: set[int]) -> Generator[Damage, None, set[int]]:
    """Returns those that are gone, or not as long as they should be: of these nobody can say what is left, and
    their last blocks are not read (`BlobPacks`)."""
    sizes = {one.name: one.size_bytes for one in store.blobs.list(PACKS)}
    condemned = {one.name for one in store.state.condemned}
    unsound: set[int] = set()
    for number in sorted(numbers):
        pack = store.rows.pack(number)
        name = PACKS + pack.hash.hex()
        if name not in sizes:
            yield Damage(None, "pack: it is gone", name)
        elif sizes[name] != pack.size_bytes:
            yield Damage(None, f"pack: {sizes[name]} bytes instead of {pack.size_bytes}", name)
        if name in condemned:
            yield Damage(None, "pack: it is condemned and a row names it", name)
        if sizes.get(name) != pack.size_bytes:
            unsound.add(number)
    return unsound


def _objects_without(
    store: BucketParts, packs: Collection[int], bases: Collection[Digest]
) -> Iterator[Damage]:
    """Those whose pack is one of these, known as damaged from now on, so that a push from here sends them anew;
    and those whose base is one of these, which are lost."""
    if not packs and not bases:
        return
    gone: list[Digest] = []
    for id, at in _places(store):
        if at.pack in packs:
            gone.append(id)
            yield Damage(id, "pack: it is not whole", _where(store, at))
        if at.base in bases:
            yield Damage(id, "base: it is missing", _where(store, at))
    mark(store.index, gone)


def _objects(store: BucketParts, ids: list[Digest], monitor: Monitor) -> Iterator[Damage]:
    """What is in the bucket, and nothing that is near by."""
    for start in range(0, len(ids), BATCH_OBJECTS):
        batch = ids[start : start + BATCH_OBJECTS]
        left = dict.fromkeys(batch)
        try:
            for id, data in store.read_there(batch):
                del left[id]
                monitor.advance(bytes_done=len(data), items_done=1)
        except CorruptObject:
            pass
        for id in left:
            try:
                list(store.read_there([id]))
            except (CorruptObject, MissingObject) as error:
                where = _where(store, store.location(id))
                yield Damage(id, f"digest: {error.cause or error}", where)


def _where(store: BucketParts, at: ObjectLocation) -> str:
    return f"{PACKS}{store.rows.pack(at.pack).hash.hex()[:12]} at {at.offset}"
