"""Stores by their address: the one place outside an implementation that knows which there are.

An address is a directory of a local disk; what is there is a `LmdbStore` (FORMAT.md).
"""

from __future__ import annotations

import os
from contextlib import suppress

from mvcd.errors import MvcError
from mvcd.store.api import Store
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.pack import OPEN_FILES


def open_store(
    address: str | os.PathLike[str],
    *,
    as_it_is: bool = False,
    cached: bool = False,
    pack_files: int = OPEN_FILES,
) -> Store:
    """The store at an address, with what killed writers left made visible before anybody asks what is there.

    With `as_it_is` nothing is salvaged before the first session: for who only looks. What cannot be salvaged
    now, on a full disk say, does not keep anybody from reading; the first session tries again, and tells. For
    `cached`, `pack_files` and what is raised see `LmdbStore.open`.
    """
    store = LmdbStore.open(address, cached=cached, pack_files=pack_files)
    if as_it_is:
        return store
    try:
        store.salvage()
    except (MvcError, OSError):
        # A write that failed may have shut the index, and a store that tried once does not try again.
        store.close()
        return LmdbStore.open(address, cached=cached, pack_files=pack_files)
    except BaseException:
        with suppress(Exception):
            store.close()
        raise
    return store


def create_store(address: str | os.PathLike[str], *, group: bool = False) -> Store:
    """A new, empty store at an address. With `group`, people of its directory's group may write it too. Raises
    Failure where there is one already, or where none can be (`LmdbStore.create`)."""
    return LmdbStore.create(address, group=group)
