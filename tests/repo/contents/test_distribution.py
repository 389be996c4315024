"""How values of tensors are distributed, from stored chunks: against numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.errors import Failure
from mvcd.repo.tensors.labelled import Weights
from tests.support.workspace import Bench

BINS = 16


def compared(bench: Bench, old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> Weights:
    bench.save({"m.safetensors": save(old)})
    bench.save({"m.safetensors": save(new)})
    repo = bench.reopen()
    return repo.weights(repo.sides("HEAD~1", "HEAD"))


@pytest.fixture
def pair() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(7)
    old = {
        name: rng.standard_normal((700, 500)).astype("f4") for name in ("moved", "still", "gone")
    }
    new = {"moved": old["moved"] + rng.standard_normal((700, 500)).astype("f4") / 100,
           "still": old["still"], "half": old["gone"].astype("f2")[:5]}  # fmt: skip
    return old, new


def test_counts_are_numpys(bench: Bench, pair) -> None:
    old, new = pair
    weights = compared(bench, old, new)
    moved = new["moved"].astype("f8") - old["moved"].astype("f8")
    for name, values in (
        ("moved", moved),
        ("still", new["still"]),
        ("gone", old["gone"]),
        ("half", new["half"]),
    ):
        found = weights.distribution(weights[name], bins=BINS)
        assert (found.low, found.high) == (values.min(), values.max()), name
        counts, _ = np.histogram(values, BINS, (found.low, found.high))
        assert sum(found.counts) == values.size
        # a value at the border of two bins may fall to either by the last bit
        assert np.abs(np.cumsum(found.counts) - np.cumsum(counts)).max() <= 2, name


def test_what_is_not_finite_is_left_out(bench: Bench) -> None:
    old = {"a": np.ones(9, "f4"), "b": np.zeros(3, "f4")}
    new = {"a": old["a"] * 2, "b": np.full(3, np.nan, "f4")}
    new["a"][0] = np.inf
    weights = compared(bench, old, new)
    found = weights.distribution(weights["a"], bins=4)
    assert (found.low, found.high, found.counts) == (1.0, 1.0, (8, 0, 0, 0))
    nothing = weights.distribution(weights["b"], bins=4)
    assert math.isnan(nothing.low) and nothing.counts == (0, 0, 0, 0)


def test_another_shape_has_no_difference(bench: Bench) -> None:
    weights = compared(bench, {"a": np.ones((2, 8), "f4")}, {"a": np.ones((4, 2), "f4")})
    with pytest.raises(Failure) as refused:
        weights.distribution(weights["a"])
    assert refused.value.kind == "not-comparable"


def test_another_dtype_has_one(bench: Bench) -> None:
    rng = np.random.default_rng(3)
    old = rng.standard_normal(5000).astype("f4")
    weights = compared(bench, {"a": old}, {"a": old.astype("f2")})
    found = weights.distribution(weights["a"])
    values = old.astype("f2").astype("f8") - old.astype("f8")
    assert (found.low, found.high) == (values.min(), values.max())
    assert sum(found.counts) == 5000
