"""Parquet and Arrow files (also Feather 2, and Arrow streams as Hugging Face's `datasets` keeps them).

This is the only module that knows pyarrow, which comes with the extra `tables`. A Parquet file's rows and
columns are read from its footer, so its data is read for summaries only; an Arrow file does not say how many
rows it has, so it is read whole, batch by batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from mvcd.inspect import parquetfooter, parquetpages
from mvcd.inspect.columns import Column, Gatherer
from mvcd.inspect.spans import NotThisFormat, Span, reading
from mvcd.inspect.table import MAX_COLUMNS, NoTable, Table, distinct_names

if TYPE_CHECKING:
    import types

ABSENT = "needs pyarrow: pip install 'mvcd[tables]'"
MAX_FOOTER_BYTES = 16 << 20
"""Bytes of a Parquet footer, which is parsed whole: 10,000 columns in 100 row groups take about that."""

_BATCH_ROWS = 1024
_MAX_TYPE_CHARACTERS = 200  # characters of what Arrow calls a type
_BUFFER_BYTES = 1 << 20
"""Bytes read at a time of a Parquet column: otherwise a row group's whole column is in memory."""


def read(kind: str | None, file: BinaryIO, *, summaries: bool, whole: Gatherer | None) -> Table:
    """Raises NoTable, also when pyarrow is absent. `whole`: see `Gatherer`."""
    pa = _pyarrow()
    try:
        if kind == "parquet":
            return _parquet(pa, file, summaries=summaries, whole=whole)
        return _arrow(pa, file, summaries=summaries, whole=whole)
    except (OverflowError, MemoryError, SystemError, KeyError, IndexError) as error:
        raise NoTable(f"damaged: {error}" if str(error) else "damaged") from None
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


def _parquet(pa: Any, file: BinaryIO, *, summaries: bool, whole: Gatherer | None) -> Table:
    import pyarrow.parquet as pq  # late: an extra

    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    if len(tail) < 8 or tail[4:] != b"PAR1":
        raise NoTable("no Parquet file")
    footer_bytes = int.from_bytes(tail[:4], "little")
    if footer_bytes > MAX_FOOTER_BYTES:
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
    alike = len(set(schema.names)) < len(schema.names)  # then names choose nothing
    footer = Span(max(0, size - 8 - footer_bytes), min(footer_bytes, size - 8))
    _check(file, footer, found.metadata)
    batches = found.iter_batches(_BATCH_ROWS, columns=None if alike else names)
    return _summary(schema, rows, batches, whole)


def _check(file: BinaryIO, footer: Span, metadata: Any) -> None:
    """Raises NoTable for what would end the process, and for pages that claim more than their column has."""
    read_at = reading(file)
    try:
        parquetfooter.check(read_at, footer.offset, footer.size)
        for group in range(metadata.num_row_groups):
            row_group = metadata.row_group(group)
            for number in range(row_group.num_columns):
                chunk = row_group.column(number)
                starts = (chunk.dictionary_page_offset, chunk.data_page_offset)
                start = min(offset for offset in starts if offset)
                parquetpages.check(
                    read_at, start, chunk.total_compressed_size, chunk.total_uncompressed_size
                )
    except NotThisFormat as problem:
        raise NoTable(f"damaged: {problem}") from None
    file.seek(0)


def _arrow(pa: Any, file: BinaryIO, *, summaries: bool, whole: Gatherer | None) -> Table:
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
        return _summary(reader.schema, None, batches, whole)
    return Table(sum(batch.num_rows for batch in batches), _columns(reader.schema))


def _summarised(type: Any) -> bool:
    """Images, embeddings and lists are not: a batch of them has no bound, and their text says nothing."""
    import pyarrow.types as t  # late: an extra

    binary = t.is_binary(type) or t.is_large_binary(type) or t.is_fixed_size_binary(type)
    return not (binary or t.is_nested(type))


def _columns(schema: Any) -> tuple[Column, ...]:
    if len(schema.names) > MAX_COLUMNS:
        raise NoTable(f"more than {MAX_COLUMNS:,} columns")
    names = distinct_names(schema.names)
    return tuple(
        Column(name, str(field.type)[:_MAX_TYPE_CHARACTERS])
        for name, field in zip(names, schema, strict=True)
    )


def _summary(
    schema: Any, rows: int | None, batches: Iterator[Any], whole: Gatherer | None
) -> Table:
    """`rows` is None where only the batches tell. A batch may have fewer columns than the schema, if no two of
    them have one name.

    Each batch is validated before it is used: Arrow itself takes offsets and indices as they are, and follows
    them out of its memory.
    """
    columns = _columns(schema)
    wanted = [
        (field.name, place, column.name)
        for place, (field, column) in enumerate(zip(schema, columns, strict=True))
        if _summarised(field.type)
    ]
    gatherer = Gatherer([name for _, _, name in wanted], whole)
    count = 0
    for batch in batches:
        batch.validate(full=True)
        count += batch.num_rows
        for name, place, label in wanted:
            at = place if batch.num_columns == len(columns) else batch.schema.get_field_index(name)
            column = batch.column(at)
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                gatherer.add_column(label, _values(column.slice(start, _BATCH_ROWS)))
    return Table(count if rows is None else rows, columns, gatherer.finish(count))


def _values(column: Any) -> list[object]:
    """As Python has them. Dates and times are the text of their number: Python's own end at the year 9999, and
    at microseconds."""
    import pyarrow as pa  # late: an extra
    import pyarrow.types as t  # late: an extra

    kind = column.type
    if t.is_dictionary(kind) and _is_time(kind.value_type):
        column = column.dictionary_decode()
        kind = column.type
    if t.is_float16(kind):
        column = column.cast(pa.float32())
    if not _is_time(kind):
        return column.to_pylist()  # type: ignore[no-any-return]
    number = pa.int32() if t.is_date32(kind) or t.is_time32(kind) else pa.int64()
    return [None if value is None else str(value) for value in column.cast(number).to_pylist()]


def _is_time(kind: Any) -> bool:
    import pyarrow.types as t  # late: an extra

    return t.is_temporal(kind) and not t.is_interval(kind)
