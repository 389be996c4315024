"""Whether the journal tells what the index holds (FORMAT.md, section Journal, [journal])."""

from __future__ import annotations

from mvcd.store.index import Index
from mvcd.store.journal import Journal, JournalState
from mvcd.store.meta import CHANGES, number
from mvcd.store.refs import read_refs, scan
from mvcd.store.rows import sequence_of


def journal_problem(index: Index, journal: Journal) -> str | None:
    """What is wrong with the journal, None when nothing is. Raises IntegrityError when the index is damaged.

    It may end before the newest changes or lack some of them, since a line is written after its commit and not
    synced, so that a power cut loses or tears the last ones; the next commit makes up for that. It is read
    before the index, so what is committed meanwhile only makes it older.
    """
    exists = journal.exists()
    history = journal.read()
    with index.read() as txn:
        changes = number(index, txn, CHANGES)
        refs = read_refs(index, txn)
        operations = {sequence_of(key) for key, _ in scan(txn, index.operations)}
        audit: set[int] = set()
        if index.audit is not None:
            audit = {sequence_of(key) for key, _ in scan(txn, index.audit)}
    if not exists:
        return "it is missing" if changes else None
    if history.damaged_lines:
        return f"{history.damaged_lines} damaged lines"
    if history.changes != changes:
        return "it is newer than the index" if history.changes > changes else None
    if history.torn:
        return None
    return _difference(history, refs, operations, audit)


def _difference(
    history: JournalState, refs: dict[str, bytes], operations: set[int], audit: set[int]
) -> str | None:
    """Of a journal that has come as far as the index."""
    if history.refs != refs:
        return "its refs are not those of the index"
    if missing := operations - history.operations.keys():
        return f"it lacks {len(missing)} operations"
    if missing := audit - history.audit.keys():
        return f"it lacks {len(missing)} rows of the audit log"
    return None
