"""Objects are read as they rest, neighbours together, and the packs are told of them before."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mvcd.ids import ChunkId, Kind
from mvcd.store.frames import FRAME_END_BYTES
from mvcd.store.pack import Stretch
from mvcd.store.readorder import AHEAD_BYTES, HOLE_BYTES, Place, place_order, runs, told_ahead
from mvcd.store.rows import ObjectLocation

SIZES = st.sampled_from([100, HOLE_BYTES, 60 << 10, 1 << 20, 2 << 20])
GAPS = st.sampled_from([0, HOLE_BYTES, HOLE_BYTES + 1])


@st.composite
def resting(draw: st.DrawFn) -> list[Place]:
    """Places in some packs, sorted."""
    found: list[Place] = []
    for pack in range(draw(st.integers(1, 3))):
        at = 0
        for size, gap in draw(st.lists(st.tuples(SIZES, GAPS), max_size=12)):
            at += gap
            id = ChunkId(len(found).to_bytes(32, "big"))
            found.append((ObjectLocation(pack, at, size - 60, size, Kind.CHUNK, None), id))
            at += found[-1][0].size
    return found


class Told:
    """Packs that write down what they are told."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []

    def begin(self, stretches: list[Stretch]) -> None:
        self.stretches += stretches


@given(resting())
def test_neighbours_are_read_together_up_to_a_frame(places: list[Place]) -> None:
    found = list(runs(places))
    assert [one for run in found for one in run] == places
    for run in found:
        first, last = run[0][0], run[-1][0]
        assert {at.pack for at, _ in run} == {first.pack}
        assert len(run) == 1 or last.offset + last.size - first.offset <= FRAME_END_BYTES
        for (a, _), (b, _) in pairwise(run):
            assert b.offset - a.offset - a.size <= HOLE_BYTES


@given(resting())
def test_what_is_read_was_told_before_and_little_more(places: list[Place]) -> None:
    packs, read = Told(), []
    for group in told_ahead(runs(places), packs):  # type: ignore[arg-type]
        read += group
        known = {stretch[:2] for stretch in packs.stretches}
        assert {(at.pack, at.offset) for at, _ in group} <= known
        waiting = packs.stretches[len(read) :]
        assert sum(size for _, _, size in waiting) < 2 * AHEAD_BYTES + FRAME_END_BYTES
    assert read == sorted(places, key=place_order)
    assert packs.stretches == [(at.pack, at.offset, at.size) for at, _ in places]
