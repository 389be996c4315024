"""Tensors of torch that share storages, or whose axes lie in another order: diffs, blame and cards of them."""

from __future__ import annotations

import io

import numpy as np
import pytest

from mvcd.errors import Failure
from mvcd.inspect import turning
from mvcd.inspect.tensors import TensorChanges
from mvcd.repo.compare.architecture import compare_architecture
from tests.support.torchfile import View, torch_zip
from tests.support.workspace import Bench

RANDOM = np.random.default_rng(5)
LARGE = RANDOM.standard_normal((300, 400)).astype("f4")
"""More than a chunk."""


def small(count: int = 256) -> np.ndarray:
    return RANDOM.standard_normal(count).astype("f4")


@pytest.mark.parametrize("weight", [LARGE, small(40)], ids=["large", "small"])
def test_tied_weights_have_both_names(bench: Bench, weight: np.ndarray) -> None:
    shape = weight.shape
    data = weight.tobytes()
    tied = {"emb": View("0", shape), "head": View("0", shape)}
    bench.save({"m.pt": torch_zip(tied, {"0": data})})
    bench.save({"m.pt": torch_zip({**tied, "head": View("1", shape)}, {"0": data, "1": data})})
    diff = bench.repo.diff("v1", "v2")
    assert diff.tensors["m.pt"] == TensorChanges(unchanged=("emb", "head"))
    (model,) = compare_architecture(bench.repo.sides("v1", "v2")).models
    assert model.parameters == (weight.size, 2 * weight.size), "torch counts tied elements once"
    assert not model.changed
    blamed = bench.repo.blame("head", "HEAD")
    assert blamed.unchanged == 1, "its content has not changed since v1"
    facts = bench.repo.cards([bench.repo.resolve(v) for v in ("v1", "v2")], tables=False)
    assert [card.networks[0].parameters for card in facts] == [
        {"F32": weight.size},
        {"F32": 2 * weight.size},
    ]


def test_an_equal_file_is_looked_into_for_a_name_found_nowhere_else(bench: Bench) -> None:
    tied = {"emb": View("0", (40,)), "head": View("0", (40,))}
    bench.save({"m.pt": torch_zip(tied, {"0": small(40).tobytes()})})
    bench.save({"other.bin": "x"})
    weights = bench.repo.weights(bench.repo.sides("v1", "v2"))
    assert list(weights) == ["emb"], "what is equal is listed without reading it"
    assert (weights["head"].kind, weights["head"].relative_l2) == ("unchanged", 0)
    with pytest.raises(KeyError):
        _ = weights["tail"]


def test_slices_are_matched_by_name_wherever_they_lie(bench: Bench) -> None:
    b, z = small(), small()
    slices = {"q": View("0", (128,)), "k": View("0", (128,), 128), "z": View("1", (100,))}
    old = torch_zip(slices, {"0": b.tobytes(), "1": z.tobytes()})
    moved = {"z": View("0", (100,)), "q": View("1", (128,)), "k": View("1", (128,), 128)}
    bench.save({"m.pt": old})
    bench.save({"m.pt": torch_zip(moved, {"0": (z + 1).tobytes(), "1": b.tobytes()})})
    diff = bench.repo.diff("v1", "v2")
    assert diff.tensors["m.pt"] == TensorChanges(changed=("z",), unchanged=("k", "q"))
    found = bench.repo.weights(bench.repo.sides("v1", "v2"))["z"]
    assert found.max_abs == pytest.approx(1, rel=1e-6)
    assert bench.repo.blame("k", "HEAD").unchanged == 1


def test_views_in_pieces(bench: Bench) -> None:
    columns = View("0", (300, 3), 5, (400, 1))
    whole = View("0", (300, 400))
    after = LARGE.copy()
    after[:, 6] *= 2
    for data in (LARGE, after):
        bench.save({"m.pt": torch_zip({"all": whole, "some": columns}, {"0": data.tobytes()})})
    found = bench.repo.weights(bench.repo.sides("v1", "v2"))["some"]
    old, new = LARGE[:, 5:8].astype("f8"), after[:, 5:8].astype("f8")
    assert found.old is not None and found.old.shape == (300, 3)
    assert found.l2 == pytest.approx(np.linalg.norm(new - old), rel=1e-12)
    assert found.changed_fraction == pytest.approx(1 / 3)


def test_axes_in_another_order_are_turned(bench: Bench) -> None:
    turned = View("0", (300, 400), 0, (1, 300))
    bench.save({"m.pt": torch_zip({"w": View("0", (300, 400))}, {"0": LARGE.tobytes()})})
    bench.save({"m.pt": torch_zip({"w": turned}, {"0": LARGE.tobytes("F")})})
    bench.save({"m.pt": torch_zip({"w": turned}, {"0": (LARGE + 1).tobytes("F")})})
    bench.save({"m.pt": torch_zip({"w": turned}, {"0": LARGE.tobytes()})})
    assert bench.repo.diff("v1", "v2").tensors["m.pt"] == TensorChanges(unchanged=("w",))
    changed = bench.repo.weights(bench.repo.sides("v1", "v3"))["w"]
    assert (changed.kind, changed.old.shape) == ("changed", (300, 400))
    assert changed.cosine < 1
    assert changed.max_abs == pytest.approx(1, rel=1e-5)
    assert bench.repo.diff("v1", "v4").tensors["m.pt"].changed == ("w",), (
        "equal bytes, another tensor"
    )


def test_arrays_in_fortrans_order(bench: Bench) -> None:
    for array in (LARGE, np.asfortranarray(LARGE), np.asfortranarray(LARGE + 1)):
        file = io.BytesIO()
        np.savez_compressed(file, w=array)
        bench.save({"m.npz": file.getvalue()})
    assert bench.repo.diff("v1", "v2").tensors["m.npz"] == TensorChanges(unchanged=("w",))
    changed = bench.repo.weights(bench.repo.sides("v1", "v3"))["w"]
    assert changed.max_abs == pytest.approx(1, rel=1e-5)


def test_what_is_too_large_to_be_turned_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turning, "MAX_TURNED_BYTES", 1000)
    turned = View("0", (300, 400), 0, (1, 300))
    bench.save({"m.pt": torch_zip({"w": View("0", (300, 400))}, {"0": LARGE.tobytes()})})
    bench.save({"m.pt": torch_zip({"w": turned}, {"0": LARGE.tobytes("F")})})
    found = bench.repo.weights(bench.repo.sides("v1", "v2"))["w"]
    with pytest.raises(Failure, match="cannot be compared") as raised:
        _ = found.l2
    assert "another order" in (raised.value.cause or "")
