"""What became of every tensor between two versions, by name, whatever files it lies in.

Making a `Weights` costs nothing. The first look reads recipes; a tensor's figures are taken from the data when
they are asked for, by threads, piece by piece, so memory does not grow with the tensor. Tensors whose chunks
are equal are known as equal without reading them.

Tensors match by file and name first; those left over match by name across files, so a model that was sharded
anew is compared tensor by tensor; and then by equal content, which was renamed.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import NoReturn, Self

from mvcd.errors import CorruptObject, Failure, MissingObject
from mvcd.ids import Digest
from mvcd.inspect.statistics import Statistics, Stride, Sums
from mvcd.monitor import Monitor, Silent
from mvcd.objects.chunklist import MAX_CHUNK_BYTES
from mvcd.objects.version import EMPTY
from mvcd.repo.compare.sides import Sides
from mvcd.repo.compare.tensormatch import matched, present
from mvcd.repo.compare.tensorrows import Rows, gather
from mvcd.repo.compare.tensortable import TensorRow, TensorSide, form_of
from mvcd.repo.contents.distribution import Distribution, Located, distribution
from mvcd.repo.contents.files import ABSENT
from mvcd.repo.contents.pieces import Content, Run, UnreadableContent, blaming, same, windows
from mvcd.repo.contents.pipeline import Pipeline
from mvcd.repo.core.core import Core

_BATCH_RUNS = 4
"""Runs compared by one call of a worker: threads pass the interpreter's lock on less often."""

_EQUAL = ("unchanged", "renamed")


class TensorDiff:
    """One tensor on both sides. Figures are read from the data when first asked for.

    `kind`: "unchanged", "changed", "added", "removed", "reshaped", "retyped" (dtype; perhaps shape too), or
    "renamed", with the same content; `name` is then the new one. Figures of an unchanged or renamed tensor that
    follow from its being so cost no reading. Asking for those of a tensor that cannot be compared raises
    Failure, kind "not-comparable". `state`: whether it is training state, not the model's.
    """

    __slots__ = (
        "_statistics",
        "_weights",
        "kind",
        "name",
        "new",
        "old",
        "pair",
        "problem",
        "state",
    )

    def __init__(
        self,
        weights: Weights,
        name: str,
        old: TensorRow | None,
        new: TensorRow | None,
        *,
        state: bool = False,
    ) -> None:
        self._weights = weights
        self.state = state
        self._statistics: Statistics | None = None
        self.pair = old, new
        self.name = name
        self.old = form_of(old)
        self.new = form_of(new)
        self.problem: str | None = None  # why its data cannot be read
        try:
            self.kind = weights.kind(old, new)
        except (UnreadableContent, *ABSENT) as error:
            self.kind, self.problem = "changed", _reason(error)

    def __repr__(self) -> str:
        return f"TensorDiff({self.name!r}, {self.kind})"

    @property
    def old_name(self) -> str | None:
        """None for what was added."""
        return None if self.pair[0] is None else self.pair[0].name

    @property
    def comparable(self) -> bool:
        """Whether it has figures: as many elements on both sides, of dtypes that go together."""
        return self.obstacle is None

    @property
    def obstacle(self) -> str | None:
        """Why it has no figures."""
        old, new = self.old, self.new
        if old is None or new is None:
            return f"it was {self.kind}"
        if old.shape != new.shape:
            return f"its shape changed from {list(old.shape)} to {list(new.shape)}"
        if old.dtype != new.dtype and not (old.readable and new.readable):
            return f"its dtype changed from {old.dtype} to {new.dtype}"
        if self.packed and old.size != new.size:
            return f"it takes {new.size:,} bytes, and took {old.size:,}"
        return self.problem

    @property
    def packed(self) -> bool:
        """Whether its dtype packs values in a way that we do not read (IQ2_XS, F6_E2M3): only the share of
        changed bytes is told then."""
        return any(form is not None and not form.readable for form in (self.old, self.new))

    @property
    def statistics(self) -> Statistics:
        if self._statistics is None:
            self._weights.measure([self])
            assert self._statistics is not None
        return self._statistics

    @statistics.setter
    def statistics(self, value: Statistics) -> None:
        self._statistics = value

    @property
    def measured(self) -> bool:
        return self._statistics is not None

    @property
    def changed_fraction(self) -> float:
        """Share of elements that differ, 0 to 1; see `Statistics.changed`."""
        return 0.0 if self.kind in _EQUAL else self.statistics.changed_fraction

    @property
    def l2(self) -> float:
        """Norm of new - old."""
        return 0.0 if self.kind in _EQUAL else self.statistics.l2

    @property
    def relative_l2(self) -> float:
        """`l2` as a share of the norm of old; infinite when that is 0."""
        return 0.0 if self.kind in _EQUAL else self.statistics.relative_l2

    @property
    def max_abs(self) -> float:
        """Largest |new - old|."""
        return 0.0 if self.kind in _EQUAL else self.statistics.max_abs

    @property
    def cosine(self) -> float:
        """Cosine of the angle between old and new; NaN when one is all zeros."""
        return self.statistics.cosine

    @property
    def mean(self) -> tuple[float, float]:
        """Before and after."""
        return self.statistics.mean_old, self.statistics.mean_new

    @property
    def std(self) -> tuple[float, float]:
        """Before and after, of the population."""
        return self.statistics.std_old, self.statistics.std_new


class _PerThread(threading.local):
    """Where the two sides' chunks are decoded."""

    def __init__(self) -> None:
        self.buffers = bytearray(MAX_CHUNK_BYTES), bytearray(MAX_CHUNK_BYTES)


_thread = _PerThread()


class Weights(Mapping[str, TensorDiff]):
    """Tensors by name; those that two files of one side share are called "path:name", which always works.

    Files that are equal on both sides take part when their recipe lists tensors; those of other formats are
    only looked into for a name that is found nowhere else.
    """

    def __init__(
        self,
        old: TensorSide,
        new: TensorSide,
        monitor: Monitor,
        changed: Callable[[], Collection[str]],
        *,
        equal_files: bool = True,
        read_bytes: int | None = None,
    ) -> None:
        """`changed`: paths of all components that differ. Without `equal_files` only tensors of files that
        differ take part. `read_bytes` limits what is read to tell whether tensors changed."""
        self._old, self._new, self._monitor, self._changed = old, new, monitor, changed
        self._equal_files, self._left = equal_files, read_bytes
        self._found: dict[str, TensorDiff] | None = None
        self._rows = Rows()

    @classmethod
    def none(cls) -> Self:
        """The comparison of two versions without weights."""
        nothing = TensorSide(EMPTY, Content(_no_object, None, None))
        return cls(nothing, nothing, Silent(), tuple)

    def __getitem__(self, name: str) -> TensorDiff:
        found = self._lookup(self._table(), name)
        if found is None and self._rows.passed and self._equal_files:
            self._found = self._paired(equal_headers=True)
            found = self._lookup(self._found, name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._table())

    def __len__(self) -> int:
        return len(self._table())

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return "<Weights: tensors by name>"

    @property
    def absent(self) -> tuple[str, ...]:
        """Files of which it is not here what tensors they have, pruned or never fetched; [""] for the list of
        files itself. With some of them absent, what one side only has is left out: it may be in there."""
        self._table()
        return tuple(dict.fromkeys(self._rows.absent))

    def of_kind(self, *kinds: str) -> list[TensorDiff]:
        return [tensor for tensor in self.values() if tensor.kind in kinds]

    def to_measure(self, paths: Collection[str] | None = None) -> list[TensorDiff]:
        """Chooses the tensors that changed and can be compared; with `paths` the models' in these files of the
        new side."""
        found = [t for t in self.of_kind("changed", "retyped") if t.comparable]
        if paths is None:
            return found
        return [t for t in found if not t.state and t.new is not None and t.new.path in paths]

    @staticmethod
    def bytes_of(tensors: Collection[TensorDiff]) -> int:
        """Bytes that measuring these would read, both sides together."""
        return sum(f.size for t in tensors if not t.measured for f in (t.old, t.new) if f)

    def measure(self, tensors: Collection[TensorDiff] | None = None) -> None:
        """Takes the figures of `tensors` (None: all that changed and can be compared) in one go.

        Raises Failure for a tensor that cannot be compared, and what reading raises.
        """
        bulk = tensors is None
        tensors = self.to_measure() if tensors is None else tensors
        todo = [tensor for tensor in tensors if not tensor.measured]
        self._monitor.begin("compare", total_bytes=self.bytes_of(todo), total_items=len(todo))
        try:
            with Pipeline() as pipeline:
                for tensor in todo:
                    try:
                        self._submit(pipeline, tensor)
                    except (UnreadableContent, *ABSENT) as error:
                        tensor.problem = _reason(error)
                pipeline.drain()
        finally:
            self._monitor.finish()
        if not bulk:
            for tensor in todo:
                if tensor.problem is not None:
                    raise not_comparable(tensor)

    def distribution(self, tensor: TensorDiff, *, bins: int = 64) -> Distribution:
        """Counts how far elements moved, new - old, in at most 1,024 `bins`; of a tensor that is equal, or on
        one side alone, its values. Raises Failure(kind="not-comparable")."""
        alone = tensor.kind in (*_EQUAL, "added", "removed")
        old, new = (None, present(tensor.pair)) if alone else tensor.pair
        if tensor.packed or new is None or (old is not None and not tensor.comparable):
            raise not_comparable(tensor)
        if old is not None:
            old, new = self._level(old, new)
        before = None if old is None else Located(self._old.content, old.dtype, old.pieces)
        content = (self._old if tensor.new is None else self._new).content
        return distribution(Located(content, new.dtype, new.pieces), before, bins)

    def kind(self, old: TensorRow | None, new: TensorRow | None) -> str:
        if old is None:
            return "added"
        if new is None:
            return "removed"
        if (old.dtype, old.shape) != (new.dtype, new.shape):
            return "reshaped" if old.dtype == new.dtype else "retyped"
        if old.name != new.name:
            return "renamed"
        old, new = self._level(old, new)
        return "unchanged" if self._equal(old, new) else "changed"

    # ---------------------------------------------------------------- inside

    def _table(self) -> dict[str, TensorDiff]:
        if self._found is None:
            self._found = self._paired()
        return self._found

    def _paired(self, *, equal_headers: bool = False) -> dict[str, TensorDiff]:
        rows = self._rows = gather(
            self._old, self._new, self._changed(),
            equal_headers=equal_headers, equal_recipes=self._equal_files,
        )  # fmt: skip
        pairs = matched(rows.old, rows.new)
        if rows.absent:
            pairs = [pair for pair in pairs if pair[0] is not None and pair[1] is not None]
        uses = Counter(present(pair).name for pair in pairs)
        states = rows.states()
        found = {}
        for pair in pairs:
            row = present(pair)
            label = row.name if uses[row.name] == 1 else f"{row.path}:{row.name}"
            state = (row.path, row.name) in states
            found[label] = TensorDiff(self, row.name, *pair, state=state)
        return found

    @staticmethod
    def _lookup(found: Mapping[str, TensorDiff], name: str) -> TensorDiff | None:
        if name in found:
            return found[name]
        for tensor in found.values():
            forms = (form for form in (tensor.old, tensor.new) if form is not None)
            if tensor.kind == "renamed" and tensor.old_name == name:
                return tensor
            if any(f"{form.path}:{tensor.name}" == name for form in forms):
                return tensor
        return None

    def _level(self, old: TensorRow, new: TensorRow) -> tuple[TensorRow, TensorRow]:
        """Both with their axes in one order."""
        if old.order == new.order:
            return old, new
        return self._old.turned(old), self._new.turned(new)

    def _equal(self, old: TensorRow, new: TensorRow) -> bool:
        """By content keys; where the cutting did not heed tensors, by chunks, then by the bytes in question."""
        if old.key is not None and new.key is not None:
            return old.key == new.key
        if old.size != new.size or old.coded != new.coded:
            return self._differ(old, new)
        if old.stored_size == new.stored_size:
            runs = windows(old.stored(), 1, new.stored(), 1)
            if all(same(a, b) for a, b in runs):
                return True
        for a, b in windows(old.pieces(), 1, new.pieces(), 1):
            if same(a, b):
                continue
            self._spend(sum(piece.stop - piece.start for piece in (*a, *b)))
            with blaming(new.path):
                if self._old.content.join(a) != self._new.content.join(b):
                    return self._differ(old, new)
        return True

    @staticmethod
    def _differ(old: TensorRow, new: TensorRow) -> bool:
        """False. Raises Unreadable for elements in code, which may be equal though their bytes are not."""
        if old.coded or new.coded:
            raise UnreadableContent("it is stored in a code that is not read")
        return False

    def _spend(self, size: int) -> None:
        if self._left is not None:
            self._left -= size
            if self._left < 0:
                raise UnreadableContent(UnreadableContent.LARGE)

    def _submit(self, pipeline: Pipeline, tensor: TensorDiff) -> None:
        old, new = tensor.pair
        if tensor.obstacle is not None or old is None or new is None:
            raise not_comparable(tensor)
        old, new = self._level(old, new)
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
            tensor.problem = _reason(error)
        return sums

    def _piece(self, dtypes: tuple[str, str], old: Run, new: Run) -> Sums:
        mine = _thread.buffers
        with blaming(old[0].path):
            before = self._old.content.load_into(mine[0], old)
        known = old[0].part.chunk if len(old) == 1 else None, before
        with blaming(new[0].path):
            after = before if same(old, new) else self._new.content.load_into(mine[1], new, known)
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


def _reason(error: Exception) -> str:
    return "its content is not here" if isinstance(error, ABSENT) else str(error)


def not_comparable(tensor: TensorDiff) -> Failure:
    cause = tensor.obstacle
    return Failure(f"{tensor.name} cannot be compared", kind="not-comparable", cause=cause)


def weights(core: Core, sides: Sides) -> Weights:
    """The tensors of two sides, of which nothing is read yet."""
    old, new = sides.old, sides.new
    before = Content(old.fetch, core.store, None)
    after = Content(new.fetch, None if new.place else core.store, new.place)
    also = sides.weights_on_one_side
    left, right = TensorSide(old.version, before, also), TensorSide(new.version, after, also)
    return Weights(left, right, core.monitor, lambda: sides.changes)


def _no_object(id: Digest) -> NoReturn:
    raise MissingObject(f"{id.short()} is nowhere")
