"""MessagePack as flax.serialization writes it: the same bytes, packed by msgpack itself, and hostile ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.reading import tensors_of

TREE: dict[str, Any] = {
    "params": {
        "Dense_0": {"kernel": np.arange(12, dtype="f4").reshape(3, 4), "bias": np.zeros(4, "f4")},
        "scale": np.float32(2.5),
        "half": np.ones((2, 70), "f2"),
        "long": np.arange(40_000, dtype="i8"),
    },
    "opt_state": {"0": {"count": np.int32(7)}, "1": {}},
    "step": 300,
    "name": "x" * 40,
    "none": None,
    "rate": 0.5,
    "empty": np.zeros((0, 3), "f8"),
    "list": [np.ones(2, "u1"), -3],
}


def packed(value: Any) -> bytes:  # noqa: PLR0911
    """MessagePack, written by hand from its specification, with Flax's extensions."""
    if value is None:
        return b"\xc0"
    match value:
        case np.ndarray() | np.generic():
            kind = 1 if isinstance(value, np.ndarray) else 3
            array = np.asarray(value)
            body = (
                b"\x93"
                + packed(list(array.shape))
                + packed(array.dtype.name)
                + binary(array.tobytes())
            )
            return sized(body, (0xC7, 0xC8, 0xC9), bytes([kind]))
        case int() if value < 0:
            return bytes([value & 0xFF])
        case int():
            return bytes([value]) if value < 128 else b"\xce" + value.to_bytes(4, "big")
        case float():
            return b"\xcb" + np.array(value, ">f8").tobytes()
        case str():
            data = value.encode()
            return (
                bytes([0xA0 | len(data)]) + data
                if len(data) < 32
                else sized(data, (0xD9, 0xDA, 0xDB))
            )
        case list():
            return bytes([0x90 | len(value)]) + b"".join(map(packed, value))
    items = b"".join(packed(key) + packed(child) for key, child in value.items())
    return bytes([0x80 | len(value)]) + items


def binary(data: bytes) -> bytes:
    return sized(data, (0xC4, 0xC5, 0xC6))


def sized(data: bytes, codes: tuple[int, int, int], kind: bytes = b"") -> bytes:
    width = 1 if len(data) < 1 << 8 else 2 if len(data) < 1 << 16 else 4
    return bytes([codes[width // 2]]) + len(data).to_bytes(width, "big") + kind + data


def test_arrays_of_a_train_state() -> None:
    data = packed(TREE)
    found = tensors_of(data)
    assert found is not None and found.format == "flax"
    wanted = {
        "params.Dense_0.kernel": TREE["params"]["Dense_0"]["kernel"],
        "params.Dense_0.bias": TREE["params"]["Dense_0"]["bias"],
        "params.scale": np.asarray(TREE["params"]["scale"]),
        "params.half": TREE["params"]["half"],
        "params.long": TREE["params"]["long"],
        "opt_state.0.count": np.asarray(TREE["opt_state"]["0"]["count"]),
        "empty": TREE["empty"],
        "list.0": TREE["list"][0],
    }
    assert list(found.tensors) == list(wanted)
    for name, tensor in found.tensors.items():
        (place,) = tensor.content
        assert tensor.shape == wanted[name].shape
        assert data[place.offset : place.offset + place.size] == wanted[name].tobytes(), name
    assert {t.dtype for t in found.tensors.values()} == {"F32", "F16", "I64", "I32", "F64", "U8"}


def test_chunks_of_a_large_array_are_one() -> None:
    parts = {str(i): np.arange(i, i + 4, dtype="f4") for i in range(3)}
    chunked = {"__msgpack_chunked_array__": True, "shape": {"0": 3, "1": 4}, "chunks": parts}
    data = packed({"w": {**chunked, "__msgpack_chunked_array__": 1}, "b": np.ones(2, "f4")})
    found = tensors_of(data)
    assert found is not None
    assert found.tensors["w"].shape == (3, 4)
    lying = b"".join(data[p.offset : p.offset + p.size] for p in found.tensors["w"].content)
    assert lying == b"".join(part.tobytes() for part in parts.values())


@pytest.mark.parametrize(
    "data",
    [
        packed({"a": 1, "b": {"c": "text"}}),  # no array
        packed(TREE)[:-1],
        packed(TREE) + b"\0",
        b"\x81\xa1a" * 100,  # too deep
        b"\xdf\xff\xff\xff\xff\xa1a\xa1a",
        b"\xde\xff\xff\xa1a" + b"\xc7\xff\x01" + bytes(20),
    ],
)
def test_what_is_no_map_of_arrays(data: bytes) -> None:
    assert tensors_of(data) is None


def test_an_array_that_lies_is_left_out() -> None:
    good = packed({"a": np.ones(4, "f4"), "b": np.ones(2, "f4")})
    found = tensors_of(good.replace(b"\x93\x91\x04", b"\x93\x91\x05"))
    assert found is not None and list(found.tensors) == ["b"]


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes(rest: bytes) -> None:
    tensors_of(b"\x82\xa1a" + rest)
