"""How the values of a tensor are distributed, or what a change added to each of them: counted from the data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mvcd.ids import Bytes
from mvcd.inspect import _compare
from mvcd.inspect.statistics import Stride, kernel_dtype
from mvcd.repo.contents.pieces import Content, ContentPiece, Run, blaming, windows


@dataclass(frozen=True, slots=True)
class Distribution:
    """`counts[i]` values lie in the i-th of so many equal parts of [low, high], the least and the greatest.
    What is not finite is left out; without a finite value low and high are NaN, and nothing is counted."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Located:
    """A tensor's bytes: its dtype, and its pieces, walked anew each time."""

    content: Content
    dtype: str
    pieces: Callable[[], Iterator[ContentPiece]]

    def load(self, run: Run) -> Bytes:
        with blaming(run[0].path):
            return self.content.join(run)


def distribution(new: Located, old: Located | None, bins: int) -> Distribution:
    """Counts the values of `new`, or with `old` those of new - old, which has as many elements. Reads the data
    twice: the bins follow from the extent. Raises what reading raises."""
    low, high = math.inf, -math.inf
    for run in _runs(new, old):
        least, most = _compare.extent(*run)
        low, high = min(low, least), max(high, most)
    if low > high:
        return Distribution(math.nan, math.nan, (0,) * bins)
    counts = [0] * bins
    for run in _runs(new, old):
        found = _compare.histogram(low, high, bins, *run)
        counts = [a + b for a, b in zip(counts, found, strict=True)]
    return Distribution(low, high, tuple(counts))


def _runs(new: Located, old: Located | None) -> Iterator[tuple[int, Bytes, int, Bytes | None]]:
    """What the kernel takes: a dtype and its elements, and those they are compared with."""
    other = new if old is None else old
    stride = Stride.of(other.dtype, new.dtype)
    walk = windows(other.pieces(), stride.old, new.pieces(), stride.new, stride.elements)
    dtypes = kernel_dtype(new.dtype), kernel_dtype(other.dtype)
    for before, after in walk:
        yield dtypes[0], new.load(after), dtypes[1], None if old is None else old.load(before)
