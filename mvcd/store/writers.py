"""Which pack a writer gets (FORMAT.md, section Packs), and the pack table."""

from __future__ import annotations

import os
from itertools import islice

from mvcd.disk.locks import try_lock, unlock
from mvcd.errors import IntegrityError
from mvcd.lateclasses import NamedTuple
from mvcd.store.index import Index, Transaction
from mvcd.store.meta import NEXT_PACK, number, put_number
from mvcd.store.pack import PackWriter, pack_name
from mvcd.store.refs import scan
from mvcd.store.rows import PACK_KEY, PACK_ROW, seal, unseal_or_raise

SEALED = 1

LOOKED_PACKS = 256
"""Newest packs among which a writer looks for one that is not full: more than write at once."""


class PackRow(NamedTuple):
    number: int
    length: int  # committed bytes
    sealed: bool


def open_writer(index: Index, directory: str) -> PackWriter:
    """The newest unsealed pack that nobody writes, else a new one. Raises OSError."""
    return _resume_some(index, directory) or create_writer(index, directory)


def create_writer(index: Index, directory: str) -> PackWriter:
    """A pack of its own number. Raises OSError."""
    candidate = _next_number(index)
    while True:
        file = try_lock(os.path.join(directory, pack_name(candidate)), create=True)
        if file is not None:
            # Who held the lock before us may have committed the pack: only now is it certain.
            if _next_number(index) <= candidate:
                return PackWriter.start(directory, candidate, file)
            unlock(file)
        candidate += 1


def _resume_some(index: Index, directory: str) -> PackWriter | None:
    with index.read() as txn:
        unsealed = _newest_unsealed(index, txn)
    for row in unsealed:
        file = try_lock(os.path.join(directory, pack_name(row.number)))
        if file is None:
            continue
        with index.read() as txn:  # as it is now that nobody else can move it
            now = pack_row(index, txn, row.number)
        if now is not None and not now.sealed:
            writer = PackWriter.resume(directory, row.number, file, now.length)
            if writer is not None:
                return writer
        unlock(file)
    return None


def _newest_unsealed(index: Index, txn: Transaction) -> list[PackRow]:
    """Those among the newest packs, the newest first. Older ones stay as they are: with 10^5 packs, 13 TB, the
    whole table cost each writer 0.16 s."""
    newest = islice(txn.cursor(db=index.packs).iterprev(), LOOKED_PACKS)
    rows = [parse_pack_row(bytes(key), bytes(row)) for key, row in newest]
    return [row for row in rows if not row.sealed]


def _next_number(index: Index) -> int:
    with index.read() as txn:
        return number(index, txn, NEXT_PACK)


def pack_row(index: Index, txn: Transaction, pack: int) -> PackRow | None:
    key = PACK_KEY.pack(pack)
    row = txn.get(key, db=index.packs)
    return None if row is None else parse_pack_row(key, row)


def pack_rows(index: Index, txn: Transaction) -> list[PackRow]:
    """All packs, ascending."""
    return [parse_pack_row(key, row) for key, row in scan(txn, index.packs)]


def put_pack_row(index: Index, txn: Transaction, pack: int, length: int, sealed: bool) -> None:
    key = PACK_KEY.pack(pack)
    row = PACK_ROW.pack(length, SEALED if sealed else 0)
    txn.put(key, seal(key, row), db=index.packs)
    if number(index, txn, NEXT_PACK) <= pack:
        put_number(index, txn, NEXT_PACK, pack + 1)


def parse_pack_row(key: bytes, stored: bytes) -> PackRow:
    """Raises IntegrityError: a wrong length would have the next writer cut off committed bytes."""
    row = unseal_or_raise(key, stored, "a pack's row")
    if len(key) != PACK_KEY.size or len(row) != PACK_ROW.size:
        raise IntegrityError("a pack's row is damaged", cause="it has a wrong size")
    length, flags = PACK_ROW.unpack(row)
    return PackRow(PACK_KEY.unpack(key)[0], length, bool(flags & SEALED))
