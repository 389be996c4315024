"""The tensors of files that differ: matched, and what became of each.

Files that are equal on both sides are not read. Each of their tensors is matched with itself, whatever others
there are: so the rest is matched as it would be beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property

from mvcd.repo.tensors.figures import Figures
from mvcd.repo.tensors.sameness import Sameness
from mvcd.repo.tensors.tensordiff import TensorDiff
from mvcd.repo.tensors.tensormatch import matched, present
from mvcd.repo.tensors.tensorrows import Rows, gather
from mvcd.repo.tensors.tensortable import TensorSides


class Differing:
    """Reads when first asked. `changed`: paths of all components that differ."""

    def __init__(
        self,
        sides: TensorSides,
        changed: Callable[[], Collection[str]],
        figures: Figures,
        *,
        read_bytes: int | None = None,
    ) -> None:
        """`read_bytes` limits what is read to tell whether tensors changed."""
        self._sides, self._changed, self._figures = sides, changed, figures
        self._sameness = Sameness(sides, read_bytes)

    @property
    def absent(self) -> list[str]:
        """Names files as `Rows.absent` does. With some of them absent, what one side only has is left out: it
        may be in there."""
        return self._rows.absent

    @cached_property
    def tensors(self) -> list[TensorDiff]:
        """In the order of the new side's files, then what is gone."""
        rows = self._rows
        pairs = matched(rows.old, rows.new)
        if rows.absent:
            pairs = [pair for pair in pairs if pair[0] is not None and pair[1] is not None]
        states, measure = rows.states(), self._figures.measure
        found = []
        for pair in pairs:
            row = present(pair)
            state = (row.path, row.name) in states
            found.append(TensorDiff(pair, *self._sameness.kind(*pair), measure, state=state))
        return found

    @cached_property
    def by_path(self) -> dict[str, TensorDiff]:
        """Each under "path:name"; under the path where it lay before, too, if no other is called so."""
        found = {f"{present(tensor.pair).path}:{tensor.name}": tensor for tensor in self.tensors}
        for tensor in self.tensors:
            if tensor.old is not None:
                found.setdefault(f"{tensor.old.path}:{tensor.name}", tensor)
        return found

    @cached_property
    def _rows(self) -> Rows:
        return gather(self._sides, self._changed())
