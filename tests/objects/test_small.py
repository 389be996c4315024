"""Ids and recipes of small files in C, against the package blake3 and the general way to a recipe."""

from __future__ import annotations

import random

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.ids import ChunkId, NodeId, RecipeId
from mvcd.objects import _small
from mvcd.objects.chunklist import MAX_CHUNK_BYTES
from mvcd.objects.entry import PATH_MAP
from mvcd.objects.recipe import (
    LITERAL_BYTES,
    Recipe,
    SegmentBuilder,
    Tensor,
    literal_segment,
    only_parts,
    parts,
)

KERNELS = _small.kernels()
MOST_BYTES = 8192
EDGES = sorted(
    {n + by for n in (0, 64, 128, 1024, 2048, 3072, 4096, 5120, 7168, 8192) for by in (-1, 0, 1)}
)
SIZES = st.one_of(
    st.sampled_from([n for n in EDGES if 0 <= n <= MOST_BYTES]), st.integers(0, MOST_BYTES)
)
MESSAGES = st.lists(
    st.builds(lambda size, seed: random.Random(seed).randbytes(size), SIZES, st.integers(0, 9)),
    max_size=40,
)
"""More than eight at once, which are as many as go side by side."""


def recipe_of(data: bytes) -> tuple[ChunkId | None, bytes]:
    """The chunk's id and the recipe, as recipe.py writes it."""
    if not data:
        return None, Recipe(0, "", ()).encode()
    if len(data) <= LITERAL_BYTES:
        return None, Recipe(len(data), "", (literal_segment(data),)).encode()
    id, builder = ChunkId.of(data), SegmentBuilder(lambda *_: None)
    builder.add(id, len(data))
    return id, Recipe(len(data), "", (builder.finish(),)).encode()


@pytest.mark.parametrize("kernel", KERNELS)
@given(messages=MESSAGES)
@settings(deadline=None)
def test_digests_are_those_of_the_package(kernel: str, messages: list[bytes]) -> None:
    plain = [blake3(message).digest() for message in messages]
    assert _small.digests(messages, None, kernel) == plain
    for type in (ChunkId, NodeId, RecipeId):
        wanted = [type.of(message) for message in messages]
        assert _small.digests(messages, type.context(), kernel) == wanted
    points = [int.from_bytes(digest[:8], "little") for digest in plain]
    assert _small.points(messages, kernel) == points == [PATH_MAP.point(m) for m in messages]


@pytest.mark.parametrize("kernel", KERNELS)
def test_all_sizes_at_once(kernel: str) -> None:
    source = random.Random(3)
    messages = [source.randbytes(size) for size in range(MOST_BYTES + 1)]
    assert _small.digests(messages, None, kernel) == [blake3(m).digest() for m in messages]


@pytest.mark.parametrize("kernel", KERNELS)
@given(contents=MESSAGES)
@settings(deadline=None)
def test_recipes_are_those_of_the_general_way(kernel: str, contents: list[bytes]) -> None:
    chunks, recipes, names = _small.recipes(contents, ChunkId.context(), RecipeId.context(), kernel)
    assert list(zip(chunks, recipes, strict=True)) == [recipe_of(data) for data in contents]
    assert names == [RecipeId.of(recipe) for recipe in recipes]


@given(contents=MESSAGES, extra=st.binary(max_size=3), data=st.data())
@settings(deadline=None)
def test_recipes_are_read_as_the_general_way_reads_them(
    contents: list[bytes], extra: bytes, data: st.DataObject
) -> None:
    """Also those that some bytes were changed in: what is read at all is what `decode` and `parts` say."""
    recipes = [recipe_of(content)[1] for content in contents if content]
    found = only_parts(recipes)
    assert all(part is not None for part in found)
    for recipe in recipes:
        at = data.draw(st.integers(0, len(recipe) - 1))
        wrong = recipe[:at] + extra + recipe[at + data.draw(st.integers(0, 3)) :]
        recipes = [*recipes, wrong]
    for recipe, part in zip(recipes, only_parts(recipes), strict=True):
        if part is not None:
            assert [part] == list(parts(Recipe.decode(recipe), lambda _: b""))
            assert part.chunk is None or type(part.chunk) is ChunkId


@pytest.mark.parametrize("size", [LITERAL_BYTES + 1, MAX_CHUNK_BYTES])
def test_recipes_of_one_chunk_are_read_up_to_the_largest(size: int) -> None:
    builder = SegmentBuilder(lambda *_: None)
    builder.add(ChunkId(bytes(32)), size)
    recipe = Recipe(size, "", (builder.finish(),)).encode()
    assert only_parts([recipe]) == [(0, size, ChunkId(bytes(32)), None)]


def test_recipes_of_more_than_a_chunk_are_left_to_the_general_way() -> None:
    two = SegmentBuilder(lambda *_: None)
    for _ in range(2):
        two.add(ChunkId(bytes(32)), LITERAL_BYTES)
    tensor = literal_segment(b"12345678", Tensor("bias", "F32", (2,)))
    recipes = [
        Recipe(0, "", ()),
        Recipe(2 * LITERAL_BYTES, "", (two.finish(),)),
        Recipe(8, "", (tensor,)),
        Recipe(8, "npz", (literal_segment(b"12345678"),)),
        Recipe(2, "", (literal_segment(b"1"), literal_segment(b"2"))),
    ]
    assert only_parts([recipe.encode() for recipe in recipes]) == [None] * len(recipes)


def test_the_best_kernel_is_the_default() -> None:
    assert KERNELS[-1] == "portable"
    assert _small.digests([b"x"], None) == _small.digests([b"x"], None, KERNELS[0])


def test_what_is_too_long_or_no_bytes_is_refused() -> None:
    for bad in ([b"x" * (MOST_BYTES + 1)], [b"x", "x"], ["x"], [None]):
        with pytest.raises((ValueError, TypeError)):
            _small.digests(bad, None)  # type: ignore[arg-type]
        with pytest.raises((ValueError, TypeError)):
            _small.recipes(bad, "a", "b")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        _small.points(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="64 bytes"):
        _small.digests([], "x" * 65)
    with pytest.raises(ValueError, match="kernel"):
        _small.digests([], None, "abacus")
