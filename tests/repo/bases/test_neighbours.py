"""New chunks of an edited file lie where those were that they are like."""

from __future__ import annotations

import random

from mvcd.ids import ChunkId
from mvcd.objects.recipe import Recipe, SegmentBuilder
from mvcd.repo.bases.neighbours import Neighbours

SOURCE = random.Random(4)
CHUNKS = [(ChunkId.of(b"%d" % n), SOURCE.randrange(2_000, 90_000)) for n in range(400)]
NEW = [(ChunkId.of(b"new %d" % n), 50_000) for n in range(9)]


def neighbours(chunks: list[tuple[ChunkId, int]]) -> Neighbours:
    stored: dict[object, bytes] = {}
    builder = SegmentBuilder(stored.__setitem__)
    for id, size in chunks:
        builder.add(id, size)
    segment = builder.finish()
    return Neighbours(Recipe(segment.size, "", (segment,)), stored.__getitem__)


def like(new: tuple[ChunkId, int], place: int) -> tuple[ChunkId, int]:
    """Of nearly the size of the one in whose place it stands."""
    return new[0], CHUNKS[place][1] + 7


def start_of(place: int) -> int:
    return sum(size for _, size in CHUNKS[:place])


def test_chunks_that_were_there_have_no_need() -> None:
    assert list(neighbours(CHUNKS).of(CHUNKS, 0)) == [None] * len(CHUNKS)


def test_what_stands_in_the_place_of_another() -> None:
    edited = [
        *CHUNKS[:7],
        like(NEW[0], 7),
        *CHUNKS[8:20],
        like(NEW[1], 20),
        like(NEW[2], 21),
        *CHUNKS[22:],
    ]
    found = list(neighbours(CHUNKS).of(edited, 0))
    assert [(n, id) for n, id in enumerate(found) if id] == [
        (7, CHUNKS[7][0]), (20, CHUNKS[20][0]), (21, CHUNKS[21][0])
    ]  # fmt: skip


def test_rows_put_in_before_do_not_lead_astray() -> None:
    edited = [NEW[0], NEW[1], *CHUNKS[1:50], like(NEW[2], 50), *CHUNKS[51:]]
    found = list(neighbours(CHUNKS).of(edited, 0))
    assert found[51] == CHUNKS[50][0]


def test_a_chunk_that_was_cut_in_two_and_two_that_became_one() -> None:
    size = CHUNKS[9][1]
    halves = [(NEW[0][0], size // 2), (NEW[1][0], size - size // 2)]
    both = (NEW[2][0], CHUNKS[20][1] + CHUNKS[21][1])
    found = list(neighbours(CHUNKS).of([*CHUNKS[:9], *halves, *CHUNKS[10:20], both], 0))
    assert found[9:11] == [CHUNKS[9][0]] * 2
    assert found[-1] in (CHUNKS[20][0], CHUNKS[21][0])


def test_a_buffer_in_the_middle_of_a_file() -> None:
    found = list(
        neighbours(CHUNKS).of([like(NEW[0], 300), CHUNKS[301], like(NEW[1], 302)], start_of(300))
    )
    assert found == [CHUNKS[300][0], None, CHUNKS[302][0]]


def test_beyond_the_end_and_of_nothing() -> None:
    assert list(neighbours(CHUNKS[:3]).of(NEW[:2], 10**9)) == [CHUNKS[2][0]] * 2
    assert list(Neighbours(Recipe(0, "", ()), {}.__getitem__).of(NEW[:2], 0)) == [None, None]
