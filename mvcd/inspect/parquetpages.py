"""The page headers of a Parquet file, looked at before pyarrow believes them.

pyarrow makes room for a page's content before it reads it, and takes its size from the page's header: a few
damaged bytes ask for a gigabyte. Headers are structs of Thrift's compact protocol (parquet.thrift, PageHeader;
thriftwire.py). A column chunk is pages, one after another:

    1 type    2 uncompressed size    3 compressed size    ...
    content, of the compressed size
"""

from __future__ import annotations

from mvcd.inspect.cursor import Cursor
from mvcd.inspect.spans import NotThisFormat, ReadAt
from mvcd.inspect.thriftwire import INTEGERS, numbers

MAX_PAGE_BYTES = 64 << 20
"""Bytes of one page, uncompressed. Writers make pages of 1 MiB, and few larger ones of long values."""

_UNCOMPRESSED, _COMPRESSED = 2, 3


def check(read_at: ReadAt, start: int, size: int, claimed: int) -> None:
    """Walks the pages of a column chunk of `size` bytes at `start`, of which the footer claims `claimed` bytes
    uncompressed.

    Raises NotThisFormat for a page that says more than that, or more than MAX_PAGE_BYTES, and for no pages.
    """
    cursor = Cursor(read_at, start, start + size)
    while cursor.left:
        sizes = numbers(cursor, INTEGERS)
        uncompressed, compressed = sizes.get(_UNCOMPRESSED, -1), sizes.get(_COMPRESSED, -1)
        if not 0 <= uncompressed <= min(claimed, MAX_PAGE_BYTES):
            raise NotThisFormat(f"a page of {uncompressed:,} bytes in a column of {claimed:,}")
        if compressed < 0:
            raise NotThisFormat("a page without a size")
        cursor.skip(compressed)
