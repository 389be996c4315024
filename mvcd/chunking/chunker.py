"""Cutting bytes into chunks: buffers in memory, streams of any length, and spans of different kinds in a
stream.

Cut points are a pure function of content, spans and parameters. They never depend on how a stream was
delivered or on the size of a buffer, so a file gets the same recipe however it was read.

Chunks are handed out as views into the caller's buffer. They live until the caller fills that buffer again;
whoever hands them to another thread uses another buffer meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from mvcd.chunking import _cut
from mvcd.chunking.params import DEFAULT, TENSOR_PIECE_BYTES, ChunkParams
from mvcd.ids import Bytes
from mvcd.lateclasses import NamedTuple

ReadInto = Callable[[memoryview], int]
"""Like `io.RawIOBase.readinto`: fills some of the view, returns the bytes written, 0 at the end."""

BUFFER_BYTES = 1 << 20
"""Bytes. Small enough that hashing finds in a near cache what reading brought: 1 and 2 MiB take a tenth to
a fifth less CPU time than 8 MiB."""


def cut_points(
    data: Bytes, *, final: bool, params: ChunkParams = DEFAULT, kernel: str | None = None
) -> list[int]:
    """The ends of all chunks of `data`, which begins at a chunk's start.

    Unless `final`, the bytes after the last point are undecided: prefix them to what comes next. With
    `final` they are the last chunk, and the last point is `len(data)` (no points for no data).
    `kernel` forces one of `_cut.kernels()`, which differ in speed alone. Releases the GIL.
    """
    return _cut.cut_points(data, final, params.min_size, params.max_size, params.limit, kernel)


def piece_points(size: int, *, final: bool, piece_size: int = TENSOR_PIECE_BYTES) -> list[int]:
    """`cut_points` for the bytes of a tensor: the ends of pieces of `piece_size`, the last one shorter."""
    points = list(range(piece_size, size + 1, piece_size))
    if final and size % piece_size:
        points.append(size)
    return points


class CutSpan(Protocol):
    """A run of bytes; no chunk reaches across its ends. `mvcd.inspect` makes them."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def tensor(self) -> object | None:
        """Set: cut every TENSOR_PIECE_BYTES bytes. None: the content decides."""


class Chunk(NamedTuple):
    span: int
    """Position in the list of spans."""
    data: memoryview
    """Borrowed from the buffer that was filled."""


class StreamCutter:
    """Cuts a stream that is read into the caller's buffers, one after another.

        cutter = StreamCutter(file.readinto, spans)
        while chunks := cutter.fill(buffer):
            ...

    The undecided end of a buffer (less than one chunk) is kept and begins the next one. Without `spans`
    the whole stream is cut by its content; with them, exactly the bytes that they cover are read.
    `kernel` as in `cut_points`.
    """

    def __init__(
        self,
        read: ReadInto,
        spans: Sequence[CutSpan] | None = None,
        *,
        params: ChunkParams = DEFAULT,
        kernel: str | None = None,
    ) -> None:
        self._read = read
        self._params = params
        self._kernel = kernel
        # Size and kind of each span; only the one that stands for a whole stream has no size.
        self._spans: list[tuple[int | None, bool]] = (
            [(None, False)] if spans is None else [(s.size, s.tensor is not None) for s in spans]
        )
        self._unread = None if spans is None else sum(span.size for span in spans)
        self._index = 0
        self._done = 0  # bytes of the current span that were handed out
        self._tail = b""

    def fill(self, buffer: bytearray | memoryview) -> list[Chunk]:
        """Reads into `buffer` until it is full, and returns its chunks in order; empty at the end.

        `buffer` has at least `max(params.max_size, TENSOR_PIECE_BYTES)` bytes, else ValueError. Raises EOFError
        when the stream is shorter than its spans; chunks returned before remain what they were.
        """
        view = memoryview(buffer)
        if len(view) < max(self._params.max_size, TENSOR_PIECE_BYTES):
            raise ValueError(f"a buffer of {len(view)} bytes may not hold one whole chunk")
        carried = len(self._tail)
        view[:carried] = self._tail
        size, ended = self._refill(view, carried)
        chunks, start = self._cut(view[:size], ended)
        if ended and self._index < len(self._spans):
            raise EOFError(f"the stream ended inside span {self._index}")
        self._tail = bytes(view[start:size])
        return chunks

    def _refill(self, view: memoryview, size: int) -> tuple[int, bool]:
        """Reads behind the `size` bytes carried over; the bytes now in view, and whether the stream ended."""
        stop = len(view) if self._unread is None else min(len(view), size + self._unread)
        while size < stop:
            count = self._read(view[size:stop])
            if count == 0:
                return size, True
            size += count
            if self._unread is not None:
                self._unread -= count
        return size, False

    def _cut(self, view: memoryview, ended: bool) -> tuple[list[Chunk], int]:
        """All chunks that are decided, and where the undecided rest begins."""
        chunks: list[Chunk] = []
        start = 0
        while self._index < len(self._spans):
            total, is_tensor = self._spans[self._index]
            window = view[start:] if total is None else view[start : start + total - self._done]
            final = ended if total is None else self._done + len(window) == total
            if is_tensor:
                points = piece_points(len(window), final=final)
            else:
                points = cut_points(window, final=final, params=self._params, kernel=self._kernel)
            before = 0
            for point in points:
                chunks.append(Chunk(self._index, window[before:point]))
                before = point
            start += before
            self._done += before
            if not final:
                break
            self._index += 1
            self._done = 0
        return chunks, start


def chunks(
    read: ReadInto, *, params: ChunkParams = DEFAULT, buffer_size: int = BUFFER_BYTES
) -> Iterator[memoryview]:
    """The chunks of a stream. Each view is valid until the next one is asked for."""
    buffer = bytearray(buffer_size)
    cutter = StreamCutter(read, params=params)
    while found := cutter.fill(buffer):
        for chunk in found:
            yield chunk.data
