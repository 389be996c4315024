from __future__ import annotations

import pytest

from mvcd.store.api import Store
from mvcd.store.memory_store import MemoryStore
from tests.store.contract import StoreContract
from tests.store.objects import mark_values


class TestMemoryStore(StoreContract):
    def make(self) -> Store:
        return MemoryStore()

    def sweep_regardless_of_leases(
        self, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(store, "_sessions", set())
            store.collect(mark_values)
