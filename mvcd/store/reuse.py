"""What a session may count on: packs that changed unseen are read before (FORMAT.md, section Reuse).

Without that a commit would name a chunk that was damaged since it was stored, and acknowledge a version that
nobody can read, while whoever commits holds the good bytes. Reading each reused record with every commit cost
56 % more CPU time and 76 % more wall time where a file of 256 MiB was touched, since packs pass the page cache
by and come from the disk; where 1 % of it changed and they were cached, 18 to 24 % more CPU time. A stat of
each pack is not to be measured (0.94 and 0.99 of the CPU time without, medians of 5), and tells of everything
that came through the file system; of what rots below it, AGE_SECONDS is the bound.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from mvcd.disk.locks import lock_now
from mvcd.ids import Digest
from mvcd.store.damage import known_damaged, mark, sound_rows
from mvcd.store.index import Transaction
from mvcd.store.pack import pack_name
from mvcd.store.parts import Parts
from mvcd.store.record import MAX_DELTA_LEVELS
from mvcd.store.rows import LOCATION, ObjectLocation, typed_id
from mvcd.store.stamp import Stamp, put_stamp, put_stamps, read_stamp
from mvcd.store.stretches import bad_stretches
from mvcd.store.writers import pack_row

AGE_SECONDS = 7 * 86400
"""Seconds after which a pack is read again before its records are counted on."""

_PACK = struct.Struct("<I")
"""The first field of a row of the objects table."""

Clock = Callable[[], float]


class Reuse:
    """What one session may count on. Each pack is looked at once. Not thread-safe."""

    def __init__(self, store: Parts, clock: Clock = time.time) -> None:
        self._store = store
        self._index = store.index
        self._clock = clock
        self._vouched: set[bytes] = set()
        self._writing: dict[int, float | None] = {}

    def present(self, ids: Collection[bytes]) -> set[bytes]:
        """Returns those of the objects that are here and neither known nor found to be damaged."""
        rows = sound_rows(self._index, list(ids))
        if not rows:
            return set()
        chain = self._with_bases(rows)
        self._vouch({row[: _PACK.size] for row in chain.values()} - self._vouched)
        with self._index.read() as txn:
            damaged = known_damaged(self._index, txn, chain)
        return rows.keys() - self._hurt(rows, chain, damaged) if damaged else set(rows)

    def opened(self, pack: int, file: int, *, new: bool) -> None:
        """A pack that the session writes from now on, nothing yet. One that is as it was seen last stays so for
        others, whatever is appended."""
        with self._index.read() as txn:
            stamp = read_stamp(self._index, txn, pack)
        self._writing[pack] = None
        if new:
            self._writing[pack] = self._clock()
        elif stamp is not None and stamp.fits(os.fstat(file)) and self._is_fresh(stamp):
            self._writing[pack] = stamp.read
        elif _PACK.pack(pack) in self._vouched:
            self._writing[pack] = self._clock()
        if self._writing[pack] is not None:
            self._vouched.add(_PACK.pack(pack))

    def wrote(self, txn: Transaction, pack: int, file: int) -> None:
        """What was written there is on the disk, and about to be committed."""
        read = self._writing.get(pack)
        if read is not None:
            put_stamp(self._index, txn, pack, Stamp.of(os.fstat(file), read))

    # ------------------------------------------------------------------ inside

    def _with_bases(self, rows: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """These rows and those of what they rest on."""
        found = dict(rows)
        level: Mapping[bytes, bytes] = rows
        for _ in range(MAX_DELTA_LEVELS):
            bases = {row[LOCATION.size :] for row in level.values() if len(row) > LOCATION.size}
            new = [base for base in bases if base not in found]
            if not new:
                break
            level = self._index.rows(new)
            found |= level
        return found

    def _hurt(
        self, rows: Mapping[bytes, bytes], chain: Mapping[bytes, bytes], damaged: Collection[bytes]
    ) -> set[bytes]:
        """Those that are damaged or rest on what is, and so are known to be from now on."""

        def hurt(id: bytes) -> bool:
            for _ in range(MAX_DELTA_LEVELS):
                row = chain.get(id)
                if row is None or id in damaged:
                    return True
                if len(row) == LOCATION.size:
                    return False
                id = row[LOCATION.size :]
            return True

        bad = {id for id in rows if hurt(id)}
        mark(self._index, [typed_id(id, rows[id][LOCATION.size - 1]) for id in bad])
        return bad

    def _vouch(self, packs: Collection[bytes]) -> None:
        """Looks at packs; marks what is damaged in those that changed unseen."""
        for key in packs:
            self._vouched.add(key)
            self._look(_PACK.unpack(key)[0])

    def _look(self, pack: int) -> None:
        index = self._index
        with index.read() as txn:
            row, stamp = pack_row(index, txn, pack), read_stamp(index, txn, pack)
        path = os.path.join(self._store.pack_directory, pack_name(pack))
        try:
            status = os.stat(path)
        except FileNotFoundError:  # collected, or lost, which opening the store has marked
            return
        if row is None or (stamp is not None and self._holds(stamp, status, pack)):
            return
        began = self._clock()
        bad = list(bad_stretches(lambda at, size: self._read(pack, at, size), row.length))
        if bad:
            self._mark(pack, bad)
        if pack in self._writing:
            self._writing[pack] = began
            return
        stamp = Stamp.of(status, began)
        with suppress(FileNotFoundError):
            if stamp.fits(os.stat(path)):
                put_stamps(index, {pack: stamp})

    def _holds(self, stamp: Stamp, status: os.stat_result, pack: int) -> bool:
        """Whether the file is as it was, or somebody else appends to it at this moment."""
        if not self._is_fresh(stamp) or stamp.inode != status.st_ino:
            return False
        path = os.path.join(self._store.pack_directory, pack_name(pack))
        return stamp.fits(status) or (pack not in self._writing and _is_held(path))

    def _is_fresh(self, stamp: Stamp) -> bool:
        return 0 <= self._clock() + 1 - stamp.read < AGE_SECONDS

    def _read(self, pack: int, at: int, size: int) -> bytes:
        try:
            return self._store.packs.read([(pack, at, size)])
        except OSError:
            return b""

    def _mark(self, pack: int, bad: list[tuple[int, int]]) -> None:
        hit: dict[Digest, bytes] = {}
        for id, at in self._store.locations():
            if not isinstance(at, ObjectLocation) or at.pack != pack:
                continue
            if any(start < at.offset + at.size and at.offset < end for start, end in bad):
                hit[id] = at.row()
        mark(self._index, hit, hit)


def _is_held(path: str) -> bool:
    """Whether a writer holds the lock of a pack."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not lock_now(file, shared=True)
    finally:
        os.close(file)
