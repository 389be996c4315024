"""Packs that were looked into for smaller forms, so that nobody does it twice (FORMAT.md, Optimizing)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import suppress

from mvcd.errors import MvcError
from mvcd.store.index import Index, Transaction
from mvcd.store.rows import PACK_KEY, seal, unseal
from mvcd.store.writers import PackRow, pack_row

_PREFIX = b"optimized/"
_LOOK = struct.Struct("<IQ")


def was_looked_into(index: Index, txn: Transaction, pack: PackRow, edition: int) -> bool:
    """Whether codecs of this edition tried records of the pack when it was as long as it is."""
    key = _key(pack.number)
    stored = txn.get(key, db=index.cache)
    value = None if stored is None else unseal(key, stored)
    return value == _LOOK.pack(edition, pack.length)


def put_looked_into(index: Index, lengths: Mapping[int, int], edition: int) -> None:
    """Notes it of packs with these lengths. Best effort, as the cache is."""
    if index.read_only or index.writing or not lengths:
        return

    def work(txn: Transaction) -> None:
        for number, length in lengths.items():
            if pack_row(index, txn, number) is not None:
                key = _key(number)
                txn.put(key, seal(key, _LOOK.pack(edition, length)), db=index.cache)

    with suppress(MvcError):
        index.write(work)


def forget_looked_into(index: Index, txn: Transaction, pack: int) -> None:
    txn.delete(_key(pack), db=index.cache)


def _key(pack: int) -> bytes:
    return _PREFIX + PACK_KEY.pack(pack)
