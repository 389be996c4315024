"""TensorFlow Lite as LiteRT reads it, with buffers within and behind the flatbuffer, and damaged."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect import tflite
from mvcd.inspect.layout import layout
from mvcd.inspect.spans import NotThisFormat
from mvcd.inspect.tensorfile import Digested, Range
from tests.support.reading import reading, tensors_of

DATA = Path(__file__).parent / "data"
ANSWERS = json.loads((DATA / "tflite.json").read_text())
FILES = sorted(ANSWERS)


@pytest.mark.parametrize("file", FILES)
def test_constants_are_what_litert_reads(file: str) -> None:
    data = (DATA / file).read_bytes()
    found = tensors_of(data)
    assert found is not None and found.format == "tflite"
    told = {}
    for name, tensor in found.tensors.items():
        assert not isinstance(tensor.content, bytes)
        (place,) = tensor.content
        digest = hashlib.sha256(data[place.offset : place.offset + place.size]).hexdigest()
        told[name] = [tensor.dtype, list(tensor.shape), digest]
    assert told == ANSWERS[file] and "dense/kernel" in told
    cut = layout(reading(data), len(data))
    assert cut is not None
    assert {span.tensor.name for span in cut.spans if span.tensor} == told.keys()


def test_what_a_model_says_of_itself() -> None:
    found = tensors_of((DATA / "lite.tflite").read_bytes())
    assert found is not None
    scales = found.metadata["quantization"]
    assert isinstance(scales, Digested) and (scales.count, scales.kind) == (2, "quantised tensor")
    assert {key: value for key, value in found.metadata.items() if value is not scales} == {
        "description": "a tiny model", "subgraphs": 1,
        "inputs": {"x": "I8 [1, 4]"}, "outputs": {"z": "I8 [3, 1]"},
        "operators": {"FULLY_CONNECTED": 1, "RESHAPE": 1},
    }  # fmt: skip


def test_another_scale_is_another_digest() -> None:
    old = (DATA / "lite.tflite").read_bytes()
    new = old.replace(struct.pack("<f", 0.5), struct.pack("<f", 0.25), 1)
    assert new != old
    before, after = tensors_of(old), tensors_of(new)
    assert before is not None and after is not None
    names = [key for key in before.metadata if before.metadata[key] != after.metadata[key]]
    assert before.tensors == after.tensors and names in (["quantization"], [])
    every = tensors_of(old.replace(struct.pack("<f", 0.5), struct.pack("<f", 0.25)))
    assert every is not None and every.metadata["quantization"] != before.metadata["quantization"]


def test_a_tensor_that_is_not_as_long_as_its_shape_is_in_code() -> None:
    """As sparse ones are: twelve bytes are there, and the shape is told as [3, 5]."""
    data = (DATA / "lite.tflite").read_bytes()
    shape = struct.pack("<Iii", 2, 3, 4)
    assert data.count(shape) == 2, "and the inputs 3 and 4 of an operator"
    found = tensors_of(data.replace(shape, struct.pack("<Iii", 2, 3, 5)))
    assert found is not None
    tensor = found.tensors["dense/kernel"]
    assert tensor.shape == (3, 5) and tensor.coded
    assert [type(part) for part in tensor.content] == [Range]


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xffTFL3" + bytes(60),
        b"\x08\0\0\0TFL3" + b"\xff\xff\xff\x7f" + bytes(60),
        b"\x08\0\0\0TFL3" + bytes(60),
        b"\x20\0\0\0TFL3" + bytes(60),
    ],
)
def test_offsets_that_lie_are_refused(data: bytes) -> None:
    with pytest.raises(NotThisFormat):
        tflite.read(reading(data), len(data))


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
            assert not isinstance(tensor.content, bytes)
            assert all(place.offset + place.size <= len(content) for place in tensor.content)
