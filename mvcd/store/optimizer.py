"""Packs written anew with better codecs (FORMAT.md, section Optimizing), under the collector's lock."""

from __future__ import annotations

import os
from contextlib import suppress

from mvcd.codec.decode import decode
from mvcd.codec.encoded import Codec, Encoded
from mvcd.errors import CorruptObject, MissingObject
from mvcd.ids import Digest
from mvcd.monitor import Monitor
from mvcd.store.api import Recode, Stop, never
from mvcd.store.collected import read_collected
from mvcd.store.lookedinto import put_looked_into, was_looked_into
from mvcd.store.pack import pack_name
from mvcd.store.parts import Parts
from mvcd.store.placed import placed
from mvcd.store.record import BadRecord, Record
from mvcd.store.repack import PackMover, Repacker
from mvcd.store.reports import OptimizeReport
from mvcd.store.rows import BadRow, ObjectLocation
from mvcd.store.writers import PackRow, pack_rows

Place = tuple[Digest, ObjectLocation]

SAMPLED_OBJECTS = 16
"""Records of a pack that are tried before the whole pack is written anew."""
WORTH_SHARE = 0.02
"""Share of the tried records' bytes that has to be saved."""
PORTION_PACKS = 8
"""Packs that are looked into, then written anew where it is worth it, before the next ones, where it may be
stopped: a gigabyte."""
TRIED_BYTES = 1 << 10
"""Bytes from which a record is worth trying; smaller ones are copied as they are."""


class Optimizer(PackMover):
    """One `run`."""

    def __init__(self, store: Parts, recode: Recode, edition: int, monitor: Monitor) -> None:
        super().__init__(store, monitor, busy="a collection is running")
        self._recode = recode
        self._edition = edition
        self._stop: Stop = never
        self._rewritten = 0
        self._freed = 0
        self._left = 0

    def run(self, *, dry_run: bool, stop: Stop | None = None) -> OptimizeReport:
        """Each pack is old or new at any moment, whatever ends this. Raises Failure when the disk is full."""
        if not dry_run:
            self._index.require_writable()
        with self._index.read() as txn:
            packs = pack_rows(self._index, txn)
            if stop is not None:
                known = self._edition
                packs = [p for p in packs if not was_looked_into(self._index, txn, p, known)]
        if stop is None:
            self._portion(packs, dry_run=dry_run)
            return OptimizeReport(len(packs), self._rewritten, self._freed)
        self._stop, looked = stop, 0
        while looked < len(packs) and not stop():
            self._portion(packs[looked : looked + PORTION_PACKS], dry_run=dry_run)
            looked += PORTION_PACKS
        left = self._left + max(0, len(packs) - looked)
        return OptimizeReport(len(packs), self._rewritten, self._freed, left)

    def _portion(self, packs: list[PackRow], *, dry_run: bool) -> None:
        worth: dict[int, int] = {}
        gainless: dict[int, int] = {}
        self._monitor.begin("looking into packs", total_items=len(packs))
        try:
            for pack in packs:
                places = self._places(pack)
                share = self._promises(places)
                if share >= WORTH_SHARE:
                    worth[pack.number] = int(share * sum(at.size for _, at in places))
                else:
                    gainless[pack.number] = pack.length
                self._monitor.advance(items_done=1)
        finally:
            self._monitor.finish()
        if dry_run:
            self._rewritten += len(worth)
            self._freed += sum(worth.values())
        else:
            gainless.update(self._rewrite(sorted(worth), {p.number: p.length for p in packs}))
            put_looked_into(self._index, gainless, self._edition)

    def _rewrite(self, packs: list[int], lengths: dict[int, int]) -> dict[int, int]:
        """Returns, with their lengths, the packs that were made, and those that cannot be written anew: damaged
        ones, and those that somebody writes to."""
        sizes = sum(
            os.stat(os.path.join(self._store.pack_directory, pack_name(n))).st_size for n in packs
        )
        repacker = Repacker(self._store, self._monitor, self._told, stop=self._stop)
        self._monitor.begin("optimizing", total_bytes=sizes)
        try:
            self._freed += repacker.rewrite(packs)
        finally:
            self._monitor.finish()
        self._rewritten += len(repacker.copied)
        with self._index.read() as txn:
            known = read_collected(self._index, txn)
        self._remember(known, repacker)
        kept = [number for number in packs if number not in repacker.copied]
        if repacker.stopped:
            self._left += len(kept)
            return repacker.made
        return {**repacker.made, **{number: lengths[number] for number in kept}}

    def _promises(self, places: list[Place]) -> float:
        """The share of their bytes that some records of a pack would save."""
        worth = [place for place in places if place[1].size >= TRIED_BYTES]
        before = after = 0
        for id, at in worth[:: max(1, len(worth) // SAMPLED_OBJECTS)][:SAMPLED_OBJECTS]:
            with suppress(BadRecord):
                record = self._store.read_record(id, at)
                smaller = self._smaller(record)
                before += len(record.body)
                after += len(record.body if smaller is None else smaller.body)
        return 1 - after / before if before else 0.0

    def _smaller(self, record: Record) -> Encoded | None:
        """None too for what cannot be read: it stays as it is, for `check` to report."""
        if len(record.body) < TRIED_BYTES or not isinstance(record.codec, Codec):
            return None
        try:
            raw = self._store.get(record.id)
            base = None if record.base is None else self._store.get(record.base)
        except (CorruptObject, MissingObject):
            return None
        smaller = self._recode(record.encoded(), raw, base)
        if smaller is None or decode(smaller, base if smaller.base is not None else None) != raw:
            return None  # the old form goes for good, so the new one is never merely believed
        return smaller

    def _told(self, record: Record) -> Encoded | None:
        smaller = self._smaller(record)
        self._monitor.advance(bytes_done=record.size)
        return smaller

    def _places(self, pack: PackRow) -> list[Place]:
        """Nothing where a pack is damaged: it stays as it is."""
        with self._index.read() as txn, suppress(BadRecord, BadRow, OSError):
            return list(placed(self._index, txn, self._store.packs, pack.number, pack.length))
        return []
