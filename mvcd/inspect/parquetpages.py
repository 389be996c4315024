"""The page headers of a Parquet file, looked at before pyarrow believes them.

pyarrow makes room for a page's content before it reads it, and takes its size from the page's header: a few
damaged bytes ask for a gigabyte. Headers are structs of Thrift's compact protocol (parquet.thrift, PageHeader;
thrift-compact-protocol.md). A column chunk is pages, one after another:

    1 type    2 uncompressed size    3 compressed size    ...
    content, of the compressed size
"""

from __future__ import annotations

from mvcd.inspect.cursor import Cursor
from mvcd.inspect.spans import NotThisFormat, ReadAt

MAX_PAGE_BYTES = 64 << 20
"""Bytes of one page, uncompressed. Writers make pages of 1 MiB, and few larger ones of long values."""

_MAX_LEVELS = 8
_MAX_LIST_ENTRIES = 1 << 20
_UNCOMPRESSED, _COMPRESSED = 2, 3
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


def check(read_at: ReadAt, start: int, size: int, claimed: int) -> None:
    """Walks the pages of a column chunk of `size` bytes at `start`, of which the footer claims `claimed` bytes
    uncompressed.

    Raises NotThisFormat for a page that says more than that, or more than MAX_PAGE_BYTES, and for no pages.
    """
    cursor = Cursor(read_at, start, start + size)
    while cursor.left:
        sizes = _header(cursor)
        uncompressed, compressed = sizes.get(_UNCOMPRESSED, -1), sizes.get(_COMPRESSED, -1)
        if not 0 <= uncompressed <= min(claimed, MAX_PAGE_BYTES):
            raise NotThisFormat(f"a page of {uncompressed:,} bytes in a column of {claimed:,}")
        if compressed < 0:
            raise NotThisFormat("a page without a size")
        cursor.skip(compressed)


def _header(cursor: Cursor) -> dict[int, int]:
    """The whole numbers of a struct by field; all else is passed over."""
    found: dict[int, int] = {}
    field = 0
    while byte := cursor.take(1)[0]:
        field = field + (byte >> 4) if byte >> 4 else _signed(cursor.varint())
        kind = byte & 15
        if kind in (_I16, _I32, _I64):
            found[field] = _signed(cursor.varint())
        else:
            _skip(cursor, kind, 1)
    return found


def _skip(cursor: Cursor, kind: int, depth: int) -> None:
    if depth > _MAX_LEVELS:
        raise NotThisFormat("too deep")
    if kind in (_I16, _I32, _I64):
        cursor.varint()
    elif kind == _BYTE:
        cursor.skip(1)
    elif kind == _DOUBLE:
        cursor.skip(8)
    elif kind == _BINARY:
        cursor.skip(cursor.varint())
    elif kind in (_LIST, _SET):
        byte = cursor.take(1)[0]
        _skip_many(cursor, byte >> 4 if byte >> 4 != 15 else cursor.varint(), (byte & 15,), depth)
    elif kind == _MAP:
        if count := cursor.varint():
            kinds = cursor.take(1)[0]
            _skip_many(cursor, count, (kinds >> 4, kinds & 15), depth)
    elif kind == _STRUCT:
        while byte := cursor.take(1)[0]:
            if not byte >> 4:
                cursor.varint()
            _skip(cursor, byte & 15, depth + 1)
    elif kind not in (_TRUE, _FALSE):
        raise NotThisFormat("no type of Thrift")


def _skip_many(cursor: Cursor, count: int, kinds: tuple[int, ...], depth: int) -> None:
    if count > _MAX_LIST_ENTRIES:
        raise NotThisFormat("a list too long")
    for _ in range(count):
        for kind in kinds:
            if kind in (_TRUE, _FALSE):
                cursor.skip(1)  # within a list a truth value takes a byte
            else:
                _skip(cursor, kind, depth + 1)


def _signed(number: int) -> int:
    """ZigZag."""
    return number >> 1 ^ -(number & 1)
