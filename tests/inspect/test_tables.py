"""Tables: what is counted, what a summary says, and that hostile files cost little and raise nothing."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
import tarfile
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import feather

from mvcd.inspect import columns
from mvcd.inspect.arrow import ABSENT
from mvcd.inspect.columns import Column, ColumnSummary
from mvcd.inspect.table import Table
from mvcd.inspect.tables import format_of, read_shards, read_table


def read(path: str, data: bytes, *, summaries: bool = False) -> Table:
    return read_table(path, io.BytesIO(data), summaries=summaries)


def names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def test_formats() -> None:
    assert format_of("data/A.CSV") == "csv"
    assert format_of("x.ndjson") == format_of("x.jsonl") == "jsonl"
    assert format_of("x.parquet") == "parquet"
    assert format_of("csv/readme") is None
    assert format_of("x.json") is None


def tar_of(*names: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for number, name in enumerate(names):
            member = tarfile.TarInfo(name)
            member.size = number
            tar.addfile(member, io.BytesIO(bytes(number)))
    return made.getvalue()


@pytest.mark.parametrize(
    ("data", "rows", "columns"),
    [
        (b"a,b\n1,2\n3,4\n", 2, ["a", "b"]),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n3,4", 2, ["a", "b"]),
        (b'a,b\n"x\ny",2\n', 1, ["a", "b"]),
        (b"a;b\n1;2\n", 1, ["a", "b"]),
        (b"a,b\r1,2\r3,4\r", 2, ["a", "b"]),
        (b"# made by hand\na,b\n1,2\n", 1, ["a", "b"]),
        (b"# a b,c\n1,2\n", 1, ["a b", "c"]),
        (b"a,b\n1," + b"x" * 200_000 + b"\n", 1, ["a", "b"]),
        (b"1,2.5\n3,4\n", 2, ["0", "1"]),
        ("name,b\r\n\u00e9,2\r\n".encode("utf-16"), 1, ["name", "b"]),
        (b"\xfe\xff" + "a,b\n1,2\n".encode("utf-16-be"), 1, ["a", "b"]),
        (
            "a,b\n".encode("utf-16") + ("1," + "x" * 9 + "\n").encode("utf-16-le") * 50_000,
            50_000,
            ["a", "b"],
        ),
        (b"a,a,,a\n1,2,3,4\n", 1, ["a", "a.2", "2", "a.3"]),
        (b"name\n\xff\xfe\n", 1, ["name"]),
        (b"a,b\n1\n1,2,3\n", 2, ["a", "b"]),
        (b"a\n", 0, ["a"]),
        (b"", 0, []),
    ],
)
def test_delimited(data: bytes, rows: int, columns: list[str]) -> None:
    table = read("x.csv", data)
    assert (table.rows, names(table), table.problem) == (rows, columns, None)
    again = read("x.csv", data, summaries=True)
    assert (again.rows, names(again)) == (rows, columns)


def test_tab_separated() -> None:
    assert names(read("x.tsv", b"a\tb,c\n1\t2\n")) == ["a", "b,c"]


def test_json_lines() -> None:
    table = read("x.jsonl", b'{"a": 1}\n\n{"b": [1], "a": null}\n', summaries=True)
    assert table.rows == 2
    assert table.columns == (Column("a", "int"), Column("b", "text"))
    assert table.summaries["b"].missing == 1
    assert read("x.jsonl", b'{"a": 1}\n{"a": ').problem == "line 2 is no JSON"
    assert read("x.jsonl", b"[1]\n").problem == "line 1 is no JSON object"


def test_a_summary() -> None:
    lines = ["i,f,b,t,m,e,r"]
    for n in range(10):
        odd = n % 2
        cells = [
            n,
            n / 2,
            "true" if odd else "False",
            f"w{n % 3}",
            n if odd else "x",
            "",
            n if n > 1 else "",
        ]
        lines.append(",".join(map(str, cells)))
    data = "\n".join(lines).encode()
    found = read("x.csv", data, summaries=True).summaries
    assert found["i"] == ColumnSummary("int", 0, 10, False, 0, 9, 4.5)
    assert found["f"] == ColumnSummary("float", 0, 10, False, 0, 4.5, 2.25)
    assert found["b"] == ColumnSummary("bool", 0, 2, False)
    assert found["t"] == ColumnSummary("text", 0, 3, False)
    assert found["m"].type == "mixed"
    assert found["e"] == ColumnSummary("empty", 10, 0, False)
    assert (found["r"].missing, found["r"].mean) == (2, 5.5)


def test_distinct_values_are_counted_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "DISTINCT_VALUES", 5)
    data = b"a,b,c\n" + b"".join(f"{n},{n % 3},{n % 2}\n".encode() for n in range(20))
    found = read("x.csv", data, summaries=True).summaries
    assert (found["a"].distinct, found["a"].distinct_more) == (5, True)
    assert (found["b"].distinct, found["b"].distinct_more) == (3, False)
    monkeypatch.setattr(columns, "_ALL_DISTINCT_VALUES", 6)
    found = read("x.csv", data, summaries=True).summaries
    assert found["a"].distinct + found["b"].distinct + found["c"].distinct == 6
    assert found["b"].distinct_more, "the columns of a file share a bound"


NUMBERS = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=40)


@given(NUMBERS)
@settings(max_examples=60, deadline=None)
def test_figures_against_numpy(values: list[float | None]) -> None:
    cells = "\n".join(
        "x" if v is None else repr(v) for v in ["nan" if v is None else v for v in values]
    )
    (found,) = read(
        "x.csv", ("v\n" + cells.replace("'", "") + "\n").encode(), summaries=True
    ).summaries.values()
    numbers = [v for v in values if v is not None]
    assert found.missing == len(values) - len(numbers)
    assert found.distinct == len({repr(v) for v in numbers})
    if numbers:
        assert (found.min, found.max) == (min(numbers), max(numbers))
        assert found.mean == pytest.approx(float(np.mean(numbers)), rel=1e-9, abs=1e-9)


@given(st.lists(st.lists(st.text('ab,"\n\r \0é', max_size=5), min_size=2, max_size=3), max_size=6))
@settings(max_examples=100, deadline=None)
def test_what_csv_writes_is_counted(rows: list[list[str]]) -> None:
    rows = [[cell.replace("\0", "") for cell in row] for row in rows]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([["name", "other"], *rows])
    table = read("x.csv", out.getvalue().encode())
    assert (table.rows, table.problem) == (len(rows), None)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("x.csv", b"\0\1\2"),
        ("x.csv", "a,b\n".encode("utf-16-le")),
        ("x.tar", b"a,b\n"),
        ("x.tar", tar_of("a.jpg", "a.cls")[:1000]),
        ("x.csv", b"a" * (3 << 20)),
        ("x.csv", b'a\n"' + b"b" * (3 << 20)),
        ("x.csv", b'a\n"b' + b'\n","' * (1 << 20)),
        ("x.csv", b"a," * 20_000 + b"\n1,2\n"),
        ("x.jsonl", b"[" * 500_000),
        ("x.jsonl", b'{"a":' * 200_000),
        ("x.jsonl", b"{" + b",".join(b'"%d":1' % n for n in range(20_000)) + b"}"),
        ("x.parquet", b""),
        ("x.parquet", b"PAR1" + bytes(100) + b"\xff\xff\xff\xffPAR1"),
        ("x.parquet", b"PAR1" + b"\x15" * 100 + b"\x40\0\0\0PAR1"),
        ("x.arrow", b"ARROW1\0\0" + b"\xff" * 100),
        ("x.arrow", b"\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(100)),
        ("x.feather", b"FEA1"),
    ],
)
@pytest.mark.parametrize("summaries", [False, True])
def test_hostile_files_have_a_problem(path: str, data: bytes, summaries: bool) -> None:
    table = read(path, data, summaries=summaries)
    assert table.problem and "\n" not in table.problem
    assert table.rows is None


class Endless(io.RawIOBase):
    """`rows` times a row, made as it is read."""

    def __init__(self, row: bytes, rows: int) -> None:
        super().__init__()
        self._chunks: Iterator[bytes] = (row * 1000 for _ in range(rows // 1000))

    def read(self, size: int = -1) -> bytes:
        return next(self._chunks, b"")


def test_memory_does_not_grow_with_rows() -> None:
    tracemalloc.start()
    table = read_table("x.csv", Endless(b"some text,12.5,true\n", 60_000), summaries=True)  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert table.rows == 59_999
    assert peak < 8 << 20


@given(st.sampled_from(["x.csv", "x.jsonl", "x.tsv"]), st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_nothing_raises(path: str, data: bytes) -> None:
    read(path, data, summaries=True)


# -------------------------------------------------------------------- Parquet and Arrow

ARROW = pa.table({
    "n": pa.array([1, None, 3], pa.int64()),
    "x": pa.array([0.5, math.nan, 2.5]),
    "s": ["a", "b", "a"],
    "image": pa.array([b"1", b"2", b"3"]),
    "vector": [[1.0], [2.0], [3.0]],
})  # fmt: skip


def arrow_files() -> dict[str, bytes]:
    files: dict[str, io.BytesIO] = {
        p: io.BytesIO() for p in ("x.parquet", "x.feather", "x.arrow", "y.arrow")
    }
    pq.write_table(ARROW, files["x.parquet"])
    feather.write_feather(ARROW, files["x.feather"])
    with pa.ipc.new_file(files["x.arrow"], ARROW.schema) as file:
        file.write_table(ARROW)
    with pa.ipc.new_stream(files["y.arrow"], ARROW.schema) as stream:
        stream.write_table(ARROW)
    return {path: file.getvalue() for path, file in files.items()}


@pytest.mark.parametrize("path", ["x.parquet", "x.feather", "x.arrow", "y.arrow"])
def test_arrow(path: str) -> None:
    data = arrow_files()[path]
    table = read(path, data)
    assert (table.rows, table.problem) == (3, None)
    kinds = {column.name: column.type for column in table.columns}
    assert (kinds["n"], kinds["x"], kinds["s"], kinds["image"]) == (
        "int64",
        "double",
        "string",
        "binary",
    )
    found = read(path, data, summaries=True).summaries
    assert found["n"] == ColumnSummary("int", 1, 2, False, 1, 3, 2)
    assert found["x"] == ColumnSummary("float", 1, 2, False, 0.5, 2.5, 1.5)
    assert found["s"] == ColumnSummary("text", 0, 2, False)
    assert set(found) == {"n", "x", "s"}, "neither pictures nor vectors"
    for end in range(0, len(data) - 1, 97):
        assert read(path, data[:end], summaries=True).rows in (None, 0, 3)


def written(table: pa.Table, path: str) -> bytes:
    file = io.BytesIO()
    if path.endswith("parquet"):
        pq.write_table(table, file)
    elif path.startswith("y"):
        with pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)
    else:
        with pa.ipc.new_file(file, table.schema) as whole:
            whole.write_table(table)
    return file.getvalue()


FORMS = ("x.parquet", "x.arrow", "y.arrow")


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", "b", "c"]),
        pa.array(["a", "b", "c"], pa.large_string()),
        pa.array(["x", "y", "x"]).dictionary_encode(),
    ],
    ids=["text", "large text", "dictionary"],
)
@pytest.mark.parametrize("path", ["x.arrow", "y.arrow"])
def test_offsets_that_lie_are_a_problem_and_no_crash(column: pa.Array, path: str) -> None:
    """In a process of its own: a reader that follows them dies of it."""
    data = bytearray(written(pa.table({"s": column}), path))
    buffers = column.indices.buffers() if pa.types.is_dictionary(column.type) else column.buffers()
    lying = buffers[1].to_pybytes()[: 12 if pa.types.is_dictionary(column.type) else 16]
    at = data.rindex(lying)
    data[at + len(lying) - 4 : at + len(lying)] = b"\0\xff\xff\x6f"
    program = (
        "import io, sys; from mvcd.inspect.tables import read_table\n"
        "table = read_table(sys.argv[1], io.BytesIO(sys.stdin.buffer.read()), summaries=True)\n"
        "print(table.problem)"
    )
    run = [sys.executable, "-c", program, path]
    done = subprocess.run(run, input=bytes(data), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.strip() not in (b"None", b"")


@pytest.mark.parametrize("path", FORMS)
def test_dates_outside_of_pythons_range(path: str) -> None:
    stamps = pa.array([1, None, 1 << 62], pa.timestamp("ns", "Europe/Berlin"))
    years = pa.array([10_000_000, 0, 0], pa.date32())
    table = pa.table({"t": stamps, "d": years, "w": pa.array([1, 2, 3], pa.duration("ns"))})
    found = read(path, written(table, path), summaries=True)
    assert found.problem is None
    assert {n: (s.missing, s.distinct) for n, s in found.summaries.items()} == {
        "t": (1, 2),
        "d": (0, 2),
        "w": (0, 3),
    }


@pytest.mark.parametrize("path", FORMS)
def test_columns_of_one_name_and_nested_ones(path: str) -> None:
    columns = [pa.array([1, 2]), pa.array(["u", "u"]), pa.array([{"n": 1}, {"n": 2}])]
    table = pa.Table.from_arrays(columns, ["n", "n", "s"])
    found = read(path, written(table, path), summaries=True)
    assert (found.problem, [column.name for column in found.columns]) == (None, ["n", "n.2", "s"])
    assert found.summaries["n"] == ColumnSummary("int", 0, 2, False, 1, 2, 1.5)
    assert found.summaries["n.2"] == ColumnSummary("text", 0, 1, False)
    table = pa.table({"a": columns[2], "a.n": columns[0], "n": columns[1]})
    found = read(path, written(table, path), summaries=True)
    assert {n: s.type for n, s in found.summaries.items()} == {"a.n": "int", "n": "text"}


@pytest.mark.parametrize("path", FORMS)
def test_decimals_are_numbers(path: str) -> None:
    table = pa.table({"p": pa.array([Decimal("1.50"), None, Decimal("2.25")])})
    found = read(path, written(table, path), summaries=True)
    assert found.summaries["p"] == ColumnSummary("float", 1, 2, False, 1.5, 2.25, 1.875)


def test_without_pyarrow_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert read("x.parquet", arrow_files()["x.parquet"]).problem == ABSENT
    assert "pip install 'mvcd[tables]'" in ABSENT


def test_json_values_of_any_kind() -> None:
    row = {"big": 10**400, "nested": {"a": [1]}, "yes": True, "text": "\ud800"}
    found = read("x.jsonl", json.dumps(row).encode(), summaries=True)
    assert found.problem is None
    assert [column.type for column in found.columns] == ["int", "text", "bool", "text"]
    assert found.summaries["big"].max == math.inf
    assert found.summaries["big"].mean is None


@pytest.mark.parametrize(
    ("members", "rows", "columns"),
    [
        (("0001.jpg", "0001.cls", "0002.jpg", "0002.cls"), 2, ["cls", "jpg"]),
        (("a/1.JPG", "b/1.jpg", "a/2.seg.png"), 3, ["jpg", "seg.png"]),
        (("__key__", ".hidden", "1.txt"), 1, ["txt"]),
        ((), 0, []),
    ],
)
def test_the_samples_of_a_tar(members: tuple[str, ...], rows: int, columns: list[str]) -> None:
    table = read("train-0000.tar", tar_of(*members))
    assert (table.rows, names(table), table.problem) == (rows, columns, None)


cells = st.one_of(st.integers(-9, 9).map(str), st.sampled_from(["", "x", "1.5", "true", "nan"]))
table_rows = st.lists(st.tuples(cells, cells), min_size=1, max_size=30)


@given(table_rows, st.integers(1, 5), st.sampled_from(["csv", "jsonl", "parquet", "arrow"]))
def test_shards_are_the_table_that_they_were_cut_from(
    rows: list[tuple[str, str]], count: int, kind: str
) -> None:
    def written(part: list[tuple[str, str]]) -> bytes:
        columns = {"a": [a or None for a, _ in part], "b": [float(len(b)) for _, b in part]}
        match kind:
            case "csv":
                return ("a,b\n" + "".join(f"{a},{b}\n" for a, b in part)).encode()
            case "jsonl":
                return "".join(json.dumps({"a": a, "b": len(b)}) + "\n" for a, b in part).encode()
        table, out = (
            pa.table(columns, pa.schema([("a", pa.string()), ("b", pa.float64())])),
            io.BytesIO(),
        )
        if kind == "parquet":
            pq.write_table(table, out)
        else:
            with pa.ipc.new_stream(out, table.schema) as stream:
                stream.write_table(table)
        return out.getvalue()

    step = -(-len(rows) // count)
    parts = [rows[at : at + step] for at in range(0, len(rows), step)]
    path = f"t.{kind}"
    for summaries in (False, True):
        files = [(path, io.BytesIO(written(part))) for part in parts]
        found = read_shards(files, summaries=summaries)
        whole = read(path, written(rows), summaries=summaries)
        assert (found.rows, found.columns) == (whole.rows, whole.columns)
        for name, summary in whole.summaries.items():
            mine = found.summaries[name]
            if summary.mean is not None:  # of shards it is merged, and rounded once for each
                assert mine.mean == pytest.approx(summary.mean, rel=1e-9, abs=1e-9)
                mine = replace(mine, mean=summary.mean)
            assert mine == summary


def test_shards_with_other_columns() -> None:
    files = {"a.csv": b"y,x\n1,2\n", "b.csv": b"x,z\nu,\n"}
    found = read_shards([(p, io.BytesIO(d)) for p, d in files.items()], summaries=True)
    assert (found.rows, found.columns) == (
        2, (Column("y", "int"), Column("x", "mixed"), Column("z", "empty")),
    )  # fmt: skip
    assert [found.summaries[name].missing for name in "yxz"] == [1, 0, 2]
    broken = read_shards([("d/a.csv", io.BytesIO(b"x\n1\n")), ("d/b.jsonl", io.BytesIO(b"no"))])
    assert broken == Table(problem="b.jsonl: line 1 is no JSON")
