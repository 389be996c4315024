"""Layers compared by form, renamed ones found by content."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.inspect.layers import (
    Keyed,
    Layer,
    ModuleParameters,
    compare_layers,
    layers_in,
    model_of,
)


def model(**tensors: tuple[str, tuple[int, ...], object]) -> dict[str, Keyed]:
    """`a__b` is the layer `a.b`."""
    return {
        (name := key.replace("__", ".")): (Layer(name, dtype, shape), content)
        for key, (dtype, shape, content) in tensors.items()
    }


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("model.safetensors", "model"),
        ("out/model-00001-of-00002.safetensors", "out/model"),
        ("pytorch_model-00002-of-00002.bin", "pytorch_model"),
        ("ckpt/epoch=3.ckpt", "ckpt/epoch=3"),
        ("out/mp_rank_00_model.pt", "out/mp_rank_00_model"),
        ("out/model_mp_rank_00.pt", "out/model"),
        ("weights", "weights"),
        ("run/optimizer.pt", None),
        ("rng_state_0.pth", None),
        ("scheduler.pt", None),
    ],
)
def test_files_of_a_model(path: str, name: str | None) -> None:
    assert model_of(path) == name


def test_state_of_an_optimizer_is_no_layer() -> None:
    names = """
        optimizer_states.0.exp_avg optimizer.state.1.step loops.fit_loop.state cuda_rng_state best_acc1
        callbacks.ModelCheckpoint{'monitor':'loss'}.best_model_score native_amp_scaling_state
    """.split()
    layers = {"model.optimize.weight", "best_layer.weight", "loop.weight"}
    assert layers_in([*names, *layers]) == layers
    assert layers_in(["sampler.weight", "scaler.weight"]) == {"sampler.weight", "scaler.weight"}


def test_each_kind() -> None:
    old = model(
        same=("F32", (2, 2), 1), gone=("F32", (3,), 2), wide=("F32", (2,), 3), typed=("F32", (5,), 4),
        block__0__w=("F32", (4,), "w"), both=("F32", (2,), 8),
    )  # fmt: skip
    new = model(
        same=("F32", (2, 2), 9), came=("BF16", (7,), 2), wide=("F32", (3,), 3), typed=("F16", (5,), 4),
        layer__0__w=("F32", (4,), "w"), both=("F64", (3,), 8),
    )  # fmt: skip
    found = compare_layers(old, new, "m", "m")
    assert [x.name for x in found.added] == ["came"]
    assert [x.name for x in found.removed] == ["gone"]
    assert [(a.name, b.name) for a, b in found.renamed] == [("block.0.w", "layer.0.w")]
    assert [(a.shape, b.shape) for a, b in found.reshaped] == [((2,), (3,))]
    assert [(a.dtype, b.dtype) for a, b in found.retyped] == [("F32", "F64"), ("F32", "F16")]
    assert found.same == 1
    assert found.parameters == (4 + 3 + 2 + 5 + 4 + 2, 4 + 7 + 3 + 5 + 4 + 3)
    assert found.dtypes == {"BF16": (0, 7), "F16": (0, 5), "F32": (20, 11), "F64": (0, 3)}
    assert found.modules == (ModuleParameters("", 16, 22),), "a module renamed has not changed"
    assert found.changed


def test_equal_contents_are_told_apart_by_the_end_of_their_names() -> None:
    zeros = ("F32", (8,), "zeros")
    old = model(h__0__b=zeros, h__0__c=zeros)
    new = model(x__0__c=zeros, x__0__b=zeros)
    pairs = compare_layers(old, new, "m", "m").renamed
    assert [(a.name, b.name) for a, b in pairs] == [("h.0.b", "x.0.b"), ("h.0.c", "x.0.c")]


def test_many_equal_layers_are_no_trap() -> None:
    old = {f"a{i}": (Layer(f"a{i}", "F32", (1,)), 0) for i in range(20_000)}
    new = {f"b{i}": (Layer(f"b{i}", "F32", (1,)), 0) for i in range(20_000)}
    start = time.process_time()
    assert len(compare_layers(old, new, "m", "m").renamed) == 20_000
    assert time.process_time() - start < 10


TENSORS = st.dictionaries(
    st.sampled_from(["a", "b", "c.d", "c.e", "c.f.g"]),
    st.tuples(
        st.sampled_from(["F32", "BF16"]),
        st.lists(st.integers(0, 3), max_size=2).map(tuple),
        st.integers(0, 2),
    ),
)


@given(TENSORS, TENSORS)
def test_every_layer_is_in_exactly_one_place(old: dict, new: dict) -> None:  # type: ignore[type-arg]
    a = {n: (Layer(n, d, s), c) for n, (d, s, c) in old.items()}
    b = {n: (Layer(n, d, s), c) for n, (d, s, c) in new.items()}
    found = compare_layers(a, b, "m", "m")
    pairs = [*found.renamed, *found.reshaped, *found.retyped]
    assert len(found.removed) + len(pairs) + found.same == len(old)
    assert len(found.added) + len(pairs) + found.same == len(new)
    assert sum(m.new - m.old for m in found.modules) == found.parameters[1] - found.parameters[0]
    for x, y in found.renamed:
        assert (x.dtype, x.shape, old[x.name][2]) == (y.dtype, y.shape, new[y.name][2])
