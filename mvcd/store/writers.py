"""Which pack a writer gets (FORMAT.md, section Packs), and the pack table."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mvcd.store.index import Index, Transaction
from mvcd.store.pack import PackWriter, pack_name, try_lock, unlock
from mvcd.store.refs import scan
from mvcd.store.rows import NEXT_PACK, PACK_KEY, PACK_ROW, number, number_row

SEALED = 1


@dataclass(frozen=True, slots=True)
class PackRow:
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
        unsealed = [row for row in pack_rows(index, txn) if not row.sealed]
    for row in reversed(unsealed):
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


def _next_number(index: Index) -> int:
    with index.read() as txn:
        return number(txn.get(NEXT_PACK, db=index.meta))


def pack_row(index: Index, txn: Transaction, pack: int) -> PackRow | None:
    row = txn.get(PACK_KEY.pack(pack), db=index.packs)
    return None if row is None else _parse(pack, row)


def pack_rows(index: Index, txn: Transaction) -> list[PackRow]:
    """All packs, ascending."""
    return [_parse(PACK_KEY.unpack(key)[0], row) for key, row in scan(txn, index.packs)]


def put_pack_row(index: Index, txn: Transaction, pack: int, length: int, sealed: bool) -> None:
    txn.put(PACK_KEY.pack(pack), PACK_ROW.pack(length, SEALED if sealed else 0), db=index.packs)
    if number(txn.get(NEXT_PACK, db=index.meta)) <= pack:
        txn.put(NEXT_PACK, number_row(pack + 1), db=index.meta)


def _parse(pack: int, row: bytes) -> PackRow:
    length, flags = PACK_ROW.unpack(row)
    return PackRow(pack, length, bool(flags & SEALED))
