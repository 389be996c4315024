"""Checkpoints of Orbax as it wrote them, arrays of zarr in all codecs, and damaged ones."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.inspect import tensorfiles, zarr
from mvcd.inspect.spans import NotThisFormat, ReadAt
from mvcd.inspect.tensorfile import Range, StoredTensor, TensorFile
from tests.support.reading import elements, reading

DATA = Path(__file__).parent / "data" / "orbax"
ANSWERS = json.loads((DATA / "orbax.json").read_text())
Files = dict[str, bytes]


def directory(kind: str) -> Files:
    root = DATA / kind
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def read(files: Files) -> TensorFile | None:
    def beside(name: str) -> tuple[ReadAt, int] | None:
        assert not name.startswith("/") and ".." not in name.split("/")
        return (reading(files[name]), len(files[name])) if name in files else None

    data = files["_METADATA"]
    return tensorfiles.read(reading(data), len(data), "_METADATA", beside)


@pytest.mark.parametrize("kind", ["zarr2", "zarr3"])
def test_arrays_are_what_orbax_saved(kind: str) -> None:
    files = directory(kind)
    found = read(files)
    assert found is not None and found.format == "orbax" and found.metadata == {"ocdbt": False}
    assert {
        name: [t.dtype, list(t.shape), hashlib.sha256(elements(t, files)).hexdigest()]
        for name, t in found.tensors.items()
    } == ANSWERS


def test_of_a_database_names_and_shapes_are_told() -> None:
    found = read(directory("ocdbt"))
    assert found is not None and not found.tensors and found.metadata["ocdbt"] is True
    arrays = found.metadata["arrays"]
    assert isinstance(arrays, dict) and arrays.keys() == ANSWERS.keys()
    assert arrays["params.dense.kernel"] == "jax.Array [3, 4]"


def test_without_the_directories_beside_names_are_told() -> None:
    data = directory("zarr2")["_METADATA"]
    found = tensorfiles.read(reading(data), len(data), "_METADATA")
    assert found is not None and not found.tensors
    arrays = found.metadata["arrays"]
    assert isinstance(arrays, dict) and arrays.keys() == ANSWERS.keys()


# ---------------------------------------------------------------- zarr

ROWS = np.arange(30, dtype="<f4").reshape(10, 3)
PACK = {
    None: bytes,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "zlib": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "blosc": zlib.compress,
}


def second(
    array: np.ndarray[Any, Any], chunk: tuple[int, ...], codec: str | None, **said: object
) -> Files:
    """As version 2 writes it: chunks are whole, also where they jut out."""
    header = {
        "shape": list(array.shape), "chunks": list(chunk), "dtype": array.dtype.str, "zarr_format": 2,
        "compressor": None if codec is None else {"id": codec}, "filters": None, "order": "C", "fill_value": 0,
    }  # fmt: skip
    counts = [-(-n // side) for n, side in zip(array.shape, chunk, strict=True)]
    whole = np.zeros([n * side for n, side in zip(counts, chunk, strict=True)], array.dtype)
    whole[tuple(slice(n) for n in array.shape)] = array
    files = {"a/.zarray": json.dumps(header | said).encode()}
    for place in np.ndindex(*counts):
        part = whole[tuple(slice(i * s, (i + 1) * s) for i, s in zip(place, chunk, strict=True))]
        separator = str(said.get("dimension_separator", "."))
        files["a/" + (separator.join(map(str, place)) or "0")] = PACK[codec](part.tobytes())
    return files


def listed(files: Files) -> StoredTensor | None:
    return zarr.read(
        "a", lambda name: (reading(files[name]), len(files[name])) if name in files else None
    )


@pytest.mark.parametrize("codec", [None, "gzip", "zlib", "zstd"])
@pytest.mark.parametrize("chunk", [(10, 3), (4, 3), (1, 3)])
@pytest.mark.parametrize("separator", [".", "/"])
def test_chunks_of_rows_are_the_elements(
    codec: str | None, chunk: tuple[int, ...], separator: str
) -> None:
    files = second(ROWS, chunk, codec, dimension_separator=separator)
    found = listed(files)
    assert found is not None and (found.dtype, found.shape) == ("F32", (10, 3))
    assert elements(found, files) == ROWS.tobytes()


def test_plain_chunks_may_divide_rows() -> None:
    files = second(np.arange(24, dtype="<i8").reshape(4, 6), (2, 3), None)
    found = listed(files)
    assert found is not None
    assert elements(found, files) == np.arange(24, dtype="<i8").tobytes()


@settings(deadline=None)
@given(data=st.data(), codec=st.sampled_from([None, "gzip", "zlib", "zstd"]))
def test_chunks_of_any_sides_are_the_elements(data: st.DataObject, codec: str | None) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=4)))
    sides = tuple(data.draw(st.integers(1, n + 2)) for n in shape)
    array = np.arange(np.prod(shape), dtype="<i4").reshape(shape)
    files = second(array, sides, codec)
    found = listed(files)
    assert found is not None and elements(found, files) == array.tobytes()


def test_arrays_without_axes_or_without_elements() -> None:
    files = second(np.array(2.5, "<f8"), (), None)
    found = listed(files)
    assert found is not None and elements(found, files) == np.array(2.5).tobytes()
    assert listed(second(np.zeros((0, 3), "<f4"), (2, 3), None)) == StoredTensor(
        "a", "F32", (0, 3), ()
    )


@pytest.mark.parametrize(
    "files",
    [
        second(ROWS, (4, 3), "blosc"),
        second(ROWS, (4, 3), None, order="F"),
        second(ROWS, (4, 3), None, filters=[{"id": "delta"}]),
        {name: data for name, data in second(ROWS, (4, 3), None).items() if name != "a/1.0"},
    ],
)
def test_what_is_not_read_is_in_code(files: Files) -> None:
    found = listed(files)
    assert found is not None and found.coded and found.shape == (10, 3)
    chunks = {
        Range(0, len(data), name, coded=True) for name, data in files.items() if name != "a/.zarray"
    }
    assert set(found.content) == chunks


def test_what_is_not_listed() -> None:
    assert listed({}) is None
    assert listed(second(ROWS, (4, 3), None, dtype="|O")) is None
    assert listed(second(ROWS, (4, 3), None, dtype="x")) is None
    assert listed(second(np.zeros(5000, "u1"), (1,), None)) is None, "more chunks than we keep"
    alone = {"a/.zarray": second(ROWS, (4, 3), None)["a/.zarray"]}
    assert listed(alone) is None, "none was written"


@pytest.mark.parametrize(
    "said",
    [
        {"shape": [-1, 3]}, {"chunks": [0, 3]}, {"chunks": [4]}, {"shape": [1 << 60, 3]},
        {"shape": [True, 3]},
    ],
)  # fmt: skip
def test_shapes_that_are_none(said: dict[str, object]) -> None:
    assert listed(second(ROWS, (4, 3), None) | {"a/.zarray": _with(said)}) is None


def _with(said: dict[str, object]) -> bytes:
    return json.dumps(json.loads(second(ROWS, (4, 3), None)["a/.zarray"]) | said).encode()


@pytest.mark.parametrize(
    "data", [b"[]", b"{}", b"[" * 60_000, b'{"shape":1}', b"\xff", b" " * 70_000]
)
def test_json_that_is_no_array(data: bytes) -> None:
    for name in ("a/.zarray", "a/zarr.json"):
        with pytest.raises(NotThisFormat):
            listed({name: data})


@settings(deadline=None)
@given(data=st.data(), kind=st.sampled_from(["zarr2", "zarr3", "ocdbt"]))
def test_damage_is_read_or_refused(data: st.DataObject, kind: str) -> None:
    files = directory(kind)
    name = data.draw(st.sampled_from(sorted(files)))
    damaged = bytearray(files[name])
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    files[name] = bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
    found = read(files)
    for tensor in found.tensors.values() if found is not None else ():
        assert not isinstance(tensor.content, bytes)
        parts = [part for place in tensor.content for part in place.parts]
        assert all(p.offset + p.size <= len(files[p.beside]) for p in parts)
