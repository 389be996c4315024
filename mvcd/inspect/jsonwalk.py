"""Walking JSON and UBJSON of any size: scalars by the path that leads to them, lists of numbers passed over.

For models of which few values matter among millions of numbers: what is kept does not grow with the file.
JSON is RFC 8259's. Of UBJSON (ubjson.org, draft 12) these are read: lists with a count, with a type and a
count, or with an end, and objects with an end, as xgboost writes them. Numbers are big-endian.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from mvcd.inspect.cursor import Cursor
from mvcd.inspect.spans import NotThisFormat, ReadAt

Scalar = str | int | float | bool | None
Path = tuple[str, ...]
Say = Callable[[Path, Scalar], None]
"""Is told of every scalar but numbers in lists. Items of lists have the part ITEM in their path."""

ITEM = "*"
_WINDOW_BYTES = 1 << 20
_MAX_TEXT_BYTES = 1 << 20
_MAX_LEVELS = 24
_MAX_VALUES = 12_000_000
"""Values and ends of containers: some seconds. A model of 100,000 trees has four million."""

_SPACE = re.compile(rb"[ \t\r\n,:]*")
_ATOM = re.compile(rb"[-+0-9.eEA-Za-z]{1,64}")
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def walk_json(read_at: ReadAt, size: int, say: Say) -> None:
    """Raises NotThisFormat, after telling what was there before."""
    _Json(read_at, size, say).value((), listed=False)


def walk_ubjson(read_at: ReadAt, size: int, say: Say) -> None:
    """Raises NotThisFormat, after telling what was there before."""
    _Ubjson(Cursor(read_at, 0, size, ">"), say).value((), "", listed=False)


class _Json:
    def __init__(self, read_at: ReadAt, size: int, say: Say) -> None:
        self._read_at = read_at
        self._size = size
        self._say = say
        self._data = b""
        self._at = 0
        self._end = 0  # of the window, in the file
        self._steps = 0

    def value(self, path: Path, *, listed: bool) -> None:
        byte = self._next()
        if byte in b"{[":
            if len(path) >= _MAX_LEVELS:
                raise NotThisFormat("too deep")
            self._at += 1
            self._object(path) if byte == b"{" else self._list(path)
        elif byte == b'"':
            self._say(path, self._text())
        else:
            found = self._atom()
            if not listed:
                self._say(path, found)

    def _object(self, path: Path) -> None:
        while self._next() != b"}":
            key = self._text()
            self.value((*path, key), listed=False)
        self._at += 1

    def _list(self, path: Path) -> None:
        below = (*path, ITEM)
        while (byte := self._next()) != b"]":
            if byte in b'"{[':
                self.value(below, listed=True)
            else:
                self._pass_numbers()
        self._at += 1

    def _pass_numbers(self) -> None:
        """To the next byte that ends a list or begins what is no number."""
        while True:
            ends = [at for mark in b']"{[' if (at := self._data.find(mark, self._at)) >= 0]
            if ends:
                self._at = min(ends)
                return
            self._at = len(self._data)
            if not self._more():
                raise NotThisFormat("a list without an end")

    def _next(self) -> bytes:
        """The byte that begins the next value or ends a container; it stays."""
        self._steps += 1
        if self._steps > _MAX_VALUES:
            raise NotThisFormat("too many values")
        while True:
            space = _SPACE.match(self._data, self._at)
            self._at = space.end() if space is not None else self._at
            if self._at < len(self._data):
                return self._data[self._at : self._at + 1]
            if not self._more():
                raise NotThisFormat("it ends early")

    def _text(self) -> str:
        while True:
            found = _TEXT.match(self._data, self._at)
            if found is not None:
                break
            if len(self._data) - self._at > _MAX_TEXT_BYTES or not self._more():
                raise NotThisFormat("no text")
        self._at = found.end()
        try:
            return str(json.loads(found[0].decode("utf-8", "replace"), strict=False))
        except ValueError as error:
            raise NotThisFormat("no text") from error

    def _atom(self) -> Scalar:
        if len(self._data) - self._at < 128:
            self._more()
        found = _ATOM.match(self._data, self._at)
        if found is None:
            raise NotThisFormat("no value")
        self._at = found.end()
        try:
            value = json.loads(found[0])
        except ValueError as error:
            raise NotThisFormat("no value") from error
        return value if isinstance(value, (int, float)) or value is None else None

    def _more(self) -> bool:
        """Puts the next window behind what is left of this one; False at the end of the file."""
        data = self._read_at(self._end, min(_WINDOW_BYTES, self._size - self._end))
        self._data, self._at = self._data[self._at :] + data, 0
        self._end += len(data)
        return bool(data)


_NUMBERS = {"i": "b", "U": "B", "I": "h", "u": "H", "l": "i", "m": "I", "L": "q", "M": "Q"}
_REALS = {"d": "f", "D": "d"}
_WIDTHS = {"i": 1, "U": 1, "I": 2, "u": 2, "l": 4, "m": 4, "L": 8, "M": 8, "d": 4, "D": 8}
_CONSTANTS: dict[str, Scalar] = {"T": True, "F": False, "Z": None}


class _Ubjson:
    def __init__(self, cursor: Cursor, say: Say) -> None:
        self._cursor = cursor
        self._say = say

    def value(self, path: Path, kind: str, *, listed: bool) -> None:
        """`kind` is "" for a value whose own first byte tells it."""
        cursor = self._cursor
        cursor.steps += 1
        if cursor.steps > _MAX_VALUES or len(path) > _MAX_LEVELS:
            raise NotThisFormat("too many values, or too deep")
        kind = kind or self._mark()
        if kind == "{":
            self._object(path)
        elif kind == "[":
            self._list(path)
        elif kind == "S":
            self._say(path, self._text())
        elif kind in _CONSTANTS:
            self._say(path, _CONSTANTS[kind])
        elif listed:
            cursor.skip(self._width(kind))
        elif kind in _REALS:
            self._say(path, cursor.real(_REALS[kind]))
        else:
            self._width(kind)
            self._say(path, cursor.number(_NUMBERS[kind]))

    def _object(self, path: Path) -> None:
        while (mark := self._mark()) != "}":
            self.value((*path, self._text(mark)), "", listed=False)

    def _list(self, path: Path) -> None:
        below = (*path, ITEM)
        mark, kind = self._mark(), ""
        if mark == "$":
            kind, mark = self._mark(), self._mark()
        if mark != "#":
            if kind:
                raise NotThisFormat("a type without a count")
            while mark != "]":
                self.value(below, mark, listed=True)
                mark = self._mark()
            return
        count = self._count(self._mark())
        if kind in _WIDTHS:
            self._cursor.skip(count * _WIDTHS[kind])
            return
        if count > self._cursor.left:
            raise NotThisFormat("more items than bytes")
        for _ in range(count):
            self.value(below, kind, listed=True)

    def _mark(self) -> str:
        return chr(self._cursor.take(1)[0])

    def _width(self, kind: str) -> int:
        if kind not in _WIDTHS:
            raise NotThisFormat("no type")
        return _WIDTHS[kind]

    def _count(self, kind: str) -> int:
        if kind not in _NUMBERS:
            raise NotThisFormat("no length")
        count = self._cursor.number(_NUMBERS[kind])
        if count < 0:
            raise NotThisFormat("no length")
        return count

    def _text(self, mark: str = "") -> str:
        size = self._count(mark or self._mark())
        if size > _MAX_TEXT_BYTES:
            raise NotThisFormat("a text too long")
        return self._cursor.take(size).decode("utf-8", "replace")
