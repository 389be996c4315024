"""An array of zarr, a directory of chunks (zarr-specs.readthedocs.io, versions 2 and 3), by its JSON.

    NAME/.zarray      version 2: shape, chunks, dtype, compressor      chunks NAME/0.0 or NAME/0/0
    NAME/zarr.json    version 3: shape, chunk grid, data type, codecs  chunks NAME/c/0/0

Chunks have all their elements also where they jut out over the array. They are read as they are, in gzip, zlib
and Zstandard, and are put together where they divide rows (mvcd/inspect/slices.py). In version 3 they may be
shards of smaller chunks with an index at the end. Other codecs, filters and orders, and arrays of which chunks
were left out because they hold nothing but the fill value, are in code. Arrays of more than 4096 chunks are not
listed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from mvcd.inspect.npz import dtype_of
from mvcd.inspect.slices import MAX_PLACES, gridded
from mvcd.inspect.spans import MAX_RANK_DIMENSIONS, NotThisFormat, ReadAt, read_exactly
from mvcd.inspect.tensorfile import Beside, Range, StoredTensor
from mvcd.inspect.torchpickle import DTYPES, bits_of

_MAX_JSON_BYTES = 64 << 10
_CODECS = {"gzip": "gzip", "zlib": "zlib", "zstd": "zstd", "": "plain"}
_GZIP_HEAD_BYTES, _GZIP_BYTES, _ZLIB_HEAD_BYTES, _ZLIB_BYTES = 10, 18, 2, 6
_INDEX_BYTES, _CHECKSUM_BYTES = 16, 4


@dataclass(frozen=True, slots=True)
class _Array:
    """`codec` of the chunks, or of the smaller ones of which each is a shard: "plain", "gzip", "zlib", "zstd",
    or "code"."""

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: str
    width: int
    codec: str
    prefix: str  # of a chunk's name
    separator: str
    inner: tuple[int, ...] | None = None

    def chunks(self) -> Iterator[tuple[tuple[int, ...], str]]:
        """Where each begins, and its name below the array's directory."""
        counts = [-(-n // side) for n, side in zip(self.shape, self.chunk, strict=True)]
        for place in product(*map(range, counts)):
            key = self.separator.join(map(str, place)) or ("" if self.prefix else "0")
            name = (
                f"{self.prefix}{self.separator}{key}" if self.prefix and key else self.prefix + key
            )
            yield tuple([i * side for i, side in zip(place, self.chunk, strict=True)]), name


def read(name: str, beside: Beside) -> StoredTensor | None:
    """The array in the directory `name`; None where there is none that we list. Raises NotThisFormat."""
    for file, parse in ((".zarray", _second), ("zarr.json", _third)):
        opened = beside(f"{name}/{file}")
        if opened is not None:
            array = parse(_parsed(*opened))
            return None if array is None else _tensor(name, array, beside)
    return None


def _parsed(read_at: ReadAt, size: int) -> Mapping[str, Any]:
    if size > _MAX_JSON_BYTES:
        raise NotThisFormat("more than an array has to say")
    try:
        found = json.loads(read_exactly(read_at, 0, size))
    except (ValueError, RecursionError) as error:
        raise NotThisFormat("no JSON") from error
    if type(found) is not dict:
        raise NotThisFormat("no array")
    return found


def _second(said: Mapping[str, Any]) -> _Array | None:
    match said:
        case {"shape": list(shape), "chunks": list(chunk), "dtype": str(kind), "zarr_format": 2}:
            pass
        case _:
            raise NotThisFormat("no array")
    known = _second_dtype(kind)
    if known is None or not _fits(shape, chunk):
        return None
    match said.get("compressor"):
        case None:
            codec = "plain"
        case {"id": str(label)}:
            codec = _CODECS.get(label, "code")
        case _:
            codec = "code"
    if said.get("filters") or said.get("order", "C") != "C":
        codec = "code"
    separator = "/" if said.get("dimension_separator") == "/" else "."
    return _Array(tuple(shape), tuple(chunk), *known, codec, "", separator)


def _second_dtype(kind: str) -> tuple[str, int] | None:
    """In numpy's spelling, or in that of the dtypes that it does not have."""
    if kind in DTYPES:
        return DTYPES[kind], bits_of(DTYPES[kind]) // 8
    try:
        return dtype_of(kind)
    except (NotThisFormat, ValueError, IndexError):
        return None


def _third(said: Mapping[str, Any]) -> _Array | None:
    match said:
        case {
            "shape": list(shape),
            "data_type": str(kind),
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
            "chunk_key_encoding": {"name": "default", **encoding},
            "codecs": list(codecs),
            "zarr_format": 3,
        }:
            pass
        case _:
            raise NotThisFormat("no array")
    if kind not in DTYPES or not _fits(shape, chunk):
        return None
    separator = "/"
    if isinstance(options := encoding.get("configuration"), dict):
        separator = "." if options.get("separator") == "." else "/"
    inner = None
    match codecs:
        case [{"name": "sharding_indexed", "configuration": {"chunk_shape": list(below), **rest}}]:
            plain_index = [_named(each) for each in _list(rest.get("index_codecs"))]
            whole = _fits(chunk, below) and not any(
                n % s for n, s in zip(chunk, below, strict=True)
            )
            at_end = rest.get("index_location", "end") == "end"
            known = whole and at_end and plain_index == ["bytes", "crc32c"]
            codec = _third_codec(_list(rest.get("codecs"))) if known else "code"
            inner = tuple(below) if known else None
        case _:
            codec = _third_codec(codecs)
    width = bits_of(DTYPES[kind]) // 8
    return _Array(tuple(shape), tuple(chunk), DTYPES[kind], width, codec, "c", separator, inner)


def _third_codec(codecs: list[Any]) -> str:
    match codecs:
        case [{"name": "bytes", **options}, *rest] if len(rest) < 2:
            little = _dict(options.get("configuration")).get("endian", "little") == "little"
            return _CODECS.get(_named(rest[0]) if rest else "", "code") if little else "code"
    return "code"


def _named(codec: Any) -> str:
    return str(codec.get("name")) if isinstance(codec, dict) else "?"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _fits(shape: list[Any], chunk: list[Any]) -> bool:
    extents = all(type(n) is int and 0 <= n < 1 << 48 for n in shape)
    sides = all(type(n) is int and 0 < n < 1 << 48 for n in chunk)
    return extents and sides and len(shape) == len(chunk) <= MAX_RANK_DIMENSIONS


# ---------------------------------------------------------------- chunks


def _tensor(name: str, array: _Array, beside: Beside) -> StoredTensor | None:
    counts = [-(-n // side) for n, side in zip(array.shape, array.chunk, strict=True)]
    if prod(counts) > MAX_PLACES:
        return None
    if 0 in array.shape:
        return StoredTensor(name, array.dtype, array.shape, ())
    chunks: list[tuple[tuple[int, ...], Range]] | None = []
    code: list[Range] = []
    for offsets, chunk in array.chunks():
        path = f"{name}/{chunk}"
        opened = beside(path)
        if opened is None:
            chunks = None
            continue
        code.append(Range(0, opened[1], path, coded=True))
        parts = _parts(array, offsets, path, opened)
        chunks = None if chunks is None or parts is None else chunks + parts
    if chunks is not None:
        content = gridded(chunks, array.inner or array.chunk, array.shape, array.width)
        if content is not None:
            return StoredTensor(name, array.dtype, array.shape, content)
    return StoredTensor(name, array.dtype, array.shape, tuple(code)) if code else None


def _parts(
    array: _Array, offsets: tuple[int, ...], path: str, opened: tuple[ReadAt, int]
) -> list[tuple[tuple[int, ...], Range]] | None:
    """The chunk, or the smaller ones in it, by where they begin. None where it is in code."""
    read_at, size = opened
    if array.inner is None:
        whole = _elements(array, array.chunk, Range(0, size, path), read_at)
        return None if whole is None else [(offsets, whole)]
    steps = [range(0, n, s) for n, s in zip(array.chunk, array.inner, strict=True)]
    count = prod(map(len, steps))
    start = size - count * _INDEX_BYTES - _CHECKSUM_BYTES
    if count > MAX_PLACES or start < 0:
        return None
    index = read_exactly(read_at, start, count * _INDEX_BYTES)
    found = []
    for number, within in enumerate(product(*steps)):
        begin = [a + b for a, b in zip(offsets, within, strict=True)]
        if any(b >= n for b, n in zip(begin, array.shape, strict=True)):
            continue
        at = number * _INDEX_BYTES
        place, length = (int.from_bytes(index[i : i + 8], "little") for i in (at, at + 8))
        if place + length > start:
            return None
        part = _elements(array, array.inner, Range(place, length, path), read_at)
        if part is None:
            return None
        found.append((tuple(begin), part))
    return found


def _elements(
    array: _Array, sides: tuple[int, ...], stored: Range, read_at: ReadAt
) -> Range | None:
    """All elements of a chunk; None where they cannot be had."""
    at, size, path = stored.offset, stored.size, stored.beside
    codec, length = array.codec, prod(sides) * array.width
    if codec == "plain":
        return Range(at, length, path) if length <= size else None
    if codec == "zstd":
        return Range(at, size, path, unpacked=length, codec="zstd")
    if codec == "zlib" and size > _ZLIB_BYTES and read_at(at, 1) == b"\x78":
        return Range(at + _ZLIB_HEAD_BYTES, size - _ZLIB_BYTES, path, unpacked=length)
    if codec == "gzip" and size > _GZIP_BYTES and read_at(at, 4) == b"\x1f\x8b\x08\0":
        return Range(at + _GZIP_HEAD_BYTES, size - _GZIP_BYTES, path, unpacked=length)
    return None
