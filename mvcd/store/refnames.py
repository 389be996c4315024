"""Names of a store's refs, and where HEAD is, for completion and prompts: read without opening the store.

Opening a store takes 0.1 s and a place in its lock file; a person who pressed a key waits for neither. Here the
index is mapped without locks and nothing is written. A writer does not see such a reader, so what was read is
believed only if no page of it can have been used again meanwhile (beside.py).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from zlib import crc32

import lmdb

from mvcd.store.beside import still_whole

_CRC = struct.Struct("<I")


def ref_names(path: str, prefixes: Sequence[str]) -> list[str]:
    """Lists the refs of the store directory `path` that begin with one of the prefixes; none where they cannot
    be read."""
    try:
        return [name.decode() for name, _ in _read(path, prefixes)]
    except UnicodeDecodeError:
        return []


def ref_value(path: str, name: str) -> bytes | None:
    """Reads one ref of the store directory `path`; None where it is not there, or cannot be read whole."""
    key = name.encode()
    stored = dict(_read(path, [name])).get(key, b"")
    value = stored[_CRC.size :]  # rows.py: with a CRC over key and value in front
    if len(stored) < _CRC.size or _CRC.unpack_from(stored)[0] != crc32(value, crc32(key)):
        return None
    return value


def _read(path: str, prefixes: Sequence[str]) -> list[tuple[bytes, bytes]]:
    try:
        env = lmdb.open(
            os.fsencode(path), readonly=True, lock=False, create=False, max_dbs=8, readahead=False
        )
    except (lmdb.Error, OSError):
        return []
    try:
        return _rows(env, os.path.join(path, "data.mdb"), prefixes)
    except (lmdb.Error, OSError):
        return []
    finally:
        env.close()


def _rows(env: lmdb.Environment, data: str, prefixes: Sequence[str]) -> list[tuple[bytes, bytes]]:
    if os.stat(data).st_size < (env.info()["last_pgno"] + 1) * env.stat()["psize"]:
        return []  # pages beyond the end of a file kill who touches them
    refs = env.open_db(b"refs", create=False)
    rows = []
    with env.begin(db=refs) as txn:
        cursor = txn.cursor()
        for prefix in map(os.fsencode, prefixes):
            found = cursor.set_range(prefix)
            while found and cursor.key().startswith(prefix):
                rows.append((bytes(cursor.key()), bytes(cursor.value())))
                found = cursor.next()
        whole = still_whole(txn.id(), env.info()["last_txnid"])
    return rows if whole else []
