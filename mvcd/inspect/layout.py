"""Finding the tensors in a file, from its content alone, and cutting it along them.

A reader is chosen by the file's first bytes, never by its name, and reads headers only. Whatever does not
parse is just bytes: the answer is None, never an error, after a bounded amount of memory and work.

Safetensors, the files of torch and the shards of its distributed checkpoints have readers that say where to
cut. Of all other formats the tensors are taken that lie in the file itself, in one piece and as they are:
compressed ones, those in many pieces and those in other files are left to the rolling hash. TensorFlow's
checkpoints are cut by it, too: where a shard's tensors lie stands in another file, so its cut points would not
follow from its content.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from mvcd.inspect.beginnings import HEAD_BYTES, may_hold_tensors
from mvcd.inspect.spans import Layout, NotThisFormat, ReadAt, Span, TensorInfo, partition

if TYPE_CHECKING:
    from mvcd.inspect.tensorfile import StoredTensor, TensorFile

__all__ = ["Layout", "ReadAt", "Span", "TensorInfo", "layout"]


def layout(read_at: ReadAt, size: int) -> Layout | None:
    """The tensors of a file of `size` bytes, or None when it is to be treated as plain bytes.

    `read_at` may raise OSError, which passes through; the content itself never makes this raise.
    """
    head = read_at(0, min(HEAD_BYTES, size))
    if not may_hold_tensors(head):
        return None
    from mvcd.inspect import (  # late: start-up
        dcpshard,
        safetensors,
        tensorfiles,
        torchexport,
        torchlegacy,
        torchzip,
    )

    for reader in (safetensors, torchzip, torchexport, dcpshard, torchlegacy):
        if not reader.looks_like(head, size):
            continue
        try:
            spans = reader.spans(read_at, size)
        except NotThisFormat:
            continue
        if any(span.tensor for span in spans):
            return Layout(reader.FORMAT, spans)
    found = tensorfiles.read(read_at, size, cutting=True)
    return None if found is None else along(found, size)


def along(file: TensorFile, size: int) -> Layout | None:
    """The layout of a file of `size` bytes by the tensors that its header lists, or None where none of them
    lies in one piece. Of tensors that overlap the first in the file counts, and the first listed of equals."""
    placed = sorted(filter(None, map(_span, file.tensors.values())), key=lambda span: span.offset)
    apart: list[Span] = []
    end = 0
    for span in placed:
        if span.offset >= end and span.offset + span.size <= size:
            apart.append(span)
            end = span.offset + span.size
    return Layout(file.format, partition(apart, size)) if apart else None


def _span(tensor: StoredTensor) -> Span | None:
    if isinstance(tensor.content, bytes) or len(tensor.content) != 1:
        return None
    (place,) = tensor.content
    if place.beside or place.literal or place.unpacked is not None or place.coded or not place.size:
        return None
    count = prod(tensor.shape)
    width = place.size // count if count and place.size % count == 0 else 1  # blocks of numbers: 1
    stride = min(width, 8) if width in (1, 2, 4, 8, 16) else 1
    shape = (count,) if tensor.order else tensor.shape  # recipes know no order of axes
    return Span(place.offset, place.size, TensorInfo(tensor.name, tensor.dtype, shape, stride))
