"""Streams give the chunks of the whole content, however they are delivered and buffered."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.chunking.chunker import Chunk, StreamCutter, chunks, cut_points, piece_points
from mvcd.chunking.params import TENSOR_PIECE_BYTES, ChunkParams
from tests.chunking.inputs import splitmix64

PARAMS = ChunkParams(256, 1700, 6000)
BUFFER = TENSOR_PIECE_BYTES  # the smallest that is allowed
DATA = splitmix64(21, 700_000)


@dataclass(frozen=True)
class Part:
    size: int
    tensor: object | None = None


def dribbling(data: bytes, sizes: list[int]) -> Callable[[memoryview], int]:
    """A stream that returns these many bytes at a time, over and over, as pipes and sockets do."""
    stream = io.BytesIO(data)
    turn = 0

    def read(view: memoryview) -> int:
        nonlocal turn
        size = sizes[turn % len(sizes)]
        turn += 1
        return stream.readinto(view[:size])

    return read


def drained(cutter: StreamCutter, buffer_sizes: list[int]) -> list[tuple[int, bytes]]:
    """Everything that comes out, each fill into another buffer."""
    out: list[tuple[int, bytes]] = []
    turn = 0
    while found := cutter.fill(bytearray(buffer_sizes[turn % len(buffer_sizes)])):
        out += [(chunk.span, bytes(chunk.data)) for chunk in found]
        turn += 1
    return out


def cut(data: bytes, points: list[int]) -> list[bytes]:
    return [data[a:b] for a, b in zip([0, *points], points, strict=False)]


slicing = st.lists(st.integers(1, 300_000), min_size=1, max_size=4)
buffers = st.lists(st.integers(BUFFER, 3 * BUFFER), min_size=1, max_size=3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(DATA)), slicing, buffers)
def test_slicing_does_not_matter(size: int, sizes: list[int], buffer_sizes: list[int]) -> None:
    data = DATA[:size]
    cutter = StreamCutter(dribbling(data, sizes), params=PARAMS)
    expected = cut(data, cut_points(data, final=True, params=PARAMS))
    assert drained(cutter, buffer_sizes) == [(0, chunk) for chunk in expected]


spans = st.lists(
    st.builds(
        Part,
        st.one_of(
            st.integers(0, 9000),
            st.integers(0, 3).map(lambda n: n * TENSOR_PIECE_BYTES),
            st.integers(0, 400_000),
        ),
        st.sampled_from([None, "tensor"]),
    ),
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(spans, slicing, buffers)
def test_spans_are_cut_each_by_its_own_rule(
    parts: list[Part], sizes: list[int], buffer_sizes: list[int]
) -> None:
    total = sum(part.size for part in parts)
    data = (DATA * (total // len(DATA) + 1))[:total]
    expected = []
    start = 0
    for index, part in enumerate(parts):
        content = data[start : start + part.size]
        start += part.size
        if part.tensor:
            points = piece_points(len(content), final=True)
        else:
            points = cut_points(content, final=True, params=PARAMS)
        expected += [(index, chunk) for chunk in cut(content, points)]
    cutter = StreamCutter(dribbling(data + b"beyond", sizes), parts, params=PARAMS)
    assert drained(cutter, buffer_sizes) == expected


def test_a_stream_that_ends_inside_its_spans_is_an_error() -> None:
    cutter = StreamCutter(io.BytesIO(DATA[:99]).readinto, [Part(50), Part(50)])
    with pytest.raises(EOFError, match="inside span 1"):
        cutter.fill(bytearray(BUFFER))


def test_only_the_bytes_of_the_spans_are_read() -> None:
    stream = io.BytesIO(DATA)
    assert drained(StreamCutter(stream.readinto, [Part(1000)]), [BUFFER]) == [(0, DATA[:1000])]
    assert stream.tell() == 1000


def test_a_buffer_must_hold_a_whole_chunk() -> None:
    with pytest.raises(ValueError, match="may not hold"):
        StreamCutter(io.BytesIO(DATA).readinto, params=PARAMS).fill(bytearray(BUFFER - 1))


def test_an_empty_stream_has_no_chunks() -> None:
    assert list(chunks(io.BytesIO(b"").readinto)) == []
    assert StreamCutter(io.BytesIO(b"").readinto, []).fill(bytearray(BUFFER)) == []


def test_chunks_of_a_stream() -> None:
    found = [bytes(chunk) for chunk in chunks(io.BytesIO(DATA).readinto, buffer_size=BUFFER)]
    assert found == cut(DATA, cut_points(DATA, final=True))


def test_chunks_borrow_the_buffer() -> None:
    buffer = bytearray(BUFFER)
    (chunk,) = StreamCutter(io.BytesIO(b"abc").readinto).fill(buffer)
    assert chunk == Chunk(0, memoryview(b"abc"))
    buffer[0:1] = b"x"
    assert bytes(chunk.data) == b"xbc"


@given(st.integers(0, 5000), st.integers(1, 900), st.booleans())
def test_pieces(size: int, piece: int, final: bool) -> None:
    points = piece_points(size, final=final, piece_size=piece)
    lengths = [b - a for a, b in zip([0, *points], points, strict=False)]
    assert all(length == piece for length in lengths[:-1])
    rest = size - sum(lengths)
    assert rest == (0 if final else size % piece)
