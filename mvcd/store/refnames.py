"""The names of a store's refs, for who completes a word: read without opening the store.

Opening a store takes 0.1 s and a place in its lock file; a person who pressed a key waits for neither. Here the
index is mapped without locks and nothing is written. A writer does not see such a reader, so what was read is
believed only if no page of it can have been used again meanwhile (beside.py). Names only: their values carry
checksums, which take the engine's modules to check.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import lmdb

from mvcd.store.beside import still_whole


def ref_names(path: str, prefixes: Sequence[str]) -> list[str]:
    """Lists the refs of the store directory `path` that begin with one of the prefixes; none where they cannot
    be read."""
    try:
        env = lmdb.open(
            os.fsencode(path), readonly=True, lock=False, create=False, max_dbs=8, readahead=False
        )
    except (lmdb.Error, OSError):
        return []
    try:
        return _read(env, os.path.join(path, "data.mdb"), prefixes)
    except (lmdb.Error, OSError, UnicodeDecodeError):
        return []
    finally:
        env.close()


def _read(env: lmdb.Environment, data: str, prefixes: Sequence[str]) -> list[str]:
    if os.stat(data).st_size < (env.info()["last_pgno"] + 1) * env.stat()["psize"]:
        return []  # pages beyond the end of a file kill who touches them
    refs = env.open_db(b"refs", create=False)
    names = []
    with env.begin(db=refs) as txn:
        cursor = txn.cursor()
        for prefix in map(os.fsencode, prefixes):
            found = cursor.set_range(prefix)
            while found and cursor.key().startswith(prefix):
                names.append(cursor.key().decode())
                found = cursor.next()
        whole = still_whole(txn.id(), env.info()["last_txnid"])
    return names if whole else []
