"""A store in a bucket as a server has it open beside other servers: one look at it serves all calls that had
begun by then (mvcd/team/STATELESS.md, section Freshness)."""

from __future__ import annotations

import math
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Self

from mvcd.errors import Conflict, MvcError, RemoteUnreachable
from mvcd.store.bucket.blobpacks import BlobPacks
from mvcd.store.bucket.blobs import Blobs
from mvcd.store.bucket.bucket_store import BucketStore
from mvcd.store.bucket.bucketstate import CLOCK
from mvcd.store.bucket.runindex import RunIndex
from mvcd.store.bucket.workers import Workers

KEPT_BLOCKS = 64
"""Blocks of packs that each store keeps in memory: 16 MiB, for a server has many open."""

LOOK_SECONDS = 10.0
"""Seconds for which a call waits for a look; a client gives up a short call after 15."""


class ServedStore(BucketStore):
    """`api.LookedStore`. It closes itself when nobody holds it any more, as stores on a disk do."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._looker = Workers(1, "mvc-look")
        self._looking = threading.Lock()
        self._look: tuple[float, Future[None]] | None = None
        self._looked = -math.inf
        assert isinstance(self.packs, BlobPacks)
        self.packs.kept_blocks = KEPT_BLOCKS
        self._closing = weakref.finalize(self, _close, self._looker, self.rows, self.blobs)

    @classmethod
    def open(cls, blobs: Blobs, **options: Any) -> Self:
        """See `BucketStore.open`."""
        began = time.monotonic()
        store = super().open(blobs, **options)
        assert isinstance(store, cls)
        store._looked = began
        return store

    @classmethod
    def born(cls, opened: Callable[[], Blobs], how: Mapping[str, str], **options: Any) -> Self:
        """A new store, whose clients use the bucket as `how` says; or the one that somebody else has made since
        it was seen that there is none."""
        store = cls.open(opened(), begin=how, **options)
        try:
            if not store.head.born:
                store.change(lambda state: state)
            return store
        except Conflict:
            store.close()
            return cls.open(opened(), **options)

    @property
    def bucket_options(self) -> Mapping[str, str]:
        """See `api.LookedStore`."""
        return self.state.options

    def changes(self) -> int:
        """Tells it as of the last look: costs no request."""
        return self.state.changes

    def look_since(self, since: float) -> None:
        """See `api.LookedStore`. Nobody waits for longer than LOOK_SECONDS: a bucket that stalls would take a
        server's threads one after another, and its clients would hear nothing."""
        end = time.monotonic() + LOOK_SECONDS
        while self._looked < since:
            under_way = self._look_under_way(since)
            if under_way is None:
                return
            begun, look = under_way
            try:
                look.result(max(0.0, end - time.monotonic()))
            except TimeoutError:
                raise RemoteUnreachable(
                    f"the bucket of this repository has not answered for {LOOK_SECONDS:.0f} s",
                    kind="bucket-silent",
                    cause="its store stalls, or the line from the server to it is cut",
                    help="run the command again when it answers",
                ) from None
            except MvcError:
                if begun >= since:
                    raise

    def _look_under_way(self, since: float) -> tuple[float, Future[None]] | None:
        """When it was begun, and what it comes to; who waited mostly finds that the look of another one will
        do. None where one that began `since` has ended meanwhile."""
        with self._looking:
            if self._look is None or self._look[1].done():
                if self._looked >= since:
                    return None
                self._look = time.monotonic(), self._looker.submit(self._look_now)
            return self._look

    def _look_now(self) -> None:
        began = time.monotonic()
        self.look()
        self._looked = began

    @property
    def looked(self) -> float:
        """When the newest look began that ended well, by `time.monotonic`."""
        return self._looked

    def self_test(self) -> None:
        """Writes an object and removes it. Raises what the bucket does."""
        name = CLOCK + secrets.token_hex(8)
        self.blobs.create(name, b"")
        self.blobs.delete([name])

    def close(self) -> None:
        for session in list(self.sessions):
            session.close()
        self.packs.close()
        self._closing()


def _close(looker: Workers, rows: RunIndex, blobs: Blobs) -> None:
    closers: list[Callable[[], None]] = [looker.close, rows.close, blobs.close]
    for close in closers:
        close()
