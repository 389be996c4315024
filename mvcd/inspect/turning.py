"""Tensors whose axes lie in memory in another order than their shape's, brought into the order of the shape.

A channels_last or Fortran tensor that is compared with one in the usual order has equal elements at other
places. Elements are moved along the longest axis by strided slices, none by Python itself.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Literal

from mvcd.ids import Bytes

MAX_TURNED_BYTES = 64 << 20
"""Bytes of a tensor that is turned, which takes twice that of memory and about a second."""

_FORMATS: dict[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}


def turned(data: Bytes, shape: tuple[int, ...], order: tuple[int, ...]) -> bytes:
    """`data` holds a tensor of `shape` whose axes run in `order`, outermost first; the same in the shape's.

    Raises ValueError unless the size of `data` is a multiple of the number of elements.
    """
    elements = prod(shape)
    if not elements:
        return bytes(data)
    width, rest = divmod(len(data), elements)
    if rest or sorted(order) != list(range(len(shape))):
        raise ValueError(f"{len(data)} bytes are no {list(shape)} in order {list(order)}")
    if width not in _FORMATS:  # complex numbers of two doubles, 96-bit floats
        unit = next(size for size in (8, 4, 2, 1) if width % size == 0)
        shape, order, width = (*shape, width // unit), (*order, len(shape)), unit
    source, strides = _strides(shape, order), _strides(shape, tuple(range(len(shape))))
    longest = max(order, key=lambda axis: shape[axis], default=None)
    if longest is None:
        return bytes(data)
    others = [axis for axis in range(len(shape)) if axis != longest]
    whole = bytearray(len(data))
    given, made = memoryview(data).cast(_FORMATS[width]), memoryview(whole).cast(_FORMATS[width])
    count = shape[longest]
    for place in product(*(range(shape[axis]) for axis in others)):
        a = sum(i * source[axis] for i, axis in zip(place, others, strict=True))
        b = sum(i * strides[axis] for i, axis in zip(place, others, strict=True))
        step_a, step_b = source[longest], strides[longest]
        made[b : b + (count - 1) * step_b + 1 : step_b] = given[
            a : a + (count - 1) * step_a + 1 : step_a
        ]
    return bytes(whole)


def _strides(shape: tuple[int, ...], order: tuple[int, ...]) -> list[int]:
    """Of each axis, in elements."""
    strides, step = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = step
        step *= shape[axis]
    return strides
