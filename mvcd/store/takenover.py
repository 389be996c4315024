"""Refs, operations and audit rows that an index gets as a whole: from another store, or in a new index.

The counterpart in a bucket is bucket/bucket_takenover.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mvcd.store import audit
from mvcd.store.api import AuditHead, AuditRow, Store
from mvcd.store.index import Index, Transaction
from mvcd.store.meta import CHANGES, OPERATION, put_number
from mvcd.store.parts import Parts
from mvcd.store.refs import full_changes
from mvcd.store.rows import SEQUENCE, seal


class History(NamedTuple):
    """All that a store has but its objects. Operations and audit rows ascend."""

    changes: int
    refs: Mapping[str, bytes]
    operations: Iterable[tuple[int, bytes]]
    audit: Iterable[AuditRow]


def put_history(index: Index, txn: Transaction, history: History) -> None:
    """Writes it into empty tables; the audit table is there (`Index.require_audit`), or there are no rows."""
    for name, value in history.refs.items():
        key = name.encode()
        txn.put(key, seal(key, value), db=index.refs)
    last = 0
    for last, operation in history.operations:
        key = SEQUENCE.pack(last)
        txn.put(key, seal(key, operation), db=index.operations)
    newest: AuditRow | None = None
    for newest in history.audit:
        audit.put_row(index, txn, newest)
    if newest is not None:
        audit.put_head(index, txn, AuditHead(newest.sequence, audit.row_digest(newest)))
    put_number(index, txn, OPERATION, last)
    put_number(index, txn, CHANGES, history.changes)


def take_over(store: Parts, other: Store, refs: Mapping[str, bytes]) -> None:
    """See `api.Store.take_over`."""
    index = store.index
    index.require_audit()

    def replace(txn: Transaction) -> None:
        for table in (index.refs, index.operations, index.audit):
            txn.drop(table, delete=False)
        audit.put_head(index, txn, audit.NO_ROWS)
        operations = other.operations(newest_first=False)
        put_history(index, txn, History(other.changes(), refs, operations, other.audit()))

    index.write(replace)
    store.journal.rewrite(full_changes(index))
