"""Links signed for a view of a store in a bucket (LINKS.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, cast

from mvcd.errors import UsageError
from mvcd.ids import Bytes, Digest, Kind
from mvcd.store.bucket.blobs import BlobAbsent, Blobs, Tag
from mvcd.store.bucket.bucketparts import BucketParts
from mvcd.store.bucket.bucketseal import KEY
from mvcd.store.bucket.bucketstate import PACKS, REFS, RUNS, BucketState, RunEntry, encode_state
from mvcd.store.bucket.indexrun import NamedPack, RunPlace, encode_run, object_name
from mvcd.store.bucket.links import LINKS, Link, LinkDocument, encode_links
from mvcd.store.rows import ObjectLocation

if TYPE_CHECKING:
    from mvcd.store.bucket.sealed import SealedBlobs

LONGEST_SECONDS = 7 * 86400
"""Seconds for which S3 and Google take a signature at most."""
RUN_ROWS = 1 << 20
BATCH_OBJECTS = 4096


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed: `document` is a secret. `id` is the view's; bytes are those of the packs."""

    id: str
    objects: int
    packs: int
    pack_bytes: int
    document: LinkDocument


def sign_view(
    store: BucketParts,
    asked: Sequence[str],
    refs: Mapping[str, bytes],
    ids: Iterable[Digest],
    *,
    now_s: int,
    seconds: int,
) -> Signed:
    """Signs links to all packs in which objects of `ids` lie, and makes the view's state of `refs`. `ids` are
    what these reach, and `asked` is how a person named them. Raises UsageError for a time that no store takes,
    Failure where the bucket has no links."""
    if not 0 < seconds <= LONGEST_SECONDS:
        raise UsageError(
            f"links cannot be good for {seconds} seconds",
            cause="stores take up to 7 days",
            help="such as 12h or 7d",
        )
    state = store.state
    inside = _Inside()
    blobs = _sealed_like(store.blobs, inside)
    places = _places(store, ids)
    packs = sorted({at.pack for at in places.values()})
    runs = tuple(_put_runs(store, blobs, places))
    id = object_name("\n".join([state.id, *sorted(asked)]).encode())[:32]
    view = BucketState(
        id, state.options, state.generation, state.epoch, state.changes, state.writes, refs, runs
    )
    blobs.create(REFS, encode_state(view))
    named = [store.rows.pack(number) for number in packs]
    names = [PACKS + pack.hash.hex() for pack in named]
    links = {
        name: Link(address, pack.size_bytes)
        for name, address, pack in zip(
            names, store.blobs.signed(names, seconds), named, strict=True
        )
    }
    document = LinkDocument(store.blobs.url, tuple(asked), now_s + seconds, inside.objects, links)
    return Signed(id, len(places), len(packs), sum(pack.size_bytes for pack in named), document)


def publish(store: BucketParts, signed: Signed, seconds: int) -> str:
    """Puts the document into the bucket in place of the view's earlier one; returns the link to it, a secret.
    What it says in a sealed bucket is encrypted already."""
    name, data = LINKS + signed.id, encode_links(signed.document)
    bucket = _below(store.blobs)
    try:
        _, tag = bucket.get(name)
    except BlobAbsent:
        bucket.create(name, data)
    else:
        bucket.swap(name, data, tag)
    return bucket.signed([name], seconds)[0]


# ---------------------------------------------------------------------- inside


def _places(store: BucketParts, ids: Iterable[Digest]) -> dict[Digest, ObjectLocation]:
    """Where those objects lie that are there, and the bases that they rest on. Raises MissingObject."""
    found: dict[Digest, ObjectLocation] = {}
    todo = iter(ids)
    while some := list(islice(todo, BATCH_OBJECTS)):
        batch: list[Digest] = [id for id, here in zip(some, store.has(some), strict=True) if here]
        while batch:
            new = {id: store.location(id) for id in batch if id not in found}
            found |= new
            batch = [at.base for at in new.values() if at.base is not None]
    return found


def _put_runs(
    store: BucketParts, blobs: Blobs, places: Mapping[Digest, ObjectLocation]
) -> Iterator[RunEntry]:
    rows = iter(sorted(places.items()))
    while batch := list(islice(rows, RUN_ROWS)):
        numbers: dict[NamedPack, int] = {}
        found = {
            bytes(id): RunPlace(
                numbers.setdefault(store.rows.pack(at.pack), len(numbers)),
                *(at.offset, at.body_size, at.raw_size, at.kind, at.base),
            )
            for id, at in batch
        }
        versions = [(at.pack, at.offset, at.size) for id, at in batch if id.kind is Kind.VERSION]
        held = store.rows.held(versions).values()
        data = encode_run(list(numbers), found, held)
        name = object_name(data)
        blobs.put(RUNS + name, data)
        size = sum(pack.size_bytes for pack in numbers)
        yield RunEntry(name, len(data), len(found), len(numbers), size)


class _Inside:
    """Objects that are to be in a document, as they would lie in the bucket."""

    read_only = False

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put(self, name: str, data: Bytes) -> None:
        self.objects[name] = bytes(data)

    def create(self, name: str, data: Bytes) -> Tag:
        self.put(name, data)
        return Tag(name)


def _sealed_like(blobs: Blobs, inside: _Inside) -> Blobs:
    """What writes into the document as into the bucket: encrypted where that is, with its key beside it."""
    there = cast("Blobs", inside)
    if not blobs.sealed:
        return there
    inside.put(KEY, _below(blobs).get(KEY)[0])
    return cast("SealedBlobs", blobs).sealing(there)


def _below(blobs: Blobs) -> Blobs:
    return cast("SealedBlobs", blobs).below if blobs.sealed else blobs
