"""A tensor that is kept in slices: the ranges that, in a row, are its elements in the order of its shape.

Slices along the first axis are ranges as they are. One that is cut along an axis within has a range for each of
its rows, and so many of these make it a tensor without ranges.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from math import prod

from mvcd.inspect.tensorfile import Range

MAX_PLACES = 4096
"""Most ranges of one tensor."""

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
        if len(pieces) + len(rows) > MAX_PLACES or (len(rows) > 1 and place.deflated is not None):
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
