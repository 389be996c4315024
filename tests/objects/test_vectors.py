"""The published vectors, read by the package and by the independent writer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mvcd.ids import ChunkId, NodeId, RecipeId, VersionId
from mvcd.objects.chunklist import CHUNK_LIST, chunks_from
from mvcd.objects.manifest import ComponentRoot, entries
from mvcd.objects.recipe import ChunkRun, Recipe, Segment, Tensor, TreeRef
from mvcd.objects.tree import open_root
from mvcd.objects.version import Component, Provenance, Trigger, Version
from tests.objects import reference
from tests.objects.stored import (
    Objects,
    build_manifest,
    build_segment,
    numbered_chunks,
    numbered_rows,
    to_entry,
)

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "objects.json").read_text(encoding="utf-8")
)


def each(group: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", VECTORS[group], ids=lambda case: case["name"])


@each("recipes")
def test_recipe(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["bytes"])
    recipe = to_recipe(case["value"])
    assert recipe.encode() == data == reference.recipe(case["value"])
    assert str(RecipeId.of(data)) == case["id"] == reference.digest("recipe", data).hex()
    assert Recipe.decode(data) == recipe


@each("chunk_lists")
def test_chunk_list(case: dict[str, Any]) -> None:
    if "numbered" in case:
        chunks = numbered_chunks(case["numbered"])
    else:
        chunks = [(reference.some_id(case["repeat"]), case["each"])] * case["times"]
    objects = Objects()
    content = build_segment(objects, chunks).content
    assert content == TreeRef(NodeId.parse(case["root"]), case["size"], len(chunks))
    assert len(objects) == case["nodes"]
    tree = reference.chunk_tree(chunks)
    assert objects == tree.nodes and tree.levels == case["levels"]
    if "bytes" in case:
        assert objects[content.node].hex() == case["bytes"]
    _, root = open_root(CHUNK_LIST, content.node, objects.fetch)
    assert [chunk for _, chunk in chunks_from(root, objects.fetch, 0)] == chunks


@each("manifests")
def test_manifest(case: dict[str, Any]) -> None:
    rows = to_rows(case)
    objects = Objects()
    built = build_manifest(objects, [to_entry(row) for row in rows])
    assert built == ComponentRoot(NodeId.parse(case["root"]), len(rows), case["size"])
    assert len(objects) == case["nodes"]
    tree = reference.manifest(rows)
    assert objects == tree.nodes and tree.levels == case["levels"]
    if "bytes" in case:
        assert objects[NodeId.parse(case["root"])].hex() == case["bytes"]
    assert list(entries(built.root, objects.fetch)) == [to_entry(row) for row in rows]


@each("versions")
def test_version(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["bytes"])
    version = to_version(case["value"])
    assert version.encode() == data == reference.version(case["value"])
    assert str(version.id) == case["id"] == reference.digest("version", data).hex()
    decoded = Version.decode(data)
    assert decoded == version
    assert list(decoded.components) == list(Component)
    for values in ("hyperparameters", "metrics"):  # 1 == 1.0 == True: equality says too little
        kinds = {key: repr(value) for key, value in case["value"][values].items()}
        assert {key: repr(value) for key, value in getattr(decoded, values).items()} == kinds


def to_recipe(value: dict[str, Any]) -> Recipe:
    return Recipe(value["size"], value["format"], tuple(map(to_segment, value["segments"])))


def to_segment(value: dict[str, Any]) -> Segment:
    tensor = value.get("tensor")
    if tensor is not None:
        tensor = Tensor(tensor["name"], tensor["dtype"], tuple(tensor["shape"]))
    if "literal" in value:
        return Segment(bytes.fromhex(value["literal"]), tensor)
    if "tree" in value:
        tree = value["tree"]
        return Segment(TreeRef(NodeId.parse(tree["node"]), tree["size"], tree["count"]), tensor)
    ids = tuple(ChunkId.parse(chunk[0]) for chunk in value["chunks"])
    return Segment(ChunkRun(ids, tuple(chunk[1] for chunk in value["chunks"])), tensor)


def to_rows(case: dict[str, Any]) -> list[reference.Row]:
    if "rows" in case:
        return [(path, mode, size, bytes.fromhex(id)) for path, mode, size, id in case["rows"]]
    if "numbered" in case:
        return numbered_rows(case["numbered"])
    tail = "/".join(["n" * 255] * 15)
    return [(f"{i:04}/{tail}", 0, i, reference.some_id(i)) for i in range(case["long"])]


def to_version(value: dict[str, Any]) -> Version:
    provenance = value["provenance"]
    return Version(
        parents=tuple(map(VersionId.parse, value["parents"])),
        generation=value["generation"],
        components={
            Component(name): ComponentRoot(NodeId.parse(root), files, size)
            for name, (root, files, size) in value["components"].items()
        },
        author=value["author"],
        time_us=value["time_us"],
        utc_offset_minutes=value["utc_offset_minutes"],
        message=value["message"],
        trigger=Trigger[value["trigger"].upper()],
        hyperparameters=value["hyperparameters"],
        metrics=value["metrics"],
        provenance=Provenance(**{**provenance, "command": tuple(provenance["command"])})
        if provenance
        else Provenance(),
        tracked=tuple(value["tracked"]),
    )
