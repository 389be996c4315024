"""Arrays within pickles: as the libraries that wrote them load them, and nothing run from hostile ones."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from mvcd.inspect import tensorfiles
from mvcd.inspect.tensorfile import StoredTensor, TensorFile
from mvcd.inspect.turning import turned

DATA = Path(__file__).parent / "data"
ANSWERS = json.loads((DATA / "pickles.json").read_text())


def reading(data: bytes) -> TensorFile | None:
    return tensorfiles.read(lambda at, size: data[at : at + size], len(data))


def described(tensor: StoredTensor, data: bytes) -> list[object]:
    assert not isinstance(tensor.content, bytes)
    (place,) = tensor.content
    lying = data[place.offset : place.offset + place.size]
    lying = turned(lying, tensor.shape, tensor.order) if tensor.order else lying
    return [tensor.dtype, list(tensor.shape), hashlib.sha256(lying).hexdigest()]


@pytest.mark.parametrize("file", ["sk.joblib", "sk3.pkl", "sk4.pkl", "sk5.pkl", "paddle.pdparams"])
def test_arrays_are_what_their_library_loads(file: str) -> None:
    data = (DATA / file).read_bytes()
    found = reading(data)
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
        found = reading(pickle.dumps(array, protocol))
        assert found is not None and found.tensors["array"].shape == (2, 3)
        found = reading(pickle.dumps([array, {"x": (array + 1,)}], protocol))
        assert found is not None and list(found.tensors) == ["0", "1.x.0"]


class Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (self.path, "w"))


def test_nothing_is_run(tmp_path: Path) -> None:
    target = tmp_path / "written"
    data = pickle.dumps({"evil": Evil(str(target)), "w": np.ones(3)})
    found = reading(data)
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
    found = reading(pickle.dumps(value))
    assert found is None or not any(t.dtype.startswith("F") for t in found.tensors.values())


def test_an_array_whose_bytes_do_not_fit_its_shape_is_left_out() -> None:
    data = pickle.dumps({"a": np.ones(70, "f4"), "b": np.ones(3, "f4")}, 4)
    shape = b"K\x46\x85"
    assert data.count(shape) == 1
    found = reading(data.replace(shape, b"K\x47\x85"))
    assert found is not None and list(found.tensors) == ["b"]


@pytest.mark.parametrize("order", [b"8", b"x", b"\0"])
def test_an_order_of_bytes_that_is_none(order: bytes) -> None:
    data = pickle.dumps({"a": np.ones(3, "f4")}, 4)
    assert b"\x8c\x01<" in data
    assert reading(data.replace(b"\x8c\x01<", b"\x8c\x01" + order)) is None
