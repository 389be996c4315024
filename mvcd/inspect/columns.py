"""What stands in a column: type, missing cells, least, greatest, mean, distinct values up to a bound.

Means are sums of running differences (Welford 1962), so a long column loses no digits. Distinct values are
counted by their 64-bit hashes: exact up to DISTINCT, then "more than". Memory is bounded per column and in all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from blake3 import blake3

DISTINCT = 10_000
"""Values told apart in one column; the columns of a file share ten times that."""

_ALL_DISTINCT = 10 * DISTINCT
_MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "-"))
NUMBER = re.compile(
    r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?inf(?:inity)?", re.IGNORECASE
)
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BOOLEANS = frozenset(("true", "false"))
_LONGEST_NUMBER = 64


@dataclass(frozen=True, slots=True)
class Column:
    """`type`: "int", "float", "bool", "text", "mixed", "empty", what Arrow calls it, or "" for not known."""

    name: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """`missing`: empty cells, absent keys, null, NaN. Figures of numbers are None for a column without any.

    `distinct` counts different values that are not missing; `distinct_more` tells that there are more.
    """

    type: str
    missing: int
    distinct: int
    distinct_more: bool
    min: float | None = None
    max: float | None = None
    mean: float | None = None


class _Gathering:
    __slots__ = (
        "booleans",
        "hashes",
        "high",
        "integers",
        "low",
        "mean",
        "more",
        "numbers",
        "present",
    )

    def __init__(self) -> None:
        self.present = self.numbers = self.integers = self.booleans = 0
        self.low, self.high, self.mean = math.inf, -math.inf, 0.0
        self.hashes: set[int] = set()
        self.more = False

    def number(self, value: float, *, integer: bool) -> None:
        self.numbers += 1
        self.integers += integer
        self.low = min(self.low, value)
        self.high = max(self.high, value)
        self.mean += (value - self.mean) / self.numbers

    def finish(self, rows: int) -> ColumnSummary:
        numeric = self.numbers > 0
        return ColumnSummary(
            self._type(),
            rows - self.present,
            len(self.hashes),
            self.more,
            self.low if numeric else None,
            self.high if numeric else None,
            self.mean if numeric and math.isfinite(self.mean) else None,
        )

    def _type(self) -> str:
        if not self.present:
            return "empty"
        if self.numbers == self.present:
            return "int" if self.integers == self.numbers else "float"
        if self.booleans == self.present:
            return "bool"
        return "mixed" if self.numbers or self.booleans else "text"


class Gatherer:
    """Takes rows, gives summaries. Columns that rows bring along are added as they come."""

    def __init__(self, names: Sequence[str]) -> None:
        self._columns = {name: _Gathering() for name in names}
        self._order = list(self._columns.values())
        self._distinct = 0

    def add_text(self, cells: Sequence[str]) -> None:
        """A row of a delimited file: cells past the last column are dropped, absent ones are missing."""
        for column, written in zip(self._order, cells, strict=False):
            cell = written.strip()
            lowered = cell.lower() if len(cell) <= _LONGEST_NUMBER else cell
            if lowered in _MISSING:
                continue
            column.present += 1
            if len(cell) <= _LONGEST_NUMBER and NUMBER.fullmatch(cell):
                column.number(float(cell), integer=_INTEGER.fullmatch(cell) is not None)
            elif lowered in _BOOLEANS:
                column.booleans += 1
            self._tell_apart(column, cell)

    def add_values(self, row: Mapping[str, object]) -> None:
        """A row of JSON values."""
        for name, value in row.items():
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = _Gathering()
            self._value(column, value)

    def add_column(self, name: str, values: Iterable[object]) -> None:
        """Values of several rows."""
        column = self._columns[name]
        for value in values:
            self._value(column, value)

    def _value(self, column: _Gathering, value: object) -> None:
        """Of containers only their text is compared."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return
        column.present += 1
        if isinstance(value, bool):
            column.booleans += 1
        elif isinstance(value, (int, float)):
            column.number(_float(value), integer=isinstance(value, int))
        self._tell_apart(column, value)

    def finish(self, rows: int) -> dict[str, ColumnSummary]:
        return {name: column.finish(rows) for name, column in self._columns.items()}

    def _tell_apart(self, column: _Gathering, value: object) -> None:
        if column.more:
            return
        key = _key(value)
        if key in column.hashes:
            return
        if len(column.hashes) >= DISTINCT or self._distinct >= _ALL_DISTINCT:
            column.more = True
            return
        column.hashes.add(key)
        self._distinct += 1


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer past 1e308
        return math.inf if value > 0 else -math.inf


def _key(value: object) -> int:
    """64 bits; Python's own hash of text differs from process to process, and can be forged."""
    text = value if isinstance(value, str) else repr(value)
    return int.from_bytes(blake3(text.encode("utf-8", "replace")).digest(length=8), "little")
