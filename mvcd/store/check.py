"""Verifying every invariant of FORMAT.md; damage is reported, never raised.

With `read_data` each object is decoded and hashed, pack by pack in the order of the file, so the disk is
read forward. A damaged LMDB page can still end the process (LMDB keeps no checksums and trusts its
pages); who must survive that runs the check in a child process.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator, Iterator
from contextlib import suppress
from itertools import takewhile

from mvcd.errors import CorruptObject, Failure, IntegrityError, MissingObject
from mvcd.ids import Digest, Kind
from mvcd.monitor import Monitor
from mvcd.store.audit import problems, read_head, read_rows
from mvcd.store.damage import clear, clear_stale, mark
from mvcd.store.journal_check import journal_problem
from mvcd.store.meta import OPERATION, SWEEPS, number
from mvcd.store.pack import pack_name
from mvcd.store.parts import Parts
from mvcd.store.record import MAX_DELTA_LEVELS, PACK_HEADER, BadRecord, check_pack_header
from mvcd.store.refs import scan
from mvcd.store.reports import Damage
from mvcd.store.rows import (
    PACK_KEY,
    BadRow,
    ObjectLocation,
    parse_location,
    sequence_of,
    unseal,
)
from mvcd.store.stamp import Stamps
from mvcd.store.writers import PackRow, parse_pack_row

_PREFIX_VALUES = 1 << 64


def check(
    store: Parts, *, read_data: bool, monitor: Monitor, sample: float = 1.0
) -> Iterator[Damage]:
    """See `api.Store.check`."""
    packs: dict[int, PackRow] = {}

    def check_packs() -> Iterator[Damage]:
        packs.update((yield from _check_packs(store)))

    yield from _reported(check_packs())
    for part in (_check_refs, _check_operations, _check_audit, _check_journal):
        yield from _reported(part(store))
    sampled = Sample(sample)
    objects = _check_objects(store, packs, sampled, read_data=read_data, monitor=monitor)
    yield from _reported(objects)


class Sample:
    """Which objects are looked at: those whose digests lie in a share of all that begins anywhere."""

    def __init__(self, share: float) -> None:
        """`share` is above 0, and 1 for all."""
        self.whole = share >= 1
        self._size = int(share * _PREFIX_VALUES)
        self._start = secrets.randbelow(_PREFIX_VALUES)

    def takes(self, id: Digest) -> bool:
        place = int.from_bytes(id[:8], "big")
        return self.whole or (place - self._start) % _PREFIX_VALUES < self._size


def _reported(part: Iterator[Damage]) -> Iterator[Damage]:
    """What one part finds; that it cannot be read is one more finding, and the others go on."""
    try:
        yield from part
    except IntegrityError as error:
        yield Damage(None, f"index: {error.cause or error}", "index")


def _check_packs(store: Parts) -> Generator[Damage, None, dict[int, PackRow]]:
    """[pack-header], [pack-length]; returns the pack table."""
    packs = {}
    with store.index.read() as txn:
        rows = list(scan(txn, store.index.packs))
    for key, row in rows:
        try:
            pack = parse_pack_row(key, row)
        except IntegrityError as error:
            yield Damage(None, f"row: {error}", "index")
            continue
        packs[pack.number] = pack
        where = f"pack {pack.number:08x}"
        try:
            size = os.stat(os.path.join(store.pack_directory, pack_name(pack.number))).st_size
            check_pack_header(store.packs.read([(pack.number, 0, PACK_HEADER.size)]), pack.number)
        except FileNotFoundError:
            with store.index.read() as txn:
                stands = txn.get(key, db=store.index.packs) == row
            if stands:  # or else a collection dropped the pack
                yield Damage(None, "pack-length: the file is gone", where)
        except BadRecord as bad:
            yield Damage(None, f"pack-header: {bad}", where)
        else:
            if size < pack.length:
                problem = f"pack-length: {size} bytes of {pack.length} are left"
                yield Damage(None, problem, where)
    return packs


def _check_refs(store: Parts) -> Iterator[Damage]:
    with store.index.read() as txn:
        rows = list(scan(txn, store.index.refs))
    for key, stored in rows:
        if unseal(key, stored) is None:
            name = key.decode(errors="replace")
            yield Damage(None, f"ref: the checksum of {name} does not match", "index")


def _check_operations(store: Parts) -> Iterator[Damage]:
    with store.index.read() as txn:
        last = number(store.index, txn, OPERATION)
        expected = None
        damages = []
        for key, stored in scan(txn, store.index.operations):
            sequence = sequence_of(key)
            if expected is not None and sequence != expected:
                damages.append(f"sequence: operation {expected} is absent")
            if unseal(key, stored) is None:
                damages.append(f"operation: the checksum of operation {sequence} does not match")
            expected = sequence + 1
        if expected is not None and expected != last + 1:
            damages.append(f"sequence: the last operation is {expected - 1}, not {last}")
    for problem in damages:
        yield Damage(None, problem, "index")


def _check_audit(store: Parts) -> Iterator[Damage]:
    """[audit]. The head is read first: rows that come meanwhile are beyond it."""
    with store.index.read() as txn:
        head = read_head(store.index, txn)
    rows = takewhile(lambda row: row.sequence <= head.sequence, read_rows(store.index))
    try:
        for problem in problems(rows, head):
            yield Damage(None, f"audit: {problem}", "index")
    except IntegrityError as error:
        yield Damage(None, f"audit: {error}", "index")


def _check_journal(store: Parts) -> Iterator[Damage]:
    """[journal]; with an index that cannot be read, which was told, there is nothing to compare it with."""
    problem = None
    with suppress(IntegrityError):
        problem = journal_problem(store.index, store.journal)
    if problem is not None:
        yield Damage(None, f"journal: {problem}", "refs.journal")


def _check_objects(
    store: Parts, packs: dict[int, PackRow], sample: Sample, *, read_data: bool, monitor: Monitor
) -> Iterator[Damage]:
    """[row]; of the sampled ones also [record], [base], and with `read_data` [digest]."""
    problem = _table_problem(store)
    if problem is not None:
        yield Damage(None, f"row: {problem}", "index")
    sweeps = _sweeps(store)
    places: list[tuple[int, int, Digest]] = []
    total = 0
    bad: list[Digest] = []
    for id, listed in store.locations():
        location: ObjectLocation | BadRow | None = listed
        problem = _row_problem(listed, packs)
        if problem is not None and isinstance(listed, ObjectLocation):
            problem, location = _look_again(store, id)
        if problem is not None:
            bad.append(id)
            yield Damage(id, f"row: {problem}", "index")
        elif isinstance(location, ObjectLocation) and sample.takes(id):
            places.append((location.pack, location.offset, id))
            total += location.raw_size
    places.sort()
    stamps = Stamps(store, packs)
    known = frozenset(store.damaged())
    good: list[Digest] = []
    monitor.begin("verify", total_bytes=total, total_items=len(places))
    try:
        for pack, offset, id in places:
            problem = _object_problem(store, id, read_data=read_data, monitor=monitor)
            if problem is None and read_data and id in known:
                good.append(id)
            if problem == _VANISHED and _sweeps(store) != sweeps:
                continue  # collected while we looked
            if problem is not None:
                bad.append(id)
                yield Damage(id, problem, f"pack {pack:08x} at {offset}")
    finally:
        monitor.finish()
        mark(store.index, bad)
        clear(store.index, good)
        clear_stale(store.index)
    if sample.whole:
        stamps.renew()


_VANISHED = "row: it cannot be found by its key"


def _table_problem(store: Parts) -> str | None:
    """A damaged page may hide rows without an error; keys out of order or a wrong count betray it."""
    table = store.index.objects
    with store.index.read() as txn:
        expected = txn.stat(table)["entries"]
        count, last = 0, b""
        for key in txn.cursor(db=table).iternext(values=False):
            if key <= last:
                return f"keys are out of order at {key.hex()[:12]}"
            count, last = count + 1, key
    return None if count == expected else f"{count} rows of {expected} are left"


def _sweeps(store: Parts) -> int:
    with store.index.read() as txn:
        return number(store.index, txn, SWEEPS)


def _look_again(store: Parts, id: Digest) -> tuple[str | None, ObjectLocation | BadRow | None]:
    """A row with its pack's in one transaction, since a commit or a collection may have come in between.

    No location when the object was collected.
    """
    with store.index.read() as txn:
        row = txn.get(id, db=store.index.objects)
        if row is None:
            return None, None
        try:
            location = parse_location(row)
        except BadRow as bad:
            return str(bad), bad
        key = PACK_KEY.pack(location.pack)
        stored = txn.get(key, db=store.index.packs)
    try:
        packs = {} if stored is None else {location.pack: parse_pack_row(key, stored)}
    except IntegrityError:
        packs = {}  # reported with the pack table
    return _row_problem(location, packs), location


def _row_problem(location: ObjectLocation | BadRow, packs: dict[int, PackRow]) -> str | None:
    if isinstance(location, BadRow):
        return str(location)
    pack = packs.get(location.pack)
    if pack is None:
        return f"pack {location.pack:08x} has no row"
    if location.offset < PACK_HEADER.size or location.offset + location.size > pack.length:
        return f"offset {location.offset} is outside of pack {location.pack:08x}"
    return None


def _object_problem(store: Parts, id: Digest, *, read_data: bool, monitor: Monitor) -> str | None:
    """What is wrong with an object, None when nothing is."""
    try:
        location = store.location(id)
        try:
            store.read_record(id, location)
        except BadRecord as bad:
            if store.location(id) == location:
                return f"record: {bad}"
        problem = _base_problem(store, location)
        if problem is None and read_data:
            store.get(id)
        monitor.advance(bytes_done=location.raw_size, items_done=1)
    except MissingObject:
        return _VANISHED
    except CorruptObject as error:
        return f"digest: {error.cause or error}"
    except Failure as error:
        if error.kind != "unknown-codec":
            raise
    return problem


def _base_problem(store: Parts, location: ObjectLocation) -> str | None:
    for _ in range(MAX_DELTA_LEVELS):
        base = location.base
        if base is None:
            return None
        try:
            location = store.location(base)
        except MissingObject:
            return f"base: {base.short()} is missing"
        if location.kind is not Kind.CHUNK:
            return "base: it is no chunk"
    return "base: the chain of bases does not end"
