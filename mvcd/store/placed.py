"""The objects of a pack, found by the heads of its records instead of by all rows of the index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mvcd.ids import Digest
from mvcd.store.index import Index, Transaction
from mvcd.store.pack import PackFiles
from mvcd.store.record import PACK_HEADER, PLAIN_OVERHEAD_BYTES, RecordHead, parse_head
from mvcd.store.rows import ObjectLocation, parse_location, typed_id

WINDOW_BYTES: Final = 64 << 10
"""Bytes of a pack that are read for a head, and for those that follow it closely."""


def placed(
    index: Index, txn: Transaction, files: PackFiles, number: int, end: int, start: int = 0
) -> Iterator[tuple[Digest, ObjectLocation]]:
    """The objects whose rows point between two offsets of a pack, in its order; 0 is its beginning.

    Raises BadRecord, BadRow, OSError, where something there is damaged: then it cannot be told this way.
    """
    for offset, head in _heads(files, number, start or PACK_HEADER.size, end):
        row = txn.get(head.digest, db=index.objects)
        location = None if row is None else parse_location(row)
        if location is not None and (location.pack, location.offset) == (number, offset):
            yield typed_id(head.digest, location.kind), location


def _heads(files: PackFiles, number: int, at: int, end: int) -> Iterator[tuple[int, RecordHead]]:
    data, start = b"", at
    while at < end:
        if at + PLAIN_OVERHEAD_BYTES > start + len(data):
            data, start = files.read([(number, at, min(WINDOW_BYTES, end - at))]), at
        head = parse_head(data, at - start)
        yield at, head
        at += head.size
