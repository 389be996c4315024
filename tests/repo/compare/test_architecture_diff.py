"""What changed in the network, over real repositories."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from mvcd.inspect.environment import PackageChange
from mvcd.repo.compare.architecture import ArchitectureChange, SourceChange, compare_architecture
from mvcd.repo.records.results import ValueChange
from tests.support.workspace import Bench

MODELS = Path(__file__).parents[2] / "inspect" / "data"


def weights(**tensors: np.ndarray) -> bytes:  # type: ignore[type-arg]
    return safetensors.numpy.save({k.replace("__", "."): v for k, v in tensors.items()})


def noise(*shape: int, seed: int = 0) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def compared(bench: Bench, old: str = "v1", new: str | None = "v2") -> ArchitectureChange:
    return compare_architecture(bench.repo.sides(old, new))


def test_layers_without_reading_weights(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {"a__w": noise(300, 100), "b__w": noise(10, 10, seed=1), "c__w": noise(64, seed=2)}
    new = {"x__w": noise(300, 100), "b__w": noise(10, 20, seed=1), "d__w": noise(64, seed=3)}
    bench.save({"m.safetensors": weights(**old)})
    bench.write({"m.safetensors": weights(**new)})
    unsaved = compared(bench, "v1", None)
    bench.commit()
    fetch, kinds = bench.repo._core.fetch, []
    monkeypatch.setattr(
        bench.repo._core, "fetch", lambda id: kinds.append(id.kind.name) or fetch(id)
    )
    saved = compared(bench)
    assert "CHUNK" not in kinds
    assert saved.models == unsaved.models
    (model,) = saved.layers
    assert [(a.name, b.name) for a, b in model.renamed] == [("a.w", "x.w")]
    assert [(b.name, b.shape) for _, b in model.reshaped] == [("b.w", (10, 20))]
    assert ([x.name for x in model.added], [x.name for x in model.removed]) == (["d.w"], ["c.w"])
    assert model.parameters == (30_164, 30_264)


def test_a_model_that_was_sharded_anew_has_not_changed(bench: Bench) -> None:
    a, b = noise(200), noise(300, seed=1)
    bench.save({"m.safetensors": weights(a=a, b=b)})
    bench.remove("m.safetensors")
    bench.save(
        {"m-00001-of-00002.safetensors": weights(a=a), "m-00002-of-00002.safetensors": weights(b=b)}
    )
    (model,) = compared(bench).models
    assert not model.changed
    assert (model.old, model.new, model.same) == ("m", "m", 2)
    bench.save({"m-00002-of-00002.safetensors": weights(b=b, c=a)})
    (model,) = compared(bench, "v2", "v3").layers
    assert [x.name for x in model.added] == ["c"], "shards that did not change belong to the model"
    assert model.same == 2


def test_a_model_that_moved_is_the_same_model(bench: Bench) -> None:
    bench.save({"run/checkpoint-1/model.safetensors": weights(a=noise(9), b=noise(8))})
    bench.remove("run/checkpoint-1/model.safetensors")
    bench.save({
        "run/checkpoint-2/model.safetensors": weights(a=noise(9, seed=5), b=noise(8, seed=6), c=noise(1)),
        "run/checkpoint-2/optimizer.pt": b"no tensors",
    })  # fmt: skip
    (model,) = compared(bench).models
    assert (model.old, model.new) == ("run/checkpoint-1/model", "run/checkpoint-2/model")
    assert ([x.name for x in model.added], model.same) == (["c"], 2)


def keras(config: object, *, name: str = "config.json") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, json.dumps(config))
        archive.writestr("model.weights.h5", b"\x89HDF")
    return buffer.getvalue()


def test_configuration_source_and_environment(bench: Bench) -> None:
    bench.save({
        "config.json": '{"hidden": 8, "rope": {"theta": 1e4}}',
        "net.py": "a\nb\nc\n", "blob.py": b"\0\1", "requirements.txt": "torch==2.0\nnumpy\n",
        "tokenizer.json": json.dumps({"vocab": {f"t{i}": i for i in range(20_000)}}),
        "m.keras": keras({"layers": [{"units": 3}]}),
    })  # fmt: skip
    bench.save({
        "config.json": '{"hidden": 16, "rope": {"theta": 1e4}, "act": "gelu"}',
        "net.py": "a\nB\nc\nd\n", "blob.py": b"\0\2", "requirements.txt": "torch==2.1\n",
        "tokenizer.json": json.dumps({"vocab": {f"t{i}": i for i in range(20_001)}}),
        "m.keras": keras({"layers": [{"units": 5}]}), "new.py": "x\n",
    })  # fmt: skip
    found = compared(bench)
    assert found.config == {
        "config.json": {"act": ValueChange(None, "gelu"), "hidden": ValueChange(8, 16)},
        "m.keras": {"layers.0.units": ValueChange(3, 5)},
    }
    assert found.source == (
        SourceChange("blob.py", None, None),
        SourceChange("net.py", 2, 1),
        SourceChange("new.py", 1, 0),
    )
    assert found.environment == (
        PackageChange("numpy", "", None, "requirements.txt"),
        PackageChange("torch", "2.0", "2.1", "requirements.txt"),
    )
    assert found.packages_differ is None
    assert not compare_architecture(bench.repo.sides("v2", "v2")).changed


@pytest.mark.parametrize(
    "hostile",
    [
        b"", b"PK\5\6" + bytes(18), b"PK\3\4" + bytes(200), keras({})[:-30], keras(1, name="other"),
        keras({"a": "x" * (2 << 20)}), keras({}) + b"PK\6\7" + bytes(16) + b"PK\5\6" + bytes(18),
        b"PK\5\6" + b"\xff" * 18,
    ],
)  # fmt: skip
def test_hostile_keras_files_have_no_configuration(bench: Bench, hostile: bytes) -> None:
    bench.save({"m.keras": keras({"a": 1}), "config.json": '{"a": 1}'})
    bench.save({"m.keras": hostile, "config.json": "[" * 100_000})
    assert compared(bench).config == {}


def test_what_was_recorded(bench: Bench) -> None:
    for python, packages in (("3.11.2", "aa"), ("3.12.0", "bb")):
        bench.write({"x.py": python})
        bench.add()
        context = replace(bench.context(), python=python, packages_digest=packages)
        bench.repo.commit("a version", context=context)
    found = compared(bench)
    assert found.environment == (PackageChange("python", "3.11.2", "3.12.0", ""),)
    assert found.packages_differ is True
    assert compared(bench, "v1", None).environment == ()


@pytest.mark.parametrize("name", ["model.gguf", "model.onnx"])
def test_headers_of_other_formats(bench: Bench, name: str) -> None:
    """The same file under another text of equal length, which its header holds."""
    old = (MODELS / name).read_bytes()
    text = {"model.gguf": b"llama", "model.onnx": b"pytorch"}[name]
    text = text if text in old else sorted(re.findall(rb"[a-z]{5,}", old))[0]
    bench.save({name: old})
    bench.save({name: old.replace(text, text[:-1] + b"Z")})
    found = compared(bench)
    assert name in found.config or found.layers
    unsaved = compare_architecture(bench.repo.sides("v1", None))
    assert (unsaved.config, unsaved.models) == (found.config, found.models)


def test_gguf_metadata_key_by_key(bench: Bench) -> None:
    def gguf(context: int) -> bytes:
        def text(value: bytes) -> bytes:
            return struct.pack("<Q", len(value)) + value

        keys = text(b"llama.context_length") + struct.pack("<II", 4, context)
        keys += text(b"general.name") + struct.pack("<I", 8) + text(b"tiny")
        tensor = text(b"blk.0.w") + struct.pack("<IQIQ", 1, context, 0, 0)
        header = struct.pack("<4sIQQ", b"GGUF", 3, 1, 2) + keys + tensor
        return header + bytes(-len(header) % 32) + bytes(4 * context)

    bench.save({"m.gguf": gguf(64)})
    bench.save({"m.gguf": gguf(128)})
    found = compared(bench)
    assert found.config == {"m.gguf": {"llama.context_length": ValueChange(64, 128)}}
    (model,) = found.layers
    assert [(a.shape, b.shape) for a, b in model.reshaped] == [((64,), (128,))]


def test_layers_of_npz_files(bench: Bench) -> None:
    def npz(**arrays: np.ndarray) -> bytes:  # type: ignore[type-arg]
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    bench.save({"m.npz": npz(a=noise(4), b=noise(3))})
    bench.save({"m.npz": npz(a=noise(4).astype(np.float64), c=noise(3))})
    (model,) = compared(bench).layers
    assert [(a.dtype, b.dtype) for a, b in model.retyped] == [("F32", "F64")]
    assert [(a.name, b.name) for a, b in model.renamed] == [("b", "c")]


def test_only_recipes_tell_contents_apart(bench: Bench) -> None:
    def npz(**arrays: np.ndarray) -> bytes:  # type: ignore[type-arg]
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    bench.save({"m.npz": npz(b=noise(3))})
    bench.save({"m.npz": npz(c=noise(3))})
    (model,) = compared(bench).layers
    assert ([x.name for x in model.added], [x.name for x in model.removed]) == (["c"], ["b"])
    assert model.renamed == ()


def test_of_notebooks_the_cells_count(bench: Bench) -> None:
    def notebook(run: int, *cells: str) -> str:
        rows = [{"source": [c], "outputs": [run] * 50, "execution_count": run} for c in cells]
        return json.dumps({"cells": rows, "nbformat": 4}, indent=1)

    bench.save(
        {"a.ipynb": notebook(1, "x\ny", "z"), "b.ipynb": notebook(1, "x"), "c.ipynb": "[]\n"}
    )
    bench.save(
        {"a.ipynb": notebook(2, "x\nY", "z", "w"), "b.ipynb": notebook(2, "x"), "c.ipynb": "{\n"}
    )
    assert compared(bench).source == (
        SourceChange("a.ipynb", 2, 1),
        SourceChange("b.ipynb", 0, 0),
        SourceChange("c.ipynb", 1, 1),
    )


def test_many_checkpoints_that_moved_are_paired(bench: Bench) -> None:
    bench.save({f"run/checkpoint-{n}/model.safetensors": weights(a=noise(n)) for n in (1, 2, 3)})
    bench.remove("run/checkpoint-1/model.safetensors", "run/checkpoint-2/model.safetensors")
    bench.save({f"run/checkpoint-{n}/model.safetensors": weights(a=noise(n)) for n in (4, 5, 6)})
    pairs = [(m.old and m.old[15:16], m.new and m.new[15:16]) for m in compared(bench).models]
    assert pairs == [("2", "4"), ("1", "5"), (None, "6")]
