"""Records that are made before they are put: by a worker, many in one call, for a session to take as a whole.

A session has one thread, which used to make the record, the row and the part to append of each small object:
5 us in Python, where zstd takes 4. Made ahead, a group of 500 is one append, and one call for its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from mvcd.codec.encoded import Encoded
from mvcd.ids import Bytes, Digest
from mvcd.lateclasses import NamedTuple
from mvcd.store import _records
from mvcd.store.record import CODECS, PLAIN_OVERHEAD_BYTES, TYPES, Record, record_head

_D = TypeVar("_D", bound=Digest)
_ANY_BYTES = 1 << 62


class ReadyRecords(NamedTuple):
    """Whole records without bases in `data`, one of each of the `ids`, in order; `raw_size` bytes together when
    decoded."""

    ids: Sequence[Digest]
    raw_size: int
    data: Bytes


class Added(NamedTuple):
    """What a session took: how many objects were new, their stored and their raw bytes."""

    objects: int
    stored_bytes: int
    raw_bytes: int

    @classmethod
    def of(cls, raw_sizes: Iterable[int], stored: Sequence[int]) -> Added:
        """Counts records of these raw sizes by the stored bytes that each added, 0 for one that was known."""
        new = [raw_size for raw_size, size in zip(raw_sizes, stored, strict=True) if size]
        return cls(len(new), sum(stored), sum(new))


def made_ready(objects: Mapping[_D, Encoded]) -> ReadyRecords:
    """The records of objects of one kind, without bases. From any thread; releases the GIL. Raises ValueError
    where one has a base or is beyond the limits."""
    ids = list(objects)
    raw_size = sum([encoded.raw_size for encoded in objects.values()])
    kind = ids[0].kind if ids else 0
    return ReadyRecords(ids, raw_size, _records.make(kind, objects.items()))


def sealed(objects: Sequence[tuple[_D, Encoded]], data: memoryview) -> ReadyRecords:
    """The records of objects without bases whose bodies lie in `data` one after another, each behind
    PLAIN_OVERHEAD_BYTES bytes, to which its head is written. From any thread."""
    at = 0
    for id, encoded in objects:
        body = at + PLAIN_OVERHEAD_BYTES
        data[at:body] = record_head(id, encoded)
        at = body + len(encoded.body)
    raw_size = sum([encoded.raw_size for _, encoded in objects])
    return ReadyRecords([id for id, _ in objects], raw_size, data)


class _Session(Protocol):
    """What of `api.Session` is called here."""

    def missing(self, ids: Sequence[Digest]) -> list[bool]: ...
    def put_records(self, records: Sequence[tuple[Record, Bytes]]) -> list[int]: ...


def put_each(session: _Session, ready: ReadyRecords) -> Added:
    """What `Session.put_ready` does, record by record: for stores that take none together, and where some are
    known already."""
    parsed = _records.parse(ready.data, Record, TYPES, CODECS, _ANY_BYTES, 0)
    assert parsed is not None, "records that were not made here"
    absent = session.missing(ready.ids)
    new = [found for found, gone in zip(parsed[0], absent, strict=True) if gone]
    added = session.put_records(new)
    return Added.of((record.raw_size for record, _ in new), added)
