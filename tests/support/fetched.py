"""Which recipes a repository fetches, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from mvcd.ids import Digest, RecipeId
from mvcd.repo.core.core import Core


@contextmanager
def recipes_fetched() -> Iterator[list[Digest]]:
    """A list that grows by each recipe that is fetched, as often as it is."""
    found: list[Digest] = []
    fetch, fetch_many = Core.fetch, Core.fetch_many

    def heard(self: Core, id: Digest) -> bytes:
        found.extend([id] if isinstance(id, RecipeId) else [])
        return fetch(self, id)

    def heard_many(self: Core, ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        found.extend(id for id in ids if isinstance(id, RecipeId))
        return fetch_many(self, ids)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Core, "fetch", heard)
        patched.setattr(Core, "fetch_many", heard_many)
        yield found
