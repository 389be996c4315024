"""What content says of the part a file is: real files where writers are at hand, beginnings of others."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.inspect import tensorfiles
from mvcd.inspect.kinds import UNKNOWN, ContentKind, Says, kind_of, of_file
from mvcd.inspect.layout import layout
from mvcd.inspect.spans import Layout, Span

DATA = Path(__file__).parent / "data"


def kind(data: bytes) -> ContentKind:
    def read_at(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    found = kind_of(read_at, len(data))
    assert kind_of(read_at, len(data), layout(read_at, len(data))) == found, (
        "whoever knows its cuts"
    )
    return found


def safetensors(*names: str) -> bytes:
    table = {
        n: {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]}
        for i, n in enumerate(names)
    }
    head = json.dumps(table).encode()
    return struct.pack("<Q", len(head)) + head + bytes(4 * len(names))


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)  # of 1980: names of tests are made of it
    return buffer.getvalue()


LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
PICKLED = b"\x80\x04\x95\0\0\0\0\0\0\0\0\x8c\x1e"
FLAX = b"\x81\xa6params\x81\xa5Dense\x81\xa6kernel\xc7\x11\x01\x93\x91\x01\xa7float32\xc4\x04\0\0\x80\x3f"
KERAS = zipped(("metadata.json", b'{"keras_version": "3.0"}'), ("model.weights.h5", b""))


@pytest.mark.parametrize(
    ("data", "format", "says"),
    [
        (safetensors("fc.weight", "fc.bias"), "safetensors", Says.MODEL),
        (safetensors("image", "label"), "safetensors", Says.TENSORS),
        (safetensors("state.0.exp_avg", "state.0.step"), "safetensors", Says.STATE),
        (b"GGUF" + bytes(30), "gguf", Says.MODEL),
        (b"\x1c\0\0\0TFL3" + bytes(30), "tflite", Says.MODEL),
        (b"\x93NUMPY\x01\0" + bytes(30), "npy", Says.ARRAYS),
        (b'{"learner":{"attributes":{}}}', "xgboost-json", Says.MODEL),
        (b'{"version":[2,1,0],"learner":{}}', "xgboost-json", Says.MODEL),
        (b"{L\0\0\0\0\0\0\0\x07learner{L", "xgboost-ubj", Says.MODEL),
        (b"tree\nversion=v4\nnum_class=1\n", "lightgbm", Says.MODEL),
        (b"CBM1" + bytes(30), "catboost", Says.MODEL),
        (b'{"metadata": {"total_size": 8}, "weight_map": {"a": "b"}}', "shard-index", Says.MODEL),
        (b'{"format": "layers-model", "modelTopology": {}}', "tfjs", Says.MODEL),
        (b" " * 63 + b"{" + b"x" * 400 + b'"weightsManifest" : {}}', "tfjs", Says.MODEL),
        (b" " * 63 + b"{" + b"x" * 2000 + b'"oblivious_trees" : {}}', "catboost-json", Says.MODEL),
        (b'{"x": "' + b"x" * 4000 + b'", "weight_map" : {}}' * 3, "shard-index", Says.MODEL),
        (b"\x89HDF\r\n\x1a\n" + bytes(90) + b"layer_names" + bytes(90), "hdf5", Says.MODEL),
        (b"\x89HDF\r\n\x1a\n" + bytes(200), "hdf5", Says.TENSORS),
        (b"\x89HDF\r\n\x1a\n" + bytes(90) + b"_NCProperties" + bytes(90), "hdf5", Says.TABLE),
        (LEGACY + b"\x80\x02}q\x00.torch._utils" + bytes(50), "torch-legacy", Says.NOTHING),
        (PICKLED + b"sklearn.linear_model._logistic", "pickle", Says.MODEL),
        (PICKLED + b"pandas.core.frame", "pickle", Says.TABLE),
        (PICKLED + b"sklearn.utils._bunch", "pickle", Says.TABLE),
        (pickle.dumps({"tokens": [1, 2, 3]}), "pickle", Says.NOTHING),
        (pickle.dumps({"image": np.ones(4)}), "pickle", Says.TENSORS),
        (pickle.dumps({"fc.weight": np.ones(4)}), "pickle", Says.MODEL),
        (pickle.dumps({"state": {0: {"exp_avg": np.ones(4)}}}), "pickle", Says.STATE),
        (zipped(("x.npy", b"\x93NUMPY"), ("y.npy", b"")), "npz", Says.TENSORS),
        (zipped(("archive/data.pkl", pickle.dumps({"last_epoch": 3}))), "torch-zip", Says.NOTHING),
        (KERAS, "keras", Says.MODEL),
        (zipped(("img/0.png", b"x")), "zip", Says.NOTHING),
        (FLAX, "flax", Says.MODEL),
        (b"\x81\xa6tokens\x93\x01\x02\x03", "", Says.NOTHING),
        (b'{"loss": 0.5, "epoch": 3}', "", Says.NOTHING),
        (b"a,b\n1,2\n3,4\n", "", Says.NOTHING),
        (b"lr: 0.1\nepochs: 3\n", "", Says.NOTHING),
        (b"", "", Says.NOTHING),
    ],
    ids=str,
)  # fmt: skip
def test_beginnings(data: bytes, format: str, says: Says) -> None:
    found = kind(data)
    assert (found.format, found.says) == (format, says)


@pytest.mark.parametrize(
    ("file", "format", "says"),
    [
        ("checkpoint.pt", "torch-zip", Says.MODEL),
        ("module.pt", "torch-zip", Says.MODEL),
        ("model.gguf", "gguf", Says.MODEL),
        ("legacy.pt", "torch-legacy", Says.MODEL),
        ("exported.pt2", "torch-export", Says.MODEL),
        ("paddle.pdparams", "pickle", Says.MODEL),
        ("sk.joblib", "pickle", Says.MODEL),
        ("model.h5", "hdf5", Says.MODEL),
        ("tf/ckpt.index", "tf-checkpoint", Says.MODEL),
    ],
)
def test_files_of_the_libraries(file: str, format: str, says: Says) -> None:
    found = kind((DATA / file).read_bytes())
    assert (found.format, found.says) == (format, says)


def test_whatever_is_read_for_tensors_is_recognised_whatever_it_is_called() -> None:
    read = 0
    for path in filter(Path.is_file, DATA.rglob("*.*")):
        data = path.read_bytes()
        found = tensorfiles.read(lambda o, n, d=data: d[o : o + n], len(data), path.name)
        if found is not None:
            read += 1
            assert kind(data).says in (Says.MODEL, Says.TENSORS, Says.STATE), path
    assert read > 20


@pytest.mark.parametrize("file", ["legacy.pt", "module.pt", "exported.pt2"])
def test_a_file_that_was_stored_as_plain_bytes_is_recognised_all_the_same(file: str) -> None:
    """Earlier versions cut it so; its recipe lists no tensors."""
    data = (DATA / file).read_bytes()
    plain = Layout("", (Span(0, len(data)),))
    assert kind_of(lambda at, size: data[at : at + size], len(data), plain) == kind(data)


def test_an_onnx_model_names_the_files_that_it_needs() -> None:
    external = sorted(p for p in DATA.iterdir() if p.suffix == ".onnx")
    assert external
    for path in external:
        data = path.read_bytes()
        whole = tensorfiles.read(lambda o, n, d=data: d[o : o + n], len(data), path.name)
        assert whole is not None
        places = [t.content for t in whole.tensors.values() if not isinstance(t.content, bytes)]
        assert kind(data) == of_file(whole)
        assert set(kind(data).tied) == {p.beside for content in places for p in content if p.beside}


def test_what_is_remembered_is_what_was_said() -> None:
    for found in (
        UNKNOWN,
        ContentKind("onnx", Says.MODEL, ("a.bin", "w 1")),
        ContentKind("npy", Says.ARRAYS),
    ):
        assert ContentKind.unpack(found.pack()) == found


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"{", b"\x80\x04", b"PK\x03\x04", b"\x08\x07", b"\x89HDF\r\n\x1a\n"]),
)
def test_content_never_raises(data: bytes, start: bytes) -> None:
    assert kind(start + data).says in Says
