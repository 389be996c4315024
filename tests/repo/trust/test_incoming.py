"""A push is taken only when it is whole: one object after the other is left out."""

from __future__ import annotations

import os

import pytest

from mvcd.errors import Conflict, MissingObject, UsageError
from mvcd.ids import Digest, Kind, VersionId
from mvcd.repo.trust.incoming import receive
from mvcd.store.api import RefUpdate, Store
from mvcd.store.memory_store import MemoryStore
from tests.support.workspace import Bench


def copy(source: Store, *, without: Digest | None = None) -> MemoryStore:
    """All objects but one; bases first, as a session wants them."""
    target = MemoryStore()
    with target.session() as session:
        infos = list(source.ids())
        for id, info in sorted(infos, key=lambda pair: pair[1].base is not None):
            if id != without and (info.base is None or info.base != without):
                session.put(id, source.get_encoded(id))
        session.commit()
    return target


def push(
    store: Store, name: str, old: bytes | None, new: bytes | None, *, force: bool = False
) -> None:
    def missing(ids: list[Digest]) -> list[Digest]:
        return [id for id, here in zip(ids, store.has(ids), strict=True) if not here]

    receive(store, [RefUpdate(name, old, new)], frozenset([name] if force else []), missing)


@pytest.fixture
def two(bench: Bench) -> tuple[Store, VersionId, VersionId]:
    bench.write({"params.yaml": "lr: 1\n", "model.bin": os.urandom(300_000), "a/b.py": "x\n"})
    bench.add()
    first = bench.commit().version
    bench.write({"params.yaml": "lr: 2\n", "more.csv": "1,2\n"})
    bench.add()
    second = bench.commit().version
    return bench.repo._core.store, first, second


def test_each_missing_object_is_found(two: tuple[Store, VersionId, VersionId]) -> None:
    source, first, second = two
    push(copy(source), "heads/main", None, second)
    spared = 0
    for id, _ in source.ids():
        store = copy(source, without=id)
        try:
            push(store, "heads/main", None, second)
        except MissingObject:
            continue
        spared += 1  # content of the first version only: the second's ancestors need records
        assert id.kind is not Kind.VERSION and id not in (first, second)
    assert 0 < spared < 8


def test_what_is_new_is_checked_against_what_is_here(
    two: tuple[Store, VersionId, VersionId],
) -> None:
    source, first, second = two
    for id, _ in source.ids():
        if id == first:
            continue
        store = copy(source, without=id)
        try:
            push(store, "heads/main", None, first)
        except MissingObject:
            continue
        store.update_refs([RefUpdate("heads/main", None, first)])
        with pytest.raises(MissingObject):
            push(store, "heads/main", first, second)
    store = copy(source)
    store.update_refs([RefUpdate("heads/main", None, first)])
    asked: list[Digest] = []

    def missing(ids: list[Digest]) -> list[Digest]:
        asked.extend(ids)
        return []

    receive(store, [RefUpdate("heads/main", first, second)], frozenset(), missing)
    assert len(asked) < len(list(source.ids())) - 3, "the large file was not walked again"


def test_only_forward_unless_forced(two: tuple[Store, VersionId, VersionId]) -> None:
    store, first, second = copy(two[0]), two[1], two[2]
    push(store, "heads/x", first, second)
    with pytest.raises(Conflict) as caught:
        push(store, "heads/x", second, first)
    assert caught.value.kind == "non-fast-forward"
    push(store, "heads/x", second, first, force=True)
    push(store, "heads/x", second, None)
    with pytest.raises(Conflict):
        push(store, "tags/t", first, second)
    with pytest.raises(UsageError):
        push(store, "workspaces/1/head", None, second)
    with pytest.raises(Conflict):
        push(store, "heads/x", b"short", second)
