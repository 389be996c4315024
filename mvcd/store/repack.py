"""Getting disk space back after a sweep: packs that are mostly dead are copied, then unlinked.

A pack is touched only under its flock, so nobody can add rows to it: rows for a pack are made by who
holds its lock, and by nobody else. Readers that are still in an unlinked file look their object up again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from typing import Self

from mvcd.codec.encoded import Encoded
from mvcd.disk.locks import lock_directory, try_lock, unlock
from mvcd.disk.refusals import is_disk_full, unwritten
from mvcd.disk.writeback import SyncFailed
from mvcd.errors import Busy
from mvcd.ids import Digest
from mvcd.monitor import Monitor
from mvcd.store import steps
from mvcd.store.api import Stop, never
from mvcd.store.collected import Collected, carried, put_collected
from mvcd.store.index import Transaction
from mvcd.store.lookedinto import forget_looked_into
from mvcd.store.meta import NEXT_PACK, number
from mvcd.store.pack import SEAL_BYTES, PackWriter, pack_name, pack_numbers
from mvcd.store.parts import Parts
from mvcd.store.placed import placed
from mvcd.store.record import PACK_HEADER, BadRecord, Record
from mvcd.store.rows import PACK_KEY, BadRow, ObjectLocation
from mvcd.store.stamp import drop_stamp
from mvcd.store.writers import create_writer, pack_row, pack_rows, put_pack_row

DEAD_SHARE = 0.3
"""Share of a pack's bytes that must be dead; copying sooner would write more than it frees over a store's
life."""
LEFT_SHARE = 0.08
"""Dead bytes, as a share of the live ones of all packs, down to which packs with fewer are copied too, the
deadest first."""
HARDLY_DEAD_SHARE = 0.05
"""Share of a pack's bytes below which it is never copied: 19 bytes would be written for each that is freed."""
WAIT_SECONDS = 5.0
"""How long the collector's lock is waited for: what `mvcd` does at leisure holds it for two, then pauses."""

Moves = list[tuple[bytes, bytes, bytes]]
"""(id, row as it was, row as it will be)."""


class PackMover:
    """Holds the collector's lock: one at a time removes or moves what rests in packs. Use in `with`."""

    def __init__(self, store: Parts, monitor: Monitor, *, busy: str) -> None:
        """Raises Busy, which says `busy`."""
        self._store = store
        self._index = store.index
        self._monitor = monitor
        lock = lock_directory(store.pack_directory, seconds=WAIT_SECONDS)
        if lock is None:
            raise Busy(busy, help="run the command again later")
        self._lock = lock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._lock)

    def _remember(self, known: Collected | None, repacker: Repacker) -> None:
        """Leaves word of what is `known` for the next collection, unless it could not rely on it."""
        after = None if known is None else carried(known, repacker.copied, repacker.made)
        self._index.write(lambda txn: put_collected(self._index, txn, after))


class Repacker:
    def __init__(
        self,
        store: Parts,
        monitor: Monitor,
        smaller: Callable[[Record], Encoded | None] | None = None,
        *,
        stop: Stop = never,
    ) -> None:
        """`smaller` gives records another form, where it has one. `stop` is asked after each pack."""
        self._store = store
        self._stop = stop
        self._smaller = smaller
        self._index = store.index
        self._monitor = monitor
        self._freed = 0
        self._lengths: dict[int, int] = {}  # of the packs that are held
        self._target: PackWriter | None = None
        self._moves: Moves = []
        self._emptied: list[int] = []
        self.copied: dict[int, int] = {}
        """Packs that are gone, and the committed lengths they had."""
        self.made: dict[int, int] = {}
        """Packs that their live records are in now, and their lengths."""
        self.stopped = False

    def would_free(self, live_bytes: Mapping[int, int]) -> int:
        """Bytes that `run` would free if nobody else held a pack."""
        total = 0
        for pack in self._worth(live_bytes):
            live = live_bytes.get(pack, 0)
            total += self._file_size(pack) - (live and live + PACK_HEADER.size)
        return total

    def run(self, live_bytes: Mapping[int, int]) -> int:
        """Drops dead bytes; returns how many the files lost. `live_bytes`: of each pack's records.

        Raises Failure when the disk is full; nothing is lost then.
        """
        self._unlink_strays()
        return self.rewrite(self._worth(live_bytes))

    def rewrite(self, packs: list[int]) -> int:
        """Copies the live records of these packs, and drops the packs. Returns and raises as `run`."""
        with ExitStack() as locks:
            self._lengths = self._lock(packs, locks)
            try:
                self._copy(self._records_of(self._lengths))
            except OSError as error:
                raise unwritten(
                    error,
                    "packs could not be rewritten",
                    full=is_disk_full(error),
                    room="free some disk space, then collect again",
                ) from error
            except SyncFailed as error:
                self._index.fail("rewritten packs could not be made durable", error)
            finally:
                if self._target is not None:
                    self._target.close()
        self._store.reached(steps.PACKS_UNLINKED)
        return self._freed

    def _worth(self, live_bytes: Mapping[int, int]) -> list[int]:
        """Packs with too many dead bytes, ascending."""
        with self._index.read() as txn:
            rows = pack_rows(self._index, txn)
        dead = {
            row.number: row.length - PACK_HEADER.size - live_bytes.get(row.number, 0)
            for row in rows
        }
        left, limit = sum(dead.values()), LEFT_SHARE * sum(live_bytes.values())
        packs = []
        for row in sorted(rows, key=lambda row: -dead[row.number] / row.length):
            share = dead[row.number] / row.length
            if (
                not live_bytes.get(row.number, 0)
                or share > DEAD_SHARE
                or (left > limit and share > HARDLY_DEAD_SHARE)
            ):
                packs.append(row.number)
                left -= dead[row.number]
        return sorted(packs)

    def _lock(self, packs: list[int], locks: ExitStack) -> dict[int, int]:
        """Those that nobody writes to, with their lengths. An empty pack whose file is gone counts: only its
        row is left."""
        held: dict[int, int] = {}
        for pack in packs:
            path = self._path(pack)
            file = try_lock(path)
            if file is not None:
                locks.callback(unlock, file)
                with self._index.read() as txn:
                    row = pack_row(self._index, txn, pack)
                if row is not None:
                    held[pack] = row.length
            elif not os.path.exists(path):
                held[pack] = 0
        return held

    def _records_of(self, packs: Collection[int]) -> dict[int, list[tuple[Digest, ObjectLocation]]]:
        """Live records of each pack, in the order of the file."""
        return {pack: self._records(pack) for pack in packs}

    def _records(self, pack: int) -> list[tuple[Digest, ObjectLocation]]:
        with self._index.read() as txn:
            row = pack_row(self._index, txn, pack)
            end = 0 if row is None else row.length
            with suppress(BadRecord, BadRow, OSError):
                return list(placed(self._index, txn, self._store.packs, pack, end))
        found = []
        for id, location in self._store.locations():
            if not isinstance(location, BadRow) and location.pack == pack:
                found.append((id, location))
        return sorted(found, key=lambda record: record[1].offset)

    def _copy(self, records: dict[int, list[tuple[Digest, ObjectLocation]]]) -> None:
        packs = sorted(records)
        for pack in packs:
            if self._copy_pack(records[pack]):
                self._emptied.append(pack)
                self.copied[pack] = self._lengths[pack]
            else:
                self._monitor.warn(f"pack {pack:08x} holds damaged objects and was kept")
            if pack != packs[-1] and self._stop():
                self.stopped = True
                break
        self._finish_target()

    def _copy_pack(self, records: list[tuple[Digest, ObjectLocation]]) -> bool:
        """False when a record is damaged: its pack stays, for `check` to report and others to repair."""
        for id, location in records:
            try:
                record = self._store.read_record(id, location)
            except BadRecord:
                return False
            self._copy_record(id, location, record)
        return True

    def _copy_record(self, id: Digest, location: ObjectLocation, record: Record) -> None:
        if self._target is None:
            self._target = create_writer(self._index, self._store.pack_directory)
        target, smaller = self._target, None
        if self._smaller is not None:
            smaller = self._smaller(record)
        if smaller is None:
            raw = self._store.packs.read([(location.pack, location.offset, location.size)])
            offset, size, base = target.append_raw(raw), location.body_size, location.base
        else:
            offset, size, base = target.end, len(smaller.body), smaller.base
            target.append(id, smaller)
        moved = ObjectLocation(target.number, offset, size, location.raw_size, location.kind, base)
        self._moves.append((id, location.row(), moved.row()))
        if target.end >= SEAL_BYTES:
            self._finish_target()

    def _finish_target(self) -> None:
        """Makes the copies durable, points rows at them, drops packs that nothing points at."""
        target, moves, emptied = self._target, sorted(self._moves), self._emptied
        if target is not None:
            target.sync()
            self._store.reached(steps.LIVE_COPIED)
        if moves or emptied:
            self._index.write(lambda txn: self._repoint(txn, target, moves, emptied))
            self._store.reached(steps.LIVE_REPOINTED)
        if target is not None:
            self.made[target.number] = target.end
            self._freed -= target.end
            target.close()
        self._target, self._moves, self._emptied = None, [], []
        for pack in emptied:
            self._unlink(pack)

    def _repoint(
        self, txn: Transaction, target: PackWriter | None, moves: Moves, emptied: list[int]
    ) -> None:
        objects = self._index.objects
        for id, old, new in moves:
            if txn.get(id, db=objects) == old:
                txn.put(id, new, db=objects)
        if target is not None:
            sealed = target.end >= SEAL_BYTES
            put_pack_row(self._index, txn, target.number, target.end, sealed)
        for pack in emptied:
            txn.delete(PACK_KEY.pack(pack), db=self._index.packs)
            drop_stamp(self._index, txn, pack)
            forget_looked_into(self._index, txn, pack)

    def _unlink_strays(self) -> None:
        """Files without a row whose number was passed: left by a crash of a writer or a collector."""
        with self._index.read() as txn:
            passed = number(self._index, txn, NEXT_PACK)
            known = {row.number for row in pack_rows(self._index, txn)}
        for pack in pack_numbers(self._store.pack_directory):
            if pack in known or pack >= passed:
                continue
            file = try_lock(self._path(pack))
            if file is None:
                continue
            with self._index.read() as txn:  # it may have been committed before we had the lock
                stray = pack_row(self._index, txn, pack) is None
            if stray:
                self._unlink(pack)
            unlock(file)

    def _unlink(self, pack: int) -> None:
        self._freed += self._file_size(pack)
        with suppress(FileNotFoundError):
            os.unlink(self._path(pack))
        self._store.packs.forget(pack)

    def _file_size(self, pack: int) -> int:
        with suppress(FileNotFoundError):
            return os.stat(self._path(pack)).st_size
        return 0

    def _path(self, pack: int) -> str:
        return os.path.join(self._store.pack_directory, pack_name(pack))
