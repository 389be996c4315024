"""Finding the tensors in a file, from its content alone.

A reader is chosen by the file's first bytes, never by its name, and reads headers only. Whatever does not
parse is just bytes: the answer is None, never an error, after a bounded amount of memory and work.
"""

from __future__ import annotations

from mvcd.inspect import safetensors, torchexport, torchlegacy, torchzip
from mvcd.inspect.spans import Layout, NotThisFormat, ReadAt, Span, TensorInfo

__all__ = ["Layout", "ReadAt", "Span", "TensorInfo", "layout"]

_HEAD_BYTES = 9
"""Bytes: the safetensors header's length and its first character; a zip's signature."""


def layout(read_at: ReadAt, size: int) -> Layout | None:
    """The tensors of a file of `size` bytes, or None when it is to be treated as plain bytes.

    `read_at` may raise OSError, which passes through; the content itself never makes this raise.
    """
    head = read_at(0, min(_HEAD_BYTES, size))
    for reader in (safetensors, torchzip, torchexport, torchlegacy):
        if not reader.looks_like(head, size):
            continue
        try:
            spans = reader.spans(read_at, size)
        except NotThisFormat:
            continue
        if any(span.tensor for span in spans):
            return Layout(reader.FORMAT, spans)
    return None
