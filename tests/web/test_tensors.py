"""Tensors of a version, figures of one and how its values are distributed; how far one moved between two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from tests.support.page import Served

MOVED, STILL = "layers.1.weight", "layers.0.weight"


def test_tensors_of_a_version(page: Served) -> None:
    found = page.api("/r/tensors/v2")["tensors"]
    assert {one["label"] for one in found} == {f"layers.{i}.weight" for i in range(4)}
    assert {(one["dtype"], *one["shape"], one["bytes"]) for one in found} == {("F32", 8, 4, 128)}


def test_figures_of_one(page: Served, made: Path) -> None:
    found = page.api(f"/r/tensor/v7?label={MOVED}")
    values = load_file(made / "model.safetensors")[MOVED]
    assert found["statistics"]["nan"] == 0 and found["statistics"]["std"] > 0
    spread = found["distribution"]
    assert (spread["low"], spread["high"]) == (values.min(), values.max())
    assert sum(spread["counts"]) == values.size
    assert page.get("/api/v1/r/tensor/v2?label=none").status == 404
    assert page.get("/api/v1/r/tensor/v2").status == 400


def test_how_far_one_moved(page: Served) -> None:
    found = page.api(f"/r/diff/v1/v5/tensor?label={MOVED}")
    assert found["kind"] == "changed" and found["statistics"]["changed_fraction"] == 1.0
    spread = found["distribution"]
    assert np.allclose((spread["low"], spread["high"]), 0.4, atol=1e-6)
    assert sum(spread["counts"]) == found["statistics"]["elements"] == 32
    still = page.api(f"/r/diff/v1/v5/tensor?label={STILL}")
    assert still["kind"] == "unchanged" and sum(still["distribution"]["counts"]) == 32
    new = page.api(f"/r/diff/v0/v5/tensor?label={STILL}")
    assert new["kind"] == "added" and new["distribution"] == still["distribution"]
    assert page.get("/api/v1/r/diff/v1/v5/tensor?label=none").status == 404
    assert page.get("/api/v1/r/diff/v1/v5/tensor").status == 400
