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
from mvcd.repo.tensors.differing import Differing
from mvcd.repo.tensors.figures import Figures, bytes_of
from mvcd.repo.tensors.tensordiff import TensorDiff
from mvcd.repo.tensors.tensormatch import present
from mvcd.repo.tensors.tensorrows import EqualRows, gather_equal
from mvcd.repo.tensors.tensortable import TensorSide, TensorSides


class Weights(Mapping[str, TensorDiff]):
    """Tensors by name; those that two files of one side share are called "path:name", which always works.

    Files that are equal on both sides take part when their recipe lists tensors; those of other formats are
    only looked into for a name that is found nowhere else. What asks only for tensors that changed reads none
    of them.
    """

    def __init__(
        self, sides: TensorSides, monitor: Monitor, changed: Callable[[], Collection[str]]
    ) -> None:
        """`changed`: paths of all components that differ."""
        self._sides, self._changed = sides, changed
        self._figures = Figures(sides, monitor)
        self._differing = Differing(sides, changed, self._figures)
        self._equal: EqualRows | None = None
        self._found: dict[str, TensorDiff] = {}
        self._headers = False  # whether those of equal files were read too

    @classmethod
    def none(cls) -> Self:
        """The comparison of two versions without weights."""
        nothing = TensorSide(EMPTY, Content(_no_object, None, None))
        return cls(TensorSides(nothing, nothing), Silent(), tuple)

    def __getitem__(self, name: str) -> TensorDiff:
        if self._equal is None and name in self._differing.by_path:
            return self._differing.by_path[name]  # no others need be read to know it
        found = self._lookup(self._table(), name)
        if found is None and not self._headers:
            found = self._lookup(self._table(headers=True), name)
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
        files itself. With some absent that differ, what one side only has is left out: it may be in there."""
        self._table()
        assert self._equal is not None
        return tuple(dict.fromkeys([*self._differing.absent, *self._equal.absent]))

    def of_kind(self, *kinds: str) -> list[TensorDiff]:
        """Chooses by what became of them. Reads no equal files unless one of `kinds` is "unchanged"."""
        every = self.values() if "unchanged" in kinds else self._differing.tensors
        return [tensor for tensor in every if tensor.kind in kinds]

    def moved_to(self) -> set[str]:
        """Files of the new side with a tensor that lay in another file before."""
        forms = ((t.old, t.new) for t in self._differing.tensors)
        return {new.path for old, new in forms if old and new and old.path != new.path}

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

    def _table(self, *, headers: bool = False) -> dict[str, TensorDiff]:
        if self._equal is None or (headers and not self._headers):
            equal = gather_equal(self._sides, self._changed(), headers=headers)
            self._found = self._labelled(equal)
            self._equal, self._headers = equal, headers
        return self._found

    def _labelled(self, equal: EqualRows) -> dict[str, TensorDiff]:
        if "" in equal.absent:
            return {}
        found = [t for t in self._differing.tensors if t.new is not None]
        measure = self._figures.measure
        for rows, states in equal.files.values():
            for row in rows:
                state = row.name in states
                found.append(TensorDiff((row, row), "unchanged", None, measure, state=state))
        found.sort(key=lambda tensor: present(tensor.pair).path)
        found += [t for t in self._differing.tensors if t.new is None]
        uses = Counter(tensor.name for tensor in found)
        return {
            t.name if uses[t.name] == 1 else f"{present(t.pair).path}:{t.name}": t for t in found
        }

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
