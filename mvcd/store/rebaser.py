"""Chunks given other forms that rest on other bases, some together or none of them (FORMAT.md, Other bases)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mvcd.codec.decode import decode
from mvcd.codec.encoded import Encoded
from mvcd.disk.refusals import is_disk_full, unwritten
from mvcd.disk.writeback import SyncFailed
from mvcd.errors import IntegrityError
from mvcd.ids import ChunkId
from mvcd.monitor import Monitor
from mvcd.store import steps
from mvcd.store.api import Forms, Stop
from mvcd.store.collected import put_collected
from mvcd.store.index import Transaction
from mvcd.store.pack import SEAL_BYTES, PackWriter
from mvcd.store.parts import Parts
from mvcd.store.record import record_size
from mvcd.store.repack import Moves, PackMover, Repacker
from mvcd.store.reports import RebaseReport
from mvcd.store.rows import ObjectLocation
from mvcd.store.writers import create_writer, put_pack_row

KEPT_CHUNKS = 32
"""Decoded chunks that are at hand as bases: a chain has three, and most rest on one that came just before."""


class Rebaser(PackMover):
    """One `run`."""

    def __init__(self, store: Parts, monitor: Monitor) -> None:
        super().__init__(store, monitor, busy="a collection is running")
        self._target: PackWriter | None = None
        self._waiting: list[Moves] = []
        self._touched: set[int] = set()
        self._chunks = 0
        self._freed = 0
        self._saved_bytes = 0

    def run(self, plans: Iterable[Forms], *, dry_run: bool, stop: Stop) -> RebaseReport:
        """Raises Failure when the disk is full: what was put before is whole then."""
        if not dry_run:
            self._index.require_writable()
        self._monitor.begin("looking for better bases")
        try:
            for forms in plans:
                moves = self._moves(forms)
                if moves is not None and dry_run:
                    self._chunks, self._freed = self._chunks + len(moves), self._saved_bytes
                elif moves is not None:
                    self._append(forms, moves)
                self._monitor.advance(items_done=len(forms))
                if stop():
                    break
            self._finish_target()
        except OSError as error:
            raise unwritten(
                error,
                "chunks could not be written anew",
                full=is_disk_full(error),
                room="free some disk space, then optimize again",
            ) from error
        except SyncFailed as error:
            self._index.fail("rewritten chunks could not be made durable", error)
        finally:
            self._monitor.finish()
            if self._target is not None:
                self._target.close()
        if self._touched and not stop():
            repacker = Repacker(self._store, self._monitor, stop=stop)
            self._freed += repacker.rewrite(sorted(self._touched))
        return RebaseReport(self._chunks, self._freed)

    def _saved(self, forms: Forms) -> int:
        before = sum(self._store.location(id).size for id, _ in forms)
        return before - sum(_size(encoded) for _, encoded in forms)

    def _moves(self, forms: Forms) -> list[tuple[ChunkId, ObjectLocation]] | None:
        """Where these chunks are. None where the forms are not to be had for what is there: they take more
        bytes than all that was saved so far, or one is not the same when decoded. Raises ValueError where they
        are not closed."""
        places = []
        seen: set[ChunkId] = set()
        try:
            for id, encoded in forms:
                if encoded.base is not None and encoded.base not in seen:
                    raise ValueError(f"{id} rests on what does not come before it")
                seen.add(id)
                places.append((id, self._store.location(id)))
            saved = self._saved_bytes + self._saved(forms)
            if saved < 0 or not all(self._sound(forms)):
                return None
        except IntegrityError:
            return None
        self._saved_bytes = saved
        return places

    def _sound(self, forms: Forms) -> Iterator[bool]:
        """Whether each decodes to what its digest says: the old form goes for good, so none is believed."""
        raws: dict[ChunkId, bytes] = {}
        for id, encoded in forms:
            base = encoded.base
            known = None if base is None else raws.get(base) or self._store.get(base)
            raw = decode(encoded, known)
            yield ChunkId.of(raw) == id
            while len(raws) >= KEPT_CHUNKS:
                raws.pop(next(iter(raws)))
            raws[id] = raw

    def _append(self, forms: Forms, places: list[tuple[ChunkId, ObjectLocation]]) -> None:
        if self._target is None:
            self._target = create_writer(self._index, self._store.pack_directory)
        target = self._target
        moves: Moves = []
        for (id, encoded), (_, at) in zip(forms, places, strict=True):
            size, base = len(encoded.body), encoded.base
            row = ObjectLocation(target.number, target.end, size, at.raw_size, at.kind, base)
            target.append(id, encoded)
            moves.append((id, at.row(), row.row()))
            self._touched.add(at.pack)
        self._waiting.append(moves)
        if target.end >= SEAL_BYTES:
            self._finish_target()

    def _finish_target(self) -> None:
        """Makes what was appended durable, then points all rows of a plan there in one transaction."""
        target, waiting = self._target, self._waiting
        self._target, self._waiting = None, []
        if target is None:
            return
        try:
            target.sync()
            self._store.reached(steps.FORMS_WRITTEN)
            self._index.write(lambda txn: self._repoint(txn, target, waiting))
            self._store.reached(steps.FORMS_REPOINTED)
            self._freed -= target.end
        finally:
            target.close()

    def _repoint(self, txn: Transaction, target: PackWriter, waiting: list[Moves]) -> None:
        objects = self._index.objects
        put_collected(self._index, txn, None)  # settled rows move
        for moves in waiting:
            if any(txn.get(id, db=objects) != old for id, old, _ in moves):
                continue  # somebody stored one anew meanwhile: none of them moves
            for id, _, new in moves:
                txn.put(id, new, db=objects)
            self._chunks += len(moves)
        put_pack_row(self._index, txn, target.number, target.end, target.end >= SEAL_BYTES)


def _size(encoded: Encoded) -> int:
    return record_size(len(encoded.body), encoded.base is not None)
