"""The footer of a Parquet file, looked at before pyarrow believes it.

pyarrow ends the process where the size statistics of a column chunk do not fit its column: a histogram of its
levels has another length. The footer is one struct of Thrift's compact protocol (parquet.thrift):

    FileMetaData     2 schema: list of SchemaElement    4 row groups: list of RowGroup
    SchemaElement    1 type    3 repetition: 0 required, 1 optional, 2 repeated    5 number of children
    RowGroup         1 columns: list of ColumnChunk
    ColumnChunk      3 meta data: ColumnMetaData
    ColumnMetaData   16 size statistics
    SizeStatistics   1 bytes of its byte arrays    2 histogram of repetition levels    3 of definition levels
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import NamedTuple

from mvcd.inspect.cursor import Cursor
from mvcd.inspect.spans import NotThisFormat, ReadAt
from mvcd.inspect.thriftwire import I32, I64, LIST, STRUCT, fields, list_header, numbers, skip

_BYTE_ARRAY = 6
_OPTIONAL, _REPEATED = 1, 2
_MAX_LEVELS = 64


class _Leaf(NamedTuple):
    """A column: its type, and how many lengths its levels have."""

    type: int | None
    repetitions: int
    definitions: int


def check(read_at: ReadAt, start: int, size: int) -> None:
    """Raises NotThisFormat where the size statistics of a column chunk do not fit its column."""
    cursor = Cursor(read_at, start, start + size)
    leaves: list[_Leaf] = []
    for field, kind in fields(cursor):
        if (field, kind) == (2, LIST):
            # of other numbers than those of 32 bits Thrift takes no notice either
            elements = [numbers(cursor, (I32,)) for _ in _structs(cursor)]
            leaves = list(_leaves(iter(elements), 1, 1, 0)) if elements else []
        elif (field, kind) == (4, LIST):
            for _ in _structs(cursor):
                _row_group(cursor, leaves)
        else:
            skip(cursor, kind)


def _structs(cursor: Cursor) -> Iterator[None]:
    """A turn for each element of a list of structs, which is to be taken in it."""
    count, kind = list_header(cursor)
    if kind != STRUCT:
        raise NotThisFormat("no list of structs")
    yield from repeat(None, count)


def _leaves(
    elements: Iterator[dict[int, int]], repetitions: int, definitions: int, level: int
) -> Iterator[_Leaf]:
    """The columns of the next element and what is below it; the first one is the root, which has no levels."""
    element = next(elements, None)
    if element is None or level > _MAX_LEVELS:
        raise NotThisFormat("a schema that does not end")
    if level:
        repetitions += element.get(3) == _REPEATED
        definitions += element.get(3) in (_OPTIONAL, _REPEATED)
    children = element.get(5, 0)
    if not children:
        yield _Leaf(element.get(1), repetitions, definitions)
    for _ in range(children):
        yield from _leaves(elements, repetitions, definitions, level + 1)


def _row_group(cursor: Cursor, leaves: list[_Leaf]) -> None:
    for field, kind in fields(cursor):
        if (field, kind) == (1, LIST):
            left = iter(leaves)
            for _ in _structs(cursor):
                _chunk(cursor, next(left, None))
        else:
            skip(cursor, kind)


def _chunk(cursor: Cursor, leaf: _Leaf | None) -> None:
    if leaf is None:
        raise NotThisFormat("more columns than the schema has")
    for field, kind in fields(cursor):
        if (field, kind) != (3, STRUCT):
            skip(cursor, kind)
            continue
        for inner, of in fields(cursor):
            if (inner, of) == (16, STRUCT):
                _sizes(cursor, leaf)
            else:
                skip(cursor, of)


def _sizes(cursor: Cursor, leaf: _Leaf) -> None:
    for field, kind in fields(cursor):
        if (field, kind) == (1, I64) and leaf.type != _BYTE_ARRAY:
            raise NotThisFormat("bytes of byte arrays in a column of numbers")
        if field in (2, 3) and kind == LIST:
            count, of = list_header(cursor)
            fits = leaf.repetitions if field == 2 else leaf.definitions
            if of != I64 or count not in (0, fits):
                raise NotThisFormat("a histogram that does not fit its column")
            for _ in range(count):
                skip(cursor, of)
        else:
            skip(cursor, kind)
