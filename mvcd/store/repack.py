"""Getting disk space back after a sweep: packs that are mostly dead are copied, then unlinked.

A pack is touched only under its flock, so nobody can add rows to it: rows for a pack are made by who
holds its lock, and by nobody else. Readers that are still in an unlinked file look their object up again.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress

from mvcd.disk.locks import try_lock, unlock
from mvcd.disk.refusals import is_disk_full, unwritten
from mvcd.disk.writeback import SyncFailed
from mvcd.ids import Digest
from mvcd.monitor import Monitor
from mvcd.store import steps
from mvcd.store.index import Transaction
from mvcd.store.meta import NEXT_PACK, number
from mvcd.store.pack import SEAL_BYTES, PackWriter, pack_name, pack_numbers
from mvcd.store.parts import Parts
from mvcd.store.record import PACK_HEADER, BadRecord
from mvcd.store.rows import PACK_KEY, BadRow, ObjectLocation
from mvcd.store.stamp import drop_stamp
from mvcd.store.writers import create_writer, pack_row, pack_rows, put_pack_row

DEAD_SHARE = 0.3
"""Share of a pack's bytes that must be dead; copying sooner would write more than it frees over a store's
life."""

Moves = list[tuple[bytes, bytes, bytes]]
"""(id, row as it was, row as it will be)."""


class Repacker:
    def __init__(self, store: Parts, monitor: Monitor) -> None:
        self._store = store
        self._index = store.index
        self._monitor = monitor
        self._freed = 0
        self._target: PackWriter | None = None
        self._moves: Moves = []
        self._emptied: list[int] = []

    def would_free(self, live_bytes: dict[int, int]) -> int:
        """Bytes that `run` would free if nobody else held a pack."""
        total = 0
        for pack in self._worth(live_bytes):
            live = live_bytes.get(pack, 0)
            total += self._file_size(pack) - (live and live + PACK_HEADER.size)
        return total

    def run(self, live_bytes: dict[int, int]) -> int:
        """Drops dead bytes; returns how many the files lost. `live_bytes`: of each pack's records.

        Raises Failure when the disk is full; nothing is lost then.
        """
        with ExitStack() as locks:
            self._unlink_strays()
            packs = self._lock(self._worth(live_bytes), locks)
            try:
                self._copy(self._records_of(packs))
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

    def _worth(self, live_bytes: dict[int, int]) -> list[int]:
        """Packs with too many dead bytes."""
        with self._index.read() as txn:
            rows = pack_rows(self._index, txn)
        packs = []
        for row in rows:
            live = live_bytes.get(row.number, 0)
            if not live or row.length - PACK_HEADER.size - live > DEAD_SHARE * row.length:
                packs.append(row.number)
        return packs

    def _lock(self, packs: list[int], locks: ExitStack) -> set[int]:
        """Those that nobody writes to. An empty pack whose file is gone counts: only its row is left."""
        held = set()
        for pack in packs:
            path = self._path(pack)
            file = try_lock(path)
            if file is not None:
                locks.callback(unlock, file)
                with self._index.read() as txn:
                    if pack_row(self._index, txn, pack) is not None:
                        held.add(pack)
            elif not os.path.exists(path):
                held.add(pack)
        return held

    def _records_of(self, packs: set[int]) -> dict[int, list[tuple[Digest, ObjectLocation]]]:
        """Live records of each pack, in the order of the file."""
        records: dict[int, list[tuple[Digest, ObjectLocation]]] = {pack: [] for pack in packs}
        if packs:
            for id, location in self._store.locations():
                if not isinstance(location, BadRow) and location.pack in packs:
                    records[location.pack].append((id, location))
        for found in records.values():
            found.sort(key=lambda record: record[1].offset)
        return records

    def _copy(self, records: dict[int, list[tuple[Digest, ObjectLocation]]]) -> None:
        for pack in sorted(records):
            if self._copy_pack(records[pack]):
                self._emptied.append(pack)
            else:
                self._monitor.warn(f"pack {pack:08x} holds damaged objects and was kept")
        self._finish_target()

    def _copy_pack(self, records: list[tuple[Digest, ObjectLocation]]) -> bool:
        """False when a record is damaged: its pack stays, for `check` to report and others to repair."""
        for id, location in records:
            try:
                self._store.read_record(id, location)
            except BadRecord:
                return False
            raw = self._store.packs.read([(location.pack, location.offset, location.size)])
            if self._target is None:
                self._target = create_writer(self._index, self._store.pack_directory)
            offset = self._target.append_raw(raw)
            moved = ObjectLocation(
                self._target.number,
                offset,
                location.body_size,
                location.raw_size,
                location.kind,
                location.base,
            )
            self._moves.append((id, location.row(), moved.row()))
            if self._target.end >= SEAL_BYTES:
                self._finish_target()
        return True

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
