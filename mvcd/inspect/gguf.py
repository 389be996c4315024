"""The header of a GGUF file (ggml/docs/gguf.md, versions 2 and 3).

    "GGUF" version  tensor count  key count        4 4 8 8 bytes
    keys            name, type, value
    tensors         name, dimensions (the fastest first), type, offset
    padding         to `general.alignment` (32)
    data            offsets count from here

Version 1 had 32-bit lengths and is long gone. In big-endian files (version 3) the version reads as a number
beyond 2^16 from the wrong end; their tensors are listed with a dtype that ends in "_BE", which is no number of
ours. Lists of more than 64 values (vocabularies have 10^5) are digested as they pass; metadata stay small.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from itertools import pairwise

from mvcd.inspect.cursor import Cursor
from mvcd.inspect.spans import MAX_TENSORS, NotThisFormat, ReadAt, is_name
from mvcd.inspect.tensorfile import (
    LISTED_VALUES,
    Digested,
    Metadata,
    Range,
    StoredTensor,
    TensorFile,
)

FORMAT = "gguf"
MAX_HEADER_BYTES = 256 << 20
"""Bytes. The largest vocabularies with their merges and scores take 20 MiB."""

_MAX_KEYS = 10_000
_MAX_LIST_VALUES = 8 << 20
_MAX_TEXT_BYTES = 1 << 20
_MAX_RANK_DIMENSIONS = 8
_MAX_KEPT_VALUES = 16 << 20  # characters and values of all metadata together

_SCALARS = {
    0: ("u8", "B"), 1: ("i8", "b"), 2: ("u16", "H"), 3: ("i16", "h"), 4: ("u32", "I"), 5: ("i32", "i"),
    6: ("f32", "f"), 7: ("bool", "?"), 10: ("u64", "Q"), 11: ("i64", "q"), 12: ("f64", "d"),
}  # fmt: skip
_TEXT, _LIST = 8, 9

BLOCKS: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8),
    28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
}  # fmt: skip
"""Name, elements and bytes of a block of every ggml type, by number."""


def looks_like(head: bytes, size: int) -> bool:
    return head[:4] == b"GGUF" and size >= 24


def read(read_at: ReadAt, size: int) -> TensorFile:
    """Raises NotThisFormat."""
    big = read_at(0, 8)[4:6] == b"\0\0"
    cursor = Cursor(read_at, 0, min(size, MAX_HEADER_BYTES), ">" if big else "<")
    magic, version, tensors, keys = struct.unpack(cursor.order + "4sIQQ", cursor.take(24))
    if magic != b"GGUF" or version not in (2, 3) or tensors > MAX_TENSORS or keys > _MAX_KEYS:
        raise NotThisFormat("no GGUF that we read")
    metadata: dict[str, Metadata] = {}
    budget = _Budget()
    for _ in range(keys):
        name = _text(cursor)
        budget.spend(len(name))
        metadata[name] = _value(cursor, cursor.number("I"), budget)
    rows = [_tensor(cursor) for _ in range(tensors)]
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 0 < alignment <= 1 << 20:
        raise NotThisFormat("no alignment")
    start = -(-cursor.at // alignment) * alignment
    offsets = [*sorted({row.offset for row in rows}), size - start]
    following = dict(pairwise(offsets))
    found = {row.name: row.placed(start, size, following[row.offset]) for row in rows}
    if len(found) != tensors:
        raise NotThisFormat("two tensors of one name")
    return TensorFile(FORMAT, found, metadata)


@dataclass(frozen=True, slots=True)
class _Row:
    """`offset` counts from the start of the data; `size` is None for a type that we do not know."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int | None

    def placed(self, start: int, end: int, following: int) -> StoredTensor:
        """`following`: where the next tensor begins, or the data end."""
        size = max(following - self.offset, 0) if self.size is None else self.size
        if start + self.offset + size > end:
            raise NotThisFormat("a tensor reaches past the end")
        return StoredTensor(self.name, self.dtype, self.shape, (Range(start + self.offset, size),))


class _Budget:
    """Bounds what the metadata keep: a header may name 10^4 keys of 64 texts of 1 MiB."""

    def __init__(self) -> None:
        self._left = _MAX_KEPT_VALUES

    def spend(self, amount: int) -> None:
        self._left -= amount + 1
        if self._left < 0:
            raise NotThisFormat("more metadata than we keep")


def _text(cursor: Cursor) -> str:
    return _raw_text(cursor).decode("utf-8", "replace")


def _raw_text(cursor: Cursor) -> bytes:
    length = cursor.number("Q")
    if length > _MAX_TEXT_BYTES:
        raise NotThisFormat("a text too long")
    return cursor.take(length)


def _value(cursor: Cursor, kind: int, budget: _Budget) -> Metadata:
    if kind == _TEXT:
        text = _text(cursor)
        budget.spend(len(text))
        return text
    if kind == _LIST:
        return _list(cursor, budget)
    if kind not in _SCALARS:
        raise NotThisFormat("a value of unknown type")
    budget.spend(0)
    form = cursor.order + _SCALARS[kind][1]
    value: int | float | bool = struct.unpack(form, cursor.take(struct.calcsize(form)))[0]
    return value


def _list(cursor: Cursor, budget: _Budget) -> Metadata:
    kind, count = cursor.number("I"), cursor.number("Q")
    if count > _MAX_LIST_VALUES or (
        kind != _TEXT and kind not in _SCALARS
    ):  # lists of lists are not in use
        raise NotThisFormat("a list that we do not read")
    if count <= LISTED_VALUES:
        return tuple([_value(cursor, kind, budget) for _ in range(count)])
    digest = hashlib.blake2b(digest_size=16)
    if kind == _TEXT:
        for _ in range(count):
            text = _raw_text(cursor)
            digest.update(len(text).to_bytes(8, "little") + text)
        return Digested("text", count, digest.hexdigest())
    name, form = _SCALARS[kind]
    left = count * struct.calcsize("<" + form)
    while left:
        piece = cursor.take(min(left, 1 << 20))
        digest.update(piece)
        left -= len(piece)
    return Digested(name, count, digest.hexdigest())


def _tensor(cursor: Cursor) -> _Row:
    name, rank = _text(cursor), cursor.number("I")
    if not is_name(name) or rank > _MAX_RANK_DIMENSIONS:
        raise NotThisFormat("a name or rank that no tensor has")
    dimensions = struct.unpack(f"{cursor.order}{rank}Q", cursor.take(8 * rank))
    kind, offset = cursor.number("I"), cursor.number("Q")
    if any(extent >= 1 << 48 for extent in dimensions):
        raise NotThisFormat("size overflows")
    dtype, elements, width = BLOCKS.get(kind, (f"GGML_{kind}", 1, None))
    if dimensions and dimensions[0] % elements:
        raise NotThisFormat("rows are not whole blocks")
    size = None if width is None else math.prod(dimensions) // elements * width
    if cursor.order == ">" and dtype != "I8":
        dtype += "_BE"
    return _Row(name, dtype, tuple(reversed(dimensions)), offset, size)
