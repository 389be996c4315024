"""Formats whose headers promise a length, or that have a mark at their end: more of what `formats` asks.

    hdf5        superblock: the end-of-file address            HDF5 File Format Specification 3.0, II.A
    npy         header: dtype and shape                        numpy.lib.format, versions 1.0 to 3.0
    gguf        keys, tensor infos and offsets                 ggml/docs/gguf.md
    parquet     "PAR1", the footer and its length, at the end  apache/parquet-format
    arrow       "ARROW1" at both ends                          Arrow columnar format, IPC file

Each takes a path and the size that its stat told, reads headers only, in bounded memory and time, believes
nothing that it has not read, and raises OSError alone. A file of another format under the same suffix is
UNKNOWN. Formats that must be walked through item by item are in `walks`.
"""

from __future__ import annotations

import ast
import math
import os
import re
from typing import BinaryIO

from mvcd.daemon.verdict import PROVEN, UNKNOWN, Verdict, incomplete, of_length
from mvcd.inspect import gguf as gguf_header
from mvcd.inspect.cursor import EndsEarly
from mvcd.inspect.spans import NotThisFormat, ReadAt
from mvcd.inspect.tensorfile import Range

NOT_WRITTEN = "the header is not written yet"
CUT = "the header is cut short"


def reader(file: BinaryIO) -> ReadAt:
    def read_at(offset: int, length: int) -> bytes:
        return os.pread(file.fileno(), length, offset)

    return read_at


def _without(magic: bytes, head: bytes) -> Verdict:
    """Of a file that begins with `head`, not `magic`: the rest of that may come, or it is another format."""
    begun = magic.startswith(head) or not head.strip(b"\0")
    return incomplete(NOT_WRITTEN) if begun else UNKNOWN


# ---------------------------------------------------------------- HDF5: Keras, transformers' TensorFlow weights

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ADDRESSES = {0: 24, 1: 28, 2: 12, 3: 12}
"""Where a superblock's addresses begin, by its version: base, another one, end of file."""

_LAST_USER_BLOCK_BYTES = 1 << 20
_OPEN_FOR_WRITING = 1


def hdf5(path: str, size: int) -> Verdict:
    """The superblock's end-of-file address, which the library sets when it closes or flushes the file."""
    with open(path, "rb") as file:
        read_at = reader(file)
        start, head = 0, read_at(0, 64)
        other = _without(_HDF5, head)
        while head[:8] != _HDF5 and start <= min(size, _LAST_USER_BLOCK_BYTES):
            start = 2 * start or 512  # a user block before it has 512 bytes, or 1024, 2048, ...
            head = read_at(start, 64)
    if head[:8] != _HDF5:
        return other
    return _superblock(head.ljust(64, b"\0"), start, size)


def _superblock(head: bytes, start: int, size: int) -> Verdict:
    """`head` is what lies at its start; the addresses within count from the base address."""
    version = head[8]
    first = _ADDRESSES.get(version)
    width = head[13] if version < 2 else head[9]
    if first is None or width not in (4, 8):
        return UNKNOWN if size >= start + 64 else incomplete(CUT)
    base = int.from_bytes(head[first : first + width], "little")
    end = int.from_bytes(head[first + 2 * width : first + 3 * width], "little")
    undefined = (1 << 8 * width) - 1
    if end in (0, undefined) or (version == 3 and head[11] & _OPEN_FOR_WRITING):
        return incomplete("its writer has not closed it")
    return of_length(size, end if base == start else start + end)


# ---------------------------------------------------------------- npy

_NPY = b"\x93NUMPY"
_MAX_NPY_HEADER_CHARACTERS = 10_000
"""Characters: numpy's own limit for a header that it reads without being told to trust it."""

_DESCR = re.compile(r"[<>|=]?([?bBiufcmMSaUV])(\d{0,9})")
_NPY_HEADER = re.compile(r"\{[^{}()\[\]]*\([\d, ]*\)[^{}()\[\]]*\}\s*")
"""The dictionary without anything nested but the shape. Structured dtypes have a list: UNKNOWN."""


def npy(path: str, size: int) -> Verdict:
    """Magic, version, the header's length, the header with dtype and shape, then the elements."""
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:6] != _NPY[: len(head)]:
            return _without(_NPY, head)
        if len(head) < 12:
            return incomplete(CUT)
        width = 2 if head[6] == 1 else 4
        length = int.from_bytes(head[8 : 8 + width], "little")
        if length > _MAX_NPY_HEADER_CHARACTERS:
            return UNKNOWN
        file.seek(8 + width)
        text = file.read(length)
    if len(text) < length:
        return incomplete(CUT)
    data = _npy_data(text.decode("latin-1"))
    return UNKNOWN if data is None else of_length(size, 8 + width + length + data)


def _npy_data(header: str) -> int | None:
    """Bytes of the elements; None for objects (pickled), structures, and what is no header."""
    if not _NPY_HEADER.fullmatch(header):
        return None
    try:
        found = ast.literal_eval(header.strip())
        match, shape = _DESCR.fullmatch(found["descr"]), found["shape"]
        count = int(math.prod(shape))
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError):
        return None
    if match is None or not isinstance(shape, tuple) or len(shape) > 64:
        return None
    kind, digits = match.groups()
    width = 1 if kind == "?" else 8 if kind in "mM" else int(digits or "0")
    return count * (4 * width if kind == "U" else width)


# ---------------------------------------------------------------- GGUF

_GGUF = b"GGUF"
_BEYOND_BYTES = 1 << 62
_MAX_ALIGNMENT_BYTES = 1 << 20


def gguf(path: str, size: int) -> Verdict:
    """The header's tensors, each with offset, type and shape: the largest end, and the padding after it."""
    with open(path, "rb") as file:
        read_at = reader(file)
        head = read_at(0, 8)
        if head[:4] != _GGUF[: len(head)]:
            return _without(_GGUF, head)
        if len(head) == 8 and int.from_bytes(head[4:], "little") not in (2, 3):
            return UNKNOWN
        try:
            found = gguf_header.read(read_at, _BEYOND_BYTES)
        except EndsEarly:
            return incomplete(CUT)
        except NotThisFormat:
            return UNKNOWN
    ends = [r.offset + r.size for t in found.tensors.values() for r in ranges(t.content)]
    if not ends or max(ends) >= _BEYOND_BYTES:
        return UNKNOWN  # a vocabulary alone, or a type of which we do not know the width
    wanted = max(ends)
    alignment = found.metadata.get("general.alignment", 32)
    slack = alignment if isinstance(alignment, int) else _MAX_ALIGNMENT_BYTES
    return PROVEN if wanted <= size < wanted + slack else of_length(size, wanted)


def ranges(content: object) -> tuple[Range, ...]:
    return content if isinstance(content, tuple) else ()


# ---------------------------------------------------------------- tables

_PARQUET = b"PAR1"
_ARROW = b"ARROW1"
_UNFINISHED = incomplete("the footer at its end is not written yet")


def parquet(path: str, size: int) -> Verdict:
    """ "PAR1", row groups, the footer, its length in 4 bytes, "PAR1"."""
    with open(path, "rb") as file:
        head = file.read(4)
        if head != _PARQUET:
            return _without(_PARQUET, head)
        tail = os.pread(file.fileno(), 8, max(4, size - 8))
    footer = int.from_bytes(tail[:4], "little")
    if tail[4:] != _PARQUET or footer + 12 > size:
        return _UNFINISHED
    return PROVEN


def arrow(path: str, size: int) -> Verdict:
    """ "ARROW1" at both ends of an IPC file. The stream format has no mark that only its end has."""
    with open(path, "rb") as file:
        head = file.read(6)
        if head != _ARROW:
            return _without(_ARROW, head)
        tail = os.pread(file.fileno(), 6, max(8, size - 6))
    return PROVEN if tail == _ARROW else _UNFINISHED
