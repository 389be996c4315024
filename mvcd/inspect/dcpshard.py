"""A shard of torch.distributed.checkpoint, `__0_0.distcp`: what `torch.save` makes of each tensor, in a row.

Each is a zip of its own. The end of a zip tells where it begins, so they are found from the last to the first,
whatever else lies before them. What the tensors are called stands in `.metadata` beside (mvcd/inspect/dcp.py);
here they are numbered as they come. Objects among them, which are saved as zips too, are glue.
"""

from __future__ import annotations

from math import prod

from mvcd.inspect import torchzip
from mvcd.inspect.spans import (
    MAX_TENSORS,
    NotThisFormat,
    ReadAt,
    Span,
    TensorInfo,
    partition,
    within,
)
from mvcd.inspect.tensorfile import Range, StoredTensor
from mvcd.inspect.torchpickle import bits_of
from mvcd.inspect.torchzip import looks_like
from mvcd.inspect.zipmembers import beginning

__all__ = ["FORMAT", "looks_like", "saved_at", "spans"]

FORMAT = "torch-dcp-shard"
_END_BYTES = 2048
"""Read at once at both ends of a saved tensor, which hold all that is said of it."""


def spans(read_at: ReadAt, size: int) -> tuple[Span, ...]:
    """The spans of a shard of `size` bytes. Raises NotThisFormat, also for one without tensors."""
    found: list[Span] = []
    end = size
    for _ in range(MAX_TENSORS):
        try:
            start = beginning(read_at, end)
        except NotThisFormat:
            break
        if end == size and not start:
            raise NotThisFormat("a zip, and no others")
        try:
            saved = saved_at(read_at, start, end - start)
        except NotThisFormat:
            saved = None
        end = start
        if saved is not None and isinstance(saved.content, tuple) and len(saved.content) == 1:
            (place,) = saved.content
            shape = (prod(saved.shape),) if saved.order else saved.shape
            stride = min(max(bits_of(saved.dtype) // 8, 1), 8)
            found.append(Span(place.offset, place.size, TensorInfo("", saved.dtype, shape, stride)))
    if not found:
        raise NotThisFormat("no saved tensor")
    found.reverse()
    named = [
        span._replace(tensor=span.tensor._replace(name=str(number)))
        for number, span in enumerate(found)
        if span.tensor is not None
    ]
    return partition(named, size)


def saved_at(read_at: ReadAt, start: int, size: int) -> StoredTensor | None:
    """The tensor without a name that `torch.save` wrote at byte `start` of a file into `size` bytes; None where
    it saved something else. Raises NotThisFormat."""
    found = torchzip.alone(_ends_at_hand(within(read_at, start, size), size), size)
    if found is None:
        return None
    tensor, (order, places) = found
    moved = tuple([Range(start + place.offset, place.size) for place in places])
    return StoredTensor("", tensor.dtype, tensor.shape, moved, order)


def _ends_at_hand(read_at: ReadAt, size: int) -> ReadAt:
    """The same file; a dozen small reads at its ends are two."""
    first = min(size, _END_BYTES)
    last = max(size - _END_BYTES, first)
    head, tail = read_at(0, first), read_at(last, size - last)

    def read(at: int, count: int) -> bytes:
        if at + count <= first:
            return head[at : at + count]
        return tail[at - last : at - last + count] if at >= last else read_at(at, count)

    return read
