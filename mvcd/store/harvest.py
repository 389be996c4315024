"""What a damaged index still tells. Runs apart (apart.py), for each page may be the one that ends it.

Refs, operations, audit rows and counters carry checksums, so what is taken from here is as it was written. A
table that was read to its end is told with its number of rows, and one that was not is never called whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from mvcd.errors import IntegrityError, MvcError
from mvcd.ids import DIGEST_BYTES
from mvcd.store.apart import Teller, apart
from mvcd.store.api import AuditRow
from mvcd.store.audit import read_head
from mvcd.store.index import Index, Transaction
from mvcd.store.journal import JOURNAL, Journal
from mvcd.store.journal_check import journal_problem
from mvcd.store.meta import CHANGES, FORMAT, NEXT_PACK, OPERATION, SWEEPS, number
from mvcd.store.pack import pack_name
from mvcd.store.refs import scan
from mvcd.store.rows import SEQUENCE, unseal
from mvcd.store.writers import pack_rows

_TABLES = ("refs", "operations", "audit")


@dataclass(slots=True)
class Harvest:
    """`changes` is None where the counter is lost; `whole` are the tables that were read to their ends, each
    row good."""

    changes: int | None = None
    refs: dict[str, bytes] = field(default_factory=dict)
    operations: dict[int, bytes] = field(default_factory=dict)
    audit: dict[int, AuditRow] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)

    def take(self, row: tuple[str, bytes | int | None, bytes]) -> None:
        table, key, value = row
        if table == "changes":
            assert isinstance(key, int)
            self.changes = key
        elif table == "whole":
            self.whole.add(value.decode())
        elif isinstance(key, bytes):
            self._put(table, key, value)

    def _put(self, table: str, key: bytes, value: bytes) -> None:
        if table == "refs":
            self.refs[key.decode(errors="replace")] = value
            return
        sequence = int.from_bytes(key, "big")
        if table == "operations":
            self.operations[sequence] = value
        else:
            row = AuditRow(sequence, value[:DIGEST_BYTES], value[DIGEST_BYTES:])
            self.audit[sequence] = row


def harvest(path: str) -> Harvest:
    """All that can be had of the index of the store directory `path`, which nobody else has open; nothing where
    there is none. Changes nothing."""
    found = Harvest()
    left = ["changes", *_TABLES]
    while left:
        begun: list[str] = []

        def take(row: tuple[str, bytes | int | None, bytes], begun: list[str] = begun) -> None:
            if row[0] == "begin":
                begun.append(row[2].decode())
            else:
                found.take(row)

        try:
            apart(__name__, "read_tables", path, left, row=take)
            return found
        except (
            MvcError
        ):  # the rows before the fault were handed over; the next child reads the other tables
            if not begun:  # it does not even open
                return found
            left = left[len(begun) :]
    return found


def read_tables(teller: Teller, path: str, tables: list[str]) -> None:
    """In the child: the good rows of these tables, in order, as far as the pages allow."""
    index = Index.acquire(path)
    for table in tables:
        teller.row(("begin", None, table.encode()))
        try:
            _read_table(teller, index, table)
        except IntegrityError:
            continue


def _read_table(teller: Teller, index: Index, table: str) -> None:
    with index.read() as txn:
        if table == "changes":
            teller.row(("changes", number(index, txn, CHANGES), b""))
            return
        handle = getattr(index, table)
        if handle is None:
            teller.row(("whole", None, table.encode()))
            return
        count, bad = 0, 0
        for key, stored in scan(txn, handle):
            value = unseal(key, stored)
            count += 1
            if value is None or (table != "refs" and len(key) != SEQUENCE.size):
                bad += 1
                continue
            teller.row((table, bytes(key), bytes(value)))
        if not bad and count == txn.stat(handle)["entries"]:
            teller.row(("whole", None, table.encode()))


def probe(path: str) -> list[tuple[str, str]]:
    """What is wrong with the index of the store in `path`, and if it can be read, with packs and journal beside
    it: part and problem. Reads no content.

    Raises what has other reasons than damage: no memory, no descriptors, no permission.
    """
    try:
        found: list[tuple[str, str]] = apart(__name__, "look", path)
    except IntegrityError as error:
        return [("index", f"{error.cause or error}")]
    return found


def look(_: Teller, path: str) -> list[tuple[str, str]]:
    """In the child: opens the index, reads every row of every table and checks what can be checked of it."""
    index = Index.acquire(path)
    problem = _index_problem(index)
    if problem is not None:
        return [("index", problem)]
    found = [("packs", problem) for problem in _short_packs(index, os.path.join(path, "packs"))]
    problem = journal_problem(index, Journal(os.path.join(path, JOURNAL)))
    return found if problem is None else [*found, ("journal", problem)]


def _short_packs(index: Index, directory: str) -> Iterator[str]:
    with index.read() as txn:
        rows = pack_rows(index, txn)
    for row in rows:
        size = -1
        with suppress(FileNotFoundError):
            size = os.stat(os.path.join(directory, pack_name(row.number))).st_size
        if size < row.length:
            with index.read() as txn:
                stands = row in pack_rows(index, txn)
            if stands:  # or else a collection dropped it meanwhile
                left = "it is gone" if size < 0 else f"{size} bytes of {row.length} are left"
                yield f"pack {row.number:08x}: {left}"


def _index_problem(index: Index) -> str | None:
    tables: Mapping[str, object] = {
        name: getattr(index, name)
        for name in ("objects", "packs", "refs", "operations", "cache", "meta", "audit")
        if getattr(index, name) is not None
    }
    for name, table in tables.items():
        with index.read() as txn:
            expected = txn.stat(table)["entries"]
            count, last = 0, b""
            for key, value in scan(txn, table):
                if count and key <= last:
                    return f"table {name}: keys are out of order"
                if name not in ("objects", "cache") and unseal(key, value) is None:
                    return f"table {name}: a row's checksum does not match"
                count, last = count + 1, key
            if count != expected:
                return f"table {name}: {count} rows of {expected} are left"
    with index.read() as txn:
        for counter in (FORMAT, CHANGES, SWEEPS, NEXT_PACK, OPERATION):
            number(index, txn, counter)
        read_head(index, txn)
    _try_to_write(index)
    return None


def _try_to_write(index: Index) -> None:
    """A write that is taken back: it reads the list of free pages, which nothing else does."""
    if index.read_only:
        return

    class Enough(Exception):
        pass

    def work(txn: Transaction) -> None:
        txn.put(b"probe", b"", db=index.cache)
        raise Enough

    with suppress(Enough):
        index.write(work)
