"""What many records rest on, read and decoded together, one level after another.

The pieces of a tensor rest on pieces that lie side by side as they do. So a level of all of them is found in
one transaction, read in a few calls and decoded in one, where each piece by itself takes eight calls that give
the interpreter's lock up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from mvcd.codec.decode import decode, decode_many
from mvcd.codec.encoded import Encoded
from mvcd.errors import CorruptObject
from mvcd.ids import Bytes, Digest
from mvcd.store.pack import PackBytes
from mvcd.store.readorder import Place, place_order, runs, told_ahead
from mvcd.store.record import MAX_DELTA_LEVELS, BadRecord, Record, parse_record
from mvcd.store.rows import ObjectLocation

Located = Callable[[Sequence[Digest]], Mapping[Digest, ObjectLocation]]
"""Where those of the objects rest that are here, from one look-up. Raises CorruptObject."""


def decode_above(
    tops: Sequence[Record],
    known: Mapping[Digest, Bytes],
    located: Located,
    packs: PackBytes,
    *,
    check_crc: bool,
) -> dict[Digest, bytes]:
    """The raw bytes of records that rest on others, by the records' ids; digests are not checked, and checksums
    of what they rest on if it is said. Those are left out that rest on what is not as its row says, damaged, or
    not here. What is `known`, with its raw bytes, is not read.

    Holds two levels at a time beside what it returns, each as large as the records are when decoded.
    """
    found = _decoded(tops, known)
    bases: set[Digest] = {
        top.base for top in tops if top.base is not None and top.base not in known
    }
    below: dict[Digest, bytes] = {}
    for level in _from_below(bases, located):
        below = dict(_level(level, below, packs, check_crc=check_crc))
        found |= _decoded(tops, below)
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
        yield from _decoded(records, below).items()


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


def _decoded(records: Sequence[Record], below: Mapping[Digest, Bytes]) -> dict[Digest, bytes]:
    """The raw bytes of those that are whole or rest on what is given, and are not damaged."""
    able = [record for record in records if record.base is None or record.base in below]
    bases = [None if record.base is None else below[record.base] for record in able]
    encoded = [record.encoded() for record in able]
    try:
        raws: Sequence[bytes | None] = decode_many(encoded, bases)
    except CorruptObject:  # one of them: the others are decoded one by one
        raws = [_sound(*pair) for pair in zip(encoded, bases, strict=True)]
    return {record.id: raw for record, raw in zip(able, raws, strict=True) if raw is not None}


def _sound(encoded: Encoded, base: Bytes | None) -> bytes | None:
    try:
        return decode(encoded, base)
    except CorruptObject:
        return None
