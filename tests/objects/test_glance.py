"""Glances see what whole readings see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import CorruptObject
from mvcd.ids import Digest, NodeId, RecipeId, VersionId
from mvcd.objects.glance import Glance, TensorGlance, entries_at, entries_with, tensor_in
from mvcd.objects.manifest import Entry, ManifestBuilder, Mode, entries
from mvcd.objects.recipe import Recipe, Segment, Tensor

names = st.sampled_from(["a", "a-b", "a0", "ab", "b", "é", "zz"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)


def manifest(files: set[str]) -> tuple[NodeId, dict[Digest, bytes]]:
    stored: dict[Digest, bytes] = {}
    builder = ManifestBuilder(stored.__setitem__)
    for number, path in enumerate(sorted(files)):
        builder.add(Entry(path, Mode.FILE, number, RecipeId.of(path.encode())))
    root = builder.finish().root
    assert root is not None
    return root, stored


@given(st.sets(paths, min_size=1, max_size=30), paths)
def test_entries_at_a_path(files: set[str], path: str) -> None:
    root, stored = manifest(files)
    expected = [f for f in sorted(files) if f == path] or [
        f for f in sorted(files) if f.startswith(path + "/")
    ]
    found = entries_at(root, path, stored.__getitem__)
    assert [name for name, *_ in found] == expected
    assert [r for _, r, _, _ in found] == [RecipeId.of(name.encode()) for name in expected]


@given(st.sets(paths, max_size=30), st.sets(paths, max_size=6), st.sampled_from([0, 40]))
def test_entries_with_a_content(files: set[str], wanted: set[str], others: int) -> None:
    """`others` that no file has: many are looked for in another way than few."""
    names = {*files, *(f"more/{n}" for n in range(400))}
    root, stored = manifest(names)
    recipes = {RecipeId.of(path.encode()) for path in wanted}
    recipes |= {RecipeId.of(b"%d of none" % n) for n in range(others)}
    found = [name for name, *_ in entries_with(root, recipes, stored.__getitem__)]
    assert found == sorted(files & wanted)


def test_entries_of_a_deep_manifest() -> None:
    files = {f"d{n % 70:02}/{n:05}" for n in range(20_000)}
    root, stored = manifest(files)
    reads = []

    def fetch(id: Digest) -> bytes:
        reads.append(id)
        return stored[id]

    assert [e.path for e in entries(root, stored.__getitem__)] == [
        name for name, *_ in entries_at(root, ".", fetch)
    ]
    reads.clear()
    assert len(entries_at(root, "d07", fetch)) == len([f for f in files if f.startswith("d07/")])
    assert len(reads) < 25, "only what lies on the way is read"
    assert entries_at(root, "d07/00007", fetch)[0][2:] == (0, sorted(files).index("d07/00007"))


def test_a_tensor_of_a_recipe() -> None:
    weight = Tensor("layer.weight", "F32", (2, 2))
    bias = Tensor("layer.bias", "BF16", (2,))
    segments = (Segment(b"header"), Segment(b"1234", bias), Segment(b"0" * 16, weight))
    data = Recipe(26, "safetensors", segments).encode()
    expected = TensorGlance("F32", (2, 2), b"0" * 16, 2)
    for hint in (0, 2, 99):
        assert tensor_in(data, "layer.weight", hint) == expected
    assert tensor_in(data, "layer") is None
    assert tensor_in(data, "") is None
    found = tensor_in(data, "layer.bias")
    assert found is not None
    assert found.content == b"1234"


def test_garbage_is_refused() -> None:
    id = VersionId.of(b"x")
    for read in (
        lambda: Glance(id, b"\xff"),
        lambda: tensor_in(b"\xffa", "a"),
        lambda: entries_at(NodeId.of(b"x"), "a", lambda _: b"\xff"),
    ):
        with pytest.raises(CorruptObject):
            read()  # type: ignore[no-untyped-call]


def test_a_chain_of_nodes_that_never_ends_is_refused() -> None:
    from mvcd.objects.v1 import objects_pb2 as pb

    loop = NodeId.of(b"x")
    branch = pb.EntryBranch(level=1, ids=bytes(loop), last_paths=["z"], sizes=[1], counts=[1])
    data = pb.Node(entry_branch=branch).SerializeToString()
    with pytest.raises(CorruptObject) as caught:
        entries_at(loop, "a", lambda _: data)
    assert caught.value.cause is not None
    assert "has it twice" in caught.value.cause
