"""Writes `.safetensors` files in plain Python.

A file is the header's length (u64, little-endian), the header (JSON: name -> dtype, shape and
[begin, end) in the data, padded with spaces to a multiple of 8 bytes), then the tensors' values,
little-endian, in row-major order, without gaps. Only F32 is written, which is all that the demo
needs. Format: https://huggingface.co/docs/safetensors, section "Format".
"""

from __future__ import annotations

import json
import math
import os
import struct
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_ALIGNMENT_BYTES = 8
_RESERVED_NAME = "__metadata__"


class NamedArray(NamedTuple):
    """`values` in row-major order; there are as many as the product of `shape`."""

    shape: tuple[int, ...]
    values: Sequence[float]


def as_float32(values: Sequence[float]) -> list[float]:
    """The values as a file would give them back: each rounded to the nearest F32."""
    return array("f", values).tolist()


def write_tensors(path: str, tensors: Mapping[str, NamedArray]) -> None:
    """Write the tensors to `path` as F32, in the mapping's order, replacing the file at once.

    Equal tensors in equal order give equal bytes. Raises ValueError when a tensor's values do not
    fill its shape or its name is reserved, and OSError when the file can't be written.
    """
    header: dict[str, object] = {}
    bodies: list[bytes] = []
    begin = 0
    for name, tensor in tensors.items():
        if name == _RESERVED_NAME:
            raise ValueError(f"{name} is no name for a tensor: the format reserves it")
        if len(tensor.values) != math.prod(tensor.shape):
            raise ValueError(f"{name}: {len(tensor.values)} values for shape {tensor.shape}")
        bodies.append(_little_endian_float32(tensor.values))
        end = begin + len(bodies[-1])
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": (begin, end)}
        begin = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT_BYTES)
    replace_file(path, b"".join((struct.pack("<Q", len(text)), text, *bodies)))


def replace_file(path: str, content: bytes) -> None:
    """Give `path` this content so that a reader finds the old file or the new one, never a part.

    Not fsynced: a demo's checkpoint need not outlive a power cut, its versions do.
    """
    folder, name = os.path.split(path)
    partial = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    try:
        with open(partial, "wb") as file:
            file.write(content)
        os.replace(partial, path)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise


def _little_endian_float32(values: Sequence[float]) -> bytes:
    floats = array("f", values)
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tobytes()
