"""What the last collection knew, so that the next one looks only at what came since (FORMAT.md, section
What was collected).

After a collection every row points at what refs, operations and leases reach. As long as they reach at least as
much, garbage can only be among the rows that came later, and these lie beyond the lengths that the packs had.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from mvcd.store.api import GarbageBound
from mvcd.store.index import Index, Transaction
from mvcd.store.pack import PackFiles
from mvcd.store.placed import placed
from mvcd.store.record import PACK_HEADER, BadRecord
from mvcd.store.rows import BadRow, ObjectLocation, seal, unseal
from mvcd.store.writers import PackRow, pack_rows

KEY: Final = b"collected"
ROW_VERSION: Final = 1
MAX_ROW_BYTES: Final = 16 << 20
"""Bytes of the longest row that is kept: refs and packs of the largest stores. Beyond it all is marked."""
MAX_YOUNG_ROWS: Final = 1 << 20
"""Rows since the last collection up to which only they are looked at: 300 MiB of memory. Marking all takes
fewer bytes for each."""

_NUMBERS = struct.Struct("<BQQQ32sIII")
_PACK = struct.Struct("<IQQ")
_REF = struct.Struct("<HI")


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack's committed length and the bytes of its live records."""

    length: int
    live: int


@dataclass(frozen=True, slots=True)
class Collected:
    """`rows` of the objects table were left; `operation` was the newest and `first_operation` the oldest kept.
    `given` is what else decided what was marked (api.Given).
    `absent` has the first 8 bytes of ids that were reached and not there."""

    rows: int
    operation: int
    first_operation: int
    given: bytes
    packs: dict[int, Pack]
    absent: array[int]
    refs: dict[str, bytes]

    def settled(self, location: ObjectLocation) -> bool:
        """Whether that collection kept this row."""
        pack = self.packs.get(location.pack)
        return pack is not None and location.offset < pack.length

    def row(self) -> bytes | None:
        """None when it would be too long."""
        head = _NUMBERS.pack(
            ROW_VERSION, self.rows, self.operation, self.first_operation, self.given,
            len(self.packs), len(self.absent), len(self.refs),
        )  # fmt: skip
        parts = [head]
        parts += (_PACK.pack(n, p.length, p.live) for n, p in sorted(self.packs.items()))
        parts.append(struct.pack(f"<{len(self.absent)}Q", *self.absent))
        for name, value in sorted(self.refs.items()):
            key = name.encode()
            parts += (_REF.pack(len(key), len(value)), key, value)
        row = b"".join(parts)
        return row if len(row) <= MAX_ROW_BYTES else None


def carried(
    known: Collected, copied: Mapping[int, int], made: Mapping[int, int]
) -> Collected | None:
    """The same after the packs `copied`, which had these lengths, were copied to `made`, which have those. None
    where a pack had grown: then not all that was copied is settled."""
    for number, length in copied.items():
        if number not in known.packs or known.packs[number].length != length:
            return None
    packs = {number: pack for number, pack in known.packs.items() if number not in copied}
    packs.update((n, Pack(length, length - PACK_HEADER.size)) for n, length in made.items())
    return replace(known, packs=packs)


def read_collected(index: Index, txn: Transaction) -> Collected | None:
    """None where no collection left a row, or one that cannot be read."""
    stored = txn.get(KEY, db=index.cache)
    row = None if stored is None else unseal(KEY, stored)
    try:
        return None if row is None else _parse(row)
    except (struct.error, UnicodeDecodeError):
        return None


def put_collected(index: Index, txn: Transaction, collected: Collected | None) -> None:
    row = None if collected is None else collected.row()
    if row is None:
        txn.delete(KEY, db=index.cache)
    else:
        txn.put(KEY, seal(KEY, row), db=index.cache)


def _parse(row: bytes) -> Collected | None:
    version, rows, operation, first, given, packs, absent, refs = _NUMBERS.unpack_from(row)
    if version != ROW_VERSION:
        return None
    at = _NUMBERS.size
    lengths = {}
    for _ in range(packs):
        number, length, live = _PACK.unpack_from(row, at)
        lengths[number] = Pack(length, live)
        at += _PACK.size
    prefixes = array("Q", struct.unpack_from(f"<{absent}Q", row, at))
    at += 8 * absent
    values = {}
    for _ in range(refs):
        name_bytes, value_bytes = _REF.unpack_from(row, at)
        at += _REF.size
        name, end = row[at : at + name_bytes].decode(), at + name_bytes + value_bytes
        values[name] = row[at + name_bytes : end]
        at = end
    return (
        Collected(rows, operation, first, given, lengths, prefixes, values)
        if at == len(row)
        else None
    )


def garbage_bound(index: Index) -> GarbageBound:
    """How much a collection can free at most, by the lengths of packs now and then."""
    with index.read() as txn:
        lengths = {row.number: row.length for row in pack_rows(index, txn)}
        known = read_collected(index, txn)
    before = {} if known is None else known.packs
    if any(lengths.get(number, 0) < pack.length for number, pack in before.items()):
        before = {}
    kept = sum(pack.live for pack in before.values())
    held = sum(max(0, pack.length - PACK_HEADER.size) for pack in before.values())
    all_bytes = sum(max(0, length - PACK_HEADER.size) for length in lengths.values())
    return GarbageBound(all_bytes - held, held - kept, kept)


def young_rows(
    index: Index, txn: Transaction, files: PackFiles, packs: Collection[PackRow], earlier: Collected
) -> dict[bytes, ObjectLocation] | None:
    """The rows since an earlier collection, of packs as `txn` sees them. None where that cannot be told.

    Who moved or removed rows meanwhile (another collection, a repair, a program of an earlier release) has
    changed how many there are. Then the numbers do not add up, and nothing that was known counts.
    """
    lengths = {pack.number: pack.length for pack in packs}
    if any(lengths.get(number, 0) < pack.length for number, pack in earlier.packs.items()):
        return None
    found: dict[bytes, ObjectLocation] = {}
    try:
        for number, length in lengths.items():
            start = earlier.packs[number].length if number in earlier.packs else 0
            for id, location in placed(index, txn, files, number, length, start):
                found[id] = location
                if len(found) > MAX_YOUNG_ROWS:
                    return None
    except (BadRecord, BadRow, OSError):
        return None
    total: int = txn.stat(index.objects)["entries"]
    return found if total - len(found) == earlier.rows else None
