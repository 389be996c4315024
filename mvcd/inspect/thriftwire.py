"""Thrift's compact protocol, in which Parquet writes its structs (thrift-compact-protocol.md).

No schema is needed to pass over what is of no interest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mvcd.inspect.cursor import Cursor
from mvcd.inspect.spans import NotThisFormat

_MAX_LEVELS = 8
MAX_LIST_ENTRIES = 1 << 20
_TRUE, _FALSE, _BYTE, _I16, I32, I64, _DOUBLE, _BINARY, LIST, _SET, _MAP, STRUCT = range(1, 13)
INTEGERS = (_I16, I32, I64)


def fields(cursor: Cursor) -> Iterator[tuple[int, int]]:
    """The numbers and kinds of a struct's fields, each before its value, which is to be taken first."""
    field = 0
    while byte := cursor.take(1)[0]:
        field = field + (byte >> 4) if byte >> 4 else _signed(cursor.varint())
        yield field, byte & 15


def numbers(cursor: Cursor, kinds: Collection[int]) -> dict[int, int]:
    """The whole numbers of these kinds that a struct has, by field; all else is passed over."""
    found: dict[int, int] = {}
    for field, kind in fields(cursor):
        if kind in kinds:
            found[field] = _signed(cursor.varint())
        else:
            skip(cursor, kind)
    return found


def list_header(cursor: Cursor) -> tuple[int, int]:
    """How many values a list has, and of which kind. Raises NotThisFormat for more than any has."""
    byte = cursor.take(1)[0]
    count = byte >> 4 if byte >> 4 != 15 else cursor.varint()
    if count > MAX_LIST_ENTRIES:
        raise NotThisFormat("a list too long")
    return count, byte & 15


def skip(cursor: Cursor, kind: int, depth: int = 1) -> None:
    """Passes over a value."""
    if depth > _MAX_LEVELS:
        raise NotThisFormat("too deep")
    if kind in INTEGERS:
        cursor.varint()
    elif kind == _BYTE:
        cursor.skip(1)
    elif kind == _DOUBLE:
        cursor.skip(8)
    elif kind == _BINARY:
        cursor.skip(cursor.varint())
    elif kind in (LIST, _SET):
        count, of = list_header(cursor)
        _skip_many(cursor, count, (of,), depth)
    elif kind == _MAP:
        if count := cursor.varint():
            kinds = cursor.take(1)[0]
            _skip_many(cursor, count, (kinds >> 4, kinds & 15), depth)
    elif kind == STRUCT:
        for _, of in fields(cursor):
            skip(cursor, of, depth + 1)
    elif kind not in (_TRUE, _FALSE):
        raise NotThisFormat("no type of Thrift")


def _skip_many(cursor: Cursor, count: int, kinds: tuple[int, ...], depth: int) -> None:
    if count > MAX_LIST_ENTRIES:
        raise NotThisFormat("a list too long")
    for _ in range(count):
        for kind in kinds:
            if kind in (_TRUE, _FALSE):
                cursor.skip(1)  # within a list a truth value takes a byte
            else:
                skip(cursor, kind, depth + 1)


def _signed(number: int) -> int:
    """ZigZag."""
    return number >> 1 ^ -(number & 1)
