"""Tables in files: columns and rows of CSV, TSV and JSON lines, and on demand a summary of each column.

One pass in blocks; memory follows neither the rows nor the longest line a file may have. Bytes that are not
UTF-8 are read as replacement characters. What is no table gives a reason, never an error. Parquet and Arrow
files are read by mvcd/inspect/arrow.py, with pyarrow; tars of samples by mvcd/inspect/samples.py.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from mvcd.inspect.columns import Column, Gatherer
from mvcd.inspect.delimited import TextLines, sheet
from mvcd.inspect.table import MAX_COLUMNS, MAX_NAME_CHARACTERS, NoTable, Table, distinct_names

DELIMITED: Mapping[str, str] = {"csv": ",", "tsv": "\t"}
JSON_LINES = ("jsonl", "ndjson")
TAR = "tar"
BINARY = ("parquet", "arrow", "feather")


def format_of(path: str) -> str | None:
    """ "csv", "tsv", "jsonl", "parquet", ... by the suffix; None for what is no table."""
    suffix = path.rpartition("/")[2].lower().rpartition(".")[2]
    if suffix in JSON_LINES:
        return "jsonl"
    return suffix if suffix in DELIMITED or suffix in BINARY or suffix == TAR else None


def read_table(path: str, file: BinaryIO, *, summaries: bool = False) -> Table:
    """Reads the whole file, but without `summaries` only the footer of Parquet. OSError passes through."""
    return _read(path, file, None, summaries=summaries)


def read_shards(files: Iterable[tuple[str, BinaryIO]], *, summaries: bool = False) -> Table:
    """The table whose rows are those of all `files`, given with their paths, in order: columns of one name are
    one column, and its type is "mixed" where files differ in it. The problem of one file is that of all."""
    whole = Gatherer([]) if summaries else None
    rows, columns, binary = 0, dict[str, Column](), False
    for path, file in files:
        binary = format_of(path) in BINARY
        found = _read(path, file, whole, summaries=summaries)
        if found.problem or found.rows is None:
            return Table(problem=f"{path.rpartition('/')[2]}: {found.problem or 'rows unknown'}")
        rows += found.rows
        for column in found.columns:
            known = columns.setdefault(column.name, column)
            if known.type != column.type:
                columns[column.name] = Column(column.name, "mixed")
        if len(columns) > MAX_COLUMNS:
            return Table(problem=f"more than {MAX_COLUMNS:,} columns")
    if whole is None:
        return Table(rows, tuple(columns.values()))
    told = whole.finish(rows)
    for name, summary in told.items() if not binary else ():
        columns[name] = Column(name, summary.type)
    return Table(rows, tuple(columns.values()), told)


def _read(path: str, file: BinaryIO, whole: Gatherer | None, *, summaries: bool) -> Table:
    kind = format_of(path)
    try:
        if kind in BINARY:
            from mvcd.inspect import arrow  # late: start-up

            return arrow.read(kind, file, summaries=summaries, whole=whole)
        if kind == TAR:
            from mvcd.inspect import samples  # late: start-up

            return samples.read(file)
        if kind == "jsonl":
            return _json_lines(file, whole, summaries=summaries)
        return _delimited(file, DELIMITED[kind or "csv"], whole, summaries=summaries)
    except NoTable as reason:
        return Table(problem=str(reason))
    except (csv.Error, ValueError, RecursionError) as error:
        return Table(problem=str(error).splitlines()[0] if str(error) else type(error).__name__)


def _delimited(file: BinaryIO, delimiter: str, whole: Gatherer | None, *, summaries: bool) -> Table:
    """Without a header columns are called by their positions."""
    found = sheet(file, delimiter)
    names = distinct_names(found.header or [""] * found.width)
    gatherer = Gatherer(names, whole) if summaries else None
    count = 0
    for row in found.rows:
        if row:
            count += 1
            if gatherer is not None:
                gatherer.add_text(row)
    return _table(count, names, gatherer)


def _json_lines(file: BinaryIO, whole: Gatherer | None, *, summaries: bool) -> Table:
    """A line that is no object counts as a row without columns; blank lines do not count."""
    lines = TextLines(file)
    gatherer = Gatherer([], whole)
    count = 0
    seen: dict[str, None] = {}
    for line in lines:
        lines.row_ended()
        if not line.strip():
            continue
        count += 1
        row = _object(line, count)
        for key in row:
            if key not in seen:
                if len(seen) >= MAX_COLUMNS:
                    raise NoTable(f"more than {MAX_COLUMNS:,} columns")
                seen[key] = None
        if summaries:
            gatherer.add_values(row)
    return _table(count, list(seen), gatherer if summaries else None)


def _object(line: str, number: int) -> dict[str, object]:
    try:
        row = json.loads(line)
    except ValueError:
        raise NoTable(f"line {number:,} is no JSON") from None
    if not isinstance(row, dict):
        raise NoTable(f"line {number:,} is no JSON object")
    return {
        key[:MAX_NAME_CHARACTERS].encode("utf-8", "replace").decode(): value
        for key, value in row.items()
    }


def _table(count: int, names: list[str], gatherer: Gatherer | None) -> Table:
    if gatherer is None:
        return Table(count, tuple(Column(name) for name in names))
    found = gatherer.finish(count)
    return Table(count, tuple(Column(name, found[name].type) for name in names), found)
