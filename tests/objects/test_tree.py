"""The construction itself: where nodes end, that history does not show, what a reader checks."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.errors import CorruptObject, MissingObject
from mvcd.ids import ChunkId, Digest, NodeId, RecipeId
from mvcd.objects.chunklist import CHUNK_LIST, Chunk
from mvcd.objects.entry import PATH_MAP, Entry, Mode
from mvcd.objects.tree import MAX_LEVELS, TreeBuilder, ends_node, open_node, open_root
from tests.objects import reference
from tests.objects.reference import some_id
from tests.objects.stored import Objects, numbered_chunks


@pytest.mark.parametrize("level", [0, 1, 2, MAX_LEVELS])
@pytest.mark.parametrize("mean", [96, 256])
def test_one_entry_in_mean_ends_a_node(level: int, mean: int) -> None:
    points = [int.from_bytes(some_id(i)[:8], "little") for i in range(40 * mean)]
    ending = [i for i, point in enumerate(points) if ends_node(point, level, mean)]
    assert 22 <= len(ending) <= 62  # 40 expected, 6.3 standard deviation
    assert ending == [i for i, point in enumerate(points) if reference.ends(point, level, mean)]


def test_levels_decide_independently() -> None:
    points = [int.from_bytes(some_id(i)[:8], "little") for i in range(100_000)]
    both = [p for p in points if ends_node(p, 0, 64) and ends_node(p, 1, 64)]
    assert len(both) <= 60  # 24 expected; 1563 if the salt did nothing


def test_numbered_paths_cut_evenly() -> None:
    points = [PATH_MAP.point(b"img_%07d.png" % i) for i in range(96 * 40)]
    assert 22 <= sum(ends_node(point, 0, 96) for point in points) <= 62


# Few ids, some of which end nodes: short lists already show every branch of the rule.
ENDING = [
    k for k in range(4000) if reference.ends(int.from_bytes(some_id(k)[:8], "little"), 0, 256)
]
ids = st.one_of(st.integers(0, 5), st.sampled_from(ENDING))
runs = st.lists(st.tuples(ids, st.integers(1, 1200)), max_size=5)


@settings(max_examples=50, deadline=None)
@given(runs)
def test_builder_does_as_specified(runs: list[tuple[int, int]]) -> None:
    chunks = [(some_id(k), 1 + k % 9) for k, times in runs for _ in range(times)]
    objects = Objects()
    builder = TreeBuilder(CHUNK_LIST, objects.sink)
    for chunk_id, size in chunks:
        builder.add((ChunkId(chunk_id), size))
    root = builder.finish()
    tree = reference.chunk_tree(chunks)
    assert objects == tree.nodes
    if tree.root is None:
        assert root is None
    else:
        assert root is not None
        assert (root.node, root.size, root.count) == (tree.root.id, tree.root.size, tree.root.count)
        assert root.level == tree.levels - 1


def test_node_sizes() -> None:
    tree = reference.chunk_tree(numbered_chunks(30_000))
    sizes = [len(CHUNK_LIST.decode(raw).items) for raw in tree.nodes.values()]
    leaves = [size for size in sizes if size]
    assert 200 < sum(leaves) / len(leaves) < 320
    assert min(leaves) >= 2 and max(leaves) <= 2048


def test_memory_does_not_grow_with_the_list() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        builder = TreeBuilder(CHUNK_LIST, lambda id, data: None)
        for i in range(count):
            builder.add((ChunkId(some_id(i)), 1))
        builder.finish()
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result

    assert peak(40_000) < 1.5 * peak(10_000) < 1_500_000


# ---------------------------------------------------------------- reading

CHUNKS: list[Chunk] = [(ChunkId(i), size) for i, size in numbered_chunks(3000)]


def built() -> tuple[Objects, NodeId]:
    objects = Objects()
    builder = TreeBuilder(CHUNK_LIST, objects.sink)
    for chunk in CHUNKS:
        builder.add(chunk)
    root = builder.finish()
    assert root is not None
    return objects, root.node


def test_root_describes_itself() -> None:
    objects, node_id = built()
    child, node = open_root(CHUNK_LIST, node_id, objects.fetch)
    assert (child.node, child.level, child.count) == (node_id, 1, 3000)
    assert child.size == sum(size for _, size in CHUNKS)
    assert sum(c.count for c in node.children) == 3000


@pytest.mark.parametrize(
    "lie", [{"level": 1}, {"size": 1}, {"count": 1}, {"last": "x"}], ids=lambda lie: next(iter(lie))
)
def test_a_child_must_be_as_its_parent_says(lie: dict[str, object]) -> None:
    objects, node_id = built()
    _, root = open_root(CHUNK_LIST, node_id, objects.fetch)
    child = root.children[0]
    assert len(open_node(CHUNK_LIST, child, objects.fetch).items) == child.count
    with pytest.raises(CorruptObject, match=child.node.short()):
        open_node(CHUNK_LIST, replace(child, **lie), objects.fetch)


def test_a_node_of_the_other_form_is_refused() -> None:
    objects, node_id = built()
    with pytest.raises(CorruptObject, match=node_id.short()) as caught:
        open_root(PATH_MAP, node_id, objects.fetch)
    assert "another kind" in str(caught.value.cause)


def test_what_fetch_raises_passes() -> None:
    def nothing(id: Digest) -> bytes:
        raise MissingObject("gone")

    with pytest.raises(MissingObject):
        open_root(CHUNK_LIST, built()[1], nothing)


@settings(max_examples=40, deadline=None)
@given(
    numbers=st.sets(st.integers(0, 5000), max_size=600),
    length=st.sampled_from([5, 900, 4000]),
    steps=st.lists(st.integers(1, 300), min_size=1, max_size=5),
)
def test_items_added_together_make_the_nodes_of_those_added_one_by_one(
    numbers: set[int], length: int, steps: list[int]
) -> None:
    """Long paths end nodes by the bytes of their keys."""
    paths = [f"{'d' * length}/{number:05d}" for number in sorted(numbers)]
    items = [Entry(path, Mode.FILE, 1, RecipeId(some_id(0))) for path in paths]
    alone, together = Objects(), Objects()
    one, other = TreeBuilder(PATH_MAP, alone.sink), TreeBuilder(PATH_MAP, together.sink)
    for item in items:
        one.add(item)
    at = 0
    while at < len(items):
        for step in steps:
            other.extend(items[at : at + step])
            at += step
    assert other.finish() == one.finish()
    assert together == alone
