"""Tensors of two versions by name: matched, measured against numpy, and not read where they are equal."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mvcd.errors import CorruptObject, Failure
from mvcd.ids import ChunkId, Digest
from mvcd.inspect.gguf import BLOCKS
from mvcd.repo.tensors.labelled import Weights
from mvcd.repo.tensors.tensordiff import TensorDiff
from mvcd.repo.tensors.tensortable import TensorForm
from tests.support.engine import Repository
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
        for name in ("get", "get_encoded", "get_many"):
            setattr(core.store, name, heard(getattr(core.store, name)))
        fetch(self, core)

    def heard(call):  # type: ignore[no-untyped-def]
        def told(asked, **options):  # type: ignore[no-untyped-def]
            ids = [asked] if isinstance(asked, Digest) else asked
            read.extend(id for id in ids if isinstance(id, ChunkId))
            return call(asked, **options)

        return told

    monkeypatch.setattr(Repository, "__init__", listening)
    return read


def compared(bench: Bench, old: dict[str, bytes], new: dict[str, bytes]) -> Weights:
    bench.save(dict(old))
    bench.remove(*(name for name in old if name not in new))
    bench.save(dict(new))
    repo = bench.reopen()
    return repo.weights(repo.sides("HEAD~1", "HEAD"))


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
    found = bench.repo.weights(bench.repo.sides())
    assert found["b"].max_abs == pytest.approx(1, rel=1e-6)
    assert found["a"].kind == "unchanged"


def test_a_workspace_file_that_changes_meanwhile_is_no_silent_error(bench: Bench) -> None:
    bench.save({"m.safetensors": save(tensors(1, "a"))})
    bench.write({"m.safetensors": save(tensors(2, "a"))})
    found = bench.repo.weights(bench.repo.sides())
    assert found["a"].kind == "changed"
    bench.write({"m.safetensors": save(tensors(3, "a"))})
    with pytest.raises(Failure) as caught:
        _ = found["a"].l2
    assert caught.value.kind == "unstable-file"


def test_a_tensor_of_one_element(bench: Bench) -> None:
    before, after = {"tiny": np.ones(1, "f4")}, {"tiny": np.full(1, 2, "f4")}
    found = compared(bench, {"m.safetensors": save(before)}, {"m.safetensors": save(after)})
    assert (found["tiny"].l2, found["tiny"].std) == (1, (0, 0))


# ---------------------------------------------------------------- formats that do not rule the cutting

GOLDEN = Path(__file__).parents[2] / "inspect" / "data"
QUANTISED = np.load(GOLDEN / "blocks.npz")


def npz(write, arrays: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    write(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_npz(bench: Bench, write) -> None:
    before, after = tensors(1, "a", "b"), tensors(1, "a", "b")
    after["b"][3:] += 0.25
    found = compared(bench, {"m.npz": npz(write, before)}, {"m.npz": npz(write, after)})
    assert {n: t.kind for n, t in found.items()} == {"a": "unchanged", "b": "changed"}
    exact = np.linalg.norm(after["b"].astype("f8") - before["b"])
    assert found["b"].l2 == pytest.approx(exact, rel=1e-12)
    assert found["b"].changed_fraction == 297 / 300


def test_a_model_saved_in_another_format_is_matched_by_name(bench: Bench) -> None:
    values = tensors(1, "a", "b")
    new = {"m.npz": npz(np.savez, values | {"b": values["b"] * 2})}
    found = compared(bench, {"m.safetensors": save(values)}, new)
    assert {n: t.kind for n, t in found.items()} == {"a": "unchanged", "b": "changed"}
    assert found["b"].relative_l2 == pytest.approx(1)


def test_an_onnx_model_whose_data_alone_changed(bench: Bench) -> None:
    model, data = ((GOLDEN / f"external.{kind}").read_bytes() for kind in ("onnx", "data"))
    changed = bytearray(data)
    changed[3] ^= 0x80  # the sign of the first element
    old = {"external.onnx": model, "external.data": data}
    found = compared(bench, old, old | {"external.data": bytes(changed)})
    (tensor,) = found.of_kind("changed")
    assert tensor.statistics.changed == 1
    assert len(found.of_kind("unchanged")) == 11


def test_a_tensorflow_checkpoint(bench: Bench) -> None:
    names = ("ckpt.index", "ckpt.data-00000-of-00001")
    old = {f"run/{name}": (GOLDEN / "tf" / name).read_bytes() for name in names}
    changed = bytearray(old["run/ckpt.data-00000-of-00001"])
    changed[0] ^= 1
    found = compared(bench, old, old | {"run/ckpt.data-00000-of-00001": bytes(changed)})
    assert [t.statistics.changed for t in found.of_kind("changed")] == [1]
    assert len(found.of_kind("unchanged")) == 44


def gguf(values: np.ndarray, name: str) -> bytes:
    """A file of one tensor."""
    return gguf_of("F32", values.size, values.tobytes(), name)


def gguf_of(dtype: str, elements: int, data: bytes, name: str = "a") -> bytes:
    """A file of one tensor of any dtype; the length of the model's name moves its data."""
    kind = next(number for number, (known, _, _) in BLOCKS.items() if known == dtype)
    text = name.encode()
    keys = len(b"general.name").to_bytes(8, "little") + b"general.name" + b"\x08\0\0\0"
    keys += len(text).to_bytes(8, "little") + text
    row = (1).to_bytes(8, "little") + b"w" + b"\1\0\0\0" + elements.to_bytes(8, "little")
    row += kind.to_bytes(4, "little") + bytes(8)
    head = b"GGUF\3\0\0\0" + (1).to_bytes(8, "little") * 2 + keys + row
    return head + bytes(-len(head) % 32) + data


def test_gguf_reads_only_what_may_differ(bench: Bench, chunks_read: list[Digest]) -> None:
    values = np.random.default_rng(1).standard_normal(1_000_000).astype("f4")
    old, new = gguf(values, "a"), gguf(values, "a much longer name than before " * 9)
    found = compared(bench, {"m.gguf": old}, {"m.gguf": new})
    assert found["w"].kind == "unchanged"
    assert len(set(chunks_read)) < 16, "of 60 chunks on each side only the first ones differ"


def test_headers_of_equal_files_are_read_only_for_a_name_in_need(
    bench: Bench, chunks_read: list[Digest]
) -> None:
    file = io.BytesIO()
    np.savez_compressed(file, w=np.random.default_rng(1).standard_normal(100_000))
    same = {"m.npz": file.getvalue()}
    found = compared(bench, same, same | {"x.py": b"1"})
    assert len(found) == 0 and chunks_read == []
    assert found["w"].kind == "unchanged"
    assert len(found) == 1


def blocks(dtype: str, seed: int, count: int) -> tuple[bytes, np.ndarray]:
    """Blocks of weights, and the values that the package gguf says they have."""
    data, meant = QUANTISED[f"{dtype}.bytes"], QUANTISED[f"{dtype}.values"]
    order = np.random.default_rng(seed).integers(0, len(data) // 2, count)
    return data[order].tobytes(), meant[order].ravel().astype("f8")


def expect(tensor: TensorDiff, a: np.ndarray, b: np.ndarray) -> None:
    """The promise is 1e-6."""
    assert (tensor.comparable, tensor.packed) == (True, False)
    found = tensor.statistics
    assert (found.elements, found.changed) == (a.size, np.count_nonzero(a != b))
    change = np.linalg.norm(b - a)
    assert tensor.l2 == pytest.approx(change, rel=1e-9)
    assert tensor.relative_l2 == pytest.approx(change / np.linalg.norm(a), rel=1e-9)
    assert tensor.max_abs == np.abs(b - a).max()
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert tensor.cosine == pytest.approx(cosine, rel=1e-9, abs=1e-12)
    assert tensor.mean == pytest.approx((a.mean(), b.mean()), rel=1e-6, abs=1e-12)
    assert tensor.std == pytest.approx((a.std(), b.std()), rel=1e-9)


@pytest.mark.parametrize(("dtype", "width"), [("Q4_K", 144), ("Q8_0", 34), ("Q6_K", 210)])
def test_quantised_tensors_have_the_figures_of_their_values(
    bench: Bench, dtype: str, width: int
) -> None:
    """600 KiB, which are cut where no block ends, and elsewhere on the other side."""
    count = 600_000 // width
    old, a = blocks(dtype, 1, count)
    new, b = blocks(dtype, 2, count)
    found = compared(
        bench, {"m.gguf": gguf_of(dtype, a.size, old)},
        {"m.gguf": gguf_of(dtype, b.size, new, "another name " * 9)},
    )  # fmt: skip
    assert found["w"].kind == "changed"
    expect(found["w"], a, b)


@pytest.mark.parametrize(
    ("before", "after"), [("F16", "Q8_0"), ("Q4_K", "BF16"), ("Q8_0", "Q4_K"), ("NVFP4", "MXFP4")]
)
def test_quantising_is_compared_by_value(bench: Bench, before: str, after: str) -> None:
    """Both sides are walked by elements, of which a block has 32, 64 or 256."""
    old, a = some(before, 1, 1 << 19)
    new, b = some(after, 2, 1 << 19)
    found = compared(
        bench, {"m.gguf": gguf_of(before, a.size, old)}, {"m-q.gguf": gguf_of(after, b.size, new)}
    )
    assert found["w"].kind == "retyped"
    expect(found["w"], a, b)


def some(dtype: str, seed: int, elements: int) -> tuple[bytes, np.ndarray]:
    if dtype not in ("F16", "BF16"):
        count = next(size for name, size, _ in BLOCKS.values() if name == dtype)
        return blocks(dtype, seed, elements // count)
    values = np.random.default_rng(seed).standard_normal(elements).astype("f4")
    if dtype == "F16":
        return values.astype("<f2").tobytes(), values.astype("<f2").astype("f8")
    high = (values.view("u4") >> 16).astype("<u2")
    return high.tobytes(), (high.astype("u4") << 16).view("f4").astype("f8")


def test_one_changed_scale_changes_its_block(bench: Bench) -> None:
    """In a file that gguf wrote: 16 bytes of padding follow the last block, and a tensor of 32 with its own."""
    data = (GOLDEN / "model.gguf").read_bytes()
    changed = bytearray(data)
    last = len(data) - 32 - 16 - 34
    changed[last : last + 2] = np.float16(np.inf).tobytes()
    found = compared(bench, {"m.gguf": data}, {"m.gguf": bytes(changed)})
    (tensor,) = found.of_kind("changed")
    assert (tensor.name, tensor.packed) == ("blk.1.ffn.weight", False)
    assert (tensor.statistics.changed, tensor.statistics.elements) == (32, 256)
    assert (
        tensor.statistics.sickened and tensor.statistics.inf_new + tensor.statistics.nan_new == 32
    )
    assert tensor.l2 == 0


def test_of_tensors_packed_otherwise_the_share_of_changed_bytes_is_told(bench: Bench) -> None:
    data = bytes(74 * 8)
    changed = data[:100] + b"\1" + data[101:]
    files = [{"m.gguf": gguf_of("IQ2_XS", 2048, packed)} for packed in (data, changed)]
    tensor = compared(bench, *files)["w"]
    assert (tensor.kind, tensor.packed, tensor.comparable) == ("changed", True, True)
    assert (tensor.statistics.changed, tensor.statistics.elements) == (1, 74 * 8)
    assert math.isnan(tensor.l2)


def test_what_is_packed_otherwise_is_not_compared_with_numbers(bench: Bench) -> None:
    old, new = gguf_of("F32", 256, bytes(1024)), gguf_of("IQ2_XS", 256, bytes(74))
    tensor = compared(bench, {"m.gguf": old}, {"m.gguf": new})["w"]
    assert (tensor.kind, tensor.obstacle) == ("retyped", "its dtype changed from F32 to IQ2_XS")


def safetensors_of(dtype: str, shape: list[int], data: bytes) -> bytes:
    row = {"w": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}
    head = json.dumps(row).encode()
    return len(head).to_bytes(8, "little") + head + data


def test_four_bit_floats_have_figures(bench: Bench) -> None:
    files = [safetensors_of("F4", [2, 2], data) for data in (b"\x21\x43", b"\x21\xc3")]
    tensor = compared(bench, *({"m.safetensors": file} for file in files))["w"]
    assert tensor.statistics.elements == 4, "0.5, 1, 1.5 and 2"
    assert (tensor.statistics.changed, tensor.l2, tensor.mean[0]) == (1, 4, 1.25)


def test_a_dtype_that_only_says_so_is_no_block(bench: Bench) -> None:
    """safetensors knows no Q8_0: what the name means there is told by nothing but the size."""
    files = [safetensors_of("Q8_0", [64], bytes([seed]) * 64) for seed in (1, 2)]
    tensor = compared(bench, *({"m.safetensors": file} for file in files))["w"]
    assert tensor.packed
    assert tensor.changed_fraction == 1


@pytest.mark.parametrize(
    ("dtype", "shape", "size", "readable"),
    [
        ("Q8_0", (2, 32), 68, True), ("Q8_0", (2, 32), 72, False), ("Q8_0", (4, 16), 68, True),
        ("Q4_K", (128,), 72, False), ("Q4_K", (0, 256), 0, True), ("Q4_K_BE", (256,), 144, False),
        ("F4", (4,), 2, True), ("F4", (3,), 2, False), ("F4_X2", (2,), 2, True), ("C64", (3,), 24, True),
        ("Q8_1", (32,), 40, False), ("F6_E2M3", (4,), 3, False),
        ("FLOAT6E2M3", (2, 4), 6, True), ("FLOAT6E3M2", (5,), 4, False),
    ],
)  # fmt: skip
def test_what_is_whole_blocks_is_numbers(
    dtype: str, shape: tuple[int, ...], size: int, readable: bool
) -> None:
    """torch's F4_X2 has two numbers in each element of its shape."""
    assert TensorForm("m", dtype, shape, size).readable is readable


def test_half_a_byte_of_padding_is_no_number(bench: Bench) -> None:
    """The F4 tensors of this model have three elements each."""
    data = (GOLDEN / "odd.onnx").read_bytes()
    at = data.index(b"F4.raw") + len(b"F4.raw") + 2
    changed = bytearray(data)
    changed[at] ^= 1
    found = compared(bench, {"m.onnx": data}, {"m.onnx": bytes(changed)})
    (tensor,) = found.of_kind("changed")
    assert (tensor.name, tensor.packed) == ("F4.raw", True)
    assert tensor.changed_fraction == 1 / 2


def test_bytes_of_unknown_number_are_not_compared(bench: Bench) -> None:
    """The size of a type that we do not know is what lies before the next tensor."""
    old, new = bytearray(gguf_of("I8", 64, bytes(64))), bytearray(gguf_of("I8", 64, bytes(96)))
    for file in (old, new):
        at = file.index((24).to_bytes(4, "little"), 50)
        file[at : at + 4] = (99).to_bytes(4, "little")
    tensor = compared(bench, {"m.gguf": bytes(old)}, {"m.gguf": bytes(new)})["w"]
    assert (tensor.kind, tensor.comparable) == ("changed", False)
    assert tensor.obstacle == "it takes 96 bytes, and took 64"


def test_a_torch_checkpoint(bench: Bench) -> None:
    data = (GOLDEN / "module.pt").read_bytes()
    at = data.index(np.float32(1).tobytes() * 8)  # the scale of a batch norm
    changed = bytearray(data)
    changed[at : at + 4] = np.float32(3).tobytes()
    found = compared(bench, {"m.pt": data}, {"m.pt": bytes(changed)})
    (tensor,) = found.of_kind("changed")
    assert (tensor.max_abs, tensor.changed_fraction) == (2, 1 / 8)
    assert tensor.relative_l2 == pytest.approx(2 / 8**0.5)


def test_a_damaged_archive_does_not_keep_the_rest_from_being_compared(bench: Bench) -> None:
    old, new = (npz(np.savez_compressed, tensors(seed, "a")) for seed in (1, 2))
    broken = bytearray(new)
    broken[100_000:-400] = np.random.default_rng(3).bytes(
        len(new) - 100_400
    )  # the directory at the end stays whole
    before = {"m.npz": old, "z.safetensors": save(tensors(1, "b"))}
    after = {"m.npz": bytes(broken), "z.safetensors": save(tensors(2, "b"))}
    found = compared(bench, before, after)
    found.measure()
    assert found["b"].l2 > 0
    assert found["a"].kind == "changed" and found["a"].problem is not None
    with pytest.raises(Failure, match="a cannot be compared"):
        _ = found["a"].l2


def test_inflating_waits_for_what_is_held_back(bench: Bench) -> None:
    """Zeros pack a thousandfold: one piece of input is many of output."""
    old, new = np.zeros(3_000_000, "f4"), np.zeros(3_000_000, "f4")
    new[-1] = 1
    files = [{"m.npz": npz(np.savez_compressed, {"a": values})} for values in (old, new)]
    found = compared(bench, *files)
    assert (found["a"].statistics.changed, found["a"].statistics.elements) == (1, 3_000_000)


def test_damage_names_the_file(bench: Bench) -> None:
    found = compared(
        bench, {"m.safetensors": save(tensors(1, "a"))}, {"m.safetensors": save(tensors(2, "a"))}
    )
    (pack, *_) = sorted((bench.root / ".mvc" / "store" / "packs").iterdir())
    damaged = bytearray(pack.read_bytes())
    for at in range(2000, len(damaged), 5000):
        damaged[at] ^= 0xFF
    pack.write_bytes(damaged)
    with pytest.raises(CorruptObject, match=r"^m\.safetensors cannot be read") as caught:
        _ = found["a"].l2
    assert caught.value.cause and "chunk" in caught.value.cause
    assert caught.value.help == "mvc verify"
