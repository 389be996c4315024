"""Arrays within pickles: as the libraries that wrote them load them, and nothing run from hostile ones."""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
import zlib
from pathlib import Path

import numpy as np
import pytest

from mvcd.inspect import packedpickle, picklefile, torchpickle
from mvcd.inspect.layout import layout
from mvcd.inspect.spans import NotThisFormat
from mvcd.inspect.tensorfile import Range, StoredTensor
from mvcd.inspect.turning import turned
from tests.support.reading import tensors_of

DATA = Path(__file__).parent / "data"
ANSWERS = json.loads((DATA / "pickles.json").read_text())


def described(tensor: StoredTensor, data: bytes) -> list[object]:
    assert not isinstance(tensor.content, bytes)
    (place,) = tensor.content
    lying = data[place.offset : place.offset + place.size]
    lying = turned(lying, tensor.shape, tensor.order) if tensor.order else lying
    return [tensor.dtype, list(tensor.shape), hashlib.sha256(lying).hexdigest()]


@pytest.mark.parametrize("file", ["sk.joblib", "sk3.pkl", "sk4.pkl", "sk5.pkl", "paddle.pdparams"])
def test_arrays_are_what_their_library_loads(file: str) -> None:
    data = (DATA / file).read_bytes()
    found = tensors_of(data)
    assert found is not None and found.format == "pickle"
    tensors = {n: described(t, data) for n, t in found.tensors.items() if not _inside_tree(n)}
    assert tensors == {
        n: a
        for n, a in ANSWERS[file[:2] if file[0] == "s" else "paddle"].items()
        if not _inside_tree(n)
    }


def _inside_tree(name: str) -> bool:
    return name.startswith("tree.tree_.")


def test_a_bare_array_and_lists_of_them() -> None:
    for protocol in (3, 4, 5):
        array = np.arange(6, dtype="u1").reshape(2, 3)
        found = tensors_of(pickle.dumps(array, protocol))
        assert found is not None and found.tensors["array"].shape == (2, 3)
        found = tensors_of(pickle.dumps([array, {"x": (array + 1,)}], protocol))
        assert found is not None and list(found.tensors) == ["0", "1.x.0"]


class Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (self.path, "w"))


def test_nothing_is_run(tmp_path: Path) -> None:
    target = tmp_path / "written"
    data = pickle.dumps({"evil": Evil(str(target)), "w": np.ones(3)})
    found = tensors_of(data)
    assert found is not None and list(found.tensors) == ["w"]
    assert not target.exists()


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1},
        np.array([{}, 1], object),
        np.ones(2, [("x", "f4"), ("y", "O")]),
        "pickle" * 10,
    ],
    ids=["no array", "objects", "records with objects", "a text"],
)
def test_without_arrays_it_is_no_tensor_file(value: object) -> None:
    found = tensors_of(pickle.dumps(value))
    assert found is None or not any(t.dtype.startswith("F") for t in found.tensors.values())


def test_objects_that_refer_to_each_other_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of Ray Tune's searcher, 7 kB, had more paths than the 8 million that are followed: 14 s."""
    rows: list[dict[str, object]] = [{} for _ in range(20)]
    for row in rows:
        row |= {str(n): other for n, other in enumerate(rows)}
    monkeypatch.setattr(torchpickle, "_MAX_VISITS", 100_000)
    data = pickle.dumps(rows)
    with pytest.raises(NotThisFormat, match="without arrays"):
        picklefile.read(lambda at, count: data[at : at + count], len(data))


def test_an_array_whose_bytes_do_not_fit_its_shape_is_left_out() -> None:
    data = pickle.dumps({"a": np.ones(70, "f4"), "b": np.ones(3, "f4")}, 4)
    shape = b"K\x46\x85"
    assert data.count(shape) == 1
    found = tensors_of(data.replace(shape, b"K\x47\x85"))
    assert found is not None and list(found.tensors) == ["b"]


@pytest.mark.parametrize("order", [b"8", b"x", b"\0"])
def test_an_order_of_bytes_that_is_none(order: bytes) -> None:
    data = pickle.dumps({"a": np.ones(3, "f4")}, 4)
    assert b"\x8c\x01<" in data
    assert tensors_of(data.replace(b"\x8c\x01<", b"\x8c\x01" + order)) is None


# ---------------------------------------------------------------- compressed as a whole

PACKED = json.loads((DATA / "packed.json").read_text())


@pytest.mark.parametrize("suffix", ["z", "gz"])
def test_arrays_in_zlib_are_what_joblib_loads(suffix: str) -> None:
    data = (DATA / f"packed.{suffix}").read_bytes()
    found = tensors_of(data)
    assert found is not None and found.format == "pickle"
    told = {}
    for name, tensor in found.tensors.items():
        assert not isinstance(tensor.content, bytes) and not tensor.coded
        lying = b""
        for place in tensor.content:
            inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[place.offset :])
            lying += inflated[place.skip : place.unpacked]
        assert len(lying) == tensor.size
        lying = turned(lying, tensor.shape, tensor.order) if tensor.order else lying
        told[name] = [tensor.dtype, list(tensor.shape), hashlib.sha256(lying).hexdigest()]
    assert told == PACKED
    assert found.tensors["turned"].order == (1, 0)
    assert layout(lambda at, size: data[at : at + size], len(data)) is None


@pytest.mark.parametrize("suffix", ["bz2", "xz", "lzma"])
def test_arrays_in_other_compressions_are_in_code(suffix: str) -> None:
    data = (DATA / f"packed.{suffix}").read_bytes()
    found = tensors_of(data)
    assert found is not None
    assert {n: [t.dtype, list(t.shape)] for n, t in found.tensors.items()} == {
        name: answer[:2] for name, answer in PACKED.items()
    }
    whole = (Range(0, len(data), coded=True),)
    assert {n for n, t in found.tensors.items() if t.content == whole} == PACKED.keys() - {"empty"}
    assert not any(tensor.order for tensor in found.tensors.values())


def test_a_gzip_header_with_a_name_and_a_comment() -> None:
    body = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    pickled = pickle.dumps({"w": np.arange(4.0)}, 4)
    deflated = body.compress(pickled) + body.flush()
    head = b"\x1f\x8b\x08\x1c" + bytes(6) + b"\x03\0abc" + b"name\0" + b"said\0"
    tail = zlib.crc32(pickled).to_bytes(4, "little") + len(pickled).to_bytes(4, "little")
    found = tensors_of(head + deflated + tail)
    assert found is not None
    (place,) = found.tensors["w"].content
    assert isinstance(place, Range) and place.offset == len(head) and place.unpacked is not None
    assert pickled[place.skip : place.unpacked] == np.arange(4.0).tobytes()


def test_a_large_packed_pickle_is_read_from_front_to_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays longer than what is kept of the stream; more of them than are worth reaching are in code."""
    arrays = {f"a{n}": np.full(500_000, n, "f8") for n in range(5)} | {"last": np.arange(3)}
    data = zlib.compress(pickle.dumps(arrays, 4), 1)
    found = tensors_of(data)
    assert found is not None and list(found.tensors) == list(arrays)
    assert not any(tensor.coded for tensor in found.tensors.values())
    monkeypatch.setattr(packedpickle, "_MAX_REACHED_BYTES", 30 << 20)
    found = tensors_of(data)
    assert found is not None and all(tensor.coded for tensor in found.tensors.values())
    monkeypatch.setattr(packedpickle, "_MAX_BYTES", 10 << 20)
    assert tensors_of(data) is None


@pytest.mark.parametrize("suffix", ["z", "gz", "bz2", "xz", "lzma"])
def test_packed_pickles_that_are_cut_or_damaged(suffix: str) -> None:
    data = (DATA / f"packed.{suffix}").read_bytes()
    for size in range(0, len(data) - 12, 7):
        assert tensors_of(data[:size]) is None
    damaged = bytearray(data)
    for at in range(10, len(data), 5):  # gzip's header has a time, which is anything
        damaged[at] ^= 0xFF
        found = tensors_of(bytes(damaged))
        damaged[at] ^= 0xFF
        assert found is None or all(t.coded for t in found.tensors.values() if t.size)


def test_what_is_compressed_and_no_pickle() -> None:
    for data in (zlib.compress(b"text" * 99), gzip.compress(bytes(999)), b"x\x9c" + b"text" * 20):
        assert tensors_of(data) is None
