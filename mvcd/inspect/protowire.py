"""Protobuf messages without their schema, field by field (protobuf.dev/programming-guides/encoding).

For the headers of foreign formats, of which we want a few fields, in files too large for the runtime's 2 GiB.
"""

from __future__ import annotations

from collections.abc import Iterator

from mvcd.inspect.cursor import Cursor
from mvcd.inspect.spans import NotThisFormat

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}

MAX_FIELDS = 6_000_000
"""Most fields that one cursor passes in a message and all within it: some seconds. A model of 100,000 nodes has
three million."""

Field = tuple[int, int, int]
"""Field number, wire type, and the value of a varint, or how many bytes follow at the cursor."""


def fields(cursor: Cursor, end: int) -> Iterator[Field]:
    """Fields up to byte `end` of the file. The caller takes or skips each value's bytes before the next.

    Raises NotThisFormat; groups, which no format here uses, are refused.
    """
    while cursor.at < end:
        cursor.steps += 1
        if cursor.steps > MAX_FIELDS:
            raise NotThisFormat("too many fields")
        key = cursor.varint()
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            yield number, wire, cursor.varint()
            continue
        size = cursor.varint() if wire == BYTES else _FIXED.get(wire)
        if number == 0 or size is None or size > end - cursor.at:
            raise NotThisFormat("no protobuf field")
        after = cursor.at + size
        yield number, wire, size
        if cursor.at != after:
            raise AssertionError("a field was not taken whole")
    if cursor.at != end:
        raise NotThisFormat("a message ends within a field")


def message(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Fields of a small message: number, wire type, value (bytes unless it is a varint)."""
    cursor = Cursor(lambda at, size: data[at : at + size], 0, len(data))
    for number, wire, value in fields(cursor, len(data)):
        yield number, wire, value if wire == VARINT else cursor.take(value)


def varints(data: bytes) -> Iterator[int]:
    """A packed list."""
    cursor = Cursor(lambda at, size: data[at : at + size], 0, len(data))
    while cursor.left:
        yield cursor.varint()


def signed(value: int) -> int:
    """An int64 or int32 from its varint."""
    return value - (1 << 64) if value >> 63 else value
