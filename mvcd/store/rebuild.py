"""A new index from the packs and the journal (FORMAT.md, section Rebuilding)."""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mvcd.disk.aside import keep_aside
from mvcd.disk.group import share
from mvcd.disk.renames import move
from mvcd.disk.sync import sync_directory
from mvcd.ids import Digest
from mvcd.store.index import Index, Transaction
from mvcd.store.journal import JOURNAL, Journal, JournalState
from mvcd.store.lmdb_store import FORMAT_VERSION, lock_format, read_format
from mvcd.store.meta import NEXT_PACK, create_numbers, put_number
from mvcd.store.pack import pack_name, pack_numbers
from mvcd.store.record import (
    PACK_HEADER,
    BadRecord,
    Record,
    check_pack_header,
    scan,
)
from mvcd.store.rows import ObjectLocation
from mvcd.store.takenover import History, put_history
from mvcd.store.writers import put_pack_row


@dataclass(slots=True)
class RebuildReport:
    """What was found. `damaged` counts stretches of packs without a valid record; `journal_gaps`
    the lines of the journal that are damaged or missing, so refs or operations may be older;
    `operations_lost` those before a gap, which are not undone any more; `kept` is where the old index is."""

    objects: int = 0
    packs: int = 0
    damaged: int = 0
    refs: int = 0
    operations: int = 0
    operations_lost: int = 0
    audit_rows: int = 0
    journal_gaps: int = 0
    kept: str | None = None


def rebuild_index(path: str | os.PathLike[str]) -> RebuildReport:
    """Replaces the index of the store at `path` by what packs and journal tell; the old one is kept as
    `data.mdb.damaged-N`.

    Needs the store for itself. Raises Busy when somebody has it open, Failure when there is none.
    """
    path = os.path.abspath(path)
    lock = lock_format(path, shared=False)
    try:
        read_format(path)
        return rebuild(path, Journal(os.path.join(path, JOURNAL)).read())
    finally:
        os.close(lock)


def rebuild(path: str, history: JournalState) -> RebuildReport:
    """The same with this history, by who holds the store's locks. The old index stays in its place until the
    new one takes it, whole and durable."""
    fresh = os.path.join(path, "rebuild")
    shutil.rmtree(fresh, ignore_errors=True)
    os.mkdir(fresh)
    report = RebuildReport()
    index = Index.acquire(fresh, create=True)
    try:
        index.write(lambda txn: create_numbers(index, txn, FORMAT_VERSION))
        _add_packs(index, os.path.join(path, "packs"), report)
        _add_history(index, history, report)
    finally:
        index.release()
    report.kept = _swap(path, fresh)
    return report


def _add_packs(index: Index, directory: str, report: RebuildReport) -> None:
    """One transaction for each pack."""
    next_pack = 0
    for number in pack_numbers(directory):
        next_pack = number + 1
        with _mapped(os.path.join(directory, pack_name(number))) as data:
            rows, end = _scan_pack(data, number, report)
        if rows:
            index.write(lambda txn: _put_pack(index, txn, number, rows, end))  # noqa: B023
            report.packs += 1
    index.write(lambda txn: put_number(index, txn, NEXT_PACK, next_pack))
    with index.read() as txn:
        report.objects = txn.stat(index.objects)["entries"]


def _scan_pack(
    data: bytes | mmap.mmap, number: int, report: RebuildReport
) -> tuple[dict[Digest, bytes], int]:
    """Rows of all valid records, of each object the last one, and where the last of all ends."""
    rows: dict[Digest, bytes] = {}
    end = 0
    try:
        check_pack_header(data[: PACK_HEADER.size], number)
    except BadRecord:
        report.damaged += 1
    for offset, record in scan(data):
        if isinstance(record, BadRecord):
            report.damaged += 1
            continue
        rows[record.id] = _location(number, offset, record).row()
        end = offset + record.size
    return rows, end


def _location(number: int, offset: int, record: Record) -> ObjectLocation:
    size = len(record.body)
    return ObjectLocation(number, offset, size, record.raw_size, record.id.kind, record.base)


def _put_pack(
    index: Index, txn: Transaction, number: int, rows: dict[Digest, bytes], end: int
) -> None:
    txn.cursor(db=index.objects).putmulti(sorted(rows.items()))
    put_pack_row(index, txn, number, end, True)


def _add_history(index: Index, history: JournalState, report: RebuildReport) -> None:
    operations = _unbroken(history.operations)

    whole = History(
        history.changes,
        history.refs,
        [(sequence, history.operations[sequence]) for sequence in operations],
        [history.audit[number] for number in sorted(history.audit)],
    )
    index.write(lambda txn: put_history(index, txn, whole))
    report.refs = len(history.refs)
    report.operations = len(operations)
    report.operations_lost = len(history.operations) - len(operations)
    report.audit_rows = len(history.audit)
    report.journal_gaps = history.bad_lines + history.holes


def _unbroken(operations: Mapping[int, bytes]) -> list[int]:
    """The newest numbers without a gap, ascending: old ones may be cut off, but none may be missing between."""
    found: list[int] = []
    for sequence in sorted(operations, reverse=True):
        if found and sequence != found[-1] - 1:
            break
        found.append(sequence)
    return found[::-1]


def _swap(path: str, fresh: str) -> str | None:
    """There is an index at every moment: the old one gets a second name before the new one takes its first."""
    data = os.path.join(path, "data.mdb")
    kept = keep_aside(data)
    move(os.path.join(fresh, "data.mdb"), data)
    share(data)
    for lock_file in (os.path.join(path, "lock.mdb"), os.path.join(fresh, "lock.mdb")):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(lock_file)
    os.rmdir(fresh)
    sync_directory(path)
    return kept


@contextlib.contextmanager
def _mapped(path: str) -> Iterator[bytes | mmap.mmap]:
    """A file's bytes; an empty file cannot be mapped."""
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data
