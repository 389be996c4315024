"""Figures of many tensors, which are read and compared several in a call."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.repo.tensors.labelled import Weights
from tests.support.workspace import Bench

SIZES = [*range(1, 300), 70_000, 5, 900_000, 6]
"""Elements: more small tensors than one call takes, and some of several pieces between small ones."""


def tensors(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {f"layer.{n}": rng.standard_normal(size, "f4") for n, size in enumerate(SIZES)}


def compared(bench: Bench, *versions: dict[str, bytes]) -> Weights:
    for files in versions:
        bench.save(dict(files))
    repo = bench.reopen()
    return repo.weights(repo.sides("HEAD~1", "HEAD"))


def as_npz(values: dict[str, np.ndarray], path: str) -> bytes:
    with open(path, "wb") as file:
        np.savez(file, **values)
    with open(path, "rb") as file:
        return file.read()


@pytest.mark.parametrize("name", ["m.safetensors", "m.npz"])
def test_each_tensor_has_its_own_figures(bench: Bench, name: str) -> None:
    """In a file that is cut at its tensors, and in one where several lie in a chunk."""
    old, step = tensors(1), tensors(2)
    new = {key: values + step[key] * np.float32(1e-3) for key, values in old.items()}
    write = save if name.endswith("safetensors") else lambda v: as_npz(v, str(bench.root / "x.tmp"))
    found = compared(bench, {name: write(old)}, {name: write(new)})
    found.measure(list(found.values()))
    assert len(found) == len(SIZES)
    for key, tensor in found.items():
        a, b = old[key].astype("f8"), new[key].astype("f8")
        assert tensor.l2 == pytest.approx(np.linalg.norm(b - a), rel=1e-12), key
        assert tensor.statistics.elements == a.size
        assert tensor.statistics.changed == np.count_nonzero(a != b)
        assert tensor.mean == pytest.approx((a.mean(), b.mean()), rel=1e-9, abs=1e-15)
