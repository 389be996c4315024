"""The tensors of two sides by label: by name, whatever files they lie in.

Making a `Weights` costs nothing. The first look reads recipes; a tensor's figures are taken from the data when
they are asked for. Tensors whose chunks are equal are known as equal without reading them.

Tensors match by file and name first; those left over match by name across files, so a model that was sharded
anew is compared tensor by tensor; and then by equal content, which was renamed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NoReturn, Self

from mvcd.errors import MissingObject
from mvcd.ids import Digest
from mvcd.monitor import Monitor, Silent
from mvcd.objects.version import EMPTY
from mvcd.repo.contents.distribution import Distribution
from mvcd.repo.contents.pieces import Content
from mvcd.repo.tensors.figures import Figures, bytes_of
from mvcd.repo.tensors.sameness import Sameness
from mvcd.repo.tensors.tensordiff import TensorDiff
from mvcd.repo.tensors.tensormatch import matched, present
from mvcd.repo.tensors.tensorrows import Rows, gather
from mvcd.repo.tensors.tensortable import TensorSide, TensorSides


class Weights(Mapping[str, TensorDiff]):
    """Tensors by name; those that two files of one side share are called "path:name", which always works.

    Files that are equal on both sides take part when their recipe lists tensors; those of other formats are
    only looked into for a name that is found nowhere else.
    """

    def __init__(
        self,
        sides: TensorSides,
        monitor: Monitor,
        changed: Callable[[], Collection[str]],
        *,
        equal_files: bool = True,
        read_bytes: int | None = None,
    ) -> None:
        """`changed`: paths of all components that differ. Without `equal_files` only tensors of files that
        differ take part. `read_bytes` limits what is read to tell whether tensors changed."""
        self._sides, self._changed, self._equal_files = sides, changed, equal_files
        self._sameness, self._figures = Sameness(sides, read_bytes), Figures(sides, monitor)
        self._found: dict[str, TensorDiff] | None = None
        self._rows = Rows()

    @classmethod
    def none(cls) -> Self:
        """The comparison of two versions without weights."""
        nothing = TensorSide(EMPTY, Content(_no_object, None, None))
        return cls(TensorSides(nothing, nothing), Silent(), tuple)

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
        return bytes_of(tensors)

    def measure(self, tensors: Collection[TensorDiff] | None = None) -> None:
        """Takes the figures of `tensors` (None: all that changed and can be compared) in one go.

        Raises Failure for a tensor that cannot be compared, and what reading raises.
        """
        if tensors is None:
            self._figures.take(self.to_measure())
        else:
            self._figures.measure(tensors)

    def distribution(self, tensor: TensorDiff, *, bins: int = 64) -> Distribution:
        """Counts how far elements moved, new - old, in at most 1,024 `bins`; of a tensor that is equal, or on
        one side alone, its values. Raises Failure(kind="not-comparable")."""
        return self._figures.distribution(tensor, bins)

    # ---------------------------------------------------------------- inside

    def _table(self) -> dict[str, TensorDiff]:
        if self._found is None:
            self._found = self._paired()
        return self._found

    def _paired(self, *, equal_headers: bool = False) -> dict[str, TensorDiff]:
        rows = self._rows = gather(
            self._sides, self._changed(),
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
            judged = self._sameness.kind(*pair)
            found[label] = TensorDiff(pair, *judged, self._figures.measure, state=state)
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


def _no_object(id: Digest) -> NoReturn:
    raise MissingObject(f"{id.short()} is nowhere")
