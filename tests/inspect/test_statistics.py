"""Figures against numpy in float64."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from mvcd.inspect.statistics import Statistics, Stride, Sums, is_number, unit

CLOSE = 1e-12
"""Relative. The promise is 1e-6."""


def measured(old: np.ndarray, new: np.ndarray, dtype: str, pieces: int = 1) -> Statistics:
    total = Sums.none()
    cuts = np.linspace(0, old.size, pieces + 1).astype(int)
    for a, b in pairwise(cuts):
        total.merge(Sums.piece(dtype, old[a:b].tobytes(), dtype, new[a:b].tobytes()))
    return Statistics.of(total)


def expect(found: Statistics, old: np.ndarray, new: np.ndarray) -> None:
    a, b = old.astype("f8"), new.astype("f8")
    norms = np.linalg.norm(a), np.linalg.norm(b)
    assert found.elements == a.size
    assert found.changed == np.count_nonzero(old != new)
    assert found.max_abs == np.abs(b - a).max()
    for name, value in {
        "l2": np.linalg.norm(b - a), "relative_l2": np.linalg.norm(b - a) / norms[0],
        "norm_old": norms[0], "norm_new": norms[1], "cosine": (a @ b) / (norms[0] * norms[1]),
        "mean_old": a.mean(), "mean_new": b.mean(), "std_old": a.std(), "std_new": b.std(),
    }.items():  # fmt: skip
        assert getattr(found, name) == pytest.approx(value, rel=CLOSE, abs=1e-15), name


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize("dtype", ["F16", "F32", "F64"])
def test_agrees_with_numpy(dtype: str, pieces: int) -> None:
    rng = np.random.default_rng(3)
    kind = f"<f{int(dtype[1:]) // 8}"
    old = rng.standard_normal(50_001).astype(kind)
    new = np.where(rng.random(old.size) < 0.3, old * 1.01, old).astype(kind)
    expect(measured(old, new, dtype, pieces), old, new)


def test_bfloat16_agrees_with_numpy() -> None:
    rng = np.random.default_rng(6)
    bits = [
        (rng.standard_normal(30_001, dtype=np.float32).view("u4") >> 16).astype("<u2") for _ in "ab"
    ]
    wide = [(b.astype("u4") << 16).view("f4") for b in bits]
    expect(measured(*bits, "BF16", 5), *wide)


def test_a_large_mean_does_not_drown_the_deviation() -> None:
    rng = np.random.default_rng(4)
    old = 1e8 + rng.standard_normal(100_000)
    new = old + 1
    found = measured(old, new, "F64", 3)
    assert found.std_old == pytest.approx(old.std(), rel=1e-9)
    assert found.mean_new - found.mean_old == pytest.approx(1, rel=1e-6)


def test_integers_agree_with_numpy() -> None:
    rng = np.random.default_rng(5)
    old, new = rng.integers(-128, 128, (2, 10_000), dtype="i1")
    expect(measured(old, new, "I8"), old, new)


def test_complex_numbers_count_as_two() -> None:
    old = np.array([1 + 2j, 3 + 4j], "<c8")
    found = measured(old, old + np.complex64(1j), "C64")
    assert (found.elements, found.changed, found.l2) == (4, 2, math.sqrt(2))
    assert unit("C64") == (4, 1)


def test_figures_without_a_value() -> None:
    nothing = Statistics.of(Sums.none())
    assert nothing.changed_fraction == nothing.relative_l2 == 0
    assert (
        math.isnan(nothing.mean_old) and math.isnan(nothing.std_new) and math.isnan(nothing.cosine)
    )
    zeros, ones = np.zeros(3, "f4"), np.ones(3, "f4")
    assert measured(zeros, ones, "F32").relative_l2 == math.inf
    assert measured(zeros, zeros, "F32").relative_l2 == 0


def test_nan_that_appears_is_told() -> None:
    old, new = np.ones(4, "f4"), np.array([1, math.nan, math.inf, 1], "f4")
    found = measured(old, new, "F32")
    assert (found.nan_new, found.inf_new, found.sickened) == (1, 1, True)
    assert found.l2 == 0
    assert not measured(new, new, "F32").sickened


def test_elements_packed_in_ways_unknown_to_us_are_no_numbers() -> None:
    assert is_number("BF16") and is_number("BOOL") and is_number("F4") and is_number("Q4_K")
    assert not is_number("F6_E2M3") and not is_number("IQ2_XS") and not is_number("Q4_K_BE")


def test_what_cannot_be_cut() -> None:
    assert (unit("BF16"), unit("F4"), unit("Q4_K")) == ((2, 1), (1, 2), (144, 256))
    assert Stride.of("Q4_K", "F16") == Stride(256, 144, 512)
    assert Stride.of("Q8_0", "NVFP4") == Stride(64, 68, 36)


@pytest.mark.parametrize("sign", [1, -1])
def test_what_overflows_gives_no_number(sign: int) -> None:
    old = np.full(3000, 1e300)
    found = measured(old, sign * 2 * old, "F64")
    for name in ("l2", "relative_l2", "norm_old", "norm_new", "cosine"):
        assert math.isnan(getattr(found, name)), name
    assert math.isnan(measured(np.full(2000, 1e308), old[:2000], "F64").mean_old)
    assert math.isnan(measured(np.array([1.7e308]), np.array([-1.7e308]), "F64").max_abs)


def test_what_underflows_gives_no_number() -> None:
    old = np.full(3000, 1e-200)
    found = measured(old, 2 * old, "F64")
    assert (found.changed_fraction, found.max_abs) == (1, 1e-200)
    for name in ("l2", "relative_l2", "norm_old", "norm_new", "cosine"):
        assert math.isnan(getattr(found, name)), name
    tiny = measured(old, old, "F64")
    assert math.isnan(tiny.norm_old) and tiny.l2 == 0


@pytest.mark.parametrize("scale", [1e-140, 1e150])
def test_products_of_norms_may_leave_the_range(scale: float) -> None:
    rng = np.random.default_rng(8)
    old, new = rng.standard_normal((2, 5000))
    found = measured(old * scale, new * scale, "F64")
    cosine = (old @ new) / np.linalg.norm(old) / np.linalg.norm(new)
    assert found.cosine == pytest.approx(cosine, rel=1e-9)
    assert found.relative_l2 == pytest.approx(np.linalg.norm(new - old) / np.linalg.norm(old))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nothing_finite_gives_no_number(value: float) -> None:
    found = measured(np.full(2000, value), np.full(2000, value), "F64")
    for name in ("cosine", "mean_old", "std_new"):
        assert math.isnan(getattr(found, name)), name
    assert found.changed == 0
