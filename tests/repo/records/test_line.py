"""Numbers on lines of first parents, against walking every step; what was learned is not walked again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import Digest, VersionId
from mvcd.objects.version import Version
from mvcd.repo.records import line
from mvcd.repo.records.line import STRIDE_VERSIONS, on_line
from mvcd.store.memory_store import MemoryStore


class Counting(MemoryStore):
    """Counts what is read."""

    reads = 0

    def get(self, id: Digest) -> bytes:
        self.reads += 1
        return super().get(id)


def history(store: MemoryStore, count: int, source: random.Random) -> list[VersionId]:
    """Versions of which some begin branches, and some merge others, so that numbers are left out."""
    made: list[Version] = []
    with store.session() as session:
        for n in range(count):
            tips = made[-3:]
            parents: Sequence[Version] = [source.choice(tips)] if tips else []
            if len(tips) > 1 and source.random() < 0.2:
                parents = source.sample(tips, 2)
            generation = 1 + max((p.generation for p in parents), default=0)
            version = Version(
                parents=tuple(p.id for p in parents), generation=generation, message=f"{n}"
            )
            data = version.encode()
            session.put(version.id, Encoded(Codec.RAW, len(data), data))
            made.append(version)
        session.commit()
    return [version.id for version in made]


def walked(store: MemoryStore, tip: VersionId, number: int) -> VersionId | None:
    here: VersionId | None = tip
    while here is not None:
        version = Version.decode(store.get(here))
        if version.generation <= number:
            return here if version.generation == number else None
        here = version.parents[0] if version.parents else None
    return None


@pytest.mark.parametrize("seed", range(4))
def test_the_same_as_walking_every_step(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "STRIDE_VERSIONS", 7)
    source = random.Random(seed)
    store = Counting()
    ids = history(store, 300, source)
    for _ in range(400):
        tip, number = source.choice(ids), source.randrange(1, 200)
        assert on_line(store, tip, number) == walked(store, tip, number)


def straight(count: int) -> tuple[Counting, VersionId]:
    store = Counting()
    parents: tuple[Any, ...] = ()
    with store.session() as session:
        for n in range(1, count + 1):
            version = Version(parents=parents, generation=n)
            data = version.encode()
            session.put(version.id, Encoded(Codec.RAW, len(data), data))
            parents = (version.id,)
        session.commit()
    return store, parents[0]


def test_what_was_walked_once_is_not_walked_again() -> None:
    count = 12 * STRIDE_VERSIONS + 9
    store, tip = straight(count)
    third = on_line(store, tip, 3)
    assert store.reads < count + 20
    for number in (3, 40, 5 * STRIDE_VERSIONS, count - 1):
        store.reads = 0
        found = on_line(store, tip, number)
        assert found is not None
        assert store.reads < 2 * STRIDE_VERSIONS
        assert Version.decode(store.get(found)).generation == number
    assert on_line(store, tip, 3) == third
    assert on_line(store, tip, count + 1) is None


def test_rows_that_are_damaged_or_lost_cost_the_walk_again() -> None:
    store, tip = straight(3 * STRIDE_VERSIONS)
    third = on_line(store, tip, 3)
    rows = dict(store.cache_scan(b"line/"))
    assert len(rows) == 1
    store.cache_put(dict.fromkeys(rows, b"short"))
    assert on_line(store, tip, 3) == third
    assert dict(store.cache_scan(b"line/")) == rows
