"""Rows of CSV and TSV files as people have them, for tables of data and for metrics alike.

Another separator than the suffix says (`;`, tab, `|`) is found in the first line, line ends may be LF, CRLF or
CR (old Excel for Mac), UTF-16 is known by its byte order mark, which is no part of the first name, lines of
comment (`#`) before the header do not count, and a first row of nothing but numbers is no header. One pass in
blocks; memory follows neither the rows nor the longest line a file may have.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from mvcd.inspect.columns import NUMBER
from mvcd.inspect.table import MAX_COLUMNS, NoTable

MAX_LINE_BYTES = 1 << 20
"""Bytes of a line, and of one row that quoted line ends spread over several."""

_BLOCK_BYTES = 256 << 10
_MAX_NUMBER_CHARACTERS = 64

csv.field_size_limit(
    MAX_LINE_BYTES + _BLOCK_BYTES
)  # the module's own 128 KiB would refuse a cell that `TextLines` lets by


class TextLines:
    """Text lines of a file; refuses a row longer than MAX_LINE_BYTES, which `csv` would gather in memory.

    Iterating raises NoTable. `torn` tells whether the last line that was given had no end: its writer may have
    been killed within it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._row = 0  # bytes since the last row ended
        self._end = b"\n"
        self._decoder: codecs.IncrementalDecoder | None = None  # of UTF-16
        self.torn = False

    def row_ended(self) -> None:
        self._row = 0

    def __iter__(self) -> Iterator[str]:
        rest = b""
        first = True
        while block := self._file.read(_BLOCK_BYTES):
            if first and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
            if self._decoder is not None:
                block = self._decoder.decode(block).encode("utf-8", "replace")
            if first:
                _refuse_binary(block)
                block = block.removeprefix(b"\xef\xbb\xbf")
                if b"\r" in block and b"\n" not in block:
                    self._end = b"\r"
                first = False
            lines = (rest + block).split(self._end)
            rest = lines.pop()
            if len(rest) > MAX_LINE_BYTES:
                raise NoTable(f"a line of more than {MAX_LINE_BYTES >> 20} MiB")
            for line in lines:
                yield self._counted(line + b"\n")
        if rest:
            self.torn = True
            yield self._counted(rest)

    def _counted(self, line: bytes) -> str:
        self._row += len(line)
        if self._row > MAX_LINE_BYTES + _BLOCK_BYTES:
            raise NoTable(f"a row of more than {MAX_LINE_BYTES >> 20} MiB")
        if b"\r" in line:  # alone, it would end a row for `csv`, which then refuses the file
            line = line.rstrip(b"\r\n").replace(b"\r", b" ") + b"\n"
        return line.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Sheet:
    """`header` is None for a file that has none; `width` counts the cells of its first row. `rows` are those
    below the header, each read as it is asked for; blank lines are empty rows."""

    delimiter: str
    header: list[str] | None
    width: int
    rows: Iterator[list[str]]
    lines: TextLines


def sheet(file: BinaryIO, usual: str) -> Sheet:
    """Opens a delimited file whose suffix promises the separator `usual`.

    Raises NoTable for what is no text and for more than MAX_COLUMNS columns; reading rows also csv.Error.
    """
    lines = TextLines(file)
    text = iter(lines)
    first, text = _past_comments(text, usual)
    delimiter = _delimiter(first, usual)
    rows = csv.reader(chain([first], text), delimiter=delimiter)
    top = next(rows, [])
    if len(top) > MAX_COLUMNS:
        raise NoTable(f"more than {MAX_COLUMNS:,} columns")
    headless = bool(top) and all(is_number(cell) for cell in top)
    below = _counted(chain([top] if headless else [], rows), lines)
    return Sheet(delimiter, None if headless else top, len(top), below, lines)


def is_number(cell: str) -> bool:
    """Whether a cell is a number, as `columns` has them."""
    text = cell.strip()
    return len(text) <= _MAX_NUMBER_CHARACTERS and NUMBER.fullmatch(text) is not None


def _counted(rows: Iterable[list[str]], lines: TextLines) -> Iterator[list[str]]:
    for row in rows:
        lines.row_ended()
        yield row


def _refuse_binary(block: bytes) -> None:
    if b"\0" in block:
        raise NoTable("no text")


def _past_comments(text: Iterator[str], usual: str) -> tuple[str, Iterator[str]]:
    """The header's line, and what follows it. A comment with as many separators as the line below it is the
    header itself, as numpy.savetxt writes it."""
    first = next(text, "")
    while first.startswith("#"):
        following = next(text, None)
        if following is None:
            break
        delimiter = _delimiter(following, usual)
        if first.count(delimiter) == following.count(delimiter):
            name = first.lstrip("# ")
            return (first if name.startswith(delimiter) else name), chain([following], text)
        first = following
    return first, text


def _delimiter(line: str, usual: str) -> str:
    """Another one, as spreadsheets write it, where the usual one does not occur in the first line."""
    return usual if usual in line else max(usual + ",;\t|", key=line.count)
