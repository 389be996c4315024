"""Which recipes are read from a store, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from mvcd.ids import Digest, RecipeId
from mvcd.store.lmdb_store import LmdbStore


@contextmanager
def recipes_fetched() -> Iterator[list[Digest]]:
    """A list that grows by each recipe that is read, as often as it is."""
    found: list[Digest] = []
    get, get_many = LmdbStore.get, LmdbStore.get_many

    def heard(self: LmdbStore, id: Digest) -> bytes:
        found.extend([id] if isinstance(id, RecipeId) else [])
        return get(self, id)

    def heard_many(
        self: LmdbStore, ids: Sequence[Digest], **how: Any
    ) -> Iterator[tuple[Digest, bytes]]:
        found.extend(id for id in ids if isinstance(id, RecipeId))
        return get_many(self, ids, **how)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LmdbStore, "get", heard)
        patched.setattr(LmdbStore, "get_many", heard_many)
        yield found
