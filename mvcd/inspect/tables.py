"""Tables in files: columns and rows of CSV, TSV and JSON lines, and on demand a summary of each column.

One pass in blocks; memory follows neither the rows nor the longest line a file may have. Bytes that are not
UTF-8 are read as replacement characters. What is no table gives a reason, never an error. Parquet and Arrow
files are read by mvcd/inspect/arrow.py, with pyarrow.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import BinaryIO

from mvcd.inspect.columns import NUMBER, Column, Gatherer
from mvcd.inspect.table import MAX_COLUMNS, MAX_NAME_CHARACTERS, NoTable, Table, distinct_names

MAX_LINE_BYTES = 1 << 20
"""Bytes of a line, and of one row that quoted line ends spread over several."""

_BLOCK_BYTES = 256 << 10

DELIMITED: Mapping[str, str] = {"csv": ",", "tsv": "\t"}
JSON_LINES = ("jsonl", "ndjson")
BINARY = ("parquet", "arrow", "feather")


def format_of(path: str) -> str | None:
    """ "csv", "tsv", "jsonl", "parquet", ... by the suffix; None for what is no table."""
    suffix = path.rpartition("/")[2].lower().rpartition(".")[2]
    if suffix in JSON_LINES:
        return "jsonl"
    return suffix if suffix in DELIMITED or suffix in BINARY else None


def read_table(path: str, file: BinaryIO, *, summaries: bool = False) -> Table:
    """Reads the whole file, but without `summaries` only the footer of Parquet. OSError passes through."""
    kind = format_of(path)
    try:
        if kind in BINARY:
            from mvcd.inspect import arrow  # late: start-up

            return arrow.read(kind, file, summaries=summaries)
        if kind == "jsonl":
            return _json_lines(file, summaries=summaries)
        return _delimited(file, DELIMITED[kind or "csv"], summaries=summaries)
    except NoTable as reason:
        return Table(problem=str(reason))
    except (csv.Error, ValueError, RecursionError) as error:
        return Table(problem=str(error).splitlines()[0] if str(error) else type(error).__name__)


class _Lines:
    """Text lines of a file; refuses a row longer than MAX_LINE_BYTES, which `csv` would gather in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._row = 0  # bytes since the last row ended

    def row_ended(self) -> None:
        self._row = 0

    def __iter__(self) -> Iterator[str]:
        rest = b""
        first = True
        while block := self._file.read(_BLOCK_BYTES):
            if first:
                _refuse_binary(block)
                block = block.removeprefix(b"\xef\xbb\xbf")
                first = False
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            if len(rest) > MAX_LINE_BYTES:
                raise NoTable(f"a line of more than {MAX_LINE_BYTES >> 20} MiB")
            for line in lines:
                yield self._counted(line + b"\n")
        if rest:
            yield self._counted(rest)

    def _counted(self, line: bytes) -> str:
        self._row += len(line)
        if self._row > MAX_LINE_BYTES + _BLOCK_BYTES:
            raise NoTable(f"a row of more than {MAX_LINE_BYTES >> 20} MiB")
        if b"\r" in line:  # alone, it would end a row for `csv`, which then refuses the file
            line = line.rstrip(b"\r\n").replace(b"\r", b" ") + b"\n"
        return line.decode("utf-8", "replace")


def _refuse_binary(block: bytes) -> None:
    if block.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NoTable("UTF-16 text; UTF-8 is read")
    if b"\0" in block:
        raise NoTable("no text")


def _delimited(file: BinaryIO, delimiter: str, *, summaries: bool) -> Table:
    """A first row of nothing but numbers is no header: then columns are called by their positions."""
    lines = _Lines(file)
    text = iter(lines)
    first = next(text, "")
    rows = csv.reader(chain([first], text), delimiter=_delimiter(first, delimiter))
    header: list[str] = next(rows, [])
    if len(header) > MAX_COLUMNS:
        raise NoTable(f"more than {MAX_COLUMNS:,} columns")
    headless = bool(header) and all(NUMBER.fullmatch(cell.strip()[:64]) for cell in header)
    names = distinct_names([""] * len(header) if headless else header)
    gatherer = Gatherer(names) if summaries else None
    count = 0
    for row in chain([header] if headless else [], rows):
        lines.row_ended()
        if row:
            count += 1
            if gatherer is not None:
                gatherer.add_text(row)
    return _table(count, names, gatherer)


def _delimiter(line: str, usual: str) -> str:
    """Another one, as spreadsheets write it, where the usual one does not occur in the first line."""
    return usual if usual in line else max(usual + ";\t|", key=line.count)


def _json_lines(file: BinaryIO, *, summaries: bool) -> Table:
    """A line that is no object counts as a row without columns; blank lines do not count."""
    lines = _Lines(file)
    gatherer = Gatherer([])
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
