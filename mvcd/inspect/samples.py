"""Samples in a tar, as WebDataset has them (webdataset/tariterators.py): a table whose columns are files.

Files that share a name up to the first dot of their last part are one sample, a row: `0001.jpg` and `0001.cls`.
What follows that dot is the column. Headers only are read; the content of no member is.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from mvcd.inspect.columns import Column
from mvcd.inspect.table import MAX_COLUMNS, MAX_NAME_CHARACTERS, NoTable, Table

MAX_MEMBER_FILES = 5_000_000
"""Files in one tar; a shard of WebDataset has some thousand."""


def read(file: BinaryIO) -> Table:
    """Counts the samples of a tar. Samples whose files lie apart count twice, as WebDataset itself has it.

    Raises NoTable for what is no tar, and for one that ends early.
    """
    rows, last = 0, ""
    columns: dict[str, None] = {}
    for name in _members(file):
        directory, slash, base = name.rpartition("/")
        stem, dot, suffix = base.partition(".")
        if not stem or not dot:
            continue
        sample = directory + slash + stem
        rows += sample != last
        last = sample
        columns[suffix.lower()[:MAX_NAME_CHARACTERS]] = None
        if len(columns) > MAX_COLUMNS:
            raise NoTable(f"more than {MAX_COLUMNS:,} columns")
    return Table(rows, tuple(Column(name) for name in sorted(columns)))


def _members(file: BinaryIO) -> Iterator[str]:
    """Names of the regular files, in order."""
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for number, member in enumerate(tar):
                if number >= MAX_MEMBER_FILES:
                    raise NoTable(f"more than {MAX_MEMBER_FILES:,} members")
                tar.members = []  # type: ignore[attr-defined]  # it would keep each
                if member.isfile():
                    yield member.name
            file.seek(tar.offset)
            if file.read(tarfile.BLOCKSIZE).strip(b"\0"):  # tarfile takes it for the end
                raise NoTable("a damaged tar")
    except (tarfile.TarError, EOFError, OverflowError) as error:
        raise NoTable("no tar, or a damaged one") from error
