"""The client passes the contract of stores, over each store that can be served."""

from __future__ import annotations

from mvcd.store.bucket.bucket_store import BucketStore
from mvcd.store.bucket.directory import DirectoryBlobs
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from tests.store.shared import SharedContract
from tests.wire.remote_store import RemoteStore


class TestOverLmdb(SharedContract):
    def make(self) -> RemoteStore:
        return RemoteStore(LmdbStore.create(self.directory))


class TestOverBucket(SharedContract):
    def make(self) -> RemoteStore:
        self.directory.mkdir()
        return RemoteStore(
            BucketStore.create(DirectoryBlobs(str(self.directory), "bucket+file:///somewhere"))
        )


class TestOverMemory(SharedContract):
    def make(self) -> RemoteStore:
        return RemoteStore(MemoryStore())
