"""Quantised blocks: equal to what the package gguf makes of them, and the kernel to blocks.py, bit for bit."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from mvcd.inspect import _compare, compare, gguf, onnx
from mvcd.inspect.blocks import BLOCKS, four_bit_floats, six_bit_floats
from mvcd.inspect.compare import DTYPES, ELEMENTS, WIDTHS
from mvcd.inspect.statistics import Statistics, Sums, is_number, unit

GOLDEN = np.load(Path(__file__).parent / "data" / "blocks.npz")
"""Written by data/make_block_files.py. The first half of each type's blocks is as weights are."""


def golden(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Blocks, and their values in float64."""
    return GOLDEN[f"{dtype}.bytes"], GOLDEN[f"{dtype}.values"].astype("f8")


def test_every_type_has_an_answer_of_the_package() -> None:
    assert {name.partition(".")[0] for name in GOLDEN.files} == BLOCKS.keys()


@pytest.mark.parametrize("dtype", BLOCKS)
def test_blocks_mean_what_the_package_makes_of_them(dtype: str) -> None:
    data, meant = golden(dtype)
    found = np.array(compare.values(DTYPES.index(dtype), data.tobytes()))
    assert np.array_equal(found, meant.ravel(), equal_nan=True)


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("dtype", BLOCKS)
def test_the_kernel_finds_no_difference_to_what_the_package_says(dtype: str, level: int) -> None:
    """Against the same values as F64: not one element differs, finite or not."""
    data, meant = golden(dtype)
    _compare.select(level)
    row = _compare.compare(
        DTYPES.index(dtype), data.tobytes(), DTYPES.index("F64"), meant.tobytes()
    )
    _compare.select(2)
    assert row[:2] == (meant.size, 0)
    assert row[8] == np.count_nonzero(np.isfinite(meant))
    assert row[9:11] == (np.count_nonzero(np.isnan(meant)), np.count_nonzero(np.isinf(meant)))


@pytest.mark.parametrize("dtype", BLOCKS)
def test_golden_blocks_of_weights_are_finite_and_others_are_not(dtype: str) -> None:
    """Else the tests above would not see what they are for."""
    _, meant = golden(dtype)
    half = len(meant) // 2
    assert np.isfinite(meant[:half]).all()
    assert len(np.unique(meant[:half])) > 8
    assert dtype == "NVFP4" or not np.isfinite(meant[half:]).all()


@pytest.mark.parametrize("dtype", BLOCKS)
def test_figures_are_numpys_over_the_packages_values(dtype: str) -> None:
    data, meant = golden(dtype)
    half = len(data) // 2
    order = random.Random(3).choices(range(half), k=2 * half)
    (old, a), (new, b) = ((data[p].tobytes(), meant[p].ravel()) for p in (order, order[::-1]))
    found = Statistics.of(Sums.piece(dtype, old, dtype, new))
    assert found.elements == a.size
    assert found.changed == np.count_nonzero(a != b)
    assert found.l2 == pytest.approx(np.linalg.norm(b - a), rel=1e-12)
    assert found.max_abs == np.abs(b - a).max()
    assert found.std_old == pytest.approx(a.std(), rel=1e-12)
    assert found.mean_new == pytest.approx(b.mean(), rel=1e-9, abs=1e-12)


def test_sizes_are_those_that_the_format_says() -> None:
    said = {name: (width, elements) for name, elements, width in gguf.BLOCKS.values()}
    assert all(said[name] == unit(name) for name in BLOCKS)
    assert all(1024 % elements == 0 for elements in ELEMENTS), (
        "the kernel's own blocks are whole ones"
    )


def test_what_stays_packed_has_no_numbers() -> None:
    packed = {n for n, elements, _ in gguf.BLOCKS.values() if elements > 1} - BLOCKS.keys()
    assert packed == {
        "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "Q8_1"
    }  # fmt: skip
    for dtype in (*packed, "Q4_K_BE", "F6_E2M3", "F6_E3M2", "GGML_99"):
        assert not is_number(dtype)


def test_two_spellings_of_a_value_are_no_change() -> None:
    """A block of zeros has any codes; a four-bit float has two zeros."""
    q8 = DTYPES.index("Q8_0")
    zeros, others = bytes(34), bytes(2) + bytes(range(32))
    f4 = DTYPES.index("F4")
    for level in (0, 1, 2):
        _compare.select(level)
        assert _compare.compare(q8, zeros, q8, others)[1] == 0
        assert _compare.compare(f4, b"\x00\x21", f4, b"\x88\x31")[1] == 1
    assert compare.compare(q8, zeros, q8, others)[1] == 0


def test_four_bit_floats_have_the_values_of_their_specification() -> None:
    """OCP Microscaling Formats 1.0, 5.3.3; the lower half of a byte first, as in torch's Float4_e2m1fn_x2."""
    positive = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
    assert four_bit_floats(bytes([0x10, 0x32, 0x54, 0x76])) == positive
    assert four_bit_floats(bytes([0x98, 0xBA, 0xDC, 0xFE])) == [-x for x in positive]


def test_six_bit_floats_have_the_values_of_their_specification() -> None:
    """OCP Microscaling Formats 1.0, 5.3.2, and as onnx wrote them."""

    def packed(codes: range) -> bytes:
        return sum(code << 6 * i for i, code in enumerate(codes)).to_bytes(24, "little")

    steps = (
        [i / 8 for i in range(16)] + [2 + i / 4 for i in range(8)] + [4 + i / 2 for i in range(8)]
    )
    assert six_bit_floats(packed(range(32)), 2) == steps
    assert six_bit_floats(packed(range(32, 64)), 2) == [-x for x in steps]
    halves = [i / 16 for i in range(4)] + [
        (1 + i / 4) * 2.0**power for power in range(-2, 5) for i in range(4)
    ]
    assert six_bit_floats(packed(range(32)), 3) == halves
    assert six_bit_floats(packed(range(32, 64)), 3) == [-x for x in halves]
    data = (Path(__file__).parent / "data" / "odd.onnx").read_bytes()
    found = onnx.read(lambda at, size: data[at : at + size], len(data))
    tensor = found.tensors["F6_E2M3.typed"]
    assert tensor.dtype == "FLOAT6E2M3" and isinstance(tensor.content, bytes)
    assert six_bit_floats(tensor.content[:3], 2) == [0.5, -7.5, 1.0, 0.125]


def test_quantising_tells_its_error() -> None:
    """F16 on one side, blocks on the other."""
    weights = np.random.default_rng(1).standard_normal(4096).astype("<f2")
    data, rounded = q8_0(weights)
    found = Statistics.of(Sums.piece("F16", weights.tobytes(), "Q8_0", data))
    error = np.linalg.norm(rounded - weights.astype("f8"))
    assert found.relative_l2 == pytest.approx(
        error / np.linalg.norm(weights.astype("f8")), rel=1e-12
    )
    assert 0.001 < found.relative_l2 < 0.02


def q8_0(weights: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Blocks of Q8_0, and their values."""
    rows = weights.astype("f4").reshape(-1, 32)
    scale = (np.abs(rows).max(axis=1, keepdims=True) / 127).astype("<f2")
    codes = np.rint(rows / scale.astype("f4")).clip(-128, 127).astype("i1")
    data = np.concatenate([scale.view("i1"), codes], axis=1).tobytes()
    return data, (scale.astype("f4") * codes).astype("f8").ravel()


@pytest.mark.parametrize("old", ["Q4_K", "Q8_0", "F4", "FLOAT6E2M3", "FLOAT6E3M2"])
@pytest.mark.parametrize("new", ["Q4_0", "NVFP4", "Q6_K", "BF16"])
def test_equals_the_reference_over_many_blocks(old: str, new: str) -> None:
    """The kernel works by 1024 elements: some such blocks, and a part of one."""
    rng = random.Random(old + new)
    numbers = DTYPES.index(old), DTYPES.index(new)
    sides = [rng.randbytes(2816 // ELEMENTS[n] * WIDTHS[n]) for n in numbers]
    expected = compare.compare(numbers[0], sides[0], numbers[1], sides[1])
    assert expected[0] == 2816
    for level in (0, 1, 2):
        _compare.select(level)
        found = _compare.compare(numbers[0], sides[0], numbers[1], sides[1])
        assert repr(found) == repr(expected)
