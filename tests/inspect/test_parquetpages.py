"""Pages of Parquet that claim more than there is."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.inspect import parquetpages
from mvcd.inspect.spans import NotThisFormat
from mvcd.inspect.tables import read_table


def varint(number: int) -> bytes:
    zigzag, out = number << 1 ^ number >> 63, bytearray()
    while zigzag > 127:
        out.append(zigzag & 127 | 128)
        zigzag >>= 7
    return bytes([*out, zigzag])


def page(uncompressed: int, content: bytes) -> bytes:
    return b"\x15\0\x15" + varint(uncompressed) + b"\x15" + varint(len(content)) + b"\0" + content


def check(data: bytes, claimed: int) -> None:
    parquetpages.check(lambda at, size: data[at : at + size], 0, len(data), claimed)


def test_pages_one_after_another() -> None:
    check(page(300, b"x" * 100) + page(0, b""), 300)


@pytest.mark.parametrize(
    ("data", "claimed"),
    [
        (page(301, b"x"), 300),
        (page(parquetpages.MAX_PAGE_BYTES + 1, b"x"), 1 << 40),
        (page(-1, b"x"), 300),
        (page(1, b"x")[:-1], 300),
        (page(1, b"x") + b"\x15", 300),
        (b"\0", 300),
        (b"\x1d" * 20, 300),
        (b"\x1c" * 20, 300),
        (b"\x19\xf5" + b"\xff" * 9 + b"\x01", 300),
    ],
)
def test_what_no_page_can_be_is_refused(data: bytes, claimed: int) -> None:
    with pytest.raises(NotThisFormat):
        check(data, claimed)


@given(data=st.binary(max_size=60))
def test_any_bytes_end_in_nothing_else(data: bytes) -> None:
    with suppress(NotThisFormat):
        check(data, 1000)


@pytest.mark.parametrize(
    "options",
    [{}, {"use_dictionary": False}, {"compression": "zstd"}, {"data_page_version": "2.0"},
     {"row_group_size": 100}, {"write_page_index": True}, {"write_page_checksum": True}],
    ids=str,
)  # fmt: skip
def test_files_of_the_library_pass_and_lies_do_not(options: dict[str, Any]) -> None:
    table = pa.table({
        "n": range(1000), "text": [str(i % 7) for i in range(1000)], "none": [None] * 1000,
        "lists": [[1, 2]] * 1000,
    })  # fmt: skip
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    found = read_table("x.parquet", file, summaries=True)
    assert (found.rows, found.problem) == (1000, None)
    data = bytearray(file.getvalue())
    start = pq.ParquetFile(file).metadata.row_group(0).column(0)
    at = min(o for o in (start.dictionary_page_offset, start.data_page_offset) if o)
    assert data[at : at + 1] == b"\x15" and data[at + 2 : at + 3] == b"\x15"
    size = varint(700_000_000)
    data[at + 3 : at + 3 + len(size)] = size
    found = read_table("x.parquet", io.BytesIO(bytes(data)), summaries=True)
    assert found.problem is not None and found.problem.startswith("damaged: ")
