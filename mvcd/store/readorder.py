"""In which order objects are read from packs: as they rest, neighbours in one read; the packs are told of what
comes next."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from mvcd.ids import Digest
from mvcd.store.frames import FRAME_END_BYTES, FRAME_RAW_END_BYTES
from mvcd.store.pack import PackBytes, Stretch
from mvcd.store.rows import ObjectLocation

HOLE_BYTES = 4 << 10
"""Bytes between two records up to which both come in one read: copying them costs less than another call."""
AHEAD_BYTES = 4 << 20
"""Bytes that are read ahead at least, and twice as much at most: a bucket then answers while what came before
is worked on."""

Place = tuple[ObjectLocation, Digest]


def place_order(place: Place) -> tuple[int, int]:
    """The key by which places are sorted."""
    return place[0].pack, place[0].offset


def told_ahead(groups: Iterator[list[Place]], packs: PackBytes) -> Iterator[list[Place]]:
    """Groups of places in the order in which they are read; the packs are told of some before."""
    told: deque[tuple[list[Place], int]] = deque()
    size_bytes = 0
    more = True
    while more or told:
        if more and size_bytes < AHEAD_BYTES:
            new: list[Stretch] = []
            for group in groups:
                stretches = [(at.pack, at.offset, at.size) for at, _ in group]
                size = sum([size for _, _, size in stretches])
                new += stretches
                told.append((group, size))
                size_bytes += size
                if size_bytes >= 2 * AHEAD_BYTES:
                    break
            else:
                more = False
            packs.begin(new)
        if told:
            group, size = told.popleft()
            size_bytes -= size
            yield group


def runs(places: list[Place]) -> Iterator[list[Place]]:
    """Puts neighbours in a pack together, with at most HOLE_BYTES bytes between two, up to a frame.

    `places` are sorted."""
    run: list[Place] = []
    pack, start, end, raw_size = -1, 0, 0, 0
    for location, id in places:
        after = location.offset + location.size
        if run and (
            location.pack != pack
            or location.offset - end > HOLE_BYTES
            or after - start > FRAME_END_BYTES
            or raw_size + location.raw_size > FRAME_RAW_END_BYTES
        ):
            yield run
            run, raw_size = [], 0
        if not run:
            pack, start = location.pack, location.offset
        run.append((location, id))
        raw_size += location.raw_size
        end = after
    if run:
        yield run
