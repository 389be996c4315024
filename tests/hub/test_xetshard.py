"""Shards: what a client sent, what none would send, and the answer to a client's question."""

from __future__ import annotations

import random
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import UsageError
from mvcd.hub.xethash import BOOKEND, chunk_hash
from mvcd.hub.xetshard import ShardFile, known_chunks_shard, shard_files
from mvcd.hub.xetxorb import Xorb
from tests.hub.xetmade import RECORDED, TAG, Piece, entry, file_entries, recorded, shard_of

CHUNKS = [b"one", b"two"]
FILE = file_entries([Piece(CHUNKS, 0, 2), Piece(CHUNKS, 1, 2)])
SHARD = shard_of(FILE)


def read(shard: bytes) -> list[list[tuple[int, int, int]]]:
    return [
        [(term.start, term.end, term.size) for term in file.terms()]
        for file in shard_files(memoryview(shard))
    ]


def size(file: ShardFile) -> int:
    return sum(term.size for term in file.terms())


def test_a_clients_shard_tells_its_files() -> None:
    files = {file.sha256.hex(): file for file in shard_files(memoryview(recorded("shard")))}
    assert {name: size(file) for name, file in files.items()} == {
        each["sha256"]: each["size"] for each in RECORDED["files"]
    }
    assert [len(file) for file in files.values()] == [1, 1, 1]


def test_a_file_has_its_terms_in_order() -> None:
    assert read(SHARD) == [[(0, 2, 6), (1, 2, 3)]]
    assert read(shard_of()) == []
    assert read(shard_of(FILE, FILE)) == read(SHARD) * 2


def shard_with_term(size: int, start: int, end: int) -> bytes:
    term = entry(b"x" * 32, 0, size, start, end)
    return shard_of(entry(b"f" * 32, 3 << 30, 1) + term + entry(bytes(32)) * 2)


@pytest.mark.parametrize(
    ("shard", "why"),
    [
        (b"", "inside of its header"),
        (SHARD[:47], "inside of its header"),
        (b"x" + SHARD[1:], "does not begin"),
        (TAG + struct.pack("<QQ", 3, 0) + SHARD[48:], "does not begin"),
        (SHARD[: 48 + len(FILE)], "before its list of files does"),
        (SHARD[: 48 + 47], "before its list of files does"),
        (shard_of(file_entries([Piece(CHUNKS, 0, 2)], flags=1 << 30)), "without its range hashes"),
        (shard_of(file_entries([Piece(CHUNKS, 0, 2)], flags=1 << 31)), "or its sha256"),
        (shard_of(entry(b"f" * 32, 3 << 30, 2**32 - 1)), "ends inside of file"),
        (shard_of(entry(b"f" * 32, 3 << 30, 2) + entry(b"x" * 32)), "ends inside of file"),
        (shard_with_term(3, 2, 2), "chunks 2 to 2"),
        (shard_with_term(3, 0, 8193), "chunks 0 to 8193"),
        (shard_with_term(0, 0, 1), "and 0 bytes"),
        (shard_with_term((64 << 20) + 1, 0, 1), "and 67,108,865 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_shard_is_refused(shard: bytes, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(shard)
    assert caught.value.kind == "xet-shard" and why in str(caught.value.cause)


@given(st.randoms(use_true_random=False), st.sampled_from([SHARD, recorded("long_shard")]))
def test_mutated_shards_are_read_or_refused(rng: random.Random, shard: bytes) -> None:
    made = bytearray(shard)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(made)) if rng.random() < 0.5 else rng.randrange(200)
        made[at : at + rng.randrange(6)] = rng.choice((b"\xff", b"\0", rng.randbytes(1))) * 4
    try:
        read(bytes(made))
    except UsageError as error:
        assert error.kind == "xet-shard"


def test_a_shard_of_many_entries_takes_no_memory_of_its_own() -> None:
    many = 20_000
    rows = entry(b"x" * 32, 0, 1, 0, 1) * many + entry(bytes(32)) * many
    shard = memoryview(shard_of(entry(b"f" * 32, 3 << 30, many) + rows + entry(bytes(32))))
    tracemalloc.start()
    assert sum(map(size, shard_files(shard))) == many
    assert tracemalloc.get_traced_memory()[1] < 300 << 10
    tracemalloc.stop()


def test_the_answer_lists_chunks_as_clients_read_them() -> None:
    """Its first list is empty; the second has the xorb and its chunks; the footer says where both are."""
    asked = bytes(32)  # a hash that clients ask for
    xorb = Xorb(
        struct.pack("<32sII", chunk_hash(b"one"), 3, 0) + struct.pack("<32sII", asked, 9, 20)
    )
    answer = known_chunks_shard([(b"n" * 32, xorb)], 1000, 2000)
    end = entry(BOOKEND)
    xorbs = (
        entry(b"n" * 32, 0, 2, 12)
        + entry(chunk_hash(b"one"), 0, 3)
        + entry(asked, 3, 9, 1 << 31)
        + end
    )
    lookup = b"n" * 8 + struct.pack("<I", 0)
    assert answer.startswith(TAG + struct.pack("<QQ", 2, 200) + end + xorbs + lookup)
    footer = answer[48 + 48 + len(xorbs) + len(lookup) :]
    assert len(footer) == 200
    lists_end = 96 + len(xorbs)
    assert struct.unpack("<9Q32sQQ48s4Q", footer) == (
        1, 48, 96, lists_end, 0, lists_end, 1, lists_end + 12, 0, bytes(32), 1000, 2000, bytes(48),
        0, 0, 12, lists_end + 12,
    )  # fmt: skip
    assert read(answer) == []
