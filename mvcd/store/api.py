"""What a store is: objects by digest, named refs, an operation log, a cache; and the session that
writes them.

Promises (FORMAT.md derives the write order from them):

* What `Session.commit` acknowledged survives kill -9 and power loss, whole.
* `get` returns bytes whose digest was checked, or raises; wrong bytes are never returned.
* A commit is all or nothing: refs are old or new, never between, and never name absent objects.
* `Reader` methods may be called from any thread and beside any writer, in any number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, Self

from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import DIGEST_BYTES, Bytes, ChunkId, Digest, Kind
from mvcd.lateclasses import NamedTuple
from mvcd.monitor import Monitor
from mvcd.store.record import Record, record_size

if TYPE_CHECKING:
    from mvcd.store.readymade import Added, ReadyRecords
    from mvcd.store.reports import CollectReport, Damage, OptimizeReport, RebaseReport, StoreStats


class RefUpdate(NamedTuple):
    """Moves one ref. `expect` is its value now (None: must not exist), `target` its new one (None:
    delete).

    Values are opaque to the store, at most 64 KiB. Names are UTF-8, at most 500 bytes.
    """

    name: str
    expect: bytes | None
    target: bytes | None


class ObjectInfo(NamedTuple):
    """What the index knows of an object without reading it; sizes in bytes."""

    kind: Kind
    raw_size: int
    stored_size: int
    base: ChunkId | None

    @property
    def record_size(self) -> int:
        """Bytes that it takes in a pack, with the head of its record."""
        return record_size(self.stored_size, self.base is not None)


class AuditRow(NamedTuple):
    """One row of the audit chain. `previous` is the digest of the row before it, 32 zero bytes for the
    first (FORMAT.md, section Audit)."""

    sequence: int  # from 1, without gaps
    previous: bytes
    data: bytes


class AuditHead(NamedTuple):
    """The newest row's number and digest; who keeps a copy elsewhere can tell later that nobody has cut
    or rewritten what led to it."""

    sequence: int  # 0: no rows
    digest: bytes


class GarbageBound(NamedTuple):
    """How much a collection can free at most, as far as that is known without looking (FORMAT.md, section
    Collection)."""

    came_bytes: int  # since the last collection
    dead_bytes: int  # known, and left in the packs
    kept_bytes: int  # that the last collection kept


Stop = Callable[[], bool]
"""Asked between two steps: whether to end now. What is done by then stays done."""


def never() -> bool:
    return False


Recode = Callable[[Encoded, Bytes, Bytes | None], Encoded | None]
"""`recode(encoded, raw, base)`: a smaller form of an object, from the same base or from none; None if there is
none. `raw` is what it decodes to, `base` what its base does."""


Forms = Sequence[tuple[ChunkId, Encoded]]
"""Other forms of chunks, to be had together or not at all. Each is whole or rests on one before it."""


class ObjectReader(Protocol):
    """Read side. `get` of a large object is bounded by codec.MAX_RAW_BYTES."""

    def get(self, id: Digest) -> bytes:
        """Raw bytes, digest checked. Raises MissingObject, CorruptObject."""

    def get_many(
        self,
        ids: Sequence[Digest],
        *,
        as_bases: bool = False,
        known: Mapping[Digest, Bytes] = {},
    ) -> Iterator[tuple[Digest, bytes]]:
        """Yields those of the objects that are here, as `get` gives them, each once, in the order in which they
        rest on the disk: neighbours cost one read. Raises CorruptObject; absent ones are left out.

        `as_bases`: only to make differences to them. A record's checksum is compared then, where it is cheaper
        than the digest: a difference to what a sound record decodes to comes back, whatever that is.
        `known`: objects with their raw bytes, which are not read again where others rest on them.
        """

    def get_encoded(self, id: Digest) -> Encoded:
        """The stored form, its digest not checked; the record's checksum is. Raises MissingObject,
        CorruptObject."""

    def has(self, ids: Sequence[Digest]) -> list[bool]:
        """Which of the objects the index knows; one read transaction for all."""

    def records(self, ids: Sequence[Digest]) -> Iterator[Bytes]:
        """Frames of about 2.5 MiB (frames.py) that hold the records of these objects, each once, in the
        order they rest on the disk. Raises MissingObject before the first frame."""

    def find(self, kind: Kind, prefix: str, limit: int = 16) -> list[Digest]:
        """Objects of a kind whose digest begins with these hex digits (at least 4), in order, at
        most `limit`."""

    def info(self, id: Digest) -> ObjectInfo:
        """Raises MissingObject."""

    def infos(self, ids: Sequence[Digest]) -> dict[Digest, ObjectInfo]:
        """Returns what the index knows of each object that it has; one read transaction for all."""

    def arranged(self, ids: Sequence[Digest]) -> list[Digest]:
        """The same objects in the order in which they rest, for who reads all of them; those that are not here
        come last."""


class Session(Protocol):
    """One writer's work, under a lease. `with store.session() as s:`; leaving without commit drops
    it.

    Single-threaded: `missing`, `put`, `flush`, `commit` are called from one thread at a time. What
    is put rests where it can be read after `flush` or `commit`. One session serves one piece of
    work: its lease grows by 32 bytes for each id asked or put.
    """

    flushes: int
    """How often it has been flushed, also by itself: what was put before the last time can be read."""

    def missing(self, ids: Sequence[Digest]) -> list[bool]:
        """True where neither the store nor this session has the object. Each False is a reuse that
        the lease protects from collection."""

    def put(self, id: Digest, encoded: Encoded) -> int:
        """Appends one object unless known; returns the stored bytes added (0 when it was known).
        `encoded.body` may be reused by the caller after the call. Raises MissingObject when the
        base is neither stored nor put before, UsageError when the body or `raw_size` is beyond the
        limits."""

    def put_ready(self, ready: ReadyRecords) -> Added:
        """`put` for each of them that is not known, in one call; what the session flushes by itself it flushes
        after the last."""

    def put_record(self, record: Record, data: Bytes) -> int:
        """Appends a record that the caller has checked (frames.check_frame): `data`, its bytes, are written as
        they are, and must never change. Returns the bytes added."""

    def put_records(self, records: Sequence[tuple[Record, Bytes]]) -> list[int]:
        """`put_record` for each, in order, in one call; what the session flushes by itself it flushes after the
        last."""

    def drain(self) -> None:
        """Writes buffered records to the kernel and frees their memory. Does not fsync."""

    def flush(self) -> None:
        """Makes what was put durable and visible, before any ref names it. Raises StaleReuse."""

    def commit(
        self,
        updates: Sequence[RefUpdate] = (),
        *,
        operation: bytes | None = None,
        cache: Mapping[bytes, bytes | None] | None = None,
        audit: bytes | None = None,
    ) -> int:
        """Flushes, then in one transaction: re-checks reused objects if a collection ran, compares
        and sets all refs, appends the operation and the audit row, writes the cache rows (None
        deletes). Returns the operation's sequence number (0 without one). The session stays usable.

        Raises Conflict(kind="ref-changed") when a ref is not as expected; what was put stays, for
        another try. Raises StaleReuse when a reused object was collected meanwhile: the session
        starts over, so ask and put everything again. No ref is changed then.
        """

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


GetMany = Callable[[Sequence[Digest]], Iterable[tuple[Digest, bytes]]]
"""Reads objects, in any order; leaves out those that are absent."""

Mark = Callable[
    [Mapping[str, bytes], Iterable[bytes], Iterable[Digest], GetMany],
    Iterable[Digest],
]
"""`mark(refs, operations, leased, read)`: every object reachable from these, all given as stored. The
store adds delta bases. `leased` are the stored objects that live sessions rely on: a session that
reuses a recipe or a node without asking for what lies below it must find all of that again. `read`
reads what is about to be swept, and nothing else may be asked: to who has not seen what was just
pushed it is absent. Objects below may be absent (pruned, never fetched, or not written yet): skip
those. Called one or more times, and must not write to the store.
"""


class Earlier(NamedTuple):
    """What the last collection kept for, and what came since."""

    refs: Mapping[str, bytes]
    operations: Iterable[bytes]  # those kept then that this collection drops
    came: Sequence[Digest]  # objects that were reached then, absent, and are here now
    unsettled: Callable[[Sequence[Digest]], list[Digest]]
    """Returns those objects that were not reached then; the others were, and all that they reach."""


MarkNew = Callable[
    [Earlier, Mapping[str, bytes], Iterable[bytes], Iterable[Digest], GetMany],
    Iterable[Digest] | None,
]
"""`mark_new(earlier, refs, operations, leased, read)`: what is reachable and was not when `earlier` was
collected; `operations` are those since. None when something that was named then is named no more, so that all
must be marked."""


Given = Callable[[Mapping[str, bytes], Iterable[Digest]], bytes]
"""`given(refs, leased)`: 32 bytes that tell what else than refs and operations decides what is marked."""


def nothing_given(refs: Mapping[str, bytes], leased: Iterable[Digest]) -> bytes:  # noqa: ARG001
    return bytes(DIGEST_BYTES)


class Store(ObjectReader, Protocol):
    """A whole store. `stores.open_store` and `stores.create_store` make one; `with` closes it."""

    @property
    def id(self) -> str:
        """32 hex digits, given at creation."""

    @property
    def read_only(self) -> bool:
        """Whether this process may not write it; what would raises NotPermitted."""

    def session(self) -> Session: ...

    def salvage(self) -> None:
        """Makes visible what killed writers left; once, though many may ask. Opening a store does it, and its
        first session. Raises Failure."""

    # refs and operations
    def ref(self, name: str) -> bytes | None: ...
    def refs(self, prefix: str = "") -> dict[str, bytes]: ...
    def changes(self) -> int:
        """A number that grows with every commit that changed refs or operations, whoever made it."""

    def update_refs(self, updates: Sequence[RefUpdate], *, operation: bytes | None = None) -> int:
        """`session().commit` for ref moves that bring no new objects."""

    def take_over(self, other: Store, refs: Mapping[str, bytes]) -> None:
        """Replaces all refs by these, operations and audit rows by those of another store under the same
        numbers, and counts changes on from its number: all or nothing. What the refs name is here already.
        Raises what reading the other does, IntegrityError where its audit rows do not lead to its head."""

    def operations(
        self, *, newest_first: bool = True, start: int | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """(sequence number, bytes); numbers ascend by one from 1."""

    # audit: a hash chain, appended by `commit(audit=...)`, never cut
    def audit(self, *, start: int = 1) -> Iterator[AuditRow]:
        """Rows from number `start` on, oldest first. Read in batches; raises IntegrityError at a row
        whose checksum fails. Whether they form a chain is `check`'s question (or `audit.problems`)."""

    def audit_head(self) -> AuditHead: ...

    # cache: rows that may be lost without harm (stat cache, summaries); keys of 1 to 500 bytes
    def cache_get(self, keys: Sequence[bytes]) -> list[bytes | None]: ...
    def cache_scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]: ...
    def cache_put(self, rows: Mapping[bytes, bytes | None]) -> None:
        """Best effort: silently dropped when the store is read-only or cannot be written."""

    # maintenance
    def ids(self) -> Iterator[tuple[Digest, ObjectInfo]]:
        """Every object in the index, in digest order. Read in batches, so that a long walk pins no
        pages: objects added or removed while it runs may or may not appear."""

    def placed_ids(self) -> list[Digest]:
        """Every object in the index, in the order in which they rest: who reads them so reads forward. About
        200 bytes of memory for each while it is made. Raises CorruptObject for a damaged row."""

    def codecs(self, ids: Sequence[Digest]) -> dict[Digest, Codec]:
        """How each of the objects is stored, from the heads of their records alone; those that are absent or
        cannot be read are left out."""

    def check(
        self, *, read_data: bool = True, sample: float = 1.0, monitor: Monitor | None = None
    ) -> Iterator[Damage]:
        """Verifies every invariant of FORMAT.md; with `read_data` every object is decoded and
        re-hashed."""

    def collect(
        self,
        mark: Mark,
        *,
        mark_new: MarkNew | None = None,
        given: Given = nothing_given,
        dry_run: bool = False,
        drop_operations_below: int = 0,
        stop: Stop = never,
        monitor: Monitor | None = None,
    ) -> CollectReport:
        """Removes what `mark` does not name, safe beside any number of sessions. With `mark_new` it looks only
        at what came since the last collection, where that is enough and `given` is as it was then. `stop` is
        asked between two packs that are copied; who marks may raise, and nothing is changed."""

    def garbage_bound(self) -> GarbageBound:
        """How much a collection can free at most, told without looking for it."""

    def optimize(
        self,
        recode: Recode,
        *,
        dry_run: bool = False,
        edition: int = 0,
        stop: Stop | None = None,
        monitor: Monitor | None = None,
    ) -> OptimizeReport:
        """Stores objects in smaller forms where `recode` has them, safe beside any number of sessions. The disk
        needs room for a pack more meanwhile. With `stop` it is done in portions, and packs are left out that
        this `edition` of `recode` looked into before."""

    def rebase(
        self,
        plans: Iterable[Forms],
        *,
        dry_run: bool = False,
        stop: Stop = never,
        monitor: Monitor | None = None,
    ) -> RebaseReport:
        """Gives chunks other forms, plan by plan, as long as all that were given are no larger than what was
        there; safe beside any number of sessions. Plans are asked for under the collector's lock. `stop` is
        asked between two. Raises Busy, ValueError for a plan in which a base does not come first, Failure when
        the disk is full: it needs room for all that is written anew."""

    def damaged(self) -> list[Digest]:
        """Objects that are here and known to be damaged. `has` and sessions count them as absent, so that
        whoever holds the good bytes stores them anew."""

    def require_room(self, size: int, what: str, *, reserve: int = 0) -> None:
        """Raises Failure(kind="disk-full") when `size` bytes more, of `what`, do not fit beside `reserve`."""

    def stats(self) -> StoreStats: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...


class LookedStore(Store, Protocol):
    """A store that other processes change elsewhere, and that is told as it was when it was last looked at, or
    when this process last wrote it."""

    @property
    def looked(self) -> float:
        """When the newest look began that ended well, by `time.monotonic`."""

    @property
    def bucket_options(self) -> Mapping[str, str]:
        """Options with which its bucket has to be used, as they were found when the store began."""

    def look_since(self, since: float) -> None:
        """From now on it is told as it was at `since`, a time of `time.monotonic`, or later. Looks only where
        nobody has looked since then. Raises RemoteUnreachable, AuthError, IntegrityError, Failure."""

    def self_test(self) -> None:
        """Writes something and removes it. Raises what the place of the store does."""
