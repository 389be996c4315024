"""One tensor on both sides: what became of it, and by how much it changed."""

from __future__ import annotations

from collections.abc import Callable, Collection

from mvcd.errors import Failure
from mvcd.inspect.statistics import Statistics
from mvcd.repo.tensors.tensormatch import Pair, present
from mvcd.repo.tensors.tensortable import form_of

EQUAL = ("unchanged", "renamed")
"""Kinds of tensors whose content is as before."""


class TensorDiff:
    """One tensor on both sides. Figures are read from the data when first asked for.

    `kind`: "unchanged", "changed", "added", "removed", "reshaped", "retyped" (dtype; perhaps shape too), or
    "renamed", with the same content; `name` is then the new one. Figures of an unchanged or renamed tensor that
    follow from its being so cost no reading. Asking for those of a tensor that cannot be compared raises
    Failure, kind "not-comparable". `state`: whether it is training state, not the model's.
    """

    __slots__ = (
        "_measure",
        "_statistics",
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
        pair: Pair,
        kind: str,
        problem: str | None,
        measure: Callable[[Collection[TensorDiff]], None],
        *,
        state: bool = False,
    ) -> None:
        """`measure` takes the figures of tensors and puts them into `statistics`."""
        self._measure = measure
        self._statistics: Statistics | None = None
        self.pair = pair
        self.name = present(pair).name
        self.old, self.new = map(form_of, pair)
        self.kind = kind
        self.problem = problem  # why its data cannot be read
        self.state = state

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
            self._measure([self])
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
        return 0.0 if self.kind in EQUAL else self.statistics.changed_fraction

    @property
    def l2(self) -> float:
        """Norm of new - old."""
        return 0.0 if self.kind in EQUAL else self.statistics.l2

    @property
    def relative_l2(self) -> float:
        """`l2` as a share of the norm of old; infinite when that is 0."""
        return 0.0 if self.kind in EQUAL else self.statistics.relative_l2

    @property
    def max_abs(self) -> float:
        """Largest |new - old|."""
        return 0.0 if self.kind in EQUAL else self.statistics.max_abs

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


def not_comparable(tensor: TensorDiff) -> Failure:
    cause = tensor.obstacle
    return Failure(f"{tensor.name} cannot be compared", kind="not-comparable", cause=cause)
