"""TensorFlow's graphs as its own protocol buffers wrote them, saved and frozen, and damaged."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect import savedmodel
from mvcd.inspect.layout import layout
from mvcd.inspect.spans import NotThisFormat
from mvcd.inspect.tensorfile import Digested
from tests.support.reading import reading, tensors_of

DATA = Path(__file__).parent / "data"
ANSWERS = json.loads((DATA / "graphs.json").read_text())
FILES = sorted(ANSWERS)


@pytest.mark.parametrize("file", FILES)
def test_constants_are_what_was_written(file: str) -> None:
    data = (DATA / file).read_bytes()
    found = tensors_of(data)
    assert found is not None and found.format == "tf-graph"
    told = {}
    for name, tensor in found.tensors.items():
        content = tensor.content
        if not isinstance(content, bytes):
            content = b"".join(data[place.offset : place.offset + place.size] for place in content)
        told[name] = [tensor.dtype, list(tensor.shape), hashlib.sha256(content).hexdigest()]
    assert told == ANSWERS[file]
    cut = layout(reading(data), len(data))
    assert cut is not None
    assert {"raw", "half", "wide"} <= {span.tensor.name for span in cut.spans if span.tensor}


def test_what_a_saved_model_says_of_itself() -> None:
    found = tensors_of((DATA / "saved_model.pb").read_bytes())
    assert found is not None
    nodes = found.metadata["nodes"]
    assert isinstance(nodes, Digested) and nodes.count == 13
    assert {key: value for key, value in found.metadata.items() if value is not nodes} == {
        "graphs": 1, "functions": 1, "tags": ("serve",), "tensorflow_version": "2.19.0",
        "operators": {"Const": 11, "MatMul": 1, "Placeholder": 1},
        "signatures": {"serving_default": {"inputs.x": "F32 [-1, 3]", "outputs.y": "F32 []"}},
    }  # fmt: skip


def test_another_input_of_a_node_is_another_digest() -> None:
    old = (DATA / "frozen.pb").read_bytes()
    before, after = tensors_of(old), tensors_of(old.replace(b"\x1a\x03raw", b"\x1a\x03one"))
    assert before is not None and after is not None
    assert before.metadata["nodes"] != after.metadata["nodes"]
    assert before.metadata["operators"] == after.metadata["operators"]


def field(number: int, body: bytes) -> bytes:
    size, left = bytearray(), len(body)
    while left > 127:
        size.append(left & 127 | 128)
        left >>= 7
    return bytes([number << 3 | 2, *size, left]) + body


def constant(tensor: bytes) -> bytes:
    value = field(5, field(1, b"value") + field(2, field(8, tensor)))
    return field(1, field(1, b"c") + field(2, b"Const") + value)


def shape(*extents: bytes) -> bytes:
    return field(2, b"".join(field(2, b"\x08" + extent) for extent in extents))


def test_numbers_one_by_one_are_listed_only_when_few() -> None:
    few, many = b"\x38\x05" * 3, b"\x38\x05" * 70_000
    extents = shape(b"\x80\x80\x01")  # 16384
    found = tensors_of(constant(b"\x08\x03" + extents + few))
    assert found is not None and found.tensors["c"].content == (5).to_bytes(4, "little") * 16384
    found = tensors_of(constant(b"\x08\x03" + extents + many))
    assert found is not None and not found.tensors


@pytest.mark.parametrize(
    "tensor",
    [
        b"\x08\x01" + shape(b"\x02") + field(4, bytes(4)),  # half of what the shape says
        b"\x08\x01" + shape(b"\x01") + field(5, bytes(8)),  # more than that
        b"\x08\x07" + shape(b"\x01") + field(8, b"text"),
        b"\x08\x01" + shape(b"\x80\x80\x80\x80\x10") + field(5, bytes(4)),  # 4 GiB of one number
    ],
)
def test_constants_without_bytes_are_not_listed(tensor: bytes) -> None:
    found = tensors_of(constant(tensor))
    assert found is not None and not found.tensors


@pytest.mark.parametrize(
    "data",
    [
        b"\n\x02\n\x00" + bytes(20), b"\n# a\n\nb = 1\n" * 9, b"\x08\x01\x12\xff\xff\xff\xff\x0f" + bytes(9),
        b"\x08\x01\x12\x00" + bytes(4),
        b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02" * 9,
        b"\n\n\n\n\n\n\n\n\n\n",
    ],
)  # fmt: skip
def test_what_is_no_graph_is_refused(data: bytes) -> None:
    with pytest.raises(NotThisFormat):
        savedmodel.read(reading(data), len(data))
    assert tensors_of(data) is None


@settings(deadline=None, max_examples=200)
@given(data=st.data(), name=st.sampled_from(FILES))
def test_damage_is_read_or_refused(data: st.DataObject, name: str) -> None:
    damaged = bytearray((DATA / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
    for content in (bytes(damaged), cut):
        found = tensors_of(content)
        for tensor in found.tensors.values() if found is not None else ():
            places = tensor.content if not isinstance(tensor.content, bytes) else ()
            assert all(place.offset + place.size <= len(content) for place in places)
