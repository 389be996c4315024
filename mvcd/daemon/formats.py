"""Whether one file is whole, by its own format: what its header or its end promises against what is there.

Only lengths are compared; nothing is unpickled, and memory is bounded by the header limit. Here are the table
and the two formats that most checkpoints have; `lengths` and `walks` have the others.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable

from mvcd.daemon import lengths, walks
from mvcd.daemon.verdict import (
    COMPLETE,
    PROVEN,
    UNKNOWN,
    SaveState,
    Verdict,
    incomplete,
    of_length,
)

__all__ = [
    "COMPLETE",
    "FILES",
    "PROVEN",
    "UNKNOWN",
    "SaveState",
    "Verdict",
    "check_file",
    "incomplete",
]

MAX_HEADER_BYTES = 100 << 20
"""Bytes of a safetensors header: the library's own limit."""

_END = struct.Struct("<4s4H2IH")
_LOCATOR64 = struct.Struct("<4sIQI")
_MAX_COMMENT_BYTES = 1 << 16


def safetensors(path: str, size: int) -> Verdict:
    """8 bytes N, N bytes of JSON, then data up to the largest end that the JSON names."""
    with open(path, "rb") as file:
        head = file.read(9)
        length = int.from_bytes(head[:8], "little")
        if len(head) == 9 and length > MAX_HEADER_BYTES:
            return UNKNOWN  # a pointer file or something else under this name
        if len(head) < 9 or length < 2 or head[8:] not in (b"{", b" "):
            return incomplete("the header is not written yet")
        file.seek(8)
        header = file.read(length)
    if len(header) < length:
        return incomplete("the header is cut short")
    try:
        tensors = json.loads(header)
        ends = [t["data_offsets"][1] for name, t in tensors.items() if name != "__metadata__"]
        return of_length(size, 8 + length + max(ends, default=0))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return incomplete("the header cannot be read")


def torch_zip(path: str, size: int) -> Verdict:
    """The zip that torch.save writes ends in its directory's end record, written last (APPNOTE 4.3.16)."""
    with open(path, "rb") as file:
        if size and file.read(4) != b"PK\x03\x04":
            return UNKNOWN  # torch's old format, or another one: no mark at its end
        start = max(0, size - _END.size - _MAX_COMMENT_BYTES - _LOCATOR64.size)
        file.seek(start)
        tail = file.read(size - start)
    problem = _zip_end(tail, start) if size else "the file is empty"
    return incomplete(problem) if problem else PROVEN


def _zip_end(tail: bytes, start: int) -> str | None:
    """What is wrong with the end of a zip file whose bytes from `start` on are `tail`."""
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        return "the zip directory at its end is not written yet"
    _, _, _, _, _, length, offset, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        return "bytes after the zip's end: it is being written again"
    if 0xFFFFFFFF in (length, offset):
        locator = at - _LOCATOR64.size
        whole = locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07"
        return None if whole else "the zip64 directory is not written yet"
    return None if offset + length <= start + at else "the zip directory is cut short"


Check = Callable[[str, int], Verdict]

FILES: dict[str, tuple[Check, tuple[str, ...]]] = {
    "safetensors": (safetensors, (".safetensors",)),
    "zip with an end record": (torch_zip, (".pt", ".pth", ".ckpt", ".bin", ".npz", ".keras", ".ptl", ".pt2",
                                           ".tar", ".zip")),
    "HDF5": (lengths.hdf5, (".h5", ".hdf5")),
    "npy": (lengths.npy, (".npy",)),
    "GGUF": (lengths.gguf, (".gguf",)),
    "MessagePack": (walks.msgpack, (".msgpack",)),
    "ONNX": (walks.onnx, (".onnx",)),
    "Parquet": (lengths.parquet, (".parquet",)),
    "Arrow": (lengths.arrow, (".arrow", ".feather")),
}  # fmt: skip
"""Name of the rule, its check, and the suffixes it looks at; `.pth.tar` is what torch.save wrote, too."""


def check_file(path: str, size: int) -> Verdict:
    """By suffix. Raises OSError when the file cannot be read."""
    suffix = os.path.splitext(path)[1].lower()
    for check, suffixes in FILES.values():
        if suffix in suffixes:
            return check(path, size)
    return UNKNOWN
