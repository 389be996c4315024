"""How the file of each pack was when all its records were last known (FORMAT.md, section Reuse).

A stamp is a row of the cache table: what is lost, or written by programs that know nothing of stamps, costs one
more reading of the pack.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from mvcd.errors import MvcError
from mvcd.lateclasses import NamedTuple
from mvcd.store.index import Index, Transaction
from mvcd.store.pack import pack_name
from mvcd.store.parts import Parts
from mvcd.store.rows import PACK_KEY, seal, unseal
from mvcd.store.writers import pack_row

DAY_SECONDS = 86400

_PREFIX = b"sound/"
_STAMP = struct.Struct("<QQqQ")


class Stamp(NamedTuple):
    """A pack's file as it was when all of its records were as they should be, or marked as damaged."""

    inode: int
    size: int
    changed: int  # st_ctime_ns
    read: int  # seconds since 1970: when its oldest bytes were last written or read

    @classmethod
    def of(cls, status: os.stat_result, read: float) -> Stamp:
        return cls(status.st_ino, status.st_size, status.st_ctime_ns, int(read))

    def fits(self, status: os.stat_result) -> bool:
        return self[:3] == (status.st_ino, status.st_size, status.st_ctime_ns)


def put_stamp(index: Index, txn: Transaction, pack: int, stamp: Stamp) -> None:
    key = _key(pack)
    txn.put(key, seal(key, _STAMP.pack(*stamp)), db=index.cache)


def read_stamp(index: Index, txn: Transaction, pack: int) -> Stamp | None:
    key = _key(pack)
    stored = txn.get(key, db=index.cache)
    value = None if stored is None else unseal(key, stored)
    return None if value is None or len(value) != _STAMP.size else Stamp(*_STAMP.unpack(value))


def put_stamps(index: Index, stamps: Mapping[int, Stamp]) -> None:
    """Best effort, as the cache is."""
    if index.read_only or index.writing or not stamps:
        return

    def work(txn: Transaction) -> None:
        for pack, stamp in stamps.items():
            if pack_row(index, txn, pack) is not None:
                put_stamp(index, txn, pack, stamp)

    with suppress(MvcError):
        index.write(work)


def drop_stamp(index: Index, txn: Transaction, pack: int) -> None:
    txn.delete(_key(pack), db=index.cache)


def _key(pack: int) -> bytes:
    return _PREFIX + PACK_KEY.pack(pack)


class Stamps:
    """For who reads every record: the files as they are before, and their stamps afterwards."""

    def __init__(self, store: Parts, packs: Iterable[int]) -> None:
        self._store = store
        self._before = dict(self._statuses(packs))
        self._began = time.time()

    def renew(self) -> None:
        """Once what is damaged is marked. Stamps of the last day stay, so that a look at a store that is whole
        writes nothing."""
        index = self._store.index
        stamps = {}
        with index.read() as txn:
            for pack, status in self._statuses(self._before):
                stamp, old = Stamp.of(self._before[pack], self._began), read_stamp(index, txn, pack)
                recent = old is not None and abs(self._began - old.read) < DAY_SECONDS
                if stamp.fits(status) and not (recent and old is not None and old.fits(status)):
                    stamps[pack] = stamp
        put_stamps(index, stamps)

    def _statuses(self, packs: Iterable[int]) -> Iterator[tuple[int, os.stat_result]]:
        for pack in packs:
            with suppress(FileNotFoundError):
                yield pack, os.stat(os.path.join(self._store.pack_directory, pack_name(pack)))
