"""What stands in a column: type, missing cells, least, greatest, mean, distinct values up to a bound.

Cells are taken some thousand rows at a time. A column of nothing but numbers is then converted by one `map`,
five times faster than cell by cell; any other goes the slow way, which decides alike. Means are weighted means
of correctly rounded sums, so a long column loses no digits. Distinct values are exact up to DISTINCT_VALUES,
then "more than"; long ones are told apart by a digest. Memory is bounded per column and in all.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import zip_longest

from blake3 import blake3

from mvcd.lateclasses import dataclass

DISTINCT_VALUES = 10_000
"""Values told apart in one column; the columns of a file share ten times that."""

_ALL_DISTINCT_VALUES = 10 * DISTINCT_VALUES
_MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "-"))
NUMBER = re.compile(
    r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?inf(?:inity)?", re.IGNORECASE
)
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BOOLEANS = frozenset(("true", "false"))
_LONGEST_NUMBER_CHARACTERS = 64
_LONGEST_KEY_CHARACTERS = (
    64  # characters of a value kept to tell it apart; of longer ones a digest is
)
_BATCH_CELLS = 50_000
_BATCH_CHARACTERS = 4 << 20
_Key = str | float | bytes | tuple[bool]


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
        "high",
        "integers",
        "low",
        "mean",
        "more",
        "numbers",
        "present",
        "seen",
    )

    def __init__(self) -> None:
        self.present = self.numbers = self.integers = self.booleans = 0
        self.low, self.high, self.mean = math.inf, -math.inf, 0.0
        self.seen: set[_Key] = set()
        self.more = False

    def add_numbers(self, values: Sequence[float], *, integers: int) -> None:
        """Not NaN. Raises OverflowError, before anything was added, for what no double can hold."""
        mean = math.fsum(values) / len(values)
        self.numbers += len(values)
        self.integers += integers
        low, high = float(min(values)), float(max(values))
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.mean += (mean - self.mean) * (len(values) / self.numbers)

    def add_cells(self, cells: Sequence[str]) -> None:
        """Cells of text, of which the ends do not count."""
        filled = [cell for cell in cells if cell]
        if filled and not self._add_quickly(filled):
            for cell, count in Counter(filled).items():
                self._add_cell(cell, count)

    def _add_quickly(self, cells: Sequence[str]) -> bool:
        joined = "".join(cells)
        if (
            "_" in joined
            or not joined.isascii()
            or max(map(len, cells)) > _LONGEST_NUMBER_CHARACTERS
        ):
            return False  # Python reads 1_000 and Arabic digits as numbers
        values: list[float]
        for convert in (int, float):
            try:
                values = list(map(convert, cells))
                break
            except ValueError:
                continue
        else:
            return False
        try:
            if convert is float and any(map(math.isnan, values)):
                return False
            self.add_numbers(values, integers=len(values) if convert is int else 0)
        except (OverflowError, ValueError):  # the second for both infinities
            return False
        self.present += len(values)
        return True

    def _add_cell(self, written: str, count: int) -> None:
        cell = written.strip()
        lowered = cell.lower() if len(cell) <= _LONGEST_NUMBER_CHARACTERS else cell
        if lowered in _MISSING:
            return
        self.present += count
        if len(cell) <= _LONGEST_NUMBER_CHARACTERS and NUMBER.fullmatch(cell):
            self._add_number(float(cell), count, integer=_INTEGER.fullmatch(cell) is not None)
        elif lowered in _BOOLEANS:
            self.booleans += count

    def add_value(self, value: object) -> None:
        """Of JSON or Arrow; containers count as text."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return
        self.present += 1
        if isinstance(value, bool):
            self.booleans += 1
        elif isinstance(value, (int, float, Decimal)):
            self._add_number(_float(value), 1, integer=isinstance(value, int))

    def _add_number(self, value: float, count: int, *, integer: bool) -> None:
        self.numbers += count
        self.integers += count * integer
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.mean += (value - self.mean) * (count / self.numbers)

    def finish(self, rows: int) -> ColumnSummary:
        numeric = self.numbers > 0
        return ColumnSummary(
            self._type(),
            rows - self.present,
            len(self.seen),
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
    """Takes rows, gives summaries. Columns that rows bring along are added as they come.

    With `whole`, rows are of a part of a table whose other parts it has taken: columns of a name are one. The
    whole then is asked for the summaries.
    """

    def __init__(self, names: Sequence[str], whole: Gatherer | None = None) -> None:
        self._whole = self if whole is None else whole
        self._all: dict[str, _Gathering] = {} if whole is None else whole._all
        self._columns = {name: self._all.setdefault(name, _Gathering()) for name in names}
        self._cells = self._characters = 0  # of the rows at hand
        self._rows: list[Sequence[str]] = []
        self._distinct = 0

    def add_text(self, cells: Sequence[str]) -> None:
        """A row of a delimited file: cells past the last column are dropped, absent ones are missing."""
        self._rows.append(cells)
        self._cells += len(cells) + 1
        self._characters += sum(map(len, cells))
        if self._cells >= _BATCH_CELLS or self._characters >= _BATCH_CHARACTERS:
            self._take_rows()

    def add_values(self, row: Mapping[str, object]) -> None:
        """A row of JSON values."""
        for name, value in row.items():
            column = self._all.get(name)
            if column is None:
                column = self._all[name] = _Gathering()
            column.add_value(value)
            self._tell_apart(column, (value,))

    def add_column(self, name: str, values: Sequence[object]) -> None:
        """Values of several rows."""
        column = self._all[name]
        for value in values:
            column.add_value(value)
        self._tell_apart(column, values)

    def finish(self, rows: int) -> dict[str, ColumnSummary]:
        self._take_rows()
        return {name: column.finish(rows) for name, column in self._all.items()}

    def _take_rows(self) -> None:
        rows, self._rows = self._rows, []
        self._cells = self._characters = 0
        for column, cells in zip(
            self._columns.values(), zip_longest(*rows, fillvalue=""), strict=False
        ):
            column.add_cells(cells)
            if not column.more:
                stripped = map(str.strip, dict.fromkeys(cells))
                self._tell_apart(column, (c for c in stripped if c.lower() not in _MISSING))

    def _tell_apart(self, column: _Gathering, values: Iterable[object]) -> None:
        if column.more:
            return
        for value in values:
            key = _key(value)
            if key is None or key in column.seen:
                continue
            if len(column.seen) >= DISTINCT_VALUES or self._whole._distinct >= _ALL_DISTINCT_VALUES:
                column.more = True
                return
            column.seen.add(key)
            self._whole._distinct += 1


def _float(value: float | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer past 1e308
        return math.inf if value > 0 else -math.inf


def _key(value: object) -> _Key | None:
    """Equal for equal values, but True is not 1; None for what counts as missing."""
    if isinstance(value, str):
        if len(value) <= _LONGEST_KEY_CHARACTERS:
            return value
        text = value
    elif value is None or isinstance(value, float):
        return None if value is None or math.isnan(value) else value
    elif isinstance(value, bool):
        return (value,)
    elif isinstance(value, int) and abs(value) < 1 << 63:
        return value
    else:
        text = repr(value)
    return blake3(text.encode("utf-8", "replace")).digest(length=16)
