"""A store in a bucket as a server has it open beside other servers: one look at it serves all calls that had
begun by then (mvcd/team/STATELESS.md, section Freshness)."""

from __future__ import annotations

import math
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Self

from mvcd.errors import Conflict
from mvcd.store.bucket.blobpacks import BlobPacks
from mvcd.store.bucket.blobs import Blobs
from mvcd.store.bucket.bucket_store import BucketStore
from mvcd.store.bucket.bucketstate import CLOCK
from mvcd.store.bucket.runindex import RunIndex

KEPT_BLOCKS = 64
"""Blocks of packs that each store keeps in memory: 16 MiB, for a server has many open."""


class ServedStore(BucketStore):
    """`api.LookedStore`. It closes itself when nobody holds it any more, as stores on a disk do."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._turn = threading.Lock()
        self._looked = -math.inf
        assert isinstance(self.packs, BlobPacks)
        self.packs.kept_blocks = KEPT_BLOCKS
        self._closing = weakref.finalize(self, _close, self.rows, self.blobs)

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
        """See `api.LookedStore`."""
        if self._looked >= since:
            return
        with self._turn:  # who waited mostly finds that the look of another one will do
            if self._looked >= since:
                return
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


def _close(rows: RunIndex, blobs: Blobs) -> None:
    closers: list[Callable[[], None]] = [rows.close, blobs.close]
    for close in closers:
        close()
