"""What a reader of a tensor format reports: which byte ranges of a file are which tensor.

A `Layout` is a pure function of the file's content, because cut points follow from it: equal files must
get equal recipes whatever they are called and whoever reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import RawIOBase
from typing import BinaryIO

from mvcd.lateclasses import NamedTuple

ReadAt = Callable[[int, int], bytes]
"""`read_at(offset, length)` returns that many bytes, fewer only where the file ends."""

MAX_TENSORS = 100_000
"""Per file. Four times what DeepSeek-V3 would need unsharded; keeps a hostile file's layout under 100 MB."""

MAX_RANK_DIMENSIONS = 64
"""Dimensions of a tensor: numpy's and torch's own limit."""

MAX_NAME_BYTES = 1024
"""UTF-8 bytes of a tensor's name; real ones stay under 200. Recipes carry names."""

DTYPE_BITS: dict[str, int] = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}
"""Bits per element of every dtype of safetensors 0.8, under the names it writes."""


TOLD_BY_RECIPES = frozenset({"safetensors"})
"""Formats of which a recipe tells all tensors. Headers of the others know more: several names of one range,
tensors in pieces, in other files or compressed, axes in another order."""


class TensorInfo(NamedTuple):
    """A tensor's name, dtype (safetensors' spelling), shape, and bytes per element.

    `element_size` is the stride at which byte planes are worth splitting: 1, 2, 4 or 8. It is 1 for
    elements that share bytes (F4, F6) and 8 for a complex number of two doubles.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    element_size: int


class Span(NamedTuple):
    """`size` > 0 bytes at `offset`: one tensor's data, or glue (headers, padding) when `tensor` is None."""

    offset: int
    size: int
    tensor: TensorInfo | None = None


class Layout(NamedTuple):
    """Spans in file order, without gaps or overlap, at least one of them a tensor with a name of its own.

    Tensors without elements have no bytes, so they have no span.
    """

    format: str
    spans: tuple[Span, ...]


class NotThisFormat(Exception):
    """A verdict: the content breaks a rule of the format, so the file is just bytes.

    Never leaves `mvcd.inspect`.
    """


def is_name(text: str) -> bool:
    """Whether `text` can name a tensor: Unicode (JSON and pickles can spell lone surrogates), not too long."""
    if len(text) > MAX_NAME_BYTES:
        return False
    try:
        return len(text.encode("utf-8")) <= MAX_NAME_BYTES
    except UnicodeEncodeError:
        return False


def partition(tensors: Iterable[Span], size: int) -> tuple[Span, ...]:
    """All of a file of `size` bytes: the given spans in ascending order, and glue between them.

    Raises NotThisFormat when they overlap, are out of order, or reach past the end.
    """
    spans: list[Span] = []
    end = 0
    for span in tensors:
        if span.offset < end or span.size <= 0:
            raise NotThisFormat("tensors overlap")
        if span.offset > end:
            spans.append(Span(end, span.offset - end))
        spans.append(span)
        end = span.offset + span.size
    if end > size:
        raise NotThisFormat("a tensor reaches past the end of the file")
    if end < size:
        spans.append(Span(end, size - end))
    return tuple(spans)


def reading(file: BinaryIO | RawIOBase) -> ReadAt:
    """Reads of an open file, at any place."""

    def read_at(offset: int, length: int) -> bytes:
        file.seek(offset)
        pieces: list[bytes] = []
        while length > 0 and (piece := file.read(length)):
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    return read_at


def within(read_at: ReadAt, start: int, size: int) -> ReadAt:
    """Reads `size` bytes from byte `start` of a file on as a file of their own."""

    def inside(at: int, count: int) -> bytes:
        return read_at(start + at, max(min(count, size - at), 0))

    return inside


def read_exactly(read_at: ReadAt, offset: int, length: int) -> bytes:
    """Raises NotThisFormat where the file ends too early."""
    data = read_at(offset, length)
    if len(data) != length:
        raise NotThisFormat("the file ends early")
    return data
