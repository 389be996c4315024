"""By how much tensors changed: read from the data, by threads, piece by piece, so memory does not grow with the
tensor."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial

from mvcd.errors import CorruptObject
from mvcd.ids import Bytes
from mvcd.inspect.statistics import Statistics, Stride, Sums
from mvcd.monitor import Monitor
from mvcd.repo.contents.distribution import Distribution, Located, distribution
from mvcd.repo.contents.files import ABSENT
from mvcd.repo.contents.pieces import Run, UnreadableContent, blaming, same, windows
from mvcd.repo.contents.pipeline import Pipeline
from mvcd.repo.tensors.sameness import why_unread
from mvcd.repo.tensors.tensordiff import EQUAL, TensorDiff, not_comparable
from mvcd.repo.tensors.tensormatch import present
from mvcd.repo.tensors.tensortable import TensorRow, TensorSides

_BATCH_BYTES = 4 << 20
"""Bytes, of both sides, that one call of a worker reads and compares: it reads what lies side by side together,
and passes the interpreter's lock on less often."""
_BATCH_RUNS = 128
"""Runs of one call at most: small tensors are a few KiB each."""


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
                for batch in _batches(self._steps(todo)):
                    pipeline.submit(partial(self._compare, batch), partial(self._receive, batch))
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

    def _steps(self, tensors: Iterable[TensorDiff]) -> Iterator[_Step]:
        """What is compared, tensor by tensor; the last step of each has no runs. Those that cannot be read are
        told why."""
        for tensor in tensors:
            try:
                yield from self._steps_of(tensor)
            except (UnreadableContent, *ABSENT) as error:
                tensor.problem = why_unread(error)

    def _steps_of(self, tensor: TensorDiff) -> Iterator[_Step]:
        old, new = tensor.pair
        if tensor.obstacle is not None or old is None or new is None:
            raise not_comparable(tensor)
        measuring = _Measuring(tensor, *self._sides.level(old, new))
        stride = measuring.stride
        for runs in windows(
            measuring.old.pieces(), stride.old, measuring.new.pieces(), stride.new, stride.elements
        ):
            yield measuring, runs
        yield measuring, None

    def _compare(self, batch: Sequence[_Step]) -> list[Sums | None]:
        """The sums of each step that has runs which could be read."""
        found: list[Sums | None] = []
        load = self._loader([runs for _, runs in batch if runs is not None])
        for measuring, runs in batch:
            sums = None
            try:
                if runs is not None:
                    sums = measuring.sums_of(*load(*runs))
            except ABSENT as error:
                measuring.tensor.problem = why_unread(error)
            found.append(sums)
        return found

    def _loader(self, batch: Sequence[_Runs]) -> Callable[[Run, Run], tuple[Bytes, Bytes]]:
        """Reads what runs of both sides lie in, together; those of the new one mostly rest on those of the old
        one."""
        old_side, new_side = self._sides.old.content, self._sides.new.content
        olds = old_side.chunks(old for old, _ in batch)
        news = new_side.chunks((new for old, new in batch if not same(old, new)), olds)

        def load(old: Run, new: Run) -> tuple[Bytes, Bytes]:
            with blaming(old[0].path):
                before = old_side.join(old, olds)
            if same(old, new):
                return before, before
            with blaming(new[0].path):
                return before, new_side.join(new, news)

        return load

    def _receive(self, batch: Sequence[_Step], found: Sequence[Sums | None]) -> None:
        for (measuring, runs), sums in zip(batch, found, strict=True):
            if sums is not None:
                self._monitor.advance(bytes_done=measuring.take(sums))
            elif runs is None and measuring.tensor.problem is None:
                measuring.conclude()
                self._monitor.advance(items_done=1)


_Runs = tuple[Run, Run]


class _Measuring:
    """A tensor under way. Raises what `Stride.of` raises."""

    def __init__(self, tensor: TensorDiff, old: TensorRow, new: TensorRow) -> None:
        self.tensor, self.old, self.new = tensor, old, new
        self._dtypes = ("U8", "U8") if tensor.packed else (old.dtype, new.dtype)
        self.stride = Stride.of(*self._dtypes)
        self._sums = Sums.none()

    def sums_of(self, old: Bytes, new: Bytes) -> Sums:
        return Sums.piece(self._dtypes[0], old, self._dtypes[1], new)

    def take(self, piece: Sums) -> int:
        """Adds those of the next runs. Returns their bytes."""
        self._sums.merge(piece)
        return piece.elements // self.stride.elements * (self.stride.old + self.stride.new)

    def conclude(self) -> None:
        """Raises CorruptObject where the runs are not all of the tensor."""
        sums, stride, tensor = self._sums, self.stride, self.tensor
        strides, rest = divmod(sums.elements, stride.elements)
        if rest or (strides * stride.old, strides * stride.new) != (self.old.size, self.new.size):
            raise CorruptObject(f"{tensor.name} is not as long as its shape says")
        tensor.statistics = Statistics.of_packed(sums) if tensor.packed else Statistics.of(sums)


_Step = tuple[_Measuring, _Runs | None]


def _batches(steps: Iterable[_Step]) -> Iterator[list[_Step]]:
    batch: list[_Step] = []
    size = 0
    for step in steps:
        batch.append(step)
        size += sum(piece.stop - piece.start for run in step[1] or () for piece in run)
        if size >= _BATCH_BYTES or len(batch) == _BATCH_RUNS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
