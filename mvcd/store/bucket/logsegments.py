"""Logs of a bucket: the newest rows are in the state, older ones in immutable segments (BUCKET.md, section
Objects).

A segment is the 8 bytes `MVCLOG` newline `1`, and a zstd frame with a checksum over 16 random bytes and JSON:
rows of number, previous digest in hex (of operations empty), data in Base64.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import zstandard

from mvcd.errors import IntegrityError
from mvcd.store.api import AuditRow
from mvcd.store.bucket.blobs import BlobAbsent, Blobs
from mvcd.store.bucket.bucketstate import LOGS, BucketState, LogSegment
from mvcd.store.bucket.indexrun import NONCE_BYTES, object_name
from mvcd.store.bucket.swapping import Outdated

INLINE_ROWS = 128
INLINE_BYTES = 256 << 10
"""Rows of a log, and their bytes, that the state holds: it is read and written whole with each push."""
KEPT_ROWS = 32
"""Rows that stay in the state when the others leave it."""
SEGMENT_BYTES = 1 << 20
"""Bytes of a segment after which another is begun."""
MAX_SEGMENT_BYTES = 256 << 20

_MAGIC = b"MVCLOG\n1"


def spilled(blobs: Blobs, state: BucketState) -> BucketState:
    """The state without those of its log rows that are too many; they are in the bucket then."""
    operations = [AuditRow(number, b"", data) for number, data in state.operations]
    left, segments = _spill(blobs, operations, state.operation_segments)
    if len(left) < len(operations):
        rows = tuple((row.sequence, row.data) for row in left)
        state = replace(state, operations=rows, operation_segments=segments)
    left, segments = _spill(blobs, state.audit, state.audit_segments)
    if len(left) < len(state.audit):
        state = replace(state, audit=tuple(left), audit_segments=segments)
    return state


def _spill(
    blobs: Blobs, rows: Sequence[AuditRow], segments: tuple[LogSegment, ...]
) -> tuple[Sequence[AuditRow], tuple[LogSegment, ...]]:
    if len(rows) <= INLINE_ROWS and sum(len(row.data) for row in rows) <= INLINE_BYTES:
        return rows, segments
    kept = rows[-KEPT_ROWS:] if len(rows) > KEPT_ROWS else rows[-1:]
    going = list(rows[: len(rows) - len(kept)])
    if not going:
        return rows, segments
    if segments and segments[-1].size_bytes < SEGMENT_BYTES:
        going = [*read_segment(blobs, segments[-1]), *going]
        segments = segments[:-1]
    return kept, (*segments, put_segment(blobs, going))


def put_segment(blobs: Blobs, rows: Sequence[AuditRow]) -> LogSegment:
    """Writes a segment of these rows, ascending. Raises what writing the bucket does."""
    name, data = _encode(rows)
    blobs.put(LOGS + name, data)
    return LogSegment(name, rows[0].sequence, rows[-1].sequence, len(data))


def read_segment(blobs: Blobs, segment: LogSegment) -> list[AuditRow]:
    """Reads the rows of a segment, ascending; operations have no previous digest. Raises Outdated,
    IntegrityError."""
    try:
        data, _ = blobs.get(LOGS + segment.name)
    except BlobAbsent:
        raise Outdated(LOGS + segment.name) from None
    try:
        if object_name(data) != segment.name or data[: len(_MAGIC)] != _MAGIC:
            raise ValueError("its bytes are not those that it is named after")
        body = zstandard.ZstdDecompressor().decompress(
            bytes(data[len(_MAGIC) :]), max_output_size=MAX_SEGMENT_BYTES
        )
        rows = json.loads(body[NONCE_BYTES:])
        return [AuditRow(n, bytes.fromhex(p), base64.b64decode(d)) for n, p, d in rows]
    except (zstandard.ZstdError, ValueError, TypeError) as error:
        raise IntegrityError(
            f"log {segment.name[:12]} of the bucket is damaged",
            cause=str(error),
            help="put it back from a version or a copy of the bucket",
        ) from error


def _encode(rows: Sequence[AuditRow]) -> tuple[str, bytes]:
    listed = [[r.sequence, r.previous.hex(), base64.b64encode(r.data).decode()] for r in rows]
    body = os.urandom(NONCE_BYTES) + json.dumps(listed, separators=(",", ":")).encode()
    data = _MAGIC + zstandard.ZstdCompressor(3, write_checksum=True).compress(body)
    return object_name(data), data


ReadSegment = Callable[[LogSegment], Sequence[AuditRow]]
"""`read_segment` of one bucket."""


def audit_rows(read: ReadSegment, state: BucketState, start: int) -> Iterator[AuditRow]:
    """Rows of the audit log from number `start` on."""
    for segment in state.audit_segments:
        if segment.last >= start:
            yield from (row for row in read(segment) if row.sequence >= start)
    yield from (row for row in state.audit if row.sequence >= start)


def operation_rows(
    read: ReadSegment, state: BucketState, *, newest_first: bool, start: int | None
) -> Iterator[tuple[int, bytes]]:
    """Operations as `api.Store.operations` gives them."""

    def wanted(number: int) -> bool:
        return start is None or (number <= start if newest_first else number >= start)

    def parts() -> Iterator[Sequence[tuple[int, bytes]]]:
        if newest_first:
            yield state.operations[::-1]
        for segment in state.operation_segments[:: -1 if newest_first else 1]:
            if wanted(segment.first if newest_first else segment.last):
                rows = [(row.sequence, row.data) for row in read(segment)]
                yield rows[::-1] if newest_first else rows
        if not newest_first:
            yield state.operations

    found = (row for part in parts() for row in part if wanted(row[0]))
    return (row for row in found if row[0] >= state.first_operation)


def without_operations(state: BucketState, below: int) -> BucketState:
    """The state without operations before number `below`."""
    if below <= state.first_operation:
        return state
    return replace(
        state,
        first_operation=below,
        operations=tuple(row for row in state.operations if row[0] >= below),
        operation_segments=tuple(s for s in state.operation_segments if s.last >= below),
    )
