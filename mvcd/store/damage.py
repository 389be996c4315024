"""What is known to be damaged (FORMAT.md, section Known damage).

A mark is a row of the cache table: under the digest, the object's row as it was when its record could not be
read. It holds as long as the row is that one. So an object that is stored anew, or whose record was moved, is
marked no more, and programs that know nothing of marks do no harm to them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from mvcd.errors import MvcError
from mvcd.ids import DIGEST_BYTES, Digest
from mvcd.store.index import Index, Transaction
from mvcd.store.rows import BadRow, parse_location, seal, typed_id, unseal

PREFIX = b"damaged/"


def any_marks(index: Index, txn: Transaction) -> bool:
    """One look at one page, so that whoever asks often pays nothing while all is well."""
    with txn.cursor(db=index.cache) as cursor:
        return bool(cursor.set_range(PREFIX)) and bytes(cursor.key()).startswith(PREFIX)


def present(index: Index, keys: Sequence[bytes]) -> set[bytes]:
    """Returns those of `keys` that the objects table has and that are not known to be damaged."""
    return set(sound_rows(index, keys))


def sound_rows(index: Index, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """Returns the rows of those objects that are here and not known to be damaged.

    One call for all: each single look-up gives up the GIL, and beside busy workers waiting to get it back
    cost 25 us where the look-up itself costs 0.5.
    """
    if not keys:
        return {}
    with index.read() as txn, txn.cursor(db=index.objects) as cursor:
        rows = dict(cursor.getmulti(keys))
        for key in known_damaged(index, txn, rows):
            del rows[key]
        return rows


def known_damaged(index: Index, txn: Transaction, rows: Mapping[bytes, bytes]) -> set[bytes]:
    """Returns those of these objects, given with their rows, that are marked as damaged."""
    if not rows or not any_marks(index, txn):
        return set()
    return {key for key, row in rows.items() if _mark(index, txn, key) == row}


def all_damaged(index: Index) -> list[Digest]:
    """Every object whose mark holds, in digest order."""
    found: list[Digest] = []
    with index.read() as txn:
        for key in _marked(index, txn):
            row = txn.get(key, db=index.objects) if len(key) == DIGEST_BYTES else None
            if row is not None and row == _mark(index, txn, key):
                with suppress(BadRow, ValueError):
                    found.append(typed_id(key, parse_location(row).kind))
    return found


def mark(index: Index, ids: Collection[Digest], rows: Mapping[Digest, bytes] | None = None) -> None:
    """Remembers that these cannot be read; with `rows` only those whose rows still are these. Best effort, as
    the cache is: not where the store cannot be written, nor inside a transaction of this thread."""
    if index.read_only or index.writing or not ids:
        return

    def work(txn: Transaction) -> None:
        for id in sorted(ids):
            row = txn.get(id, db=index.objects)
            if rows is not None and row != rows[id]:
                continue
            if row is not None and _mark(index, txn, id) != row:
                key = PREFIX + id
                txn.put(key, seal(key, row), db=index.cache)

    with suppress(MvcError):
        index.write(work)


def clear(index: Index, ids: Collection[bytes]) -> None:
    """Forgets marks of objects that were read well after all. Best effort."""
    if index.read_only or index.writing or not ids:
        return

    def work(txn: Transaction) -> None:
        for id in ids:
            txn.delete(PREFIX + id, db=index.cache)

    with suppress(MvcError):
        index.write(work)


def clear_stale(index: Index) -> None:
    """Forgets marks that do not hold any more: of what was collected, or moved. Best effort."""
    with index.read() as txn:
        stale = [
            key
            for key in _marked(index, txn)
            if len(key) != DIGEST_BYTES or txn.get(key, db=index.objects) != _mark(index, txn, key)
        ]
    clear(index, stale)


def replace_damaged(index: Index, txn: Transaction, rows: Iterable[tuple[bytes, bytes]]) -> None:
    """In the transaction that commits `rows`, digests with their rows: those that are there and marked give way
    to what was stored anew. Where nothing is marked, `rows` is not looked at."""
    if not any_marks(index, txn):
        return
    for key, row in rows:
        marked = _mark(index, txn, key)
        if marked is None:
            continue
        if txn.get(key, db=index.objects) == marked:
            txn.put(key, row, db=index.objects)
        txn.delete(PREFIX + key, db=index.cache)


def _marked(index: Index, txn: Transaction) -> Iterator[bytes]:
    """The keys of all marks, in order, whether they hold or not."""
    with txn.cursor(db=index.cache) as cursor:
        more = cursor.set_range(PREFIX)
        while more and bytes(cursor.key()).startswith(PREFIX):
            yield bytes(cursor.key())[len(PREFIX) :]
            more = cursor.next()


def _mark(index: Index, txn: Transaction, id: bytes) -> bytes | None:
    key = PREFIX + id
    stored = txn.get(key, db=index.cache)
    return None if stored is None else unseal(key, stored)
