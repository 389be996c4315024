"""By how much tensors changed: read from the data, by threads, piece by piece, so memory does not grow with the
tensor."""

from __future__ import annotations

import threading
from collections.abc import Collection
from functools import partial
from itertools import islice

from mvcd.errors import CorruptObject
from mvcd.inspect.statistics import Statistics, Stride, Sums
from mvcd.monitor import Monitor
from mvcd.objects.chunklist import MAX_CHUNK_BYTES
from mvcd.repo.contents.distribution import Distribution, Located, distribution
from mvcd.repo.contents.files import ABSENT
from mvcd.repo.contents.pieces import Run, UnreadableContent, blaming, same, windows
from mvcd.repo.contents.pipeline import Pipeline
from mvcd.repo.tensors.sameness import why_unread
from mvcd.repo.tensors.tensordiff import EQUAL, TensorDiff, not_comparable
from mvcd.repo.tensors.tensormatch import present
from mvcd.repo.tensors.tensortable import TensorSides

_BATCH_RUNS = 4
"""Runs compared by one call of a worker: threads pass the interpreter's lock on less often."""


class _PerThread(threading.local):
    """Where the two sides' chunks are decoded."""

    def __init__(self) -> None:
        self.buffers = bytearray(MAX_CHUNK_BYTES), bytearray(MAX_CHUNK_BYTES)


_thread = _PerThread()


def bytes_of(tensors: Collection[TensorDiff]) -> int:
    """Bytes that measuring these would read, both sides together."""
    return sum(f.size for t in tensors if not t.measured for f in (t.old, t.new) if f)


class Figures:
    """Takes them of tensors of two sides; `monitor` hears how far it is."""

    def __init__(self, sides: TensorSides, monitor: Monitor) -> None:
        self._sides, self._monitor = sides, monitor

    def measure(self, tensors: Collection[TensorDiff]) -> None:
        """Takes the figures of all, in one go. Raises Failure for a tensor that cannot be compared, and what
        reading raises."""
        todo = self.take(tensors)
        for tensor in todo:
            if tensor.problem is not None:
                raise not_comparable(tensor)

    def take(self, tensors: Collection[TensorDiff]) -> list[TensorDiff]:
        """The same, but tensors that cannot be read are told why, and those that were not measured before are
        returned."""
        todo = [tensor for tensor in tensors if not tensor.measured]
        self._monitor.begin("compare", total_bytes=bytes_of(todo), total_items=len(todo))
        try:
            with Pipeline() as pipeline:
                for tensor in todo:
                    try:
                        self._submit(pipeline, tensor)
                    except (UnreadableContent, *ABSENT) as error:
                        tensor.problem = why_unread(error)
                pipeline.drain()
        finally:
            self._monitor.finish()
        return todo

    def distribution(self, tensor: TensorDiff, bins: int) -> Distribution:
        """Counts how far elements moved, as `Weights.distribution` has it."""
        alone = tensor.kind in (*EQUAL, "added", "removed")
        old, new = (None, present(tensor.pair)) if alone else tensor.pair
        if tensor.packed or new is None or (old is not None and not tensor.comparable):
            raise not_comparable(tensor)
        if old is not None:
            old, new = self._sides.level(old, new)
        sides = self._sides
        before = None if old is None else Located(sides.old.content, old.dtype, old.pieces)
        content = (sides.old if tensor.new is None else sides.new).content
        return distribution(Located(content, new.dtype, new.pieces), before, bins)

    def _submit(self, pipeline: Pipeline, tensor: TensorDiff) -> None:
        old, new = tensor.pair
        if tensor.obstacle is not None or old is None or new is None:
            raise not_comparable(tensor)
        old, new = self._sides.level(old, new)
        sums = Sums.none()
        dtypes = ("U8", "U8") if tensor.packed else (old.dtype, new.dtype)
        stride = Stride.of(*dtypes)
        take = partial(self._take, sums, stride)
        runs = windows(old.pieces(), stride.old, new.pieces(), stride.new, stride.elements)
        while batch := list(islice(runs, _BATCH_RUNS)):
            pipeline.submit(partial(self._compare, tensor, dtypes, batch), take)
        sizes = old.size, new.size
        pipeline.submit(lambda: None, lambda _: self._conclude(tensor, sums, stride, sizes))

    def _compare(
        self, tensor: TensorDiff, dtypes: tuple[str, str], batch: list[tuple[Run, Run]]
    ) -> Sums:
        sums = Sums.none()
        try:
            for old, new in batch:
                sums.merge(self._piece(dtypes, old, new))
        except ABSENT as error:
            tensor.problem = why_unread(error)
        return sums

    def _piece(self, dtypes: tuple[str, str], old: Run, new: Run) -> Sums:
        mine = _thread.buffers
        with blaming(old[0].path):
            before = self._sides.old.content.load_into(mine[0], old)
        known = old[0].part.chunk if len(old) == 1 else None, before
        with blaming(new[0].path):
            after = (
                before if same(old, new) else self._sides.new.content.load_into(mine[1], new, known)
            )
        return Sums.piece(dtypes[0], before, dtypes[1], after)

    def _take(self, sums: Sums, stride: Stride, piece: Sums) -> None:
        sums.merge(piece)
        done = piece.elements // stride.elements * (stride.old + stride.new)
        self._monitor.advance(bytes_done=done)

    def _conclude(
        self, tensor: TensorDiff, sums: Sums, stride: Stride, sizes: tuple[int, int]
    ) -> None:
        if tensor.problem is not None:
            return
        strides, rest = divmod(sums.elements, stride.elements)
        if rest or (strides * stride.old, strides * stride.new) != sizes:
            raise CorruptObject(f"{tensor.name} is not as long as its shape says")
        tensor.statistics = Statistics.of_packed(sums) if tensor.packed else Statistics.of(sums)
        self._monitor.advance(items_done=1)
