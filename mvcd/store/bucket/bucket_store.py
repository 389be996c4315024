"""A store in a bucket (BUCKET.md): any number of clients read and write it, and nothing runs beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Self

from mvcd.errors import Failure, MvcError
from mvcd.monitor import Monitor, Silent
from mvcd.store.api import (
    Forms,
    GarbageBound,
    Given,
    Mark,
    MarkNew,
    ObjectReader,
    Recode,
    RefUpdate,
    Stop,
    Store,
    never,
    nothing_given,
)
from mvcd.store.bucket.blobs import Blobs
from mvcd.store.bucket.bucket_session import BucketSession
from mvcd.store.bucket.bucketparts import BucketParts
from mvcd.store.bucket.runindex import RunIndex
from mvcd.store.bucket.swapping import StateHead
from mvcd.store.reports import CollectReport, Damage, OptimizeReport, RebaseReport, StoreStats

GRACE_SECONDS = 86400.0


class BucketStore(BucketParts):
    """`api.Store` over `Blobs`. Thread-safe.

    Refs and logs are told as they were when this client last spoke with the bucket about them: when it opened
    the store, at `changes`, and at each swap of its own, which always starts from what is there. So looking at
    refs costs one request and not one for each question.
    """

    @classmethod
    def create(
        cls, blobs: Blobs, *, cache: str | None = None, options: Mapping[str, str] | None = None
    ) -> BucketStore:
        """A new, empty store, whose clients use the bucket with these options. Raises
        Failure(kind="store-exists") where one is."""
        store = cls.open(blobs, cache=cache, begin=options or {})
        if store.head.born:
            store.close()
            raise Failure(f"{blobs.url} holds a store already", kind="store-exists")
        store.change(lambda state: state)
        return store

    @classmethod
    def open(
        cls,
        blobs: Blobs,
        *,
        cache: str | None = None,
        grace_seconds: float = GRACE_SECONDS,
        nearby: ObjectReader | None = None,
        begin: Mapping[str, str] | None = None,
        id: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> BucketStore:
        """The store that is there; with `begin` also one that is not yet, and begins with its first write: its
        clients are to use the bucket with these options. Then `id` is another store's, which it is to take
        over; else it gets one of its own.

        `cache` is the directory for clients' indexes. Objects that `nearby` has too are read from there. Raises
        Failure(kind="no-store"), and what reading the bucket raises.
        """
        head = StateHead.read(blobs, cache=cache, sleep=sleep)
        if head is None:
            if begin is None:
                raise Failure(f"there is no store in {blobs.url}", kind="no-store")
            head = StateHead.unborn(blobs, begin, copy_of=id, cache=cache, sleep=sleep)
        rows = RunIndex(cache, head.state.instance)
        store = cls(blobs, head, rows, grace_seconds=grace_seconds, nearby=nearby)
        try:
            store.catch_up()
        except BaseException:
            store.packs.close()
            store.rows.close()
            raise
        return store

    @property
    def id(self) -> str:
        return self.head.state.id

    @property
    def read_only(self) -> bool:
        return self.blobs.read_only

    def session(self) -> BucketSession:
        return BucketSession(self)

    def salvage(self) -> None:
        """What a killed client left is in no state, so it is nowhere."""

    # ------------------------------------------------------------------ refs and logs

    def ref(self, name: str) -> bytes | None:
        return self.state.refs.get(name)

    def refs(self, prefix: str = "") -> dict[str, bytes]:
        refs = self.state.refs
        return {n: refs[n] for n in sorted(refs, key=str.encode) if n.startswith(prefix)}

    def changes(self) -> int:
        """Looks at the bucket: one request."""
        return self.look().changes

    def update_refs(self, updates: Sequence[RefUpdate], *, operation: bytes | None = None) -> int:
        with self.session() as session:
            return session.commit(updates, operation=operation)

    def take_over(self, other: Store, refs: Mapping[str, bytes]) -> None:
        from mvcd.store.bucket.bucket_takenover import take_over  # late: start-up

        take_over(self, other, refs)

    # ------------------------------------------------------------------ maintenance

    def check(
        self, *, read_data: bool = True, sample: float = 1.0, monitor: Monitor | None = None
    ) -> Iterator[Damage]:
        from mvcd.store.bucket.bucket_check import check  # late: start-up

        return check(self, read_data=read_data, sample=sample, monitor=monitor or Silent())

    def collect(
        self,
        mark: Mark,
        *,
        mark_new: MarkNew | None = None,  # noqa: ARG002 - all is marked: the index is here anyway
        given: Given = nothing_given,  # noqa: ARG002
        dry_run: bool = False,
        drop_operations_below: int = 0,
        stop: Stop = never,
        monitor: Monitor | None = None,  # noqa: ARG002 - who marks tells what is read
    ) -> CollectReport:
        from mvcd.store.bucket.bucket_collect import BucketCollector  # late: start-up

        head = StateHead.read(self.blobs, sleep=self.head.sleep)
        if head is None:
            raise Failure(f"there is no store in {self.blobs.url}", kind="no-store")
        rows = RunIndex(None, head.state.id)
        try:
            fresh = BucketParts(
                self.blobs, head, rows, grace_seconds=self.grace_seconds, nearby=self._nearby
            )
            fresh.sessions = self.sessions
            with closing(fresh.packs):
                fresh.catch_up()
                collector = BucketCollector(fresh, mark, stop)
                return collector.run(dry_run=dry_run, drop_operations_below=drop_operations_below)
        finally:
            rows.close()
            with suppress(MvcError):
                self.look()

    def garbage_bound(self) -> GarbageBound:
        state = self.state
        return GarbageBound(
            max(0, state.pack_bytes - state.kept_bytes), 0, min(state.kept_bytes, state.pack_bytes)
        )

    def optimize(
        self,
        recode: Recode,  # noqa: ARG002
        *,
        dry_run: bool = False,  # noqa: ARG002
        edition: int = 0,  # noqa: ARG002
        stop: Stop | None = None,  # noqa: ARG002
        monitor: Monitor | None = None,  # noqa: ARG002
    ) -> OptimizeReport:
        """Raises Failure: objects are made smaller on a disk, and pushed."""
        raise self._only_on_a_disk("stored in fewer bytes")

    def rebase(
        self,
        plans: Iterable[Forms],  # noqa: ARG002
        *,
        dry_run: bool = False,  # noqa: ARG002
        stop: Stop = never,  # noqa: ARG002
        monitor: Monitor | None = None,  # noqa: ARG002
    ) -> RebaseReport:
        """Raises Failure, like `optimize`."""
        raise self._only_on_a_disk("given other bases")

    def stats(self) -> StoreStats:
        """Bytes of packs are with those that sessions here have put and that the next swap names."""
        state = self.state
        with self.index.read() as txn:
            objects = txn.stat(self.index.objects)["entries"]
        return StoreStats(
            objects,
            sum(run.packs for run in state.runs),
            state.pack_bytes + sum(session.unnamed_bytes for session in list(self.sessions)),
            sum(run.size_bytes for run in state.runs),
        )

    def require_room(self, size: int, what: str, *, reserve: int = 0) -> None:
        """A bucket has no end that it could tell."""

    def close(self) -> None:
        for session in list(self.sessions):
            session.close()
        self.packs.close()
        self.rows.close()
        self.blobs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ------------------------------------------------------------------ inside

    def _only_on_a_disk(self, what: str) -> Failure:
        return Failure(
            f"objects in a bucket cannot be {what}",
            kind="not-supported",
            cause="it would fetch and send all of them",
            help="mvc optimize  (in a clone; what is pushed after that is smaller)",
        )
