"""The zip file that `torch.save` writes (torch >= 1.6).

    root/data.pkl       the object, its tensors as persistent ids
    root/byteorder      "little" or "big" (absent before torch 2.1: little)
    root/data/0 ...     one storage each: the raw elements, stored, aligned to 64 bytes
    root/version ...    glue

Tensors are views of these storages (mvcd/inspect/torchviews.py). Where the pickle cannot be read, each storage
is `data/N`, BYTES.

A zip that `zipmembers` refuses is plain bytes, and so is a big-endian one.
"""

from __future__ import annotations

from mvcd.inspect import torchpickle, torchviews
from mvcd.inspect.spans import NotThisFormat, ReadAt, Span
from mvcd.inspect.tensorfile import StoredTensor
from mvcd.inspect.torchpickle import BYTES, StorageView
from mvcd.inspect.zipmembers import below_one_root, looks_like

__all__ = ["FORMAT", "alone", "looks_like", "spans", "tensors"]

FORMAT = "torch-zip"


def spans(read_at: ReadAt, size: int) -> tuple[Span, ...]:
    """The spans of a torch zip of `size` bytes. Raises NotThisFormat."""
    return torchviews.spans(*_parts(read_at, size), size)


def tensors(read_at: ReadAt, size: int) -> dict[str, StoredTensor]:
    """Every tensor by every name it has. Raises NotThisFormat."""
    return torchviews.tensors(*_parts(read_at, size))


def alone(read_at: ReadAt, size: int) -> tuple[StorageView, torchviews.Placed] | None:
    """The tensor that is all that was saved, and where its bytes lie; None for what is no such thing, or has no
    place. Raises NotThisFormat."""
    storages, described = _parts(read_at, size)
    if len(described) != 1 or described[0][0]:
        return None
    tensor = described[0][1]
    placed = torchviews.place_of(tensor, storages.get(tensor.storage.key))
    return None if placed is None or tensor.dtype == BYTES else (tensor, placed)


def _parts(read_at: ReadAt, size: int) -> tuple[dict[str, Span], torchviews.Described]:
    """The storages in the order of the file, and what the pickle says of them."""
    root, payloads = below_one_root(read_at, size)
    pickled = payloads.get(f"{root}/data.pkl")
    if pickled is None:
        raise NotThisFormat("a zip, but not torch's")
    order = payloads.get(f"{root}/byteorder")
    if order is not None and (order.size > 16 or read_at(order.offset, order.size) != b"little"):
        raise NotThisFormat("not little-endian")
    storages = {}
    for name, span in payloads.items():
        key = name.removeprefix(f"{root}/data/")
        if key != name and key.isascii() and key.isdigit() and span.size:
            storages[key] = span
    return storages, _described(read_at, pickled)


def _described(read_at: ReadAt, pickled: Span) -> torchviews.Described:
    try:
        return torchpickle.read(read_at, pickled.offset, pickled.offset + pickled.size)
    except NotThisFormat:
        return []
