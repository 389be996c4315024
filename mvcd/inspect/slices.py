"""A tensor that is kept in slices: the ranges that, in a row, are its elements in the order of its shape.

Slices along the first axis are ranges as they are. One that is cut along an axis within has a range for each of
its rows, and so many of these make it a tensor without ranges; unless it is one of a grid of chunks, of which
those side by side are one band of rows, read as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod

from mvcd.inspect.tensorfile import Range, Tile

MAX_PLACES = 4096
"""Most ranges of one tensor."""

MAX_BAND_BYTES = 32 << 20
"""Chunks that lie side by side, unpacked: they are in memory together."""

Slice = tuple[tuple[int, int], ...]
"""Where it begins and how long it is along each axis, in elements."""


def assembled(
    slices: Iterable[tuple[Slice, Range]], shape: tuple[int, ...], width: int
) -> tuple[Range, ...] | None:
    """The ranges of a tensor whose elements have `width` bytes; each slice is given with its own, in row order.

    None where the slices leave a gap, overlap, do not fit the shape, or need more than MAX_PLACES. A compressed
    slice has to be whole rows of the tensor.
    """
    pieces: list[tuple[int, Range]] = []
    for extents, place in slices:
        if len(extents) != len(shape) or place.length != prod(n for _, n in extents) * width:
            return None
        if not place.length:
            continue
        rows = list(_rows(extents, shape, width))
        if len(pieces) + len(rows) > MAX_PLACES or (len(rows) > 1 and place.unpacked is not None):
            return None
        run = place.length // len(rows)
        for number, at in enumerate(rows):
            part = (
                place
                if len(rows) == 1
                else replace(place, offset=place.offset + number * run, size=run)
            )
            pieces.append((at, part))
    pieces.sort(key=lambda piece: piece[0])
    end = 0
    for at, place in pieces:
        if at != end:
            return None
        end += place.length
    return tuple([place for _, place in pieces]) if end == prod(shape) * width else None


def gridded(
    chunks: Sequence[tuple[tuple[int, ...], Range]],
    sides: tuple[int, ...],
    shape: tuple[int, ...],
    width: int,
) -> tuple[Range, ...] | None:
    """The ranges of a tensor in chunks of equal `sides`, each given with where it begins and its own range,
    which has all of its elements, also those that jut out over the tensor.

    None where chunks do not cover the shape, each place once, or a band has more than MAX_BAND_BYTES.
    """
    counts = [-(-n // side) for n, side in zip(shape, sides, strict=True)]
    by_place = dict(chunks)
    if len(by_place) != len(chunks) or len(chunks) != prod(counts):
        return None
    if any(
        at % side or at >= n
        for begin in by_place
        for at, side, n in zip(begin, sides, shape, strict=True)
    ):
        return None
    if all(n % side == 0 for n, side in zip(shape[1:], sides[1:], strict=True)):
        slices = []
        for begin, whole in chunks:
            extents = tuple(
                [(at, min(side, n - at)) for at, side, n in zip(begin, sides, shape, strict=True)]
            )
            slices.append((extents, _first(whole, prod(n for _, n in extents) * width)))
        if (content := assembled(slices, shape, width)) is not None:
            return content
    return _bands(by_place, sides, shape, width) if shape else None


def _first(whole: Range, length: int) -> Range:
    return (
        replace(whole, size=length) if whole.unpacked is None else replace(whole, unpacked=length)
    )


def _bands(
    chunks: Mapping[tuple[int, ...], Range],
    sides: tuple[int, ...],
    shape: tuple[int, ...],
    width: int,
) -> tuple[Range, ...] | None:
    """Blocks of whole rows: all chunks between two places along the first axis on which chunks have more than
    one element."""
    rank = len(shape)
    down = next((axis for axis in range(rank) if sides[axis] > 1), rank - 1) + 1
    outer, inner = ([prod(n[axis + 1 :]) * width for axis in range(rank)] for n in (shape, sides))
    starts = [range(0, n, side) for n, side in zip(shape, sides, strict=True)]
    found: list[Range] = []
    if prod(map(len, starts[down:])) * prod(sides) * width > MAX_BAND_BYTES:
        return None
    for above in product(*starts[:down]):
        if len(found) >= MAX_PLACES:
            return None
        tiles = []
        for below in product(*starts[down:]):
            begin = (*above, *below)
            counts = [min(s, n - at) for s, n, at in zip(sides, shape, begin, strict=True)]
            start = sum(at * step for at, step in zip(below, outer[down:], strict=True))
            axes = list(zip(counts, outer, inner, strict=True))
            run = width
            while axes and axes[-1][1:] == (run, run):
                run *= axes.pop()[0]
            mine = [tuple(axis[i] for axis in axes) for i in range(3)]
            tiles.append(Tile(chunks[begin], start, mine[0], mine[1], mine[2], run))
        rows = min(sides[down - 1], shape[down - 1] - above[-1])
        found.append(Range(0, 0, unpacked=rows * outer[down - 1], tiles=tuple(tiles)))
    return tuple(found)


def _rows(extents: Slice, shape: tuple[int, ...], width: int) -> Iterator[int]:
    """Where the pieces of a slice begin in the whole, in bytes; MAX_PLACES + 1 of them where there are more."""
    cut = len(shape)
    while cut and extents[cut - 1] == (0, shape[cut - 1]):
        cut -= 1
    outer = max(cut - 1, 0)
    strides = [prod(shape[axis + 1 :]) * width for axis in range(len(shape))]
    first = sum(start * stride for (start, _), stride in zip(extents, strides, strict=True))
    counts = [length for _, length in extents[:outer]]
    if prod(counts) > MAX_PLACES:
        counts = [MAX_PLACES + 1]  # enough to be refused
    for indices in product(*map(range, counts)):
        yield first + sum(i * stride for i, stride in zip(indices, strides, strict=False))
