"""The zip file that `torch.export.save` writes (`.pt2`, archive version 1 of torch 2.8 and later).

    root/data/weights/model_weights_config.json     tensors by name: file, dtype, sizes, strides, offset
    root/data/weights/weight_0 ...                  one storage each
    root/data/constants/...                         the same of what is no parameter or buffer
    root/byteorder, root/models/model.json          glue

Tensors are views of the storages (mvcd/inspect/torchviews.py), as in other files of torch. Objects that are
pickled among the constants are glue.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mvcd.inspect import torchviews
from mvcd.inspect.spans import MAX_RANK_DIMENSIONS, NotThisFormat, ReadAt, Span, read_exactly
from mvcd.inspect.tensorfile import StoredTensor
from mvcd.inspect.torchpickle import BYTES, Storage, StorageView
from mvcd.inspect.zipmembers import below_one_root, looks_like

__all__ = ["FORMAT", "looks_like", "spans", "tensors"]

FORMAT = "torch-export"
_PARTS = ("weights", "constants")
_MAX_CONFIG_BYTES = 32 << 20
_MAX_SEPARATORS = 4_000_000
"""Commas and opening brackets, checked before parsing: what is parsed stays under 200 MB. A tensor has 20."""

_DTYPES = {
    1: "U8", 2: "I8", 3: "I16", 4: "I32", 5: "I64", 6: "F16", 7: "F32", 8: "F64", 9: "C32", 10: "C64",
    11: "C128", 12: "BOOL", 13: "BF16", 28: "U16", 29: "F8_E4M3", 30: "F8_E5M2", 31: "F8_E4M3FNUZ",
    32: "F8_E5M2FNUZ", 33: "F8_E8M0", 34: "U32", 35: "U64",
}  # fmt: skip
"""ScalarType of torch/_export/serde/schema.py."""


def spans(read_at: ReadAt, size: int) -> tuple[Span, ...]:
    """The spans of a file of `size` bytes. Raises NotThisFormat."""
    return torchviews.spans(*_parts(read_at, size), size)


def tensors(read_at: ReadAt, size: int) -> dict[str, StoredTensor]:
    """Every tensor by every name it has. Raises NotThisFormat."""
    return torchviews.tensors(*_parts(read_at, size))


def _parts(read_at: ReadAt, size: int) -> tuple[dict[str, Span], torchviews.Described]:
    root, payloads = below_one_root(read_at, size)
    order = payloads.get(f"{root}/byteorder")
    if order is None or read_at(order.offset, min(order.size, 16)) != b"little":
        raise NotThisFormat("not torch's, or not little-endian")
    described = [
        found
        for part in _PARTS
        if (config := payloads.get(f"{root}/data/{part}/model_{part}_config.json")) is not None
        for found in _config(read_at, config, f"{root}/data/{part}/")
    ]
    if not described:
        raise NotThisFormat("a zip, but not of torch.export")
    used = {tensor.storage.key for _, tensor in described}
    storages = {name: span for name, span in payloads.items() if name in used and span.size}
    return storages, described


def _config(read_at: ReadAt, span: Span, place: str) -> Iterator[tuple[str, StorageView]]:
    if span.size > _MAX_CONFIG_BYTES:
        raise NotThisFormat("a list of tensors too long")
    data = read_exactly(read_at, span.offset, span.size)
    if sum(map(data.count, (b",", b"[", b"{"))) > _MAX_SEPARATORS:
        raise NotThisFormat("a list of tensors too complex")
    try:
        listed = json.loads(data)["config"].items()
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise NotThisFormat("no list of tensors") from error
    for name, said in listed:
        tensor = _tensor(said, place)
        if tensor is not None:
            yield name, tensor


def _tensor(said: Any, place: str) -> StorageView | None:
    match said:
        case {
            "path_name": str() as path,
            "use_pickle": False,
            "tensor_meta": {
                "dtype": int() as kind,
                "sizes": list() as sizes,
                "strides": list() as strides,
                "storage_offset": {"as_int": int() as offset},
                "layout": 7,
            },
        }:
            shape, stride = _numbers(sizes), _numbers(strides)
            if shape is None or stride is None or len(shape) != len(stride) or offset < 0:
                return None
            dtype = _DTYPES.get(kind, BYTES)
            return StorageView(Storage(place + path, dtype), dtype, offset, shape, stride)
    return None


def _numbers(listed: list[Any]) -> tuple[int, ...] | None:
    found = []
    for each in listed[: MAX_RANK_DIMENSIONS + 1]:
        match each:
            case {"as_int": int() as number} if number >= 0:
                found.append(number)
            case _:
                return None
    return tuple(found) if len(found) <= MAX_RANK_DIMENSIONS else None
