"""Footers that are damaged end no process, and those of real files are believed."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mvcd.inspect import parquetfooter
from mvcd.inspect.spans import NotThisFormat
from mvcd.inspect.tables import read_table

ROOT = Path(__file__).parents[2]
INNER = pa.struct({"a": pa.list_(pa.binary()), "b": pa.int8()})
TABLE = pa.table(
    {
        "number": pa.array([1, None, 3], pa.int64()),
        "text": pa.array(["a", "b", None]),
        "lists": pa.array([[1, 2], None, []], pa.list_(pa.int32())),
        "deep": pa.array(
            [[{"a": [b"x"], "b": 1}], [], None],
            pa.list_(INNER),
        ),
    }
)


def written(**options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink, **options)
    return sink.getvalue()


def look(data: bytes) -> None:
    size = int.from_bytes(data[-8:-4], "little")
    parquetfooter.check(lambda at, length: data[at : at + length], len(data) - 8 - size, size)


@pytest.mark.parametrize(
    "options", [{}, {"row_group_size": 1}, {"version": "1.0"}, {"write_page_index": True}]
)
def test_footers_of_real_files(options: dict[str, object]) -> None:
    data = written(**options)
    look(data)
    table = read_table("t.parquet", io.BytesIO(data), summaries=True)
    assert (table.problem, table.rows) == (None, 3)


def test_histograms_that_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are there: with columns of other levels the footer of a sound file is refused."""
    real = parquetfooter._leaves
    monkeypatch.setattr(
        parquetfooter, "_leaves",
        lambda *words: (leaf._replace(definitions=leaf.definitions + 1) for leaf in real(*words)),
    )  # fmt: skip
    with pytest.raises(NotThisFormat, match="histogram"):
        look(written())


DAMAGED = """
import io, sys
from mvcd.inspect.tables import read_table
data = sys.stdin.buffer.read()
start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
refused = 0
for at in range(start, len(data) - 8):
    for bits in (0x01, 0x10, 0x20, 0x30, 0xff):
        damaged = bytearray(data)
        damaged[at] ^= bits
        refused += read_table("t.parquet", io.BytesIO(damaged), summaries=True).problem is not None
print(refused)
"""


def test_no_changed_byte_of_a_footer_ends_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DAMAGED], cwd=ROOT, input=written(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert int(done.stdout) > 300
