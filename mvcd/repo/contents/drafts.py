"""The recipe of a file in the making: its layout, its pieces, and the segments they add up to.

A file's layout decides where it is cut: tensors every 256 KiB from their start, all else by the rolling hash,
each span for itself. The layout is a function of content alone (mvcd/inspect/layout.py), and so are recipes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mvcd.chunking.chunker import BUFFER_BYTES, ReadInto, StreamCutter, cut_points, piece_points
from mvcd.chunking.params import DEFAULT, TENSOR_PIECE_BYTES
from mvcd.codec.encoded import Encoded
from mvcd.ids import ChunkId, Digest, RecipeId
from mvcd.inspect.layout import layout
from mvcd.inspect.spans import Layout, ReadAt, Span
from mvcd.lateclasses import dataclass
from mvcd.objects.canonical import MAX_OBJECT_BYTES
from mvcd.objects.recipe import (
    INLINE_CHUNKS,
    LITERAL_BYTES,
    Recipe,
    Segment,
    SegmentBuilder,
    Tensor,
    literal_segment,
)


@dataclass(slots=True)
class DraftPiece:
    span: int  # position in the file's layout
    index: int  # of the piece in its span
    data: memoryview  # borrowed from the batch's buffer


@dataclass(slots=True)
class Done:
    """A piece with its id (None: a literal) and, unless the target knew it, its encoding."""

    piece: DraftPiece
    id: ChunkId | None
    encoded: Encoded | None = None


class Draft:
    """The recipe of one file while its pieces come in, in order."""

    def __init__(self, shape: Layout) -> None:
        self.layout = shape
        self.size = sum(span.size for span in shape.spans)
        self._segments: list[Segment] = []
        self._objects: list[tuple[Digest, bytes]] = []
        self._builder: SegmentBuilder | None = None
        self._span = 0

    def accept(self, done: Iterable[Done]) -> None:
        for item in done:
            if item.piece.span != self._span:
                self._end_span()
            if item.id is None:
                self._segments.append(literal_segment(bytes(item.piece.data), self._tensor()))
                continue
            if self._builder is None:
                self._builder = SegmentBuilder(self._sink)
            self._builder.add(item.id, len(item.piece.data))

    def finish(self) -> RecipeId:
        self._end_span()
        data = Recipe(self.size, self.layout.format, tuple(self._segments)).encode()
        id = RecipeId.of(data)
        self._sink(id, data)
        return id

    def take_objects(self) -> list[tuple[Digest, bytes]]:
        """Nodes, and at the end the recipe, that came to be since the last call."""
        objects, self._objects = self._objects, []
        return objects

    def _end_span(self) -> None:
        if self._builder is not None:
            self._segments.append(self._builder.finish(self._tensor()))
            self._builder = None
        self._span += 1

    def _tensor(self) -> Tensor | None:
        info = self.layout.spans[self._span].tensor
        return None if info is None else Tensor(info.name, info.dtype, info.shape)

    def _sink(self, id: Digest, data: bytes) -> None:
        self._objects.append((id, data))


def digested(piece: DraftPiece, shape: Layout) -> Done:
    """A piece with its id, or without one if it is short enough to be kept in the recipe."""
    literal = shape.spans[piece.span].size <= LITERAL_BYTES
    return Done(piece, None if literal else ChunkId.of(piece.data))


def cut_in_memory(view: memoryview, shape: Layout) -> Iterator[DraftPiece]:
    for number, span in enumerate(shape.spans):
        data = view[span.offset : span.offset + span.size]
        tensor = span.tensor is not None
        ends = piece_points(span.size, final=True) if tensor else cut_points(data, final=True)
        start = 0
        for index, end in enumerate(ends):
            yield DraftPiece(number, index, data[start:end])
            start = end


def recipe_along(read: ReadInto, shape: Layout) -> RecipeId:
    """The recipe of a stream that is cut along `shape`, of which nothing is kept. Raises EOFError where the
    stream is shorter, and what reading raises."""
    draft, buffer = Draft(shape), bytearray(BUFFER_BYTES)
    cutter = StreamCutter(read, shape.spans)
    while chunks := cutter.fill(buffer):
        draft.accept(digested(DraftPiece(c.span, 0, c.data), shape) for c in chunks)
        draft.take_objects()
    return draft.finish()


def shape_of(read_at: ReadAt, size: int) -> Layout:
    """The layout of a file: plain bytes if it has no tensors, or so many that its recipe might not fit."""
    found = layout(read_at, size)
    return found if found is not None and _recipe_bound(found) <= MAX_OBJECT_BYTES else plain(size)


def plain(size: int) -> Layout:
    return Layout("", (Span(0, size, None),) if size else ())


def _recipe_bound(shape: Layout) -> int:
    """Upper bound of the encoded recipe, from the layout alone, so that it is a function of content."""
    total = 64
    for span in shape.spans:
        smallest = DEFAULT.min_size if span.tensor is None else TENSOR_PIECE_BYTES
        chunks = min(INLINE_CHUNKS, -(-span.size // smallest))
        total += 32 + (span.size if span.size <= LITERAL_BYTES else 36 * chunks + 16)
        if span.tensor is not None:
            total += 24 + len(span.tensor.name.encode()) + 10 * len(span.tensor.shape)
    return total
