from __future__ import annotations

import pytest

from mvcd.store import collect
from mvcd.store.api import Store
from mvcd.store.lmdb_store import LmdbStore
from tests.store.contract import StoreContract
from tests.store.objects import mark_values


class TestLmdbStore(StoreContract):
    def make(self) -> Store:
        return LmdbStore.create(self.directory)

    def sweep_regardless_of_leases(self, store: LmdbStore, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(collect, "leased_ids", lambda directory: set())
            store.collect(mark_values)
