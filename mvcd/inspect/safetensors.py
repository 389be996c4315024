"""The header of a safetensors file.

    8 bytes   N, little-endian
    N bytes   JSON: {name: {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {str: str}}
    rest      the tensors' data; offsets count from here

The rules are those of the safetensors library 0.8, which the tests use as the judge: the data is covered
without gaps or overlap, every length is shape times dtype. We are milder in one point: a tensor of a dtype that
the library does not know is named too, as bytes, beside the others. We are stricter in three points, each of
which makes the file plain bytes: duplicate keys (its README forbids them, its reader lets them pass), headers
over 16 MiB (the Hub's limit is 25 MB, the library's 100 MB; 100,000 tensors need about 12), and more
tensors, more dimensions or longer names than `spans` allows. These limits, and a ceiling on JSON separators
checked before parsing, bound memory: 16 MiB of "[],[],..." would otherwise become 0.4 GB of lists.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from mvcd.inspect.spans import (
    DTYPE_BITS,
    MAX_RANK_DIMENSIONS,
    MAX_TENSORS,
    NotThisFormat,
    ReadAt,
    Span,
    TensorInfo,
    is_name,
    partition,
    read_exactly,
)

FORMAT = "safetensors"
MAX_HEADER_BYTES = 16 << 20

_MAX_SEPARATORS = 20 * MAX_TENSORS
"""Commas and opening brackets; a tensor of four dimensions has nine, metadata may hold some more."""

_MAX_DTYPE_CHARACTERS = 32
_JSON_SPACE = b" \t\r\n"


def looks_like(head: bytes, size: int) -> bool:
    """Whether the first 9 bytes may begin a safetensors file of `size` bytes; costs no further read."""
    if len(head) < 9:
        return False
    length = int.from_bytes(head[:8], "little")
    return 2 <= length <= min(MAX_HEADER_BYTES, size - 8) and head[8] in b"{" + _JSON_SPACE


def spans(read_at: ReadAt, size: int) -> tuple[Span, ...]:
    """The spans of a safetensors file of `size` bytes; the 8 + N header bytes are one glue span.

    Raises NotThisFormat.
    """
    length = int.from_bytes(read_exactly(read_at, 0, 8), "little")
    if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
        raise NotThisFormat("no header of this length")
    data_start = 8 + length
    found = []
    position = 0
    for begin, end, tensor in sorted(
        _tensors(read_exactly(read_at, 8, length)), key=lambda t: t[:2]
    ):
        if begin != position:
            raise NotThisFormat("gap or overlap")
        position = end
        if end > begin:
            found.append(Span(data_start + begin, end - begin, tensor))
    if data_start + position != size:
        raise NotThisFormat("data not covered")
    return partition(found, size)


def metadata(read_at: ReadAt, size: int) -> dict[str, str]:
    """What `__metadata__` of a file that `spans` has read says."""
    length = int.from_bytes(read_exactly(read_at, 0, 8), "little")
    said = json.loads(read_exactly(read_at, 8, min(length, size - 8))).get("__metadata__")
    return said or {}


def _tensors(header: bytes) -> list[tuple[int, int, TensorInfo]]:
    if sum(map(header.count, (b",", b"[", b"{"))) > _MAX_SEPARATORS:
        raise NotThisFormat("header too complex")
    try:
        table = json.loads(
            header.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError) as error:
        raise NotThisFormat("header is not JSON") from error
    if type(table) is not dict:
        raise NotThisFormat("header is not an object")
    metadata = table.pop("__metadata__", None)
    if metadata is not None and not (
        type(metadata) is dict and all(type(value) is str for value in metadata.values())
    ):
        raise NotThisFormat("metadata is not strings")
    if len(table) > MAX_TENSORS:
        raise NotThisFormat("too many tensors")
    return [_tensor(name, fields) for name, fields in table.items()]


def _tensor(name: str, fields: Any) -> tuple[int, int, TensorInfo]:
    if type(fields) is not dict or not fields.keys() >= {"dtype", "shape", "data_offsets"}:
        raise NotThisFormat("a tensor has dtype, shape and data_offsets")
    dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    named = type(dtype) is str and 0 < len(dtype) <= _MAX_DTYPE_CHARACTERS and is_name(dtype)
    if not named or not _sizes(shape) or not _sizes(offsets) or len(offsets) != 2:
        raise NotThisFormat("no dtype, or sizes that are none")
    bits = DTYPE_BITS.get(dtype)
    total = bits or 1
    for extent in shape:
        total *= extent
        if total >= 1 << 64:
            raise NotThisFormat("size overflows")
    begin, end = offsets
    if end < begin or (bits and (total % 8 or end - begin != total // 8)):
        raise NotThisFormat("length is not shape times dtype")
    if not is_name(name):
        raise NotThisFormat("a name that no recipe can carry")
    return begin, end, TensorInfo(name, dtype, tuple(shape), (bits or 8) // 8 or 1)


def _sizes(value: Any) -> bool:
    """A list of few integers, each in 0 .. 2^64 - 1 (`True` is no integer here)."""
    return (
        type(value) is list
        and len(value) <= MAX_RANK_DIMENSIONS
        and all(type(item) is int and 0 <= item < 1 << 64 for item in value)
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("duplicate key")
    return table


def _refuse(token: str) -> NoReturn:
    raise ValueError(f"no number of this kind: {token}")
