"""HDF5 as h5py reads it, and damaged files."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from contextlib import suppress
from math import prod
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect import hdf5, hdf5chunks, slices
from mvcd.inspect.spans import NotThisFormat
from mvcd.inspect.tensorfile import Range, TensorFile
from mvcd.repo.contents.unpacking import DamagedStream
from tests.support.reading import elements, tensors_of

DATA = Path(__file__).parent / "data"
ANSWERS = json.loads((DATA / "hdf5.json").read_text())
FILTERED = json.loads((DATA / "hdf5_filters.json").read_text())
GRIDS = json.loads((DATA / "hdf5_grids.json").read_text())
CHUNKED = json.loads((DATA / "hdf5_chunks.json").read_text())
FILES = sorted(ANSWERS)


def described(found: TensorFile, data: bytes) -> dict[str, list[object]]:
    told: dict[str, list[object]] = {}
    for name, tensor in found.tensors.items():
        assert not isinstance(tensor.content, bytes)
        digest = tensor.coded or hashlib.sha256(elements(tensor, {"": data})).hexdigest()
        told[name] = [tensor.dtype, list(tensor.shape), "code" if tensor.coded else digest]
    return told


@pytest.mark.parametrize("file", FILES)
def test_datasets_are_what_h5py_reads(file: str) -> None:
    data = (DATA / file).read_bytes()
    found = tensors_of(data)
    assert found is not None and found.format == "hdf5"
    assert described(found, data) == ANSWERS[file]
    assert [name for name, t in found.tensors.items() if t.repeats] == ["other2.again"]


def test_the_weights_in_a_keras_file() -> None:
    weights = (DATA / "model.h5").read_bytes()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as written:
        written.writestr("metadata.json", "{}")
        written.writestr("config.json", "{}")
        with written.open("model.weights.h5", "w") as member:
            member.write(weights)
    data = out.getvalue()
    found = tensors_of(data)
    assert found is not None and found.format == "keras"
    assert described(found, data) == ANSWERS["model.h5"]


@pytest.mark.parametrize(
    ("file", "more_in_code"), [("chunks.h5", set()), ("chunks_latest.h5", {"more.grows"})]
)
def test_chunks_are_what_h5py_reads(file: str, more_in_code: set[str]) -> None:
    """As they are, deflated, shuffled, with checksums, of rows and of columns; or in code."""
    data = (DATA / file).read_bytes()
    found = tensors_of(data)
    assert found is not None
    in_code = {"code.partly", "code.unwritten"} | more_in_code
    assert described(found, data) == {
        name: [*answer[:2], "code" if name in in_code else answer[2]]
        for name, answer in CHUNKED.items()
    }
    assert in_code <= CHUNKED.keys() and len(found.tensors["read.gzip"].content) == 3


@pytest.mark.parametrize("file", ["filters.h5", "filters_latest.h5"])
def test_what_went_through_filters_is_what_h5py_reads(file: str) -> None:
    """Shuffle, deflate, LZF and checksums in all orders that h5py knows, of elements of 1 to 8 bytes."""
    data = (DATA / file).read_bytes()
    found = tensors_of(data)
    assert found is not None
    told = described(found, data)
    in_code = {"code.scaled"}
    assert len(FILTERED) == 52
    assert told == {
        name: [*answer[:2], "code" if name in in_code else answer[2]]
        for name, answer in FILTERED.items()
    }


def test_chunks_that_divide_rows_are_what_h5py_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of sides that h5py chose itself too, on all axes."""
    data = (DATA / "grids.h5").read_bytes()
    found = tensors_of(data)
    assert found is not None
    assert described(found, data) == GRIDS
    monkeypatch.setattr(slices, "MAX_BAND_BYTES", 1000)
    bounded = tensors_of(data)
    assert bounded is not None and bounded.tensors["read.auto"].coded
    assert not bounded.tensors["read.wide"].coded


def test_a_chunk_too_large_for_memory_is_in_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put in order whole only: DEFLATE without the shuffle filter has no bound."""
    monkeypatch.setattr(hdf5chunks, "MAX_CHUNK_BYTES", 32 * 3 * 4)
    data = (DATA / "filters.h5").read_bytes()
    found = tensors_of(data)
    assert found is not None
    for name in ("shuffle", "gzip", "lzf", "lzf_shuffle", "all"):
        assert not found.tensors[f"{name}.f4"].coded and found.tensors[f"{name}.f8"].coded
    plain = tensors_of((DATA / "chunks.h5").read_bytes())
    assert plain is not None and not plain.tensors["read.gzip"].coded


@pytest.mark.parametrize("shape", [(1 << 63, 6), (1 << 63, 1 << 63), (1 << 40, 6)])
def test_shapes_beyond_all_chunks_are_all_of_the_file(shape: tuple[int, int]) -> None:
    """In the index of newest files, and in trees: the shape of ten rows of six is written over."""
    for file in ("chunks.h5", "chunks_latest.h5"):
        data = (DATA / file).read_bytes()
        old, new = struct.pack("<QQ", 10, 6), struct.pack("<QQ", *shape)
        changed = data.replace(old, new)
        assert changed != data
        found = tensors_of(changed)
        assert found is not None
        tensor = found.tensors["read.plain"]
        assert tensor.shape == shape and tensor.content == (Range(0, len(data), coded=True),)


def test_chunks_without_ranges_are_all_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that were never written, and more than we keep."""
    monkeypatch.setattr(hdf5chunks, "MAX_PLACES", 30)
    data = (DATA / "chunks.h5").read_bytes()
    found = tensors_of(data)
    assert found is not None
    whole = (Range(0, len(data), coded=True),)
    assert {name for name, tensor in found.tensors.items() if tensor.content == whole} == {
        "code.partly", "code.unwritten", "more.long",
    }  # fmt: skip
    assert found.tensors["more.empty"].content == ()


def test_a_circle_of_groups_ends() -> None:
    """The root group is made a child of itself."""
    data = (DATA / "model.h5").read_bytes()
    reader = hdf5._Reader(lambda at, size: data[at : at + size], len(data))
    root = reader.root()
    child = next(address for _, address in reader._links(list(reader._messages(root))))
    looped = data.replace(child.to_bytes(8, "little"), root.to_bytes(8, "little"))
    assert looped != data
    assert tensors_of(looped) is not None


def test_links_that_we_do_not_read_hide_no_tensor() -> None:
    """20 links of a group in dense storage: none of its tensors is told, rather than some."""
    data = (DATA / "dense.h5").read_bytes()
    with pytest.raises(NotThisFormat, match="dense"):
        hdf5.read(lambda at, size: data[at : at + size], len(data))


@pytest.mark.parametrize(
    "file", [*FILES, "chunks.h5", "chunks_latest.h5", "filters.h5", "grids.h5"]
)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_damage_is_read_or_refused(file: str, data: st.DataObject) -> None:
    content = bytearray((DATA / file).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    found = tensors_of(bytes(content))
    for tensor in found.tensors.values() if found is not None else ():
        assert not isinstance(tensor.content, bytes)
        assert tensor.coded or tensor.size == 0 or tensor.size % prod(tensor.shape) == 0
        parts = [part for place in tensor.content for part in place.parts]
        assert all(part.offset + part.size <= len(content) for part in parts)
        if not tensor.coded:
            with suppress(DamagedStream):
                assert len(elements(tensor, {"": bytes(content)})) == tensor.size
