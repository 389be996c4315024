"""Headers of every format: golden files that the formats' own libraries wrote, and hostile ones."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from mvcd.inspect import onnx, protowire, tensorfiles
from mvcd.inspect.tensorfile import Digested, Range, StoredTensor, TensorFile

DATA = Path(__file__).parent / "data"


def reading(data: bytes, name: str = "") -> TensorFile | None:
    return tensorfiles.read(lambda at, size: data[at : at + size], len(data), name)


def bytes_of(tensor: StoredTensor, data: bytes, directory: Path = DATA) -> bytes:
    if isinstance(tensor.content, bytes):
        return tensor.content
    found = b""
    for place in tensor.content:
        file = (directory / place.beside).read_bytes() if place.beside else data
        part = file[place.offset : place.offset + place.size]
        if place.unpacked is not None:
            part = zlib.decompress(part, -15)
            assert len(part) == place.unpacked
        found += part[place.skip :]
    assert len(found) == tensor.size
    return found


def check(file: Path, answers: dict[str, list[object]]) -> TensorFile:
    data = file.read_bytes()
    found = reading(data, file.name)
    assert found is not None
    assert {
        t.name: [t.dtype, list(t.shape), hashlib.sha256(bytes_of(t, data, file.parent)).hexdigest()]
        for t in found.tensors.values()
    } == answers
    return found


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, list[object]]]:
    return json.loads((DATA / "headers.json").read_text())


def test_gguf_as_its_library_reads_it(answers) -> None:
    found = check(DATA / "model.gguf", answers["model.gguf"])
    assert found.format == "gguf"
    assert found.metadata["general.architecture"] == "llama"
    assert found.metadata["tiny.list"] == (1, 2, 3)
    tokens = found.metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, Digested) and (tokens.kind, tokens.count) == ("text", 200)


def test_onnx_as_its_library_reads_it(answers) -> None:
    found = check(DATA / "model.onnx", answers["model.onnx"])
    assert found.format == "onnx"
    assert found.metadata["opsets"] == {"ai.onnx": 17, "org.example": 1}
    assert found.metadata["inputs"] == {"x": "F32 [batch, 3]"}
    assert found.metadata["operators"] == {"MatMul": 1, "Relu": 1, "org.example.Odd": 1}
    assert found.metadata["metadata_props"] == {"epoch": "3"}


def test_onnx_tensors_in_every_place_and_form(answers) -> None:
    """Constants, branches, functions, sparse tensors, and elements that share bytes, typed or raw."""
    found = check(DATA / "odd.onnx", answers["odd.onnx"])
    assert found.metadata["operators"] == {"Constant": 2, "If": 1, "local.Halve": 1}
    assert found.tensors["U4.raw"].shape == (5,) and found.tensors["U4.raw"].size == 3


def test_onnx_nodes_too_large_for_memory(answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "_MAX_NODE_BYTES", 100)
    check(DATA / "odd.onnx", answers["odd.onnx"])


def test_onnx_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protowire, "MAX_FIELDS", 100)
    assert reading((DATA / "odd.onnx").read_bytes()) is None


def test_onnx_data_in_another_file(answers) -> None:
    found = check(DATA / "external.onnx", answers["model.onnx"])
    (place,) = found.tensors["raw.f32"].content
    assert place.beside == "external.data"


def test_a_tensorflow_checkpoint_as_tensorflow_reads_it() -> None:
    found = check(DATA / "tf" / "ckpt.index", json.loads((DATA / "tf" / "tf.json").read_text()))
    assert found.format == "tf-checkpoint"


def test_partitioned_variables_as_tensorflow_reads_them() -> None:
    answers = json.loads((DATA / "tf" / "parts.json").read_text())
    found = check(DATA / "tf" / "parts.index", answers)
    assert {name: len(t.content) for name, t in found.tensors.items()} == {
        "rows": 4, "columns": 12, "vector": 2, "whole": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            b"\x12\x02\x08\x02\x12\x02\x08\x03",
            b"\x12\x02\x08\x03\x12\x02\x08\x02",
        ),  # of another shape
        (b"\x08\x06\x10\x02", b"\x08\x05\x10\x02"),  # slices that overlap
        (b"\x08\x08\x10\x02", b"\x08\x09\x10\x02"),  # a gap
    ],
)
def test_slices_that_do_not_make_up_a_variable(old: bytes, new: bytes) -> None:
    data = (DATA / "tf" / "parts.index").read_bytes()
    assert old in data
    found = reading(data.replace(old, new), "parts.index")
    assert found is not None and set(found.tensors) == {"columns", "vector", "whole"}


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    return {
        "f4": rng.standard_normal((3, 4)).astype("f4"), "f2": np.ones((2,), "f2"), "scalar": np.array(1.5),
        "i8": rng.integers(0, 99, (2, 2, 2)), "flags": np.array([True, False]), "none": np.zeros((0, 3)),
        "complex": np.ones(2, "c8"), "text": np.array(["ab", "c"]), "time": np.zeros(1, "M8[s]"),
        "big": np.arange(3, dtype=">f4"), "fortran": np.asfortranarray(rng.standard_normal((2, 3))),
    }  # fmt: skip


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_npz_as_numpy_wrote_it(write: Callable[..., None]) -> None:
    file, made = io.BytesIO(), arrays()
    write(file, objects=np.array([{}, 1], object), **made)
    found = reading(file.getvalue())
    assert found is not None and found.format == "npz"
    assert set(found.tensors) == set(made) - {"time"}, (
        "objects are pickles, times have a dtype of their own"
    )
    for name, tensor in found.tensors.items():
        order = "F" if name == "fortran" else "C"
        assert bytes_of(tensor, file.getvalue()) == made[name].tobytes(order), name
    dtypes = {name: (t.dtype, t.shape) for name, t in found.tensors.items()}
    assert dtypes["f4"] == ("F32", (3, 4))
    assert dtypes["fortran"] == ("F64", (2, 3))
    assert {n: t.order for n, t in found.tensors.items() if t.order} == {"fortran": (1, 0)}
    assert dtypes["big"] == (">f4", (3,)), "no dtype of ours, so it is not taken for a number"
    assert dtypes["scalar"] == ("F64", ())


def test_npy() -> None:
    file = io.BytesIO()
    np.save(file, np.arange(6, dtype="<u2").reshape(2, 3))
    found = reading(file.getvalue())
    assert found is not None and found.format == "npy"
    tensor = found.tensors["array"]
    assert (tensor.dtype, tensor.shape) == ("U16", (2, 3))
    assert bytes_of(tensor, file.getvalue()) == np.arange(6, dtype="<u2").tobytes()


def test_safetensors_with_its_metadata() -> None:
    data = save({"a": np.ones(3, "f4")}, metadata={"format": "pt"})
    found = reading(data)
    assert found is not None and found.format == "safetensors"
    assert found.metadata == {"format": "pt"}
    assert bytes_of(found.tensors["a"], data) == np.ones(3, "f4").tobytes()


def test_torch() -> None:
    found = reading((DATA / "module.pt").read_bytes())
    assert found is not None and found.format == "torch-zip" and found.tensors


# ---------------------------------------------------------------- hostile content

GOLDEN = [
    (DATA / "model.gguf", 2600), (DATA / "model.onnx", 780), (DATA / "external.onnx", 822),
    (DATA / "tf" / "ckpt.index", 2612), (DATA / "tf" / "parts.index", 560),
    (DATA / "odd.onnx", 2200), (DATA / "shared.pt", 50_000),
    (DATA / "legacy_shared.pt", 47_000),
]  # fmt: skip


def zipped(write: Callable[..., None]) -> bytes:
    file = io.BytesIO()
    write(file, a=np.ones(5, "f4"), b=np.zeros((2, 2)))
    return file.getvalue()


SEEDS = [(file.read_bytes(), file.name, size) for file, size in GOLDEN] + [
    (data, "m.npz", len(data)) for data in (zipped(np.savez), zipped(np.savez_compressed))
]


def inside(found: TensorFile | None, size: int) -> None:
    """What a reader promises of any content: ranges lie in the file, numbers are sane."""
    for tensor in found.tensors.values() if found is not None else ():
        assert all(extent >= 0 for extent in tensor.shape)
        if not isinstance(tensor.content, bytes):
            for place in tensor.content:
                assert place.offset >= 0 and place.size >= 0
                assert place.beside or place.offset + place.size <= size


@given(st.sampled_from(SEEDS), st.data())
def test_a_damaged_header_is_read_or_refused(seed, data) -> None:
    content, name, header = seed
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, header - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    inside(reading(bytes(damaged), name), len(damaged))


@given(st.sampled_from(SEEDS), st.data())
def test_a_cut_file_is_read_or_refused(seed, data) -> None:
    content, name, header = seed
    cut = content[: data.draw(st.integers(0, header))]
    inside(reading(cut, name), len(cut))


@given(
    st.sampled_from([b"GGUF\x03\0\0\0", b"\x08\x07", b"\x93NUMPY\x01\0", b"PK\x03\x04"]),
    st.binary(max_size=200),
)
def test_garbage_behind_a_magic_is_refused(magic, rest) -> None:
    inside(reading(magic + rest, "x.onnx"), len(magic + rest))


@given(st.binary(max_size=200))
def test_garbage_as_an_index_is_refused(rest) -> None:
    data = rest + bytes.fromhex("57fb808b247547db")
    inside(reading(data, "x.index"), len(data))


def test_gguf_without_tensors() -> None:
    key = struct.pack("<Q12sIQ1s", 12, b"general.name", 8, 1, b"a")
    for data in (gguf(0, 1, key), gguf(0, 1, key + bytes(20))):
        found = reading(data)
        assert found is not None and found.metadata == {"general.name": "a"}
        assert not found.tensors


def test_gguf_of_big_endian_machines() -> None:
    """As gguf-py's GGUFWriter(endianess=BIG) writes it: every number but single bytes is turned."""

    def row(name: bytes, kind: int, at: int) -> bytes:
        return struct.pack(">Q", len(name)) + name + struct.pack(">IQQIQ", 2, 2, 3, kind, at)

    key = struct.pack(">Q3sI", 3, b"key", 9) + struct.pack(">IQ2i", 5, 2, 7, -7)
    head = struct.pack(">4sIQQ", b"GGUF", 3, 2, 1) + key + row(b"a", 0, 0) + row(b"b", 24, 32)
    data = head + bytes(-len(head) % 32) + struct.pack(">6f", *range(6)).ljust(32, b"\0") + bytes(6)
    found = reading(data)
    assert found is not None and found.metadata == {"key": (7, -7)}
    shown = {n: (t.dtype, t.shape, t.size) for n, t in found.tensors.items()}
    assert shown == {"a": ("F32_BE", (3, 2), 24), "b": ("I8", (3, 2), 6)}
    assert bytes_of(found.tensors["a"], data) == struct.pack(">6f", *range(6))


def gguf(tensors: int, keys: int, rest: bytes) -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", 3, tensors, keys) + rest


@pytest.mark.parametrize(
    "data",
    [
        gguf(1 << 40, 0, b""),
        gguf(0, 1 << 40, b""),
        gguf(0, 1, struct.pack("<Q", 1 << 62)),  # a key longer than the file
        gguf(
            0, 1, struct.pack("<Q1sI", 1, b"a", 9) + struct.pack("<IQ", 0, 1 << 60)
        ),  # a list of 2^60
        gguf(0, 1, struct.pack("<Q1sI", 1, b"a", 9) + struct.pack("<IQ", 9, 1)),  # a list of lists
        gguf(1, 0, struct.pack("<Q1sI", 1, b"a", 2) + struct.pack("<QQIQ", 1 << 47, 1 << 47, 0, 0)),
        gguf(1, 0, struct.pack("<Q1sI", 1, b"a", 1 << 30)),
        b"\x08\x07"
        + b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
        + bytes(9),  # a graph of 2^62 bytes
        b"\x08\x07" + b"\xff" * 20,
    ],
)
def test_lengths_that_lie_are_refused(data: bytes) -> None:
    assert reading(data, "m.onnx") is None


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "a/../../b", "", "a\\b", ".", "./../x"]
)
def test_external_data_stays_below_the_models_directory(location: str) -> None:
    """The wire is written by hand: onnx itself refuses to."""
    found = reading(external(location=location), "m.onnx")
    assert found is not None and not found.tensors


def external(**entries: str) -> bytes:
    """A model of one tensor, two floats that lie elsewhere."""

    def field(number: int, body: bytes) -> bytes:
        return bytes([number << 3 | 2, len(body)]) + body

    listed = [
        field(13, field(1, key.encode()) + field(2, value.encode()))
        for key, value in entries.items()
    ]
    tensor = b"\x08\x02" + b"\x10\x01" + field(8, b"w") + b"".join(listed) + b"\x70\x01"
    return b"\x08\x07" + field(7, field(5, tensor))


@pytest.mark.parametrize(
    ("entries", "place"),
    [
        ({"location": "w.bin"}, Range(0, 8, "w.bin")),
        ({"location": "./w.bin", "offset": "64"}, Range(64, 8, "w.bin")),
        ({"location": "sub//./w.bin", "offset": "0", "length": "8"}, Range(0, 8, "sub/w.bin")),
        ({"location": "m.onnx_data", "length": "8", "checksum": "0af"}, Range(0, 8, "m.onnx_data")),
        ({"location": "w", "length": "9"}, None),
        ({"location": "w", "offset": "-8"}, None),
        ({"location": "w", "offset": "x"}, None),
    ],
)
def test_onnx_data_in_all_spellings(entries: dict[str, str], place: Range | None) -> None:
    found = reading(external(**entries), "m.onnx")
    assert found is not None
    assert [t.content for t in found.tensors.values()] == ([(place,)] if place else [])


def test_unknown_ggml_types_reach_to_the_next_tensor() -> None:
    rows = b"".join(
        struct.pack("<Q1sIQIQ", 1, name, 1, 32, 999, at) for name, at in ((b"a", 0), (b"b", 32))
    )
    head = gguf(2, 0, rows)
    data = head + bytes(-len(head) % 32) + bytes(80)
    found = reading(data)
    assert found is not None
    assert {n: (t.dtype, t.size) for n, t in found.tensors.items()} == {
        "a": ("GGML_999", 32),
        "b": ("GGML_999", 48),
    }
