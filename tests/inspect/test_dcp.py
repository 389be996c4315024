"""Checkpoints of torch.distributed.checkpoint as torch itself made them, whole, without shards, and damaged."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect import tensorfiles, turning
from mvcd.inspect.layout import layout
from mvcd.inspect.spans import ReadAt
from mvcd.inspect.tensorfile import Range, StoredTensor, TensorFile
from tests.support.reading import reading

DATA = Path(__file__).parent / "data" / "dcp"
ANSWERS = json.loads((DATA / "dcp.json").read_text())
STEP = {path.name: path.read_bytes() for path in sorted((DATA / "step0").iterdir())}
SHARDS = [name for name in STEP if name != ".metadata"]


def read(files: dict[str, bytes]) -> TensorFile | None:
    def beside(name: str) -> tuple[ReadAt, int] | None:
        assert "/" not in name
        return (reading(files[name]), len(files[name])) if name in files else None

    data = files[".metadata"]
    return tensorfiles.read(reading(data), len(data), ".metadata", beside)


def elements(tensor: StoredTensor, files: dict[str, bytes]) -> bytes:
    """In the order of the shape."""
    assert not isinstance(tensor.content, bytes) and not tensor.coded
    data = b"".join(
        files[place.beside][place.offset : place.offset + place.size] for place in tensor.content
    )
    return turning.turned(data, tensor.shape, tensor.order) if tensor.order else data


def test_tensors_are_what_torch_saved_from_two_processes() -> None:
    found = read(STEP)
    assert found is not None and found.format == "torch-dcp" and found.metadata == {"shards": 2}
    assert {
        name: [t.dtype, list(t.shape), hashlib.sha256(elements(t, STEP)).hexdigest()]
        for name, t in found.tensors.items()
    } == ANSWERS
    assert len(found.tensors["model.columns.weight"].content) == 6, "three rows in two halves"


@pytest.mark.parametrize("gone", SHARDS)
def test_without_a_shard_its_tensors_are_in_code(gone: str) -> None:
    files = {name: data for name, data in STEP.items() if name != gone}
    found = read(files)
    assert found is not None and found.tensors.keys() == ANSWERS.keys()
    for name, tensor in found.tensors.items():
        assert [tensor.dtype, list(tensor.shape)] == ANSWERS[name][:2]
        assert not isinstance(tensor.content, bytes)
        assert tensor.coded == any(place.beside == gone for place in tensor.content)
    assert any(t.coded for t in found.tensors.values())


def test_chunks_that_were_compressed_are_in_code() -> None:
    files = {path.name: path.read_bytes() for path in (DATA / "zstd").iterdir()}
    found = read(files)
    assert found is not None
    tensor = found.tensors["model.w"]
    assert (tensor.dtype, tensor.shape) == ("F32", (2, 3))
    assert tensor.content == (Range(0, len(files["__0_0.distcp"]), "__0_0.distcp", coded=True),)
    assert layout(reading(files["__0_0.distcp"]), len(files["__0_0.distcp"])) is None


def test_a_chunk_that_is_not_what_the_metadata_say_is_in_code() -> None:
    found = read(
        STEP | {"__0_0.distcp": STEP["__0_0.distcp"].replace(b"FloatStorage", b"HalfStorage1")}
    )
    assert found is not None
    assert found.tensors["model.rows.weight"].coded
    assert not found.tensors["model.turned"].coded


@pytest.mark.parametrize("name", ["../__0_0.distc", "/__0_0.distcp"[:13], "..\\_0_0.distc"])
def test_shards_lie_in_the_same_directory(name: str) -> None:
    """As long as the name that torch wrote, so that the pickle stays one."""
    old = STEP[".metadata"]
    named = name.ljust(12)[:12].encode()
    assert old.count(b"__0_0.distcp") == 1
    found = read(STEP | {".metadata": old.replace(b"__0_0.distcp", named)})
    assert found is not None and "model.rows.weight" not in found.tensors


@pytest.mark.parametrize("shard", SHARDS)
def test_a_shard_is_cut_along_its_tensors(shard: str) -> None:
    found = layout(reading(STEP[shard]), len(STEP[shard]))
    assert found is not None and found.format == "torch-dcp-shard"
    whole = read(STEP)
    assert whole is not None
    places = {
        (place.offset, place.size)
        for tensor in whole.tensors.values()
        if not isinstance(tensor.content, bytes) and len(tensor.content) < 3
        for place in tensor.content
        if place.beside == shard
    }
    spans = [span for span in found.spans if span.tensor is not None]
    assert places and places <= {(span.offset, span.size) for span in spans}
    assert [span.tensor.name for span in spans if span.tensor] == [
        str(n) for n in range(len(spans))
    ]


def test_a_shard_that_begins_with_something_else_is_cut_behind_it() -> None:
    (shard,) = SHARDS[1:]
    data = b"PK\3\4" + b"an object" * 20 + STEP[shard]
    found, whole = layout(reading(data), len(data)), layout(reading(STEP[shard]), len(STEP[shard]))
    assert found is not None and whole is not None
    assert [s.tensor for s in found.spans if s.tensor] == [
        s.tensor for s in whole.spans if s.tensor
    ]


@settings(deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(STEP)))
def test_damage_is_read_or_refused(data: st.DataObject, name: str) -> None:
    damaged = bytearray(STEP[name])
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
    files = STEP | {name: data.draw(st.sampled_from([bytes(damaged), cut]))}
    found = read(files)
    for tensor in found.tensors.values() if found is not None else ():
        assert not isinstance(tensor.content, bytes)
        for place in tensor.content:
            assert place.coded or place.offset + place.size <= len(files[place.beside])
    spans = layout(reading(files[name]), len(files[name]))
    assert spans is None or sum(span.size for span in spans.spans) == len(files[name])
