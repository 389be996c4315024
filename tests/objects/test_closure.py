"""Walking the graph meets every object that was written, each under its own kind."""

from __future__ import annotations

import pytest

from mvcd.errors import CorruptObject
from mvcd.ids import ChunkId, Digest, Kind, NodeId, RecipeId, VersionId
from mvcd.objects.closure import GROUP_OBJECTS, children, open_object, open_objects, parents
from mvcd.objects.glance import names
from mvcd.objects.manifest import Entry, Mode
from mvcd.objects.recipe import Recipe, Segment, literal_segment
from mvcd.objects.version import EMPTY, Component, Version
from tests.objects.reference import some_id
from tests.objects.stored import Objects, build_manifest, build_segment, numbered_chunks


def add_recipe(objects: Objects, *segments: Segment) -> tuple[RecipeId, int]:
    recipe = Recipe(sum(segment.size for segment in segments), "", segments)
    data = recipe.encode()
    objects.sink(RecipeId.of(data), data)
    return RecipeId.of(data), recipe.size


def test_closure_of_a_version_is_all_that_was_written() -> None:
    objects = Objects()
    tree = build_segment(objects, numbered_chunks(3000))
    inline = build_segment(objects, [(some_id(i), 999) for i in range(5000, 5005)])
    large = add_recipe(objects, literal_segment(b"{}"), tree, inline)
    small = [add_recipe(objects, literal_segment(b"%d" % i)) for i in range(1000)]
    weights = build_manifest(objects, [Entry("m.bin", Mode.FILE, large[1], large[0])])
    files = [Entry(f"{i:04}", Mode.FILE, size, id) for i, (id, size) in enumerate(small)]
    version = Version(
        parents=(VersionId(some_id(1)), VersionId(some_id(2))),
        generation=7,
        components={Component.WEIGHTS: weights, Component.DATA: build_manifest(objects, files)},
    )
    record = version.encode()
    objects.sink(version.id, record)

    met: set[Digest] = set()
    ahead: list[Digest] = [version.id]
    while ahead:
        id = ahead.pop()
        if id not in met:
            met.add(id)
            below = list(children(id.kind, objects[id] if id.kind != Kind.CHUNK else b""))
            if id.kind in (Kind.NODE, Kind.RECIPE):
                glanced = names(id.kind, objects[id])
                assert (glanced, [*map(type, glanced)]) == (below, [*map(type, below)])
            ahead.extend(below)
    chunks = {id for id, _ in numbered_chunks(3000)} | {some_id(i) for i in range(5000, 5005)}
    assert met == objects.keys() | chunks
    assert {id for id in met if id.kind == Kind.CHUNK} == chunks
    assert all(type(id) is type(kept) for id in met for kept in [id] if id in objects)
    assert parents(record) == version.parents


def test_many_are_opened_in_their_order() -> None:
    objects = Objects()
    for i in range(2 * GROUP_OBJECTS):
        add_recipe(objects, literal_segment(b"%d" % i))
    build_manifest(objects, [Entry("a", Mode.FILE, 1, RecipeId(some_id(1)))])
    add_recipe(objects, literal_segment(b"last"))
    expected = [(id, open_object(id.kind, data)) for id, data in objects.items()]
    assert list(open_objects(objects.items())) == expected
    assert list(open_objects([])) == []


def test_ids_are_typed() -> None:
    objects = Objects()
    tree = build_segment(objects, numbered_chunks(300))
    id, size = add_recipe(objects, tree, build_segment(objects, [(some_id(1), 999)]))
    assert [type(child) for child in children(Kind.RECIPE, objects[id])] == [NodeId, ChunkId]
    manifest = build_manifest(objects, [Entry("a", Mode.FILE, size, id)])
    assert manifest.root is not None
    assert [type(c) for c in children(Kind.NODE, objects[manifest.root])] == [RecipeId]


def test_leaves_of_the_graph() -> None:
    assert list(children(Kind.CHUNK, b"anything")) == []
    assert list(children(Kind.VERSION, EMPTY.encode())) == [] and parents(b"") == ()
    assert list(children(Kind.RECIPE, Recipe(0, "", ()).encode())) == []


@pytest.mark.parametrize("kind", [Kind.NODE, Kind.RECIPE, Kind.VERSION])
def test_illegal_bytes(kind: Kind) -> None:
    with pytest.raises(CorruptObject):
        list(children(kind, b"garbage"))


def test_a_node_without_body() -> None:
    with pytest.raises(CorruptObject):
        list(children(Kind.NODE, b""))
    with pytest.raises(CorruptObject):
        parents(b"garbage")
