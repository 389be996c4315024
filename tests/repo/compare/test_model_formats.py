"""What `diff` says of models whose tensors lie beside or in pieces, or are trees: golden files twice."""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import zstandard

from mvcd.inspect import tensorfiles
from mvcd.inspect.layers import Layer
from mvcd.repo.compare.architecture import compare_architecture
from mvcd.repo.compare.tensorchanges import compare_tensors
from mvcd.repo.release import card
from tests.support.workspace import Bench

DATA = Path(__file__).parents[2] / "inspect" / "data"


def directory(name: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((DATA / name).iterdir())}


STEP, LATER = directory("dcp/step0"), directory("dcp/step1")


def test_one_step_later_only_what_was_trained_has_changed(bench: Bench) -> None:
    bench.save({f"ckpt/{name}": data for name, data in STEP.items()})
    bench.save({f"ckpt/{name}": data for name, data in LATER.items()})
    repo = bench.reopen()
    sides = repo.sides("HEAD~1", "HEAD")
    weights = repo.weights(sides)
    kinds = {name: t.kind for name, t in weights.items()}
    assert len(kinds) == 7, "and none a second time by its shard"
    assert kinds == dict.fromkeys(kinds, "unchanged") | {"model.rows.weight": "changed"}
    assert weights["model.rows.weight"].max_abs == pytest.approx(1, rel=1e-6)
    assert weights["model.rows.weight"].l2 == pytest.approx(math.sqrt(24), rel=1e-6)
    told = compare_tensors(sides)
    assert told.files["ckpt/.metadata"].changed == ("model.rows.weight",)
    assert set(told.files) == {"ckpt/.metadata"}
    assert not compare_architecture(sides).layers


def test_a_layer_that_came(bench: Bench) -> None:
    """Under another name of equal length in metadata of equal length; nothing else differs."""
    bench.save({f"ckpt/{name}": data for name, data in STEP.items()})
    renamed = STEP[".metadata"].replace(b"model.bias", b"model.gain")
    bench.save({"ckpt/.metadata": renamed})
    (model,) = compare_architecture(bench.reopen().sides("HEAD~1", "HEAD")).layers
    assert model.added == (Layer("model.gain", "I64", (4,)),)
    assert model.removed == (Layer("model.bias", "I64", (4,)),)


def test_chunks_of_hdf5_have_figures_and_code_only_a_change(bench: Bench) -> None:
    old = (DATA / "chunks.h5").read_bytes()
    found = tensorfiles.read(lambda at, size: old[at : at + size], len(old))
    assert found is not None
    new = bytearray(old)
    for name in ("read.plain", "read.columns", "code.jutting"):
        content = found.tensors[name].content
        assert not isinstance(content, bytes)
        new[content[-1].parts[-1].offset + 7] ^= 1
    bench.save({"w.h5": old})
    bench.save({"w.h5": bytes(new)})
    repo = bench.reopen()
    sides = repo.sides("HEAD~1", "HEAD")
    weights = repo.weights(sides)
    changed = {t.name: t.problem for t in weights.of_kind("changed")}
    code = "it is stored in a code that is not read"
    whole = dict.fromkeys(["code.partly", "code.unwritten"], code)
    assert changed == whole | {"read.plain": None, "read.columns": None, "code.jutting": None}
    assert weights["read.plain"].statistics.changed == 1
    assert weights["read.columns"].statistics.elements == 60
    jutting = weights["code.jutting"].statistics
    assert (jutting.changed, jutting.elements) == (1, 60)
    assert not weights["code.partly"].comparable
    told = compare_tensors(sides).files["w.h5"]
    assert told.changed == ("code.jutting", "read.columns", "read.plain")
    assert set(told.uncompared) == {"code.partly", "code.unwritten"}


def test_arrays_in_a_database_are_compared_by_what_they_hold(bench: Bench) -> None:
    """Checkpoints of one tree in zarr 2 and 3: all files differ, and no array."""
    answers = json.loads((DATA / "ocdbt" / "ocdbt.json").read_text())["arrays"]
    for kind in ("zarr2", "zarr3"):
        shutil.rmtree(bench.path("ckpt"), ignore_errors=True)
        shutil.copytree(DATA / "ocdbt" / kind, bench.path("ckpt"))
        bench.add()
        bench.commit()
    repo = bench.reopen()
    sides = repo.sides("HEAD~1", "HEAD")
    told = compare_tensors(sides).files["ckpt/_METADATA"]
    assert set(told.unchanged) == answers.keys() and not told.changed and not told.uncompared
    assert {name: t.kind for name, t in repo.weights(sides).items()} == dict.fromkeys(
        answers, "unchanged"
    )
    (facts,) = card.facts(repo._core, [repo._core.resolve("HEAD")], tables=False)
    assert {n.name: sum(n.parameters.values()) for n in facts.networks} == {
        "ckpt/_METADATA": 10_625
    }
    for rev in (None, "HEAD"):
        found = {each.path: each for each in repo.explain(["ckpt"], rev)}
        index = found["ckpt/_METADATA"]
        assert (index.format, index.tensors, index.problem) == ("orbax", len(answers), None)
        assert found["ckpt/manifest.ocdbt"].format == "ocdbt"
        assert not any(each.problem for each in found.values())
    os.remove(bench.path("ckpt/manifest.ocdbt"))
    (index,) = (each for each in repo.explain(["ckpt/_METADATA"], None))
    assert (index.tensors, index.problem) == (None, "no manifest")


@pytest.mark.parametrize("name", ["binary.ubj", "binary.json", "light.txt"])
def test_one_more_round_of_boosting_is_told_by_its_trees(bench: Bench, name: str) -> None:
    path = "checkpoints/model.pkl" if name != "binary.ubj" else "model.ubj"
    for side in ("old", "new"):
        bench.save({path: (DATA / "trees" / side / name).read_bytes()})
    found = compare_architecture(bench.reopen().sides("HEAD~1", "HEAD")).config[path]
    each = 3 if name == "light.txt" else 1
    assert found["trees"].new - found["trees"].old == each
    assert set(found) <= {"trees", "nodes", "leaves", "parameters.num_iterations"}


def test_arrays_of_a_packed_pickle_have_figures(bench: Bench) -> None:
    before = {"coef": np.arange(6.0).reshape(2, 3), "other": np.ones(4)}
    after = {"coef": before["coef"] + np.eye(2, 3), "other": before["other"]}
    for value in (before, after):
        bench.save({"m.joblib": zlib.compress(pickle.dumps(value, 4))})
    repo = bench.reopen()
    weights = repo.weights(repo.sides("HEAD~1", "HEAD"))
    assert {name: t.kind for name, t in weights.items()} == {
        "coef": "changed",
        "other": "unchanged",
    }
    assert weights["coef"].statistics.changed == 2
    assert weights["coef"].l2 == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize("kind", ["zarr2", "zarr3"])
def test_a_checkpoint_of_orbax_by_its_arrays(bench: Bench, kind: str) -> None:
    """One array is retrained, in its compressed chunk; then another is gone."""
    root = DATA / "orbax" / kind
    files = {
        f"checkpoints/1/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
    bench.save(dict(files))
    (path,) = (name for name in files if "kernel/" in name and name[-2:] in (".0", "/0"))
    frame = zstandard.ZstdCompressor(level=1).compress((np.arange(12, dtype="f4") + 1).tobytes())
    index = (0).to_bytes(8, "little") + len(frame).to_bytes(8, "little") + bytes(4)
    bench.save({path: frame + (index if kind == "zarr3" else b"")})
    repo = bench.reopen()
    sides = repo.sides("HEAD~1", "HEAD")
    weights = repo.weights(sides)
    kinds = {name: t.kind for name, t in weights.items()}
    assert kinds == dict.fromkeys(kinds, "unchanged") | {"params.dense.kernel": "changed"}
    assert len(kinds) == 5
    assert weights["params.dense.kernel"].max_abs == 1
    assert weights["params.dense.kernel"].statistics.changed == 12
    assert compare_tensors(sides).files["checkpoints/1/_METADATA"].changed == (
        "params.dense.kernel",
    )
    metadata = json.loads(files["checkpoints/1/_METADATA"])
    del metadata["tree_metadata"]["('params', 'dense', 'bias')"]
    bench.save({"checkpoints/1/_METADATA": json.dumps(metadata).encode()})
    (model,) = compare_architecture(bench.reopen().sides("HEAD~1", "HEAD")).layers
    assert model.removed == (Layer("params.dense.bias", "BF16", (4,)),)


@pytest.mark.parametrize("kind", ["zarr2"])
def test_a_frame_that_is_damaged_is_told(bench: Bench, kind: str) -> None:
    root = DATA / "orbax" / kind
    files = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }
    bench.save({f"checkpoints/1/{name}": data for name, data in files.items()})
    name = "params.dense.kernel/0.0"
    bench.save({f"checkpoints/1/{name}": files[name][:30]})
    repo = bench.reopen()
    tensor = repo.weights(repo.sides("HEAD~1", "HEAD"))["params.dense.kernel"]
    assert not tensor.comparable and tensor.problem is not None and "compressed" in tensor.problem
