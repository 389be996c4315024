"""The zip file that `torch.save` writes (torch >= 1.6).

    root/data.pkl       the object, its tensors as persistent ids
    root/byteorder      "little" or "big" (absent before torch 2.1: little)
    root/data/0 ...     one storage each: the raw elements, stored, aligned to 64 bytes
    root/version ...    glue

Each stored member `root/data/N` becomes one span; all else is glue. A storage takes name, dtype and shape
of the first tensor in the pickle that covers all of it. If that tensor lies in another order than the
shape's (channels_last, a transpose), the shape is flat, for the bytes are not in the shape's order. A storage
that no tensor covers alone (a slice, the joint weights of an RNN), or whose pickle cannot be read, is called
`data/N`: flat, with its storage's dtype or U8.

A zip that `zipmembers` refuses is plain bytes, and so is a big-endian one.
"""

from __future__ import annotations

from math import prod

from mvcd.inspect import torchpickle
from mvcd.inspect.spans import (
    DTYPE_BITS,
    NotThisFormat,
    ReadAt,
    Span,
    TensorInfo,
    partition,
    read_exactly,
)
from mvcd.inspect.zipmembers import directory, located, looks_like

__all__ = ["FORMAT", "looks_like", "spans"]

FORMAT = "torch-zip"

_BITS = DTYPE_BITS | {"C128": 128}
"""torch has complex128, safetensors 0.8 does not."""


def spans(read_at: ReadAt, size: int) -> tuple[Span, ...]:
    """The spans of a torch zip of `size` bytes. Raises NotThisFormat."""
    members, end = directory(read_at, size)
    root, slash, _ = members[0].name.partition("/")
    payloads = {
        member.name: span for member, span in located(read_at, members, end) if member.stored
    }
    pickled = payloads.get(f"{root}/data.pkl")
    if not slash or pickled is None:
        raise NotThisFormat("a zip, but not torch's")
    order = payloads.get(f"{root}/byteorder")
    if order is not None and (order.size > 16 or read_at(order.offset, order.size) != b"little"):
        raise NotThisFormat("not little-endian")
    storages = {}
    for name, span in payloads.items():
        key = name.removeprefix(f"{root}/data/")
        if key != name and key.isascii() and key.isdigit() and span.size:
            storages[key] = span
    known = _described(read_at, pickled)
    found = [
        Span(span.offset, span.size, info)
        for (span, info) in zip(storages.values(), _infos(storages, known), strict=True)
    ]
    return partition(found, size)


# ---------------------------------------------------------------- the tensors


def _described(read_at: ReadAt, pickled: Span) -> list[tuple[str, torchpickle.StorageView]]:
    if pickled.size > torchpickle.MAX_PICKLE_BYTES:
        return []
    try:
        return torchpickle.read(read_exactly(read_at, pickled.offset, pickled.size))
    except NotThisFormat:
        return []


def _infos(
    storages: dict[str, Span], described: list[tuple[str, torchpickle.StorageView]]
) -> list[TensorInfo]:
    """One for each storage, in order; the first claim of a name wins, and `data/N` can't be claimed."""
    by_key: dict[str, TensorInfo] = {}
    dtypes: dict[str, str] = {}
    names: set[str] = set()
    for name, tensor in described:
        key = tensor.storage.key
        dtypes.setdefault(key, tensor.storage.dtype)
        if key in by_key or key not in storages:
            continue
        shape = _covered_shape(tensor, storages[key].size)
        if shape is not None:
            free = name and name not in names and not name.startswith("data/")
            names.add(name)
            by_key[key] = _info(name if free else f"data/{key}", tensor.dtype, shape)
    for key, span in storages.items():
        if key not in by_key:
            dtype = dtypes.get(key, "U8")
            if 8 * span.size % _BITS[dtype]:
                dtype = "U8"
            by_key[key] = _info(f"data/{key}", dtype, (8 * span.size // _BITS[dtype],))
    return [by_key[key] for key in storages]


def _info(name: str, dtype: str, shape: tuple[int, ...]) -> TensorInfo:
    return TensorInfo(name, dtype, shape, min(_BITS[dtype] // 8, 8))


def _covered_shape(tensor: torchpickle.StorageView, size: int) -> tuple[int, ...] | None:
    """The shape of the `size` bytes as this tensor lays them out, None if it does not cover them."""
    if tensor.offset or 8 * size != _BITS[tensor.dtype] * _elements(tensor.shape, limit=8 * size):
        return None
    axes = [(s, n) for s, n in zip(tensor.stride, tensor.shape, strict=True) if n != 1]
    dense = 1
    for stride, extent in sorted(axes):
        if stride != dense:
            return None
        dense *= extent
    in_order = axes == sorted(axes, reverse=True)
    return tensor.shape if in_order else (dense,)


def _elements(shape: tuple[int, ...], *, limit: int) -> int:
    """Their product; -1 beyond `limit`, before it grows large."""
    return prod(shape) if all(extent <= limit for extent in shape) else -1
