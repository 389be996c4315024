"""Parquet and Arrow files (also Feather 2, and Arrow streams as Hugging Face's `datasets` keeps them).

This is the only module that knows pyarrow, which comes with the extra `tables`. A Parquet file's rows and
columns are read from its footer, so its data is read for summaries only; an Arrow file does not say how many
rows it has, so it is read whole, batch by batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from mvcd.inspect.columns import Column, Gatherer
from mvcd.inspect.table import MAX_COLUMNS, NoTable, Table

if TYPE_CHECKING:
    import types

ABSENT = "needs pyarrow: pip install 'mvc[tables]'"
MAX_FOOTER_BYTES = 16 << 20
"""Bytes of a Parquet footer, which is parsed whole: 10,000 columns in 100 row groups take about that."""

_BATCH_ROWS = 1024
_MAX_TYPE_CHARACTERS = 200  # characters of what Arrow calls a type
_BUFFER_BYTES = 1 << 20
"""Bytes read at a time of a Parquet column: otherwise a row group's whole column is in memory."""


def read(kind: str | None, file: BinaryIO, *, summaries: bool) -> Table:
    """Raises NoTable, also when pyarrow is absent."""
    pa = _pyarrow()
    try:
        if kind == "parquet":
            return _parquet(pa, file, summaries=summaries)
        return _arrow(pa, file, summaries=summaries)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the file cannot be read; what pyarrow says of content has no number
        raise NoTable(str(error).splitlines()[0] or "damaged") from None


def _pyarrow() -> types.ModuleType:
    try:
        import pyarrow as pa  # late: an extra
    except ImportError:
        raise NoTable(ABSENT) from None
    return pa  # type: ignore[no-any-return]


def _parquet(pa: Any, file: BinaryIO, *, summaries: bool) -> Table:
    import pyarrow.parquet as pq  # late: an extra

    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    if len(tail) < 8 or tail[4:] != b"PAR1":
        raise NoTable("no Parquet file")
    if int.from_bytes(tail[:4], "little") > MAX_FOOTER_BYTES:
        raise NoTable(f"a footer of more than {MAX_FOOTER_BYTES >> 20} MiB")
    file.seek(0)
    found = pq.ParquetFile(
        pa.PythonFile(file, mode="r"),
        pre_buffer=False,
        buffer_size=_BUFFER_BYTES,
        thrift_string_size_limit=MAX_FOOTER_BYTES,
        thrift_container_size_limit=1_000_000,
    )
    schema, rows = found.schema_arrow, found.metadata.num_rows
    if not summaries:
        return Table(rows, _columns(schema))
    names = [field.name for field in schema if _summarised(field.type)]
    return _summary(schema, rows, names, found.iter_batches(_BATCH_ROWS, columns=names))


def _arrow(pa: Any, file: BinaryIO, *, summaries: bool) -> Table:
    file.seek(0)
    magic = file.read(6)
    file.seek(0)
    source = pa.PythonFile(file, mode="r")
    if magic == b"ARROW1":
        reader = pa.ipc.open_file(source)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
    else:
        reader = pa.ipc.open_stream(source)
        batches = iter(reader)
    if summaries:
        names = [field.name for field in reader.schema if _summarised(field.type)]
        return _summary(reader.schema, None, names, batches)
    return Table(sum(batch.num_rows for batch in batches), _columns(reader.schema))


def _summarised(type: Any) -> bool:
    """Images, embeddings and lists are not: a batch of them has no bound, and their text says nothing."""
    import pyarrow.types as t  # late: an extra

    binary = t.is_binary(type) or t.is_large_binary(type) or t.is_fixed_size_binary(type)
    return not (binary or t.is_nested(type))


def _columns(schema: Any) -> tuple[Column, ...]:
    if len(schema.names) > MAX_COLUMNS:
        raise NoTable(f"more than {MAX_COLUMNS:,} columns")
    if len(set(schema.names)) < len(schema.names):
        raise NoTable("two columns of one name")
    return tuple(Column(field.name, str(field.type)[:_MAX_TYPE_CHARACTERS]) for field in schema)


def _summary(schema: Any, rows: int | None, names: list[str], batches: Iterator[Any]) -> Table:
    """`rows` is None where only the batches tell."""
    columns = _columns(schema)
    gatherer = Gatherer(names)
    count = 0
    for batch in batches:
        count += batch.num_rows
        for name in names:
            gatherer.add_column(name, batch.column(name).to_pylist())
    return Table(count if rows is None else rows, columns, gatherer.finish(count))
