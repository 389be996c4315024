"""Tensors are found by their signs: in files of other formats, whose names tell nothing."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.inspect.layout import TensorInfo
from mvcd.repo.bases.sketches import MOST_ELEMENTS, nearest, sketch
from tests.support.workspace import Bench

Array = np.ndarray  # type: ignore[type-arg]
Arrays = dict[str, Array]
F32 = TensorInfo("w", "F32", (1000,), 4)
SHAPE = 500, 400


def network(seed: int = 1) -> Arrays:
    rng = np.random.default_rng(seed)
    return {f"layers.{n}.proj.weight": rng.normal(0, 0.02, SHAPE).astype("f4") for n in range(4)}


def trained(net: Arrays) -> Arrays:
    rng = np.random.default_rng(9)
    return {n: v + rng.normal(0, 1e-4, SHAPE).astype("f4") for n, v in net.items()}


def renamed(net: Arrays) -> Arrays:
    """In another order, under names that have nothing in common with the old ones."""
    return {f"blk.{'dbca'[n]}": v for n, v in enumerate(net.values())}


def test_signs_tell_a_tensor_from_others() -> None:
    rng = np.random.default_rng(1)
    some = [rng.normal(0, 1, 1000).astype("<f4") for _ in range(50)]
    known = [(made, n) for n, v in enumerate(some) if (made := sketch(v.tobytes(), F32))]
    assert len(known) == len(some)
    for number, values in enumerate(some):
        moved = values + rng.normal(0, 0.1, 1000).astype("<f4")
        new = sketch(moved.tobytes(), F32)
        assert new is not None
        assert nearest(new, known) == number
    other = sketch(rng.normal(0, 1, 1000).astype("<f4").tobytes(), F32)
    assert other is not None
    assert nearest(other, known) is None
    assert nearest(other, []) is None


@pytest.mark.parametrize("dtype", ["F16", "F32", "F64"])
def test_a_sketch_is_of_the_first_numbers_whatever_their_width(dtype: str) -> None:
    values = np.random.default_rng(1).normal(0, 1, 1000)
    width = int(dtype[1:]) // 8
    told = sketch(values.astype(f"<f{width}").tobytes(), TensorInfo("w", dtype, (1000,), width))
    assert told is not None
    assert f"{told[0]:0256b}" == "".join(str(int(v < 0)) for v in values[:MOST_ELEMENTS])


def test_what_tells_nothing_has_no_sketch() -> None:
    values = np.random.default_rng(1).normal(0, 1, 1000).astype("<f4")
    assert sketch(np.abs(values).tobytes(), F32) is None, "second moments"
    assert sketch(values[:63].tobytes(), F32) is None, "a short one"
    assert sketch(b"", F32) is None
    assert sketch(values.tobytes(), TensorInfo("ids", "I32", (1000,), 4)) is None


def test_tensors_that_were_renamed_and_moved_are_bases(bench: Bench) -> None:
    net = network()
    raw = len(save(net))
    bench.save({"a.safetensors": save(net)})
    done = bench.save({"b.safetensors": save(renamed(trained(net)))})
    assert done.bytes_stored < 0.65 * raw
    again = bench.save({"c.safetensors": save(renamed(network(2)))})
    assert again.bytes_stored > 0.8 * raw, "of others nothing is a base"
    assert bench.repo.read("b.safetensors") == save(renamed(trained(net)))
    assert bench.repo.verify().ok


def gguf_of(net: Arrays, path: Path) -> bytes:
    import gguf

    writer = gguf.GGUFWriter(path, "qwen2")
    for name, values in net.items():
        writer.add_tensor(name, values.astype("f2"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


@pytest.mark.tools
@pytest.mark.skipif(not importlib.util.find_spec("gguf"), reason="needs gguf")
def test_gguf_and_safetensors_are_each_others_bases(bench: Bench, tmp_path: Path) -> None:
    net = {n: v.astype("f2").astype("f4") for n, v in network().items()}
    half = save({n: v.astype("f2") for n, v in net.items()})
    bench.save({"model.safetensors": half})
    same = bench.save({"model.gguf": gguf_of(renamed(net), tmp_path / "a")})
    assert same.bytes_stored < 0.01 * len(half)
    following = bench.save({"next.gguf": gguf_of(renamed(trained(net)), tmp_path / "b")})
    assert following.bytes_stored < 0.45 * len(half)
    assert bench.repo.verify().ok


@pytest.mark.trainers
@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="needs torch")
@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
@pytest.mark.parametrize("first", ["dcp", "safetensors"])
def test_distributed_checkpoints_and_safetensors_are_each_others_bases(
    bench: Bench, tmp_path: Path, first: str
) -> None:
    import torch
    from torch.distributed import checkpoint

    net = network()

    def files(kind: str, values: Arrays) -> dict[str, bytes | str]:
        if kind == "safetensors":
            return {"model.safetensors": save(values)}
        tensors = {n: torch.from_numpy(v) for n, v in reversed(values.items())}
        checkpoint.save(tensors, checkpoint_id=tmp_path / "saved")
        return {f"dcp/{path.name}": path.read_bytes() for path in (tmp_path / "saved").iterdir()}

    second = {"dcp": "safetensors", "safetensors": "dcp"}[first]
    bench.save(files(first, net))
    done = bench.save(files(second, trained(net)))
    assert done.bytes_stored < 0.65 * len(save(net))
    assert bench.repo.verify().ok


def test_a_pruned_or_damaged_file_is_passed_over(bench: Bench) -> None:
    net = network()
    bench.save({"a.safetensors": save(net)})
    store = bench.repo.store
    chunks = [id for id, info in store.ids() if info.raw_size == 256 << 10]
    at = store.location(chunks[0])
    path = Path(store.pack_directory, f"{at.pack:08x}.pack")
    whole = io.BytesIO(path.read_bytes())
    for id in chunks:
        whole.seek(store.location(id).offset + 200)
        whole.write(bytes(1000))
    path.write_bytes(whole.getvalue())
    bench.save({"b.safetensors": save(renamed(trained(net)))})
    assert bench.repo.read("b.safetensors") == save(renamed(trained(net)))
