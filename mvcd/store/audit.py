"""The audit chain inside index transactions (FORMAT.md, section Audit).

Each row holds the digest of the row before it, so a row can be neither changed, removed nor put in without
breaking all digests after it; the newest digest stands in the meta table and, if somebody writes it down, on
paper. After Haber and Stornetta, How to time-stamp a digital document (1991), linking scheme.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from blake3 import blake3

from mvcd.errors import IntegrityError, UsageError
from mvcd.ids import DIGEST_BYTES
from mvcd.store.api import AuditHead, AuditRow
from mvcd.store.index import Index, Transaction
from mvcd.store.rows import SEQUENCE, seal, sequence_of, unseal, unseal_or_raise

MAX_ROW_BYTES = 4 << 20
"""Bytes; 4096 refs of the longest names make 3 MiB."""
BATCH_ROWS = 1024
NO_ROWS: Final = AuditHead(0, bytes(DIGEST_BYTES))

_HEAD_KEY: Final = b"audit"
_HEAD = struct.Struct(f"<Q{DIGEST_BYTES}s")
_CONTEXT = "mvc audit chain 1"


def require_row_size(data: bytes) -> None:
    if len(data) > MAX_ROW_BYTES:
        raise UsageError(f"an audit row has at most {MAX_ROW_BYTES} bytes, not {len(data)}")


def row_digest(row: AuditRow) -> bytes:
    """BLAKE3-256, derive-key mode, over the number (u64, big-endian), the previous digest and the data."""
    hashed = blake3(derive_key_context=_CONTEXT)
    hashed.update(SEQUENCE.pack(row.sequence)).update(row.previous).update(row.data)
    return hashed.digest()


def after(head: AuditHead, data: bytes) -> tuple[AuditRow, AuditHead]:
    """The row that follows `head`, and the head it makes."""
    row = AuditRow(head.sequence + 1, head.digest, data)
    return row, AuditHead(row.sequence, row_digest(row))


def problems(rows: Iterable[AuditRow], head: AuditHead) -> Iterator[str]:
    """What breaks the chain of all rows, from the first to `head`."""
    expected = NO_ROWS
    for row in rows:
        if row.sequence != expected.sequence + 1:
            yield f"{_between(expected.sequence + 1, row.sequence - 1)} absent"
        elif row.previous != expected.digest:
            yield f"row {row.sequence} does not follow the row before it"
        expected = AuditHead(row.sequence, row_digest(row))
    if expected.sequence < head.sequence:
        yield f"{_between(expected.sequence + 1, head.sequence)} absent"
    elif expected != head:
        yield f"row {expected.sequence} is not the one that was written last"


def _between(first: int, last: int) -> str:
    return f"row {first} is" if first >= last else f"rows {first} to {last} are"


# ---------------------------------------------------------------------- in the index


def read_head(index: Index, txn: Transaction) -> AuditHead:
    """Raises IntegrityError when its row is damaged."""
    stored = txn.get(_HEAD_KEY, db=index.meta)
    if stored is None:
        return NO_ROWS
    value = unseal(_HEAD_KEY, stored)
    if value is None or len(value) != _HEAD.size:
        raise IntegrityError(
            "the audit log is damaged",
            cause="the checksum of its newest digest does not match",
            help="mvc audit verify",
        )
    return AuditHead(*_HEAD.unpack(value))


def append(index: Index, txn: Transaction, data: bytes) -> AuditRow:
    """The caller has called `index.require_audit` before the transaction."""
    row, head = after(read_head(index, txn), data)
    put_row(index, txn, row)
    put_head(index, txn, head)
    return row


def put_row(index: Index, txn: Transaction, row: AuditRow) -> None:
    key = SEQUENCE.pack(row.sequence)
    txn.put(key, seal(key, row.previous + row.data), db=index.audit)


def put_head(index: Index, txn: Transaction, head: AuditHead) -> None:
    txn.put(_HEAD_KEY, seal(_HEAD_KEY, _HEAD.pack(head.sequence, head.digest)), db=index.meta)


def read_rows(index: Index, *, start: int = 1) -> Iterator[AuditRow]:
    """In batches of one transaction each. Raises IntegrityError at a damaged row."""
    if not index.find_audit():
        return
    while True:
        with index.read() as txn:
            cursor = txn.cursor(db=index.audit)
            found = cursor.set_range(SEQUENCE.pack(start))
            rows = cursor.iternext() if found else iter(())
            batch = [row for row, _ in zip(rows, range(BATCH_ROWS), strict=False)]
        for key, stored in batch:
            sequence = sequence_of(key)
            value = unseal_or_raise(key, stored, f"row {sequence} of the audit log")
            yield AuditRow(sequence, value[:DIGEST_BYTES], value[DIGEST_BYTES:])
            start = sequence + 1
        if len(batch) < BATCH_ROWS:
            return
