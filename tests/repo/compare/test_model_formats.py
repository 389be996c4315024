"""What `diff` says of models whose tensors lie beside or in pieces, or are trees: golden files twice."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mvcd.inspect.layers import Layer
from mvcd.repo.compare.architecture import compare_architecture
from mvcd.repo.compare.tensorchanges import compare_tensors
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
