"""Metrics that lie in rows, one row a step: the last value of each column, and one column over its steps.

Rows may be sparse, for loggers write training and validation metrics on rows of their own: a cell that is empty
or absent says nothing, and the value above it stays. Memory does not grow with the rows.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

from mvcd.inspect.axes import STEPS, is_axis
from mvcd.inspect.flatten import MAX_KEYS, flatten, scalar
from mvcd.inspect.table import NoTable, distinct_names
from mvcd.objects.version import Value

if TYPE_CHECKING:
    from mvcd.inspect.delimited import Sheet

MAX_POINTS_VALUES = 10_000
"""Points kept of one column over its steps; of more, every second one goes, and again."""

_MISSING = frozenset(("", "na", "n/a", "null", "none", "-"))
"""Cells that say nothing, in lower case. `nan` says that training went wrong."""

_NAME_COLUMNS = frozenset("metric name key measure variable tag".split())
_VALUE_COLUMNS = frozenset("value val score result".split())
_SCALARS = (int, float, str, bool, type(None))

_INTEGER = re.compile(r"[-+]?[0-9]{1,19}")
_FLOAT = re.compile(
    r"[-+]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE
)
_DECIMAL_COMMA = re.compile(r"([-+]?[0-9]+),([0-9]+(?:[eE][-+]?[0-9]+)?)")
_WORDS: Mapping[str, Value] = {"true": True, "false": False}


class LastValues:
    """Takes rows in the order of the file. `values` are the last ones by column; `points` are (step, value) of
    the column `wanted`, where one is: of a step that comes again, as after a resume, the newest. Adding raises
    ValueError past MAX_KEYS columns."""

    def __init__(self, wanted: str | None = None) -> None:
        self.values: dict[str, Value] = {}
        self.rows = 0
        self._kept: dict[float, float] = {}
        self._wanted = wanted
        self._seen = 0
        self._every = 1

    @property
    def points(self) -> list[tuple[float, float]]:
        return list(self._kept.items())

    def add(self, row: Mapping[str, Value]) -> None:
        self.rows += 1
        for key, value in row.items():
            if value is not None or key not in self.values:
                self.values[key] = value
        if len(self.values) > MAX_KEYS:
            raise ValueError(f"more than {MAX_KEYS:,} columns")
        if self._wanted is not None and self._wanted in row:
            self._point(row[self._wanted])

    def _point(self, value: Value) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return
        step = self._step()
        if step in self._kept:
            self._kept[step] = float(value)
            return
        self._seen += 1
        if self._seen % self._every:
            return
        self._kept[step] = float(value)
        if len(self._kept) > MAX_POINTS_VALUES:
            self._every *= 2
            self._kept = dict(self.points[1::2])

    def _step(self) -> float:
        """The row's own, else the one last seen, else how many rows there were."""
        for name in STEPS:
            for key in (name, f"_{name}", f"train/{name}", f"trainer/{name}", f"time/{name}"):
                step = self.values.get(key)
                if isinstance(step, (int, float)) and not isinstance(step, bool):
                    return float(step)
        return float(self.rows)


def read_delimited(file: BinaryIO, usual: str, into: LastValues) -> None:
    """Rows of a CSV or TSV file. Raises NoTable, ValueError and csv.Error."""
    from mvcd.inspect.delimited import sheet  # late: start-up

    found = sheet(file, usual)
    rows = _complete(found)
    names = _names(found)
    if _is_long(found.header, names):
        _read_long(found, rows, names, into)
    elif found.header and not found.header[0].strip() and len(names) > 1:
        _read_labelled(rows, names, found.delimiter, into)
    else:
        for cells in rows:
            into.add(dict(zip(names, (cell(c, found.delimiter) for c in cells), strict=False)))
    if not into.rows:
        raise ValueError("no row under a header")


def read_json_lines(file: BinaryIO, into: LastValues) -> None:
    """Objects, one a line; other lines are passed over. Raises NoTable and ValueError."""
    from mvcd.inspect.delimited import TextLines  # late: start-up

    lines = TextLines(file)
    for line in lines:
        lines.row_ended()
        try:
            row = json.loads(line) if line.count(",") < MAX_KEYS else None
        except (ValueError, RecursionError):
            continue  # blank, or a last line cut short by a writer that was killed
        if isinstance(row, dict) and row:
            into.add(long_form(flat_row(row)))
    if not into.rows:
        raise ValueError("no line is a JSON object")


def read_objects(rows: Iterable[object], into: LastValues) -> None:
    """Objects of a list. Raises ValueError."""
    for row in rows:
        if isinstance(row, dict):
            into.add(long_form(flat_row(row)))


def flat_row(row: Mapping[str, object]) -> dict[str, Value]:
    """`flatten`, faster for the usual row, which nests nothing."""
    if all(isinstance(value, _SCALARS) for value in row.values()) and "." not in "".join(row):
        return {key.encode("utf-8", "replace").decode(): scalar(v) for key, v in row.items()}
    return flatten(row)


def long_form(row: Mapping[str, Value]) -> Mapping[str, Value]:
    """`{"metric": "loss", "value": 0.5, "step": 1}` as `{"loss": 0.5, "step": 1}`; any other row as it is."""
    parts = _long_columns(list(row))
    if parts is None or not isinstance(row[parts[0]], str):
        return row
    name, value = parts
    return {str(row[name]): row[value]} | {k: v for k, v in row.items() if k not in parts}


def cell(text: str, delimiter: str = ",") -> Value:
    """What a cell says; None for one that is missing. `0,5` is a number where `;` separates."""
    text = text.strip()
    if _INTEGER.fullmatch(text):
        return scalar(int(text))
    if _FLOAT.fullmatch(text):
        return float(text)
    if delimiter == ";" and (match := _DECIMAL_COMMA.fullmatch(text)):
        return float(f"{match[1]}.{match[2]}")
    lowered = text.lower()
    return None if lowered in _MISSING else _WORDS.get(lowered, scalar(text))


# ---------------------------------------------------------------- delimited files


def _complete(found: Sheet) -> Iterator[list[str]]:
    """Rows as wide as the header: below one that is, shorter ones are filled up, but for a last one that its
    writer was killed in; longer ones are cut if nothing stands there, else passed over, and so are headers
    repeated further down."""
    wide = False
    for row in found.rows:
        cells = row[: found.width]
        if not row or any(c.strip() for c in row[found.width :]) or row == found.header:
            continue
        if len(row) < found.width:
            if found.lines.torn or not wide:
                continue
            cells = row + [""] * (found.width - len(row))
        wide = True
        yield cells


def _names(found: Sheet) -> list[str]:
    """Of the columns; a last one without name or cells comes of a comma at the end of each line."""
    if found.header is None:
        return distinct_names([""] * found.width)
    header = found.header
    while len(header) > 1 and not header[-1].strip():
        header = header[:-1]
    return distinct_names(header)


def _is_long(header: Sequence[str] | None, names: Sequence[str]) -> bool:
    from mvcd.inspect.delimited import is_number  # late: start-up

    if header is None:
        return False
    if _long_columns(names) is not None:
        return True
    return len(names) == 2 and is_number(header[1]) and not is_number(header[0])  # it has no header


def _long_columns(names: Sequence[str]) -> tuple[str, str] | None:
    """The columns of names and of values, where all others are axes."""
    if len(names) < 2:
        return None
    name = [n for n in names if n.strip().lower() in _NAME_COLUMNS]
    value = [n for n in names if n.strip().lower() in _VALUE_COLUMNS]
    rest = [n for n in names if n not in name and n not in value]
    fits = len(name) == len(value) == 1 and all(map(is_axis, rest))
    return (name[0], value[0]) if fits else None


def _read_long(
    found: Sheet, rows: Iterator[list[str]], names: Sequence[str], into: LastValues
) -> None:
    assert found.header is not None
    parts = _long_columns(names)
    if parts is None:
        into.add({found.header[0].strip(): cell(found.header[1], found.delimiter)})
        for name, value, *_ in rows:
            into.add({name.strip(): cell(value, found.delimiter)})
        return
    for cells in rows:
        row = dict(zip(names, (cell(c, found.delimiter) for c in cells), strict=False))
        into.add(long_form({**row, parts[0]: str(cells[names.index(parts[0])]).strip()}))


def _read_labelled(
    rows: Iterator[list[str]], names: Sequence[str], delimiter: str, into: LastValues
) -> None:
    """A first column without a name: the index that pandas writes if its cells are numbers, else labels, as in
    a classification report (`macro avg.precision`)."""
    from mvcd.inspect.delimited import is_number  # late: start-up

    for cells in rows:
        label = cells[0].strip()
        values = dict(zip(names, (cell(c, delimiter) for c in cells), strict=False))
        if label and not is_number(label):
            del values[names[0]]
            values = {f"{label}.{name}": value for name, value in values.items()}
        into.add(values)


UNREADABLE = (NoTable, ValueError, RecursionError, csv.Error)
"""What the readers above raise of a file that is not what its name says."""
