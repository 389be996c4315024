"""Tensors of two versions by name: matched, measured against numpy, and not read where they are equal."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.errors import Failure
from mvcd.ids import ChunkId, Digest
from mvcd.repo.repository import Repository
from mvcd.repo.weights import Weights
from tests.support.workspace import Bench


def tensors(seed: int, *names: str, shape: tuple[int, ...] = (300, 500)) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape).astype("f4") for name in names}


@pytest.fixture
def chunks_read(monkeypatch: pytest.MonkeyPatch) -> list[Digest]:
    """Ids of chunks that the store was asked for."""
    read: list[Digest] = []
    fetch = Repository.__init__

    def listening(self, core):  # type: ignore[no-untyped-def]
        get = core.store.get
        core.store.get = lambda id: (read.append(id) if isinstance(id, ChunkId) else None, get(id))[
            1
        ]
        fetch(self, core)

    monkeypatch.setattr(Repository, "__init__", listening)
    return read


def compared(bench: Bench, old: dict[str, bytes], new: dict[str, bytes]) -> Weights:
    bench.save(dict(old))
    bench.remove(*(name for name in old if name not in new))
    bench.save(dict(new))
    return bench.reopen().diff("HEAD~1", "HEAD").weights


def test_figures_are_numpys(bench: Bench) -> None:
    before, after = tensors(1, "a", "b"), tensors(1, "a", "b")
    after["b"][7] += 0.5
    found = compared(bench, {"m.safetensors": save(before)}, {"m.safetensors": save(after)})
    assert {name: t.kind for name, t in found.items()} == {"a": "unchanged", "b": "changed"}
    a, b = before["b"].astype("f8"), after["b"].astype("f8")
    assert found["b"].l2 == pytest.approx(np.linalg.norm(b - a), rel=1e-12)
    assert found["b"].relative_l2 == pytest.approx(
        np.linalg.norm(b - a) / np.linalg.norm(a), rel=1e-12
    )
    assert found["b"].changed_fraction == 500 / b.size
    assert found["b"].mean == pytest.approx((a.mean(), b.mean()), rel=1e-12)
    assert found["b"].std == pytest.approx((a.std(), b.std()), rel=1e-12)


def test_equal_tensors_cost_no_reading(bench: Bench, chunks_read: list[Digest]) -> None:
    before, after = tensors(1, "a", "b"), tensors(1, "a", "b")
    after["b"][0, 0] += 1
    found = compared(bench, {"m.safetensors": save(before)}, {"m.safetensors": save(after)})
    assert (found["a"].l2, found["a"].changed_fraction, found["a"].relative_l2) == (0, 0, 0)
    assert chunks_read == []
    assert found["b"].l2 > 0
    assert len(chunks_read) == 4, (
        "three pieces of 256 KiB, of which the last two are equal and read once"
    )


def test_a_model_sharded_anew_is_matched_by_name(bench: Bench) -> None:
    before, after = tensors(1, "a", "b", "c"), tensors(1, "a", "b", "c")
    after["c"] *= 2
    new = {
        "m-1.safetensors": save({"a": after["a"], "c": after["c"]}),
        "m-2.safetensors": save({"b": after["b"]}),
    }
    found = compared(bench, {"m.safetensors": save(before)}, new)
    assert {name: t.kind for name, t in found.items()} == {
        "a": "unchanged",
        "b": "unchanged",
        "c": "changed",
    }
    assert found["c"].relative_l2 == pytest.approx(1)
    assert found["b"].old and found["b"].new
    assert (found["b"].old.path, found["b"].new.path) == ("m.safetensors", "m-2.safetensors")


def test_one_name_in_two_files_is_told_apart_by_path(bench: Bench) -> None:
    before, after = tensors(1, "a"), tensors(2, "a")
    old = {"ema.safetensors": save(before), "net.safetensors": save(before)}
    found = compared(bench, old, old | {"net.safetensors": save(after)})
    assert set(found) == {"ema.safetensors:a", "net.safetensors:a"}
    assert found["net.safetensors:a"].kind == "changed"
    with pytest.raises(KeyError):
        found["a"]


def test_path_and_name_always_work(bench: Bench) -> None:
    file = {"m.safetensors": save(tensors(1, "a"))}
    assert compared(bench, file, file | {"x.py": b"1"})["m.safetensors:a"].kind == "unchanged"


def test_a_new_dtype_is_compared_after_widening(bench: Bench) -> None:
    values = tensors(1, "a")["a"]
    new = {"m.safetensors": save({"a": values.astype("f2")})}
    tensor = compared(bench, {"m.safetensors": save({"a": values})}, new)["a"]
    assert (tensor.kind, tensor.comparable) == ("retyped", True)
    exact = np.linalg.norm(values.astype("f2").astype("f8") - values) / np.linalg.norm(
        values.astype("f8")
    )
    assert tensor.relative_l2 == pytest.approx(exact, rel=1e-12)


def test_a_new_shape_is_said_and_not_compared(bench: Bench) -> None:
    old, new = tensors(1, "a", "b"), tensors(1, "a", "c", shape=(10, 10))
    found = compared(bench, {"m.safetensors": save(old)}, {"m.safetensors": save(new)})
    assert {n: t.kind for n, t in found.items()} == {"a": "reshaped", "b": "removed", "c": "added"}
    for tensor in found.values():
        assert not tensor.comparable
        with pytest.raises(Failure, match="cannot be compared") as caught:
            _ = tensor.l2
        assert caught.value.kind == "not-comparable"


def test_the_workspace_is_read_where_it_lies(bench: Bench) -> None:
    before, after = tensors(1, "a", "b"), tensors(1, "a", "b")
    after["b"] += 1
    bench.save({"m.safetensors": save(before)})
    bench.write({"m.safetensors": save(after)})
    found = bench.repo.diff().weights
    assert found["b"].max_abs == pytest.approx(1, rel=1e-6)
    assert found["a"].kind == "unchanged"


def test_a_workspace_file_that_changes_meanwhile_is_no_silent_error(bench: Bench) -> None:
    bench.save({"m.safetensors": save(tensors(1, "a"))})
    bench.write({"m.safetensors": save(tensors(2, "a"))})
    found = bench.repo.diff().weights
    assert found["a"].kind == "changed"
    bench.write({"m.safetensors": save(tensors(3, "a"))})
    with pytest.raises(Failure) as caught:
        _ = found["a"].l2
    assert caught.value.kind == "unstable-file"


def test_without_the_weights_component_there_are_none(bench: Bench) -> None:
    bench.save({"m.safetensors": save(tensors(1, "a"))})
    assert len(bench.repo.diff("HEAD", "HEAD", components=[]).weights) == 0


def test_a_tensor_of_one_element(bench: Bench) -> None:
    before, after = {"tiny": np.ones(1, "f4")}, {"tiny": np.full(1, 2, "f4")}
    found = compared(bench, {"m.safetensors": save(before)}, {"m.safetensors": save(after)})
    assert (found["tiny"].l2, found["tiny"].std) == (1, (0, 0))
