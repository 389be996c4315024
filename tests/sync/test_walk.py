"""The walk against the naive answer, and what it costs where little changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.ids import ChunkId, Digest, Kind, RecipeId, VersionId
from mvcd.objects.closure import children
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.recipe import Recipe
from mvcd.objects.version import Component, Version
from mvcd.sync.walk import difference
from tests.objects.stored import Objects, build_manifest, build_segment, small_nodes

State = dict[int, tuple[int, ...]]
"""A version: the chunks of each file, by number."""

SIZE = 256 << 10

STATES = st.dictionaries(
    st.integers(0, 30), st.lists(st.integers(0, 40), max_size=20).map(tuple), max_size=15
)


def chunk(number: int) -> ChunkId:
    return ChunkId.of(number.to_bytes(8, "big"))


def recipe(objects: Objects, chunks: Sequence[int]) -> RecipeId:
    segments = () if not chunks else (build_segment(objects, ((chunk(c), SIZE) for c in chunks)),)
    data = Recipe(SIZE * len(chunks), "", segments).encode()
    id = RecipeId.of(data)
    objects.sink(id, data)
    return id


def version(objects: Objects, state: State) -> VersionId:
    with small_nodes():
        root = build_manifest(
            objects,
            (
                Entry(f"f{n:03}", Mode.FILE, SIZE * len(chunks), recipe(objects, chunks))
                for n, chunks in sorted(state.items())
            ),
        )
    data = Version(generation=1, components={Component.DATA: root}, author="a").encode()
    id = VersionId.of(data)
    objects.sink(id, data)
    return id


def reached(objects: Objects, roots: Sequence[Digest]) -> set[Digest]:
    found: set[Digest] = set()
    stack = list(roots)
    while stack:
        id = stack.pop()
        if id not in found:
            found.add(id)
            if id.kind is not Kind.CHUNK:
                stack.extend(children(id.kind, objects[id]))
    return found


def reader(objects: Objects):  # type: ignore[no-untyped-def]
    def read(ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        return ((id, objects.fetch(id)) for id in ids)

    return read


@settings(max_examples=80, deadline=None)
@given(new=st.lists(STATES, min_size=1, max_size=3), known=st.lists(STATES, max_size=3))
def test_nothing_is_missed_and_nothing_is_made_up(new: list[State], known: list[State]) -> None:
    objects = Objects()
    ours = [version(objects, state) for state in new]
    theirs = [version(objects, state) for state in known]
    read = reader(objects)
    seen: set[Digest] = set()
    for group in difference(ours, theirs, read, read):
        for id in group:
            above = seen if id.kind is not Kind.CHUNK else set[Digest]()
            assert id not in above
        seen.update(group)
    assert seen <= reached(objects, ours)
    assert seen | reached(objects, theirs) >= reached(objects, ours)


@settings(max_examples=30, deadline=None)
@given(state=STATES, gone=st.integers(0, 30))
def test_absent_known_content_cancels_nothing(state: State, gone: int) -> None:
    objects = Objects()
    ours = version(objects, state)
    theirs = version(objects, {**state, gone: (99,)})
    lost = {id for id in reached(objects, [theirs]) if id.kind is Kind.RECIPE}

    def read_known(ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        return ((id, objects.fetch(id)) for id in ids if id not in lost)

    seen = {
        id for group in difference([ours], [theirs], reader(objects), read_known) for id in group
    }
    assert seen | reached(objects, [theirs]) >= reached(objects, [ours])


@pytest.mark.thorough
def test_one_changed_chunk_of_a_hundred_gibibytes_costs_a_path() -> None:
    count = (100 << 30) // (256 << 10)
    objects = Objects()
    ids = list(range(count))
    old = version(objects, {0: tuple(ids)})
    ids[count // 3] = count + 1
    new = version(objects, {0: tuple(ids)})
    objects.reads.clear()
    read = reader(objects)
    groups = list(difference([new], [old], read, read))
    sent = [id for group in groups for id in group]
    named = sum(len(objects[id]) for id in sent if id.kind is not Kind.CHUNK)
    asked = 32 * len(sent)
    assert named + asked < 64 << 10, (
        "200 KiB is the limit with the chunk, which has 64 KiB in the mean"
    )
    fresh = reached(objects, [new]) - reached(objects, [old])
    assert fresh <= set(sent)
    assert len(groups) <= 8
    assert len(objects.reads) < 40
