"""A session: appends objects to a pack and makes them durable, rows and refs in one transaction.

Per object there is one Python call and no I/O, and one for all small ones that come together: records gather
in the pack's buffer and rows in a dict, until `flush`, `commit` or a limit. What the session relies on is in
its lease before it counts on it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NoReturn, Self, TypeVar

from mvcd.codec.encoded import MAX_RAW_BYTES, Encoded
from mvcd.disk.refusals import is_disk_full, unwritten
from mvcd.disk.writeback import SyncFailed, WriteBack
from mvcd.errors import MvcError, StaleReuse, UsageError
from mvcd.ids import Bytes, Digest
from mvcd.store import _records, steps
from mvcd.store.api import RefUpdate
from mvcd.store.damage import replace_damaged
from mvcd.store.index import Transaction
from mvcd.store.pack import SEAL_BYTES, PackWriter
from mvcd.store.parts import Parts
from mvcd.store.readymade import Added, ReadyRecords, put_each
from mvcd.store.record import MAX_BODY_BYTES, Record
from mvcd.store.refs import RefReceipt, RefTransaction, move, write_journal
from mvcd.store.reliance import Reliance
from mvcd.store.rows import LOCATION
from mvcd.store.writers import open_writer, put_pack_row

T = TypeVar("T")
MAX_ROWS = 1 << 17
"""Rows that wait for a flush, about 200 bytes each."""
PART_PAGES = 1 << 13
"""Pages of the objects table, 32 MiB, that one of several transactions touches (FORMAT.md, "Write order")."""
FAULT_PAGES = 16
"""Pages that come into the map with each that is touched: what Linux does for files that are in its cache."""
MAX_FULL_PACKS = 8
"""Full packs that wait for a flush: a commit cut short loses at most as much of its work. More would
lose more, fewer would let the disk rest more often."""


class LmdbSession:
    """See `api.Session`. Not for use across fork."""

    def __init__(self, store: Parts) -> None:
        self._store = store
        self._index = store.index
        self._process = os.getpid()
        self._writer: PackWriter | None = None
        self._full: list[PackWriter] = []
        self._write_back = WriteBack()
        self._rows: dict[bytes, bytes] = {}
        self._absent: set[bytes] = set()
        self._reused: set[bytes] = set()  # of the last call of `missing`
        self.flushes = 0
        self._failure: MvcError | None = None
        self._relied = Reliance(store)

    # ------------------------------------------------------------------ objects

    def missing(self, ids: Sequence[Digest]) -> list[bool]:
        self._require_usable()
        rows = self._rows
        reused: list[Digest] = []
        answer = []
        if len(self._absent) > MAX_ROWS:
            self._absent.clear()
        stored = self._relied.present([id for id in ids if id not in rows])
        for id in ids:
            if id in rows:
                answer.append(False)
            elif id in stored:
                reused.append(id)
                answer.append(False)
            else:
                self._absent.add(id)
                answer.append(True)
        self._rely_on(reused)
        self._reused = set(reused)
        self._relied.has_looked_up(len(ids))
        return answer

    def put(self, id: Digest, encoded: Encoded) -> int:
        size = self._put_encoded(id, encoded)
        self._flush_if_full()
        return size

    def put_ready(self, ready: ReadyRecords) -> Added:
        self._require_usable()
        if not ready.ids:
            return Added(0, 0, 0)
        if not self._takes_whole(ready):
            return put_each(self, ready)
        try:
            writer = self._writer or self._open_writer()
            at = writer.append_raw(ready.data)
            writer.write_back(self._write_back)
        except (OSError, SyncFailed) as error:
            self._fail(error)
        rows = _records.rows(ready.data, writer.number, at)
        self._rows.update(zip(ready.ids, rows, strict=True))
        self._seal_if_full(writer)
        self._flush_if_full()
        return Added(len(rows), len(ready.data), ready.raw_size)

    def _takes_whole(self, ready: ReadyRecords) -> bool:
        """Whether none of it is here, and nothing twice; what `missing` found absent counts as put then."""
        if not self._rows.keys().isdisjoint(ready.ids):
            return False
        if self._absent.issuperset(ready.ids):
            self._absent.difference_update(ready.ids)
            return True
        self._relied.has_looked_up(len(ready.ids))
        return not self._relied.present(ready.ids)

    def put_records(self, records: Sequence[tuple[Record, Bytes]]) -> list[int]:
        self._require_usable()
        added: list[int] = []
        new: dict[Digest, tuple[int, int, Bytes]] = {}
        for record, data in records:
            id, _, raw_size, base, body = record
            if base is None and self._is_new(id, len(body), raw_size):
                new[id] = len(body), raw_size, data
                added.append(len(data))
            elif id in new:
                added.append(0)
            else:
                self._append_new(new)
                added.append(self._put_one(record, data))
        self._append_new(new)
        self._flush_if_full()
        return added

    def _is_new(self, id: Digest, body_size: int, raw_size: int) -> bool:
        """Whether `missing` found it absent, and its size is allowed; from now on it counts as put."""
        if id not in self._absent or id in self._rows:
            return False
        if body_size > MAX_BODY_BYTES or raw_size > MAX_RAW_BYTES:
            return False
        self._absent.discard(id)
        return True

    def _append_new(self, new: dict[Digest, tuple[int, int, Bytes]]) -> None:
        """Appends objects without a base that are not here, each with the sizes of body and raw bytes, and its
        record; forgets them."""
        items = list(new.items())
        new.clear()
        while items:
            try:
                writer = self._writer or self._open_writer()
                offsets = writer.append_many((data for _, (_, _, data) in items), SEAL_BYTES)
                writer.write_back(self._write_back)
            except (OSError, SyncFailed) as error:
                self._fail(error)
            number, rows, pack = writer.number, self._rows, LOCATION.pack
            for (id, (body_size, raw_size, _)), at in zip(items, offsets, strict=False):
                rows[id] = pack(number, at, body_size, raw_size, id.kind)
            del items[: len(offsets)]
            self._seal_if_full(writer)

    def _put_encoded(self, id: Digest, encoded: Encoded) -> int:
        body_size, raw_size, base = len(encoded.body), encoded.raw_size, encoded.base
        return self._put(id, body_size, raw_size, base, lambda writer: writer.append(id, encoded))

    def put_record(self, record: Record, data: Bytes) -> int:
        size = self._put_one(record, data)
        self._flush_if_full()
        return size

    def _put_one(self, record: Record, data: Bytes) -> int:
        id, _, raw_size, base, body = record
        return self._put(id, len(body), raw_size, base, lambda writer: writer.append_raw(data))

    def _put(
        self,
        id: Digest,
        body_size: int,
        raw_size: int,
        base: Digest | None,
        append: Callable[[PackWriter], int],
    ) -> int:
        if id in self._rows:
            return 0
        self._require_usable()
        if id in self._absent:
            self._absent.discard(id)
        else:
            self._relied.has_looked_up(1)
            if self._relied.present((id,)):
                self._rely_on((id,))
                return 0
        if body_size > MAX_BODY_BYTES or raw_size > MAX_RAW_BYTES:
            raise UsageError(f"an object of {max(body_size, raw_size)} bytes is too large")
        if base is not None and base not in self._rows and base not in self._reused:
            self._require_base(base)
        try:
            writer = self._writer or self._open_writer()
            offset = writer.end
            append(writer)
            writer.write_back(self._write_back)
        except (OSError, SyncFailed) as error:
            self._fail(error)
        row = LOCATION.pack(writer.number, offset, body_size, raw_size, id.kind)
        self._rows[id] = row if base is None else row + base
        size = writer.end - offset
        self._seal_if_full(writer)
        return size

    def _seal_if_full(self, writer: PackWriter) -> None:
        if writer.end >= SEAL_BYTES:
            self._full.append(writer)
            self._writer = None

    def _flush_if_full(self) -> None:
        if len(self._rows) >= MAX_ROWS or len(self._full) >= MAX_FULL_PACKS:
            self.flush()

    def drain(self) -> None:
        self._require_usable()
        try:
            if self._writer is not None:
                self._writer.drain()
        except OSError as error:
            self._fail(error)

    def flush(self) -> None:
        self._require_usable()
        if self._rows:
            self._write(None)

    # ------------------------------------------------------------------ refs

    def commit(
        self,
        updates: Sequence[RefUpdate] = (),
        *,
        operation: bytes | None = None,
        cache: Mapping[bytes, bytes | None] | None = None,
        audit: bytes | None = None,
    ) -> int:
        self._require_usable()
        what = RefTransaction(updates, operation, cache, audit)
        if audit is not None:
            self._index.require_audit()
        if not (self._rows or what.recorded or what.cache):
            return 0
        moved = self._write(lambda txn: move(self._index, txn, what))
        assert moved is not None
        self._close_writers()
        if what.recorded:
            self._write_journal(what, moved)
        return moved.sequence

    def close(self) -> None:
        if self._process != os.getpid():
            self._abandon()
            return
        self._close_writers()
        self._relied.close()
        self._rows.clear()
        self._failure = self._failure or UsageError("the session is closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ------------------------------------------------------------------ inside

    def _write(self, more: Callable[[Transaction], T] | None) -> T | None:
        """Syncs packs, then commits the rows that wait and `more` in one transaction."""
        index, rows = self._index, self._rows
        writers = [*self._full, self._writer] if self._writer else self._full
        if rows:
            self._rely_on(rows)
            self._sync(writers)
        # plain bytes, of one type, are sorted in two thirds of the time
        items = sorted(zip(map(bytes.__bytes__, rows), rows.values(), strict=True))
        ordered = self._write_ahead(items, writers)

        def work(txn: Transaction) -> tuple[T | None, int]:
            sweeps = self._relied.still_here(txn, but=rows)
            result = more(txn) if more else None
            replace_damaged(index, txn, rows.items())
            txn.cursor(db=index.objects).putmulti(ordered, overwrite=False)
            if rows:
                self._put_pack_rows(txn, writers)
            return result, sweeps

        try:
            result, self._relied.sweeps = index.write(work)
        except StaleReuse:
            self._start_over()
            raise
        self._store.reached(steps.ROWS_COMMITTED)
        self.flushes += bool(rows)
        rows.clear()
        self._absent.clear()
        self._reused.clear()
        while self._full:
            self._full.pop().close()
        return result

    def _write_ahead(
        self, ordered: list[tuple[bytes, bytes]], writers: list[PackWriter]
    ) -> list[tuple[bytes, bytes]]:
        """Commits rows without a base where all at once would touch too many pages; returns those that are
        left."""
        index, touched = self._index, FAULT_PAGES * len(ordered)
        if touched <= PART_PAGES:
            return ordered
        with index.read() as txn:
            touched = min(touched, txn.stat(index.objects)["leaf_pages"])
        if touched <= PART_PAGES:
            return ordered
        free = [item for item in ordered if len(item[1]) == LOCATION.size]
        size = max(1, len(free) * PART_PAGES // touched)
        for at in range(0, len(free), size):
            part = free[at : at + size]

            def work(txn: Transaction, part: list[tuple[bytes, bytes]] = part) -> None:
                txn.cursor(db=index.objects).putmulti(part, overwrite=False)
                self._put_pack_rows(txn, writers)

            index.write(work)
            index.let_go()
            self._store.reached(steps.ROWS_BEGUN)
        return [item for item in ordered if len(item[1]) != LOCATION.size]

    def _put_pack_rows(self, txn: Transaction, writers: list[PackWriter]) -> None:
        for writer in writers:
            put_pack_row(self._index, txn, writer.number, writer.end, writer.end >= SEAL_BYTES)
            self._relied.reuse.wrote(txn, writer.number, writer.file)

    def _sync(self, writers: list[PackWriter]) -> None:
        try:
            for writer in writers:
                writer.drain()
            self._store.reached(steps.PACK_WRITTEN)
            self._write_back.finish()
            for writer in writers:
                writer.sync()
        except (OSError, SyncFailed) as error:
            self._fail(error)
        self._store.reached(steps.PACK_SYNCED)

    def _start_over(self) -> None:
        """After StaleReuse: what waits may have a base that is gone, so none of it is kept."""
        self._close_writers()
        self._rows.clear()
        self._absent.clear()
        self._reused.clear()
        self._relied.start_over()

    def _rely_on(self, ids: Collection[bytes]) -> None:
        try:
            self._relied.rely_on(ids)
        except OSError as error:
            self._fail(error)

    def _require_base(self, base: Digest) -> None:
        try:
            self._relied.require_base(base)
        except OSError as error:
            self._fail(error)

    def _open_writer(self) -> PackWriter:
        self._index.require_writable()
        writer = self._writer = open_writer(self._index, self._store.pack_directory)
        self._relied.reuse.opened(writer.number, writer.file, new=writer.new)
        self._store.reached(steps.PACK_OPENED)
        return writer

    def _close_writers(self) -> None:
        self._write_back.close()
        for writer in (*self._full, self._writer):
            if writer is not None:
                writer.close()
        self._full.clear()
        self._writer = None

    def _write_journal(self, what: RefTransaction, moved: RefReceipt) -> None:
        try:
            write_journal(self._index, self._store.journal, what, moved)
        except (OSError, MvcError):
            return  # the commit stands; the next one makes up for the line
        self._store.reached(steps.JOURNAL_WRITTEN)

    def _require_usable(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._process != os.getpid():
            raise UsageError("a session cannot be used in a forked process; open one there")

    def _fail(self, error: OSError | SyncFailed) -> NoReturn:
        """A failed write ends this session, a failed sync the whole store."""
        if isinstance(error, SyncFailed):
            self._index.fail("stored bytes could not be made durable", error)
        told, full = "the store could not be written", is_disk_full(error)
        self._failure = unwritten(error, told, full=full, when_full="the disk is full")
        self._rows.clear()
        self._close_writers()
        raise self._failure from error

    def _abandon(self) -> None:
        for held in (*self._full, self._writer):
            if held is not None:
                held.abandon()
        self._full.clear()
        self._writer = None
        self._relied.abandon()
