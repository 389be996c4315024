"""Rows of the cache table, whose loss harms nobody: read, listed and written as a store's users do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from mvcd.errors import MvcError
from mvcd.store.index import Index
from mvcd.store.refs import put_cache, require_cache_key, scan
from mvcd.store.rows import unseal

BATCH_ROWS = 1024


def cache_get(index: Index, keys: Sequence[bytes]) -> list[bytes | None]:
    """The values of these keys; None for those that are not there, or damaged."""
    with index.read() as txn:  # one after another, for a row may be large and there may be many
        return [
            None if (stored := txn.get(key, db=index.cache)) is None else unseal(key, stored)
            for key in keys
        ]


def cache_scan(index: Index, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Sound rows whose key has the prefix, ascending, in batches of one transaction each."""
    start = prefix
    while True:
        with index.read() as txn:
            rows = scan(txn, index.cache, prefix, start)
            batch = [row for row, _ in zip(rows, range(BATCH_ROWS), strict=False)]
        for key, stored in batch:
            value = unseal(key, stored)
            if value is not None:
                yield key, value
        if len(batch) < BATCH_ROWS:
            return
        start = batch[-1][0] + b"\0"


def cache_put(index: Index, rows: Mapping[bytes, bytes | None]) -> None:
    """Writes rows (None deletes), unless the index cannot be written. Raises UsageError for a key's length."""
    for key in rows:
        require_cache_key(key)
    if index.writing:
        return
    with suppress(MvcError):
        index.write(lambda txn: put_cache(index, txn, rows))
