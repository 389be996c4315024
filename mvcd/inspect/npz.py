"""Arrays of numpy: `.npy`, and `.npz`, a zip of them (numpy/lib/format.py, versions 1 to 3).

    "\x93NUMPY" major minor    8 bytes
    length                     2 bytes, from version 2 on 4
    header                     a Python dict in one exact form, padded with spaces
    elements

The header is matched against the form that numpy writes, never evaluated; structured dtypes and objects
(pickles) are not tensors. Members of an .npz may be compressed.
"""

from __future__ import annotations

import re
import zlib
from math import prod

from mvcd.inspect.spans import (
    MAX_RANK_DIMENSIONS,
    NotThisFormat,
    ReadAt,
    Span,
    is_name,
    read_exactly,
)
from mvcd.inspect.tensorfile import Range, StoredTensor, TensorFile
from mvcd.inspect.zipmembers import Member, directory, located

MAX_HEADER_BYTES = 16 << 10
_MAGIC = b"\x93NUMPY"
_DICT = re.compile(
    r"\{'descr': '([<|>]?[a-zA-Z]\d{1,3})', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), ?\} *\n?"
)
_DTYPES = {"b1": "BOOL", "f2": "F16", "c8": "C64", "c16": "C128"} | {
    f"{kind}{size}": f"{letter}{8 * size}"
    for kind, letter in (("f", "F"), ("i", "I"), ("u", "U")) for size in (1, 2, 4, 8)
    if (kind, size) != ("f", 1)
}  # fmt: skip


def looks_like(head: bytes, size: int) -> bool:
    return head[:6] == _MAGIC and size >= 10


def read_npy(read_at: ReadAt, size: int) -> TensorFile:
    """One array, called "array". Raises NotThisFormat."""
    head = read_at(0, min(size, MAX_HEADER_BYTES))
    tensor = _array("array", head, size, Range(0, size))
    return TensorFile("npy", {tensor.name: tensor})


def read_npz(read_at: ReadAt, size: int) -> TensorFile:
    """Raises NotThisFormat when no member is an array that we read."""
    members, end = directory(read_at, size)
    tensors = {}
    for member, span in located(read_at, members, end):
        name = member.name.removesuffix(".npy")
        if name == member.name or not is_name(name):
            continue
        try:
            tensors[name] = _member(name, read_at, member, span)
        except NotThisFormat:
            continue  # an object array beside others
    if not tensors:
        raise NotThisFormat("a zip without arrays")
    return TensorFile("npz", tensors)


def _member(name: str, read_at: ReadAt, member: Member, span: Span) -> StoredTensor:
    head = read_exactly(read_at, span.offset, min(span.size, MAX_HEADER_BYTES))
    if member.stored:
        return _array(name, head, span.size, Range(span.offset, span.size))
    if not member.deflated:
        raise NotThisFormat("a compression that we do not read")
    try:
        head = zlib.decompressobj(-zlib.MAX_WBITS).decompress(head, MAX_HEADER_BYTES)
    except zlib.error as error:
        raise NotThisFormat("not deflated") from error
    packed = Range(span.offset, span.size, unpacked=member.raw_size)
    return _array(name, head, member.raw_size, packed)


def _array(name: str, head: bytes, size: int, whole: Range) -> StoredTensor:
    """An array whose file of `size` bytes lies at `whole` and begins with `head`."""
    if head[:6] != _MAGIC or len(head) < 12 or head[6] not in (1, 2, 3):
        raise NotThisFormat("no array")
    prefix = 10 if head[6] == 1 else 12
    start = prefix + int.from_bytes(head[8:prefix], "little")
    match = _DICT.fullmatch(head[prefix:start].decode("utf-8", "replace"))
    if match is None or start > len(head):
        raise NotThisFormat("no header of numpy's form")
    shape = _shape(match[3])
    dtype, width = dtype_of(match[1])
    if any(extent > size for extent in shape) or start + prod(shape) * width != size:
        raise NotThisFormat("length is not shape times dtype")
    fortran = match[2] == "True" and sum(extent != 1 for extent in shape) > 1
    if whole.unpacked is None:
        place = Range(whole.offset + start, whole.size - start)
    else:
        place = Range(whole.offset, whole.size, unpacked=whole.unpacked, skip=start)
    order = tuple(reversed(range(len(shape)))) if fortran else ()
    return StoredTensor(name, dtype, shape, (place,), order)


def _shape(text: str) -> tuple[int, ...]:
    parts = [part for part in text.replace(" ", "").split(",") if part]
    if len(parts) > MAX_RANK_DIMENSIONS or any(len(part) > 19 for part in parts):
        raise NotThisFormat("no shape")
    return tuple([int(part) for part in parts])


def dtype_of(descr: str) -> tuple[str, int]:
    """What an element of numpy's `descr` is called, and its bytes. Raises NotThisFormat for objects.

    Big-endian numbers and what numpy only knows as bytes ("|V2") keep numpy's name: no numbers to us."""
    kind = descr.lstrip("<|>")
    width = int(kind[1:])
    if kind[0] == "O" or width == 0:
        raise NotThisFormat("objects")
    if kind[0] == "U":
        width *= 4
    known = _DTYPES.get(kind) if not descr.startswith(">") else None
    return known or descr, width
