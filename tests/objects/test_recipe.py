from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.errors import CorruptObject
from mvcd.ids import ChunkId, NodeId
from mvcd.objects.canonical import MAX_OBJECT_BYTES, encode
from mvcd.objects.chunklist import MAX_CHUNK_BYTES
from mvcd.objects.recipe import (
    INLINE_CHUNKS,
    LITERAL_BYTES,
    ChunkRun,
    Part,
    Recipe,
    Segment,
    SegmentBuilder,
    Tensor,
    TreeRef,
    literal_segment,
    parts,
)
from mvcd.objects.v1 import objects_pb2 as pb
from tests.objects.reference import some_id
from tests.objects.stored import Objects, build_segment, numbered_chunks

ID = ChunkId(some_id(0))
W = Tensor("w", "F32", (2, 3))


def run(*sizes: int) -> Segment:
    return Segment(ChunkRun(tuple(ChunkId(some_id(i)) for i in range(len(sizes))), sizes))


def plain(*segments: Segment) -> Recipe:
    return Recipe(sum(segment.size for segment in segments), "", segments)


# ---------------------------------------------------------------- building


@pytest.mark.parametrize("count", [1, 2, INLINE_CHUNKS])
def test_short_lists_stay_inline(count: int) -> None:
    objects = Objects()
    segment = build_segment(objects, [(some_id(i), 1000 + i) for i in range(count)])
    assert segment == run(*range(1000, 1000 + count))
    assert not objects


def test_long_lists_become_a_tree() -> None:
    objects = Objects()
    segment = build_segment(objects, [(some_id(i), 1000) for i in range(INLINE_CHUNKS + 1)])
    assert segment.content == TreeRef(NodeId(objects.writes[0]), 17_000, 17)
    assert len(objects.writes) == 1


def test_finish_keeps_the_tensor() -> None:
    builder = SegmentBuilder(Objects().sink)
    builder.add(ID, 1000)
    assert builder.finish(W) == Segment(ChunkRun((ID,), (1000,)), W)


@pytest.mark.parametrize("size", [0, -1, MAX_CHUNK_BYTES + 1])
def test_builder_refuses_chunk_sizes(size: int) -> None:
    with pytest.raises(ValueError, match=str(size)):
        SegmentBuilder(Objects().sink).add(ID, size)


@pytest.mark.parametrize("sizes", [(), (LITERAL_BYTES,), (1,) * 128, (1,) * 16])
def test_builder_refuses_what_is_a_literal(sizes: tuple[int, ...]) -> None:
    builder = SegmentBuilder(Objects().sink)
    for size in sizes:
        builder.add(ID, size)
    with pytest.raises(ValueError, match="literal"):
        builder.finish()


def test_literals() -> None:
    assert literal_segment(b"x").size == 1
    assert literal_segment(bytearray(LITERAL_BYTES)).content == bytes(LITERAL_BYTES)
    assert literal_segment(b"", W).size == 0
    for data in (b"", bytes(LITERAL_BYTES + 1)):
        with pytest.raises(ValueError, match="literal"):
            literal_segment(data)


def test_content_key_tells_kinds_and_contents_apart() -> None:
    keys = [
        segment.content_key
        for segment in (
            literal_segment(bytes(ID)),
            run(200),
            Segment(TreeRef(NodeId(ID), 5000, 20)),
            run(200, 300),
            literal_segment(b"x"),
        )
    ]
    assert len(set(keys)) == len(keys)
    assert run(200).content_key == run(200)._replace(tensor=W).content_key


def test_tensors_by_name() -> None:
    one, other = run(200)._replace(tensor=W), literal_segment(b"1234", Tensor("b", "F32", (1,)))
    recipe = plain(literal_segment(b"{}"), one, other)
    assert list(recipe.tensors().items()) == [("w", one), ("b", other)]


def test_encode_refuses_illegal_recipes() -> None:
    for recipe in (
        Recipe(1, "", ()),
        plain(run(100)),
        plain(run(*[100] * 17)),
        plain(Segment(ChunkRun((ID,), (100, 100)))),
        plain(Segment(TreeRef(NodeId(ID), 5000, 16))),
        plain(Segment(b"")),
        plain(literal_segment(b"x", W), literal_segment(b"y", W)),
        plain(Segment(b"x", Tensor("w", "", ()))),
    ):
        with pytest.raises(ValueError):
            recipe.encode()


def test_too_many_tensors_for_one_recipe() -> None:
    tensors = [literal_segment(b"1234", Tensor(f"layer.{i}", "F32", (1,))) for i in range(40_000)]
    with pytest.raises(ValueError, match=str(MAX_OBJECT_BYTES)):
        plain(*tensors).encode()
    assert len(plain(*tensors[:25_000]).encode()) < MAX_OBJECT_BYTES


# ---------------------------------------------------------------- strict reading


def segment(**fields: Any) -> pb.Recipe:
    return pb.Recipe(size=400, segments=[pb.Segment(**fields)])


def leaf(ids: int, sizes: list[int]) -> pb.ChunkLeaf:
    return pb.ChunkLeaf(ids=bytes(ids), sizes=sizes)


ILLEGAL = {
    "no content": segment(),
    "tensor without content": segment(tensor=pb.Tensor(name="w", dtype="F32")),
    "sum": segment(chunks=leaf(32, [401])),
    "no segments": pb.Recipe(size=1),
    "long literal": pb.Recipe(size=129, segments=[pb.Segment(literal=bytes(129))]),
    "empty literal": pb.Recipe(segments=[pb.Segment(literal=b"")]),
    "no chunks": segment(chunks=leaf(0, [])),
    "chunks where a literal belongs": pb.Recipe(
        size=128, segments=[pb.Segment(chunks=leaf(32, [128]))]
    ),
    "17 chunks inline": pb.Recipe(
        size=1700, segments=[pb.Segment(chunks=leaf(32 * 17, [100] * 17))]
    ),
    "torn chunk id": segment(chunks=leaf(31, [400])),
    "empty chunk": segment(chunks=leaf(64, [400, 0])),
    "tree of 16": segment(root=pb.TreeRef(node=bytes(32), size=400, count=16)),
    "tree of more chunks than bytes": segment(root=pb.TreeRef(node=bytes(32), size=400, count=401)),
    "torn node id": segment(root=pb.TreeRef(node=bytes(31), size=400, count=20)),
    "no dtype": segment(tensor=pb.Tensor(name="w"), chunks=leaf(32, [400])),
    "same name": pb.Recipe(
        size=2, segments=[pb.Segment(tensor=pb.Tensor(name="w", dtype="I8"), literal=b"x")] * 2
    ),
}


@pytest.mark.parametrize("name", ILLEGAL)
def test_illegal_recipes_are_refused(name: str) -> None:
    with pytest.raises(CorruptObject) as caught:
        Recipe.decode(encode(ILLEGAL[name]))
    assert "recipe" in str(caught.value) and caught.value.cause


def test_many_are_decoded_as_one_by_one() -> None:
    """Whether C reads them or not."""
    recipes = [
        plain(),
        plain(literal_segment(b"x")),
        plain(literal_segment(bytes(LITERAL_BYTES))),
        plain(run(LITERAL_BYTES + 1)),
        plain(run(MAX_CHUNK_BYTES)),
        plain(run(400, 1)),
        plain(literal_segment(b"x"), run(400)),
        Recipe(400, "safetensors", (Segment(run(400).content, Tensor("w", "I8", (400,))),)),
    ]
    encoded = [recipe.encode() for recipe in recipes]
    assert Recipe.decode_many(encoded) == [Recipe.decode(data) for data in encoded] == recipes
    for wrong in ILLEGAL.values():
        with pytest.raises(CorruptObject):
            Recipe.decode_many([*encoded, encode(wrong)])


# ---------------------------------------------------------------- parts

sizes = st.integers(1, 300)
pieces = st.one_of(
    st.binary(min_size=1, max_size=LITERAL_BYTES),
    st.lists(sizes, min_size=1, max_size=16).filter(lambda s: sum(s) > LITERAL_BYTES),
    st.tuples(st.integers(129, 700), sizes).map(lambda t: [t[1]] * t[0]),
)


def model_of(content: list[bytes | list[int]], objects: Objects) -> tuple[Recipe, list[Part]]:
    """A recipe and the flat list of its parts."""
    segments, flat, offset = [], [], 0
    number = itertools.count()
    for piece in content:
        if isinstance(piece, bytes):
            segments.append(literal_segment(piece))
            flat.append(Part(offset, len(piece), None, piece))
            offset += len(piece)
            continue
        chunks = [(some_id(next(number)), size) for size in piece]
        segments.append(build_segment(objects, chunks))
        for chunk_id, size in chunks:
            flat.append(Part(offset, size, ChunkId(chunk_id), None))
            offset += size
    return Recipe(offset, "", tuple(segments)), flat


@settings(deadline=None)
@given(st.lists(pieces, max_size=5), st.floats(0, 1.1))
def test_parts_are_the_flat_list_from_any_start(
    content: list[bytes | list[int]], place: float
) -> None:
    objects = Objects()
    recipe, flat = model_of(content, objects)
    assert Recipe.decode(recipe.encode()) == recipe
    start = int(place * recipe.size)
    assert list(parts(recipe, objects.fetch, start)) == [
        part for part in flat if part.offset + part.size > start
    ]


def test_tensor_without_elements_has_no_part() -> None:
    recipe = plain(literal_segment(b"a"), literal_segment(b"", W), literal_segment(b"b"))
    assert [part.literal for part in parts(recipe, Objects().fetch)] == [b"a", b"b"]


def test_seeking_reads_one_node_per_level() -> None:
    objects = Objects()
    recipe = plain(build_segment(objects, numbered_chunks(20_000)))
    for start in (0, recipe.size // 3, recipe.size - 1):
        reads = objects.reads_of(lambda at=start: next(parts(recipe, objects.fetch, at)))
        assert reads == 2
    assert objects.reads_of(lambda: list(parts(recipe, objects.fetch))) == len(objects)
    assert objects.reads_of(lambda: list(parts(recipe, objects.fetch, recipe.size))) == 0


def test_totals_of_the_tree_are_checked() -> None:
    objects = Objects()
    content = build_segment(objects, numbered_chunks(300)).content
    assert isinstance(content, TreeRef)
    for lie in (replace(content, size=content.size + 1), replace(content, count=299)):
        with pytest.raises(CorruptObject, match=content.node.short()):
            list(parts(plain(Segment(lie)), objects.fetch))


def test_one_changed_chunk_writes_few_nodes() -> None:
    objects = Objects()
    chunks = numbered_chunks(20_000)
    build_segment(objects, chunks)
    before = len(objects)
    chunks[9_999] = (some_id(-1), 1000)
    build_segment(objects, chunks)
    assert 2 <= len(objects) - before <= 4
