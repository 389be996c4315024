"""The store's counters, in the index's meta table. All are there from creation on."""

from __future__ import annotations

import struct
from typing import Final

from mvcd.errors import IntegrityError
from mvcd.store.index import Index, Transaction
from mvcd.store.rows import seal, unseal

FORMAT: Final = b"format"
CHANGES: Final = b"changes"
SWEEPS: Final = b"sweeps"
NEXT_PACK: Final = b"next_pack"
OPERATION: Final = b"operation"

_NUMBER = struct.Struct("<Q")


def create_numbers(index: Index, txn: Transaction, format_version: int) -> None:
    """Writes the numbers of a new store; keeps what a creation cut short has written."""
    for key in (CHANGES, SWEEPS, NEXT_PACK, OPERATION):
        txn.put(key, seal(key, _NUMBER.pack(0)), db=index.meta, overwrite=False)
    put_number(index, txn, FORMAT, format_version)


def number(index: Index, txn: Transaction, key: bytes) -> int:
    """Raises IntegrityError when the row is absent or damaged: a counter that starts over would
    let old packs be overwritten."""
    row = txn.get(key, db=index.meta)
    value = None if row is None else unseal(key, row)
    if value is None or len(value) != _NUMBER.size:
        raise IntegrityError(
            "the store's index is damaged",
            kind="index-damaged",
            cause=f"its counter {key.decode()!r} is {'absent' if row is None else 'garbage'}",
            help="mvc repair",
        )
    return int.from_bytes(value, "little")


def put_number(index: Index, txn: Transaction, key: bytes, value: int) -> None:
    txn.put(key, seal(key, _NUMBER.pack(value)), db=index.meta)
