"""The client passes the contract of stores, over each store that can be served."""

from __future__ import annotations

from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from tests.store.shared import SharedContract
from tests.wire.remote_store import RemoteStore


class TestOverLmdb(SharedContract):
    def make(self) -> RemoteStore:
        return RemoteStore(LmdbStore.create(self.directory))


class TestOverMemory(SharedContract):
    def make(self) -> RemoteStore:
        return RemoteStore(MemoryStore())
