"""Tensors of stored files: from recipes, from headers, and what identifies their content."""

from __future__ import annotations

import io
import pickle
import zlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.errors import MissingObject
from mvcd.inspect import tensorfiles
from mvcd.inspect.spans import ReadAt
from mvcd.inspect.tensorfile import Range, StoredTensor
from mvcd.objects.entry import Entry
from mvcd.objects.recipe import Recipe
from mvcd.objects.version import Component
from mvcd.repo.contents.files import VersionFiles, recipe_of
from mvcd.repo.contents.tensors import alone, held, read_at_of
from tests.support.torchfile import View, torch_zip
from tests.support.workspace import Bench

DCP = Path(__file__).parents[2] / "inspect" / "data" / "dcp" / "step0"


def stored(bench: Bench, name: str, data: bytes) -> tuple[Entry, Recipe]:
    bench.save({name: data})
    core = bench.repo._core
    version = core.version(bench.repo.resolve("HEAD"))
    (placed,) = VersionFiles(version, core.fetch).all([Component.WEIGHTS])
    return placed.entry, recipe_of(placed.entry, core.fetch)


@pytest.mark.parametrize("size", [10, 5000, 70_000, 2_000_000], ids=str)
def test_a_slice_is_known_as_what_it_would_be_alone(bench: Bench, size: int) -> None:
    data = np.arange(size, dtype="f4")
    views = {"all": View("0", (size + 7,)), "part": View("0", (size,), 3)}
    padded = np.concatenate([np.ones(3, "f4"), data, np.ones(4, "f4")])
    _, recipe = stored(bench, "m.pt", torch_zip(views, {"0": padded.tobytes()}))
    read_at = read_at_of(recipe, bench.repo._core.fetch)
    tensors = {each.tensor.name: each for each in held(recipe, read_at, "m.pt")}
    assert tensors["all"].segment is not None and tensors["part"].segment is None
    found = alone(tensors["part"].tensor, read_at)
    bench.remove("m.pt")
    _, lone = stored(bench, "x.safetensors", save({"part": data}))
    assert found is not None
    assert found.content_key == lone.tensors()["part"].content_key


def test_bytes_are_read_from_anywhere(bench: Bench) -> None:
    data = np.random.default_rng(1).bytes(700_000)
    _, recipe = stored(bench, "m.bin", data)
    read_at = read_at_of(recipe, bench.repo._core.fetch)
    for at, size in ((0, 10), (300_000, 400_000), (699_999, 50), (700_000, 5), (0, 0)):
        assert read_at(at, size) == data[at : at + size]


def test_without_its_header_a_file_has_what_its_recipe_tells(bench: Bench) -> None:
    def nothing(offset: int, length: int) -> bytes:
        raise MissingObject("it is nowhere")

    views = {"a": View("0", (9,)), "b": View("0", (9,))}
    _, recipe = stored(bench, "m.pt", torch_zip(views, {"0": bytes(36)}))
    assert [each.tensor.name for each in held(recipe, nothing, "m.pt")] == ["a"]
    bench.remove("m.pt")
    file = io.BytesIO()
    np.savez_compressed(file, w=np.ones(3))
    _, recipe = stored(bench, "m.npz", file.getvalue())
    with pytest.raises(MissingObject):
        held(recipe, nothing, "m.npz")


def test_what_lies_in_another_file_is_not_known_alone() -> None:
    tensor = StoredTensor("w", "F32", (2,), (Range(0, 8, beside="other"),))
    assert alone(tensor, lambda at, size: b"") is None
    assert alone(StoredTensor("w", "F32", (1,), b"abcd"), lambda at, size: b"") == (b"abcd", None)


@pytest.mark.parametrize("size", [10, 5000, 400_000], ids=str)
def test_a_compressed_tensor_is_known_as_what_it_would_be_alone(bench: Bench, size: int) -> None:
    """However well it is compressed, and whatever lies before it in the same stream."""
    data = np.random.default_rng(2).integers(0, 9, size).astype("f4")
    _, lone = stored(bench, "x.safetensors", save({"w": data}))
    for level, before in ((1, 3), (9, 70_000)):
        packed = zlib.compress(pickle.dumps({"a": np.ones(before), "w": data}, 4), level)
        file = io.BytesIO()
        np.savez_compressed(file, w=data)
        for content in (packed, file.getvalue()):
            found = tensorfiles.read(reading(content), len(content))
            assert found is not None
            mine = alone(found.tensors["w"], reading(content))
            assert mine is not None
            assert mine.content_key == lone.tensors()["w"].content_key
    broken = packed[: len(packed) // 2]
    tensor = tensorfiles.read(reading(packed), len(packed)).tensors["w"]  # type: ignore[union-attr]
    assert alone(tensor, reading(broken)) is None


def test_a_stored_shard_whose_tensors_an_index_lists_has_none_of_its_own(bench: Bench) -> None:
    shard = (DCP / "__1_0.distcp").read_bytes()
    _, recipe = stored(bench, "__1_0.distcp", shard)
    assert recipe.format == "torch-dcp-shard" and recipe.tensors()
    assert held(recipe, reading(shard), "__1_0.distcp") == []


def reading(data: bytes) -> ReadAt:
    return lambda at, size: data[at : at + size]
