"""Pieces are encoded against bases that are found for some together; who finds them hears what came of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mvcd.codec.decode import decode
from mvcd.ids import ChunkId
from mvcd.inspect.spans import Layout, Span, TensorInfo
from mvcd.repo.bases.chains import Base, TensorPiece
from mvcd.repo.contents.drafts import Done, DraftPiece, digested
from mvcd.repo.intake.pieceencoder import PieceEncoder
from mvcd.store.readymade import sealed
from mvcd.store.record import record_head

RNG = np.random.default_rng(1)
BEFORE = [RNG.normal(0, 0.02, 8192).astype("<f4") for _ in range(20)]
AFTER = [w + RNG.normal(0, 1e-6, 8192).astype("<f4") for w in BEFORE]
BYTES = 4 * 8192


class Finder:
    """Proposes for each piece what was there before, but for those that are left out."""

    def __init__(self, *, none_for: Sequence[int] = ()) -> None:
        self.none_for = none_for
        self.asked: list[list[int]] = []
        self.heard: list[tuple[ChunkId, bool]] = []

    def begin(self, place: str, shape: Layout) -> bool:
        raise AssertionError

    def bases(self, pieces: Sequence[TensorPiece]) -> list[Base | None]:
        numbers = [int(piece.tensor.name) for piece in pieces]
        self.asked.append(numbers)
        raws = [BEFORE[n].tobytes() for n in numbers]
        return [
            None if n in self.none_for else Base(ChunkId.of(raw), raw, 1.0)
            for n, raw in zip(numbers, raws, strict=True)
        ]

    def edited(self, chunks: Sequence[tuple[ChunkId, int]], start: int) -> Iterator[Base | None]:
        raise AssertionError

    def taken(self, base: Base, *, paid: bool) -> None:
        self.heard.append((base.chunk, paid))

    def put(self, id: ChunkId, base: ChunkId | None, offset: int, size: int) -> None:
        raise AssertionError


def pieces_of(count: int) -> tuple[Layout, list[Done]]:
    """Tensors of one piece each, named by their numbers."""
    spans = [Span(n * BYTES, BYTES, TensorInfo(str(n), "F32", (8192,), 4)) for n in range(count)]
    shape = Layout("safetensors", tuple(spans))
    pieces = [DraftPiece(n, 0, memoryview(AFTER[n].tobytes())) for n in range(count)]
    return shape, [digested(piece, shape) for piece in pieces]


def raw_of(item: Done) -> bytes:
    assert item.encoded is not None
    base = item.encoded.base
    raws: dict[ChunkId | None, bytes | None] = {None: None}
    raws |= {ChunkId.of(w.tobytes()): w.tobytes() for w in BEFORE}
    return decode(item.encoded, raws[base])


def encoded(finder: Finder, known: Callable[[int], bool]) -> list[Done]:
    shape, done = pieces_of(20)
    have = [known(n) for n in range(len(done))]
    PieceEncoder(lambda _: finder).encode("m", shape, done, iter(have), 0)
    return done


def test_bases_are_asked_for_eight_at_a_time_and_only_for_what_is_absent() -> None:
    finder = Finder()
    done = encoded(finder, lambda n: n % 5 == 0)
    absent = [n for n in range(20) if n % 5]
    assert finder.asked == [absent[:8], absent[8:]]
    for n, item in enumerate(done):
        assert item.encoded is None if n % 5 == 0 else raw_of(item) == AFTER[n].tobytes()
    assert finder.heard == [(ChunkId.of(BEFORE[n].tobytes()), True) for n in absent]


def test_pieces_without_a_base_lie_among_others() -> None:
    finder = Finder(none_for=[0, 3, 4, 19])
    done = encoded(finder, lambda _: False)
    alone = [n for n, item in enumerate(done) if item.encoded and item.encoded.base is None]
    assert alone == [0, 3, 4, 19]
    assert [raw_of(item) for item in done] == [w.tobytes() for w in AFTER]


def test_nothing_is_asked_where_all_is_known() -> None:
    finder = Finder()
    encoded(finder, lambda _: True)
    assert finder.asked == []


def test_one_that_was_known_is_encoded_after_all() -> None:
    finder = Finder()
    shape, done = pieces_of(2)
    item = done[1]
    item.encoded = PieceEncoder(lambda _: finder).encode_one("m", shape, item)
    assert raw_of(item) == AFTER[1].tobytes()
    assert finder.asked == [[1]]


def test_bodies_of_pieces_without_a_base_lie_in_lots() -> None:
    finder = Finder(none_for=[0, 1, 2, 5, 19])
    shape, done = pieces_of(20)
    lots = PieceEncoder(lambda _: finder).encode("m", shape, done, iter([False] * 20), 0)
    assert [[done.index(item) for item in lot.items] for lot in lots] == [[0, 1, 2], [5], [19]]
    for lot in lots:
        data = sealed(lot.chunks(), lot.data).data
        assert bytes(data) == b"".join(
            record_head(id, encoded) + bytes(encoded.body) for id, encoded in lot.chunks()
        )
        assert [id for id, _ in lot.chunks()] == [item.id for item in lot.items]
