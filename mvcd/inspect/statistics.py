"""What a change did to a tensor, in figures. All are of float64 arithmetic, whatever the dtype.

Pieces are compared one by one (`piece`), merged in order, and only then turned into figures, so that a
tensor of any size needs one `Sums`. What is not finite is counted and left out of every other figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import lcm
from typing import Self

from mvcd.ids import Bytes
from mvcd.inspect import _compare
from mvcd.inspect.compare import DTYPES, ELEMENTS, WIDTHS

_NUMBERS = {name: number for number, name in enumerate(DTYPES)} | {
    "BOOL": DTYPES.index("U8"),
    "C64": DTYPES.index("F32"),
    "C128": DTYPES.index("F64"),
    "F4_X2": DTYPES.index("F4"),
}
"""A complex number counts as two elements, as does torch's pair of four-bit floats; a bool is 0 or 1."""


def is_number(dtype: str) -> bool:
    """Whether tensors of this dtype have statistics; those packed in ways that we do not read have only equal
    or not."""
    return dtype in _NUMBERS


def kernel_dtype(dtype: str) -> int:
    """The number by which the kernel knows a dtype. Raises KeyError unless `is_number`."""
    return _NUMBERS[dtype]


def unit(dtype: str) -> tuple[int, int]:
    """Bytes, and elements as statistics count them, of what cannot be cut: of a block where elements are packed
    together, of one element elsewhere. Raises KeyError unless `is_number`."""
    number = _NUMBERS[dtype]
    return WIDTHS[number], ELEMENTS[number]


@dataclass(frozen=True, slots=True)
class Stride:
    """The fewest elements that are whole units of both dtypes, and the bytes that they take on each side."""

    elements: int
    old: int
    new: int

    @classmethod
    def of(cls, old_dtype: str, new_dtype: str) -> Self:
        (old, in_old), (new, in_new) = unit(old_dtype), unit(new_dtype)
        elements = lcm(in_old, in_new)
        return cls(elements, elements // in_old * old, elements // in_new * new)


_SMALLEST = 1e-290
"""Sums of squares below this have lost digits, or all of them, to the end of float64's range."""


def _finite(value: float) -> float:
    """NaN for what overflowed: it has a value, but not one that was computed."""
    return value if math.isfinite(value) else math.nan


def _root(squares: float, *, anything: bool) -> float:
    """A norm from its sum of squares, NaN where that left the range of float64; `anything` is not zero."""
    if not math.isfinite(squares) or (squares < _SMALLEST and anything):
        return math.nan
    return math.sqrt(squares)


def _cosine(dot: float, before: float, after: float) -> float:
    if not before or not after:
        return math.nan
    cosine = dot / before / after
    return max(-1.0, min(1.0, cosine)) if math.isfinite(cosine) else math.nan


@dataclass(slots=True)
class SideStatistics:
    """One side's finite elements; `spread` is the sum of squared distances from the mean."""

    finite: int = 0
    nans: int = 0
    infinities: int = 0
    mean: float = 0.0
    spread: float = 0.0

    def merge(self, other: SideStatistics) -> None:
        self.nans += other.nans
        self.infinities += other.infinities
        if not other.finite:
            return
        total = self.finite + other.finite
        delta, share = other.mean - self.mean, other.finite / total
        self.mean += delta * share
        self.spread += other.spread + delta * delta * self.finite * share
        self.finite = total

    @property
    def std(self) -> float:
        """Standard deviation of the population, as numpy's `std()`; NaN without a finite element."""
        return _finite(math.sqrt(self.spread / self.finite)) if self.finite else math.nan


@dataclass(slots=True)
class Sums:
    """Over the pieces of a tensor so far; `squares` to `power_new` are over `pairs` finite on both sides."""

    elements: int
    changed: int
    pairs: int
    squares: float
    dot: float
    most: float
    power_old: float  # sum of squares
    power_new: float
    old: SideStatistics
    new: SideStatistics

    @classmethod
    def none(cls) -> Self:
        return cls(0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, SideStatistics(), SideStatistics())

    @classmethod
    def piece(cls, old_dtype: str, old: Bytes, new_dtype: str, new: Bytes) -> Self:
        """Raises ValueError unless both are whole units of equally many elements."""
        row = _compare.compare(_NUMBERS[old_dtype], old, _NUMBERS[new_dtype], new)
        return cls(*row[:8], SideStatistics(*row[8:13]), SideStatistics(*row[13:]))

    def merge(self, other: Sums) -> None:
        self.elements += other.elements
        self.changed += other.changed
        self.pairs += other.pairs
        self.squares += other.squares
        self.dot += other.dot
        self.most = max(self.most, other.most)
        self.power_old += other.power_old
        self.power_new += other.power_new
        self.old.merge(other.old)
        self.new.merge(other.new)


@dataclass(frozen=True, slots=True)
class Statistics:
    """The figures of one tensor. NaN where a figure has no value (a mean of nothing, the angle to zero), or one
    that its sums in float64 cannot hold (squares of 1e200).

    `elements` counts a complex number as two. Norms, `max_abs` and `cosine` are over pairs that are finite on
    both sides, mean and std over each side's finite elements.
    """

    elements: int
    changed: int  # elements whose bits differ; values, where the dtype changed or packs them
    norm_old: float
    norm_new: float
    l2: float  # norm of new - old
    relative_l2: float  # l2 / norm of old; infinite when old is all zeros and new is not
    max_abs: float  # largest |new - old|
    cosine: float  # of the angle between old and new
    mean_old: float
    mean_new: float
    std_old: float  # of the population
    std_new: float
    nan_old: int
    nan_new: int
    inf_old: int
    inf_new: int

    @classmethod
    def of(cls, sums: Sums) -> Self:
        old, new = sums.old, sums.new
        l2 = _root(sums.squares, anything=sums.most > 0)
        before = _root(sums.power_old, anything=old.mean != 0 or old.spread != 0)
        after = _root(sums.power_new, anything=new.mean != 0 or new.spread != 0)
        relative = (
            l2 / before if before else math.nan if math.isnan(l2) else math.inf if l2 else 0.0
        )
        return cls(
            elements=sums.elements,
            changed=sums.changed,
            norm_old=before,
            norm_new=after,
            l2=l2,
            relative_l2=relative,
            max_abs=_finite(sums.most),
            cosine=_cosine(sums.dot, before, after),
            mean_old=_finite(old.mean) if old.finite else math.nan,
            mean_new=_finite(new.mean) if new.finite else math.nan,
            std_old=old.std,
            std_new=new.std,
            nan_old=old.nans,
            nan_new=new.nans,
            inf_old=old.infinities,
            inf_new=new.infinities,
        )

    @classmethod
    def of_packed(cls, sums: Sums) -> Self:
        """Compares tensors of a dtype whose packing we do not read: elements are bytes, and only what changed
        is told."""
        none = math.nan
        return cls(
            elements=sums.elements, changed=sums.changed, norm_old=none, norm_new=none, l2=none,
            relative_l2=none, max_abs=none, cosine=none, mean_old=none, mean_new=none, std_old=none,
            std_new=none, nan_old=0, nan_new=0, inf_old=0, inf_new=0,
        )  # fmt: skip

    @property
    def changed_fraction(self) -> float:
        """0 to 1."""
        return self.changed / self.elements if self.elements else 0.0

    @property
    def sickened(self) -> bool:
        """Whether NaN or infinities appeared: more than there were."""
        return self.nan_new > self.nan_old or self.inf_new > self.inf_old
