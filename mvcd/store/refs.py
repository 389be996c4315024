"""Refs, operations and cache rows inside index transactions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mvcd.errors import Conflict, UsageError
from mvcd.lateclasses import NamedTuple
from mvcd.store import audit
from mvcd.store.api import AuditRow, RefUpdate
from mvcd.store.audit import require_row_size
from mvcd.store.index import Index, Transaction
from mvcd.store.journal import Change, Journal
from mvcd.store.meta import CHANGES, OPERATION, number, put_number
from mvcd.store.rows import SEQUENCE, seal, sequence_of, unseal_or_raise

MAX_NAME_BYTES = 500
MAX_VALUE_BYTES = 64 << 10
MAX_CACHE_KEY_BYTES = 500
BATCH_ROWS = 1024


class RefTransaction:
    """Everything of a commit but its objects."""

    def __init__(
        self,
        updates: Sequence[RefUpdate] = (),
        operation: bytes | None = None,
        cache: Mapping[bytes, bytes | None] | None = None,
        audit: bytes | None = None,
    ) -> None:
        """Raises UsageError for a name, a value or a row that is too long."""
        for update in updates:
            require_ref_name(update.name)
            if update.target is not None and len(update.target) > MAX_VALUE_BYTES:
                raise UsageError(f"the value of {update.name!r} is too long")
        for key in cache or ():
            require_cache_key(key)
        if audit is not None:
            require_row_size(audit)
        self.updates = updates
        self.operation = operation
        self.cache = cache
        self.audit = audit

    @property
    def recorded(self) -> bool:
        """Whether it changes what the journal keeps."""
        return bool(self.updates) or self.operation is not None or self.audit is not None


class RefReceipt(NamedTuple):
    """The numbers a move was given."""

    changes: int
    sequence: int  # of its operation; 0 without one
    audited: AuditRow | None = None


def require_ref_name(name: str) -> None:
    size = len(name.encode())
    if not 0 < size <= MAX_NAME_BYTES:
        raise UsageError(f"a ref name has 1 to {MAX_NAME_BYTES} bytes, not {size}")


def require_cache_key(key: bytes) -> None:
    if not 0 < len(key) <= MAX_CACHE_KEY_BYTES:
        raise UsageError(f"a cache key has 1 to {MAX_CACHE_KEY_BYTES} bytes, not {len(key)}")


def move(index: Index, txn: Transaction, what: RefTransaction) -> RefReceipt:
    """Compares and sets refs, appends the operation and the audit row, writes cache rows. Raises
    Conflict."""
    for update in what.updates:
        _move_ref(index, txn, update)
    put_cache(index, txn, what.cache or {})
    if not what.recorded:
        return RefReceipt(0, 0)
    sequence = 0
    if what.operation is not None:
        sequence = number(index, txn, OPERATION) + 1
        key = SEQUENCE.pack(sequence)
        txn.put(key, seal(key, what.operation), db=index.operations, append=True)
        put_number(index, txn, OPERATION, sequence)
    audited = None if what.audit is None else audit.append(index, txn, what.audit)
    changes = number(index, txn, CHANGES) + 1
    put_number(index, txn, CHANGES, changes)
    return RefReceipt(changes, sequence, audited)


def _move_ref(index: Index, txn: Transaction, update: RefUpdate) -> None:
    key = update.name.encode()
    found = read_ref(index, txn, update.name)
    if found != update.expect:
        raise Conflict(
            f"{update.name} has changed meanwhile",
            kind="ref-changed",
            cause="somebody else moved it" if found is not None else "it does not exist",
            help="run the command again",
        )
    if update.target is None:
        txn.delete(key, db=index.refs)
    else:
        txn.put(key, seal(key, update.target), db=index.refs)


def put_cache(index: Index, txn: Transaction, rows: Mapping[bytes, bytes | None]) -> None:
    for key in sorted(rows):
        value = rows[key]
        if value is None:
            txn.delete(key, db=index.cache)
        else:
            txn.put(key, seal(key, value), db=index.cache)


def read_ref(index: Index, txn: Transaction, name: str) -> bytes | None:
    """Raises IntegrityError when its row is damaged."""
    key = name.encode()
    stored = txn.get(key, db=index.refs)
    return None if stored is None else unseal_or_raise(key, stored, f"ref {name}")


def read_refs(index: Index, txn: Transaction, prefix: str = "") -> dict[str, bytes]:
    """Raises IntegrityError when a row is damaged."""
    refs = {}
    for key, stored in scan(txn, index.refs, prefix.encode()):
        name = key.decode(errors="replace")
        refs[name] = unseal_or_raise(key, stored, f"ref {name}")
    return refs


def scan(
    txn: Transaction, table: object, prefix: bytes = b"", start: bytes | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Rows whose key has the prefix, ascending, from key `start` on. Valid inside the transaction."""
    cursor = txn.cursor(db=table)
    if cursor.set_range(start if start is not None else prefix):
        for key, value in cursor:
            if not key.startswith(prefix):
                return
            yield key, value


def read_operations(
    index: Index, *, newest_first: bool = True, start: int | None = None
) -> Iterator[tuple[int, bytes]]:
    """In batches of one transaction each, so that a slow consumer pins no pages."""
    if start is None:
        start = (1 << 64) - 1 if newest_first else 0
    while True:
        with index.read() as txn:
            batch = _operation_batch(index, txn, start, newest_first)
        for key, stored in batch:
            sequence = sequence_of(key)
            yield sequence, unseal_or_raise(key, stored, f"operation {sequence}")
        if len(batch) < BATCH_ROWS:
            return
        start = sequence - 1 if newest_first else sequence + 1


def _operation_batch(
    index: Index, txn: Transaction, start: int, newest_first: bool
) -> list[tuple[bytes, bytes]]:
    cursor = txn.cursor(db=index.operations)
    key = SEQUENCE.pack(start)
    found = cursor.set_range(key)
    if newest_first and not (found and cursor.key() == key):
        found = cursor.prev() if found else cursor.last()
    if not found:
        return []
    rows = cursor.iterprev() if newest_first else cursor.iternext()
    return [row for row, _ in zip(rows, range(BATCH_ROWS), strict=False)]


def write_journal(index: Index, journal: Journal, what: RefTransaction, moved: RefReceipt) -> None:
    """Appends the line of a committed move, or a full one where lines before it are missing."""
    last = journal.last()
    if (last.changes if last else 0) != moved.changes - 1:
        journal.append(*full_changes(index, audited=last.audited if last else 0))
        return
    refs = {update.name: update.target for update in what.updates}
    operations = [] if what.operation is None else [(moved.sequence, what.operation)]
    rows = [] if moved.audited is None else [moved.audited]
    audited = moved.audited.sequence if moved.audited else last.audited if last else 0
    journal.append(Change(moved.changes, False, refs, operations, rows, audited))


def full_changes(index: Index, *, audited: int = 0) -> list[Change]:
    """All refs and operations as they are now, and the audit rows after number `audited`.

    The audit log is never cut and may be long, so its rows come in lines of their own before the full
    one, and those that the journal has are not told again.
    """
    rows = list(audit.read_rows(index, start=audited + 1))
    told = [
        Change(0, False, {}, (), rows[at : at + BATCH_ROWS], rows[at].sequence)
        for at in range(0, len(rows), BATCH_ROWS)
    ]
    with index.read() as txn:
        changes = number(index, txn, CHANGES)
        refs = read_refs(index, txn)
        operations = [
            (sequence_of(key), unseal_or_raise(key, stored, "an operation"))
            for key, stored in scan(txn, index.operations)
        ]
    last = rows[-1].sequence if rows else audited
    return [*told, Change(changes, True, dict(refs), operations, (), last)]
