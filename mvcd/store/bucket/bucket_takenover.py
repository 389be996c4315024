"""Refs and logs that a store in a bucket gets from another store as a whole: segments first, then one swap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from mvcd.store.api import AuditHead, AuditRow, Store
from mvcd.store.audit import NO_ROWS, row_digest
from mvcd.store.bucket.blobs import Blobs
from mvcd.store.bucket.bucketparts import BucketParts
from mvcd.store.bucket.bucketstate import BucketState, LogSegment
from mvcd.store.bucket.logsegments import KEPT_ROWS, SEGMENT_BYTES, put_segment, spilled


def take_over(store: BucketParts, other: Store, refs: Mapping[str, bytes]) -> None:
    """See `api.Store.take_over`. Segments that are not named any more go with the next collection."""
    changes = other.changes()
    operations, older_operations = _written(
        store.blobs, (AuditRow(n, b"", data) for n, data in other.operations(newest_first=False))
    )
    audit, older_audit = _written(store.blobs, other.audit())

    def edit(state: BucketState) -> BucketState:
        made = replace(
            state,
            changes=changes,
            refs=dict(refs),
            operation=operations[-1].sequence if operations else 0,
            first_operation=_first(older_operations, operations),
            operations=tuple((row.sequence, row.data) for row in operations),
            operation_segments=older_operations,
            audit_head=AuditHead(audit[-1].sequence, row_digest(audit[-1])) if audit else NO_ROWS,
            audit=tuple(audit),
            audit_segments=older_audit,
        )
        return spilled(store.blobs, made)

    store.change(edit)


def _first(older: Sequence[LogSegment], rows: Sequence[AuditRow]) -> int:
    """The number of the first row of all; 1 where there is none."""
    if older:
        return older[0].first
    return rows[0].sequence if rows else 1


def _written(
    blobs: Blobs, rows: Iterable[AuditRow]
) -> tuple[list[AuditRow], tuple[LogSegment, ...]]:
    """The rows that the state is to hold itself, and the segments of those before."""
    segments: list[LogSegment] = []
    left: list[AuditRow] = []
    for part in _parts(rows):
        going, left = [*left, *part[:-KEPT_ROWS]], part[-KEPT_ROWS:]
        if going:
            segments.append(put_segment(blobs, going))
    return left, tuple(segments)


def _parts(rows: Iterable[AuditRow]) -> Iterator[list[AuditRow]]:
    """As many rows together as make a segment."""
    part: list[AuditRow] = []
    size = 0
    for row in rows:
        part.append(row)
        size += len(row.data)
        if size >= SEGMENT_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
