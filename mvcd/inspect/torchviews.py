"""Tensors of torch are views of storages: which bytes each of them has, and how a storage is best cut.

Several tensors may share a storage: tied weights, the joint weights of an RNN, the flat parameters of FSDP, any
slices. A view that lies in one piece is a range, also where its axes are in another order than its shape
(channels_last, a transpose); one that does not is the list of its rows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from math import prod

from mvcd.inspect.spans import NotThisFormat, Span, TensorInfo, partition
from mvcd.inspect.tensorfile import Range, StoredTensor
from mvcd.inspect.torchpickle import BYTES, StorageView, bits_of

Described = list[tuple[str, StorageView]]

_MAX_ROWS = 4096
"""Of a view in several pieces; a wider one is left to its storage."""

_MAX_PLACES = 200_000


def tensors(storages: Mapping[str, Span], described: Described) -> dict[str, StoredTensor]:
    """Every tensor by name, and what no tensor covers by its storage, `data/N`."""
    described = _bytes_whole(storages, described)
    found: dict[str, StoredTensor] = {}
    covered = {key: _Covered() for key in storages}
    ranges = 0
    for name, tensor in described:
        if not name or name in found:  # alone in its file, it is called by its storage
            continue
        placed = place_of(tensor, storages.get(tensor.storage.key))
        if placed is None:
            continue
        order, places = placed
        ranges += len(places)
        if ranges > _MAX_PLACES:
            raise NotThisFormat("too many views in pieces")
        mine = covered.get(tensor.storage.key)
        repeats = mine is not None and bool(places) and not mine.add(places)
        found[name] = StoredTensor(name, tensor.dtype, tensor.shape, places, order, repeats)
    infos = _whole(storages, described)
    for key, span in storages.items():
        if not covered[key].ranges and f"data/{key}" not in found:
            info = infos[key]
            place = (Range(span.offset, span.size),)
            found[f"data/{key}"] = StoredTensor(f"data/{key}", info.dtype, info.shape, place)
    return found


def spans(storages: Mapping[str, Span], described: Described, size: int) -> tuple[Span, ...]:
    """All of a file of `size` bytes, cut along its tensors. The first claim of a name wins, and `data/N` can't
    be claimed. A storage has the name of the first tensor that covers all of it; else it is cut into the
    tensors that do not overlap one before them; else it is called `data/N`.

    Raises NotThisFormat.
    """
    described = _bytes_whole(storages, described)
    whole = _whole(storages, described)
    slices: dict[str, list[Span]] = {}
    names = {info.name for info in whole.values()}
    for name, tensor in described:
        key = tensor.storage.key
        if key not in whole or whole[key].name != f"data/{key}" or name in names:
            continue
        placed = place_of(tensor, storages[key])
        if not name or name.startswith("data/") or placed is None or len(placed[1]) != 1:
            continue
        (place,) = placed[1]
        if place.size:
            names.add(name)
            info = _info(name, tensor.dtype, tensor.shape, placed[0])
            slices.setdefault(key, []).append(Span(place.offset, place.size, info))
    found: list[Span] = []
    for key, span in storages.items():
        apart = _apart(slices.get(key, []))
        found += apart or [Span(span.offset, span.size, whole[key])]
    return partition(found, size)


def _bytes_whole(storages: Mapping[str, Span], described: Described) -> Described:
    """A tensor whose dtype is not known has elements of unknown width: it is all bytes of its storage, where
    that is its own, and else cannot be told from the others."""
    users = Counter(tensor.storage.key for _, tensor in described)
    kept: Described = []
    for name, tensor in described:
        if tensor.dtype != BYTES:
            kept.append((name, tensor))
        elif tensor.storage.key in storages and users[tensor.storage.key] == 1:
            size = storages[tensor.storage.key].size
            kept.append((name, StorageView(tensor.storage, BYTES, 0, (size,), (1,))))
    return kept


def _whole(storages: Mapping[str, Span], described: Described) -> dict[str, TensorInfo]:
    """What each storage is as a whole: the first tensor that covers it, or `data/N`."""
    by_key: dict[str, TensorInfo] = {}
    dtypes: dict[str, str] = {}
    names: set[str] = set()
    for name, tensor in described:
        key = tensor.storage.key
        dtypes.setdefault(key, tensor.storage.dtype)
        if key in by_key or key not in storages:
            continue
        placed = place_of(tensor, storages[key])
        if placed is not None and [place.size for place in placed[1]] == [storages[key].size]:
            free = name and name not in names and not name.startswith("data/")
            names.add(name)
            label = name if free else f"data/{key}"
            by_key[key] = _info(label, tensor.dtype, tensor.shape, placed[0])
    for key, span in storages.items():
        if key not in by_key:
            dtype = dtypes.get(key, BYTES)
            if 8 * span.size % bits_of(dtype):
                dtype = BYTES
            by_key[key] = _info(f"data/{key}", dtype, (8 * span.size // bits_of(dtype),), ())
    return by_key


def _info(name: str, dtype: str, shape: tuple[int, ...], order: tuple[int, ...]) -> TensorInfo:
    """Recipes know shapes, but no order of axes: a tensor in another order than its shape's is flat there."""
    flat = (prod(shape),) if order else shape
    return TensorInfo(name, dtype, flat, min(max(bits_of(dtype) // 8, 1), 8))


def _apart(claims: Iterable[Span]) -> list[Span]:
    """Those that do not overlap one before them, in the order of the file."""
    taken = _Covered()
    kept = []
    for span in claims:
        if not taken.meets(span.offset, span.offset + span.size):
            taken.add((Range(span.offset, span.size),))
            kept.append(span)
    return sorted(kept, key=lambda span: span.offset)


# ---------------------------------------------------------------- the bytes of a view

Placed = tuple[tuple[int, ...], tuple[Range, ...]]
"""The order of the axes, outermost first, or () where it is the shape's; and the ranges in the file."""


def place_of(tensor: StorageView, storage: Span | None) -> Placed | None:
    """Where a view of a storage lies in the file; None for too many pieces, or what is not within a storage."""
    if 0 in tensor.shape:
        return (), ()
    if storage is None:
        return None
    limit = storage.size
    width = bits_of(tensor.dtype) // 8
    last = tensor.offset + sum(
        (n - 1) * s for n, s in zip(tensor.shape, tensor.stride, strict=True)
    )
    if (last + 1) * width > limit:
        return None
    axes = [i for i, n in enumerate(tensor.shape) if n != 1]
    outermost_first = sorted(axes, key=lambda i: (-tensor.stride[i], i))
    start, dense = storage.offset + tensor.offset * width, 1
    for axis in reversed(outermost_first):
        if tensor.stride[axis] != dense:
            break
        dense *= tensor.shape[axis]
    else:
        units = [i for i, n in enumerate(tensor.shape) if n == 1]
        order = () if outermost_first == axes else tuple(units + outermost_first)
        return order, (Range(start, dense * width),)
    rows = list(_rows(tensor))
    if not rows:
        return None
    return (), tuple([Range(start + at * width, run * width) for at, run in rows])


def _rows(tensor: StorageView) -> Iterator[tuple[int, int]]:
    """Where each piece of a view begins, in elements from its start, and how long it is; none for too many."""
    run, axis = 1, len(tensor.shape)
    while axis and (tensor.shape[axis - 1] == 1 or tensor.stride[axis - 1] == run):
        axis -= 1
        run *= tensor.shape[axis]
    count = 1
    for extent in tensor.shape[:axis]:
        count *= extent
        if count > _MAX_ROWS:
            return
    for place in product(*(range(extent) for extent in tensor.shape[:axis])):
        yield sum(i * s for i, s in zip(place, tensor.stride, strict=False)), run


class _Covered:
    """Bytes that are some tensor's already, as ranges that neither touch nor overlap."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []

    def add(self, places: Iterable[Range]) -> bool:
        """Whether any byte of them was nobody's."""
        fresh = False
        for place in places:
            start, end = place.offset, place.offset + place.size
            at = bisect_right(self.ranges, (start, 1 << 63))
            if at and self.ranges[at - 1][1] >= end:
                continue
            fresh = True
            first = at - 1 if at and self.ranges[at - 1][1] >= start else at
            last = at
            while last < len(self.ranges) and self.ranges[last][0] <= end:
                last += 1
            swallowed = self.ranges[first:last]
            if swallowed:
                start, end = min(start, swallowed[0][0]), max(end, swallowed[-1][1])
            self.ranges[first:last] = [(start, end)]
        return fresh

    def meets(self, start: int, end: int) -> bool:
        """Whether a byte of the range is somebody's."""
        at = bisect_right(self.ranges, (start, 1 << 63))
        before = at and self.ranges[at - 1][1] > start
        return bool(before) or (at < len(self.ranges) and self.ranges[at][0] < end)
