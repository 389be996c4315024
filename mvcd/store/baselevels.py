"""What many records rest on, read and decoded together, one level after another.

The pieces of a tensor rest on pieces that lie side by side as they do. So a level of all of them is found in
one transaction, read in a few calls and decoded in one, where each piece by itself takes eight calls that give
the interpreter's lock up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from mvcd.codec.decode import decode, decode_many
from mvcd.errors import CorruptObject
from mvcd.ids import Digest
from mvcd.store.pack import PackBytes
from mvcd.store.readorder import Place, place_order, runs, told_ahead
from mvcd.store.record import MAX_DELTA_LEVELS, BadRecord, Record, parse_record
from mvcd.store.rows import ObjectLocation

Located = Callable[[Sequence[Digest]], Mapping[Digest, ObjectLocation]]
"""Where those of the objects rest that are here, from one look-up. Raises CorruptObject."""


def decode_above(
    tops: Sequence[Record], located: Located, packs: PackBytes, *, check_crc: bool
) -> dict[Digest, bytes]:
    """The raw bytes of records that rest on others, by the records' ids; digests are not checked, and checksums
    of what they rest on if it is said. Those are left out that rest on what is not as its row says, damaged, or
    not here.

    Holds two levels at a time beside what it returns, each as large as the records are when decoded.
    """
    found: dict[Digest, bytes] = {}
    below: dict[Digest, bytes] = {}
    for level in _from_below({top.base for top in tops if top.base is not None}, located):
        below = dict(_level(level, below, packs, check_crc=check_crc))
        for top in tops:
            if top.base in level and (raw := _decoded(top, below)) is not None:
                found[top.id] = raw
    return found


def _from_below(bases: set[Digest], located: Located) -> list[dict[Digest, ObjectLocation]]:
    """These objects and all that they rest on: first those that are whole, then those that rest on them, and so
    on. Those are left out under which something is not here, or more than MAX_DELTA_LEVELS levels."""
    places: dict[Digest, ObjectLocation] = {}
    new: set[Digest] = bases
    for _ in range(MAX_DELTA_LEVELS):
        if not new:
            break
        found = located([*new])
        places.update(found)
        under = (at.base for at in found.values())
        new = {base for base in under if base is not None and base not in places}
    levels: list[dict[Digest, ObjectLocation]] = []
    on: dict[Digest | None, list[Digest]] = {}
    for id, at in places.items():
        on.setdefault(at.base, []).append(id)
    level = on.pop(None, [])
    while level:
        levels.append({id: places[id] for id in level})
        level = [above for id in level for above in on.pop(id, [])]
    return levels


def _level(
    level: Mapping[Digest, ObjectLocation],
    below: Mapping[Digest, bytes],
    packs: PackBytes,
    *,
    check_crc: bool,
) -> Iterator[tuple[Digest, bytes]]:
    """Those of a level that can be read, decoded."""
    places = sorted(((at, id) for id, at in level.items()), key=place_order)
    for run in told_ahead(runs(places), packs):
        records = list(_records_of(run, packs, check_crc=check_crc))
        whole = [record for record in records if record.base is None]
        try:
            raws = decode_many([record.encoded() for record in whole])
        except CorruptObject:  # one of them: the others are decoded one by one
            whole, raws = [], []
        yield from zip((record.id for record in whole), raws, strict=True)
        for record in records:
            if (record.base is not None or not whole) and (
                raw := _decoded(record, below)
            ) is not None:
                yield record.id, raw


def _records_of(run: Sequence[Place], packs: PackBytes, *, check_crc: bool) -> Iterator[Record]:
    """The records of neighbours in a pack that are as their rows say, from one read."""
    first, last = run[0][0], run[-1][0]
    try:
        data = packs.read([(first.pack, first.offset, last.offset + last.size - first.offset)])
    except OSError:
        return
    view = memoryview(data)
    for at, id in run:
        try:
            record = parse_record(view, at.offset - first.offset, check_crc=check_crc)
        except BadRecord:
            continue
        if at.tells_of(id, record):
            yield record


def _decoded(record: Record, below: Mapping[Digest, bytes]) -> bytes | None:
    base = None if record.base is None else below.get(record.base)
    if record.base is not None and base is None:
        return None
    try:
        return decode(record.encoded(), base)
    except CorruptObject:
        return None
