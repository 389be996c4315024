"""Bodies of xorbs: what a client sent, and what none would send."""

from __future__ import annotations

import io
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lz4.frame import compress

from mvcd.errors import UsageError
from mvcd.hub import xetxorb
from mvcd.hub.xethash import chunk_hash, xorb_hash
from mvcd.hub.xetshard import shard_files
from mvcd.hub.xetxorb import MAX_CHUNK_BYTES, Xorb, read_chunk, read_xorb
from tests.hub.xetmade import packed, recorded, xorb_of

CHUNKS = [b"one", b"two" * 9000, b"\0" * 8]
NAME, BODY = xorb_of(CHUNKS)


def read(body: bytes, name: bytes = NAME) -> Xorb:
    return read_xorb(io.BytesIO(body), len(body), name)


def test_a_xorb_tells_its_chunks() -> None:
    xorb = read(BODY)
    assert list(xorb.chunks()) == [(chunk_hash(chunk), len(chunk)) for chunk in CHUNKS]
    assert list(xorb.chunks(1, 2)) == [(chunk_hash(CHUNKS[1]), 27_000)]
    assert xorb.starts == [0, 3, 27_003, 27_011]
    assert len(xorb) == 3 and xorb.chunk_hash(2) == chunk_hash(CHUNKS[2])
    file = io.BytesIO(BODY)
    file.seek(xorb.body_offset(1))
    assert read_chunk(file) == CHUNKS[1] and read_chunk(file) == CHUNKS[2]


def test_the_footer_of_older_clients_is_passed_over() -> None:
    assert read(BODY + b"XETBLOB\1 and what follows").rows == read(BODY).rows


def test_a_body_is_read_up_to_its_length_and_no_further() -> None:
    assert read_xorb(io.BytesIO(BODY + b"more"), len(BODY), NAME).rows == read(BODY).rows


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no chunks"),
        (BODY[:-1], "ends inside of a chunk"),
        (BODY + b"\0\0\0", "ends inside of a header"),
        (BODY + packed(b"x"), "its chunks make"),
        (packed(b"") + BODY, "none that clients make"),
        (packed(bytes(MAX_CHUNK_BYTES + 1)), "none that clients make"),
        (packed(b"x", 0, b"xy"), "not the 1 that it says"),
        (packed(b"xy", 0, b"x"), "not the 2 that it says"),
        (packed(b"x", 3), "scheme 3"),
        (b"\1" + BODY[1:], "version 1"),
        (BODY[: 8 + 3 + 8] + b"!" + BODY[8 + 3 + 8 + 1 :], "its chunks make"),
    ],
)
def test_what_is_no_xorb_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(body)
    assert caught.value.kind == "xet-xorb" and why in str(caught.value.cause)


def test_a_xorb_has_so_many_chunks_and_so_much_content(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xetxorb, "MAX_CHUNKS", 2)
    with pytest.raises(UsageError, match="no xorb") as caught:
        read(BODY)
    assert "more than 2 chunks" in str(caught.value.cause)
    monkeypatch.setattr(xetxorb, "MAX_CONTENT_BYTES", 5)
    with pytest.raises(UsageError) as caught:
        read(BODY)
    assert "more than 5 bytes" in str(caught.value.cause)


@given(st.randoms(use_true_random=False))
def test_mutated_bodies_are_read_or_refused(rng: random.Random) -> None:
    body = bytearray(BODY)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(body)) if rng.random() < 0.3 else rng.randrange(30)
        body[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(4))
    try:
        read(bytes(body))
    except UsageError as error:
        assert error.kind == "xet-xorb"
    else:
        assert body == BODY


@given(st.binary(max_size=4096))
def test_groups_of_bytes_come_back_to_their_order(data: bytes) -> None:
    groups = b"".join(data[plane::4] for plane in range(4))
    assert xetxorb._regrouped(groups) == data


# ------------------------------------------------------------------ with LZ4


def recorded_name() -> bytes:
    return next(next(shard_files(memoryview(recorded("shard")))).terms()).xorb


def test_a_clients_xorb_has_chunks_of_all_three_schemes() -> None:
    body = recorded("xorb")
    xorb = read(body, recorded_name())
    assert [body[xorb.body_offset(index) + 4] for index in range(3)] == [1, 2, 0]
    assert xorb_hash(xorb.chunks()) == recorded_name()


@given(st.randoms(use_true_random=False))
def test_mutated_frames_are_read_or_refused(rng: random.Random) -> None:
    body = bytearray(recorded("xorb"))
    for _ in range(rng.randrange(1, 4)):
        near = rng.choice((0, 5576)) + rng.randrange(40)
        at = near if rng.random() < 0.5 else rng.randrange(len(body))
        body[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(4))
    try:
        read(bytes(body), recorded_name())
    except UsageError as error:
        assert error.kind == "xet-xorb"


def test_a_frame_is_unpacked_to_the_length_that_its_header_tells() -> None:
    """A frame of 100 MB in 400 KB; one that a second follows; one that is cut off."""
    bomb = compress(bytes(100 << 20))[: 2 * MAX_CHUNK_BYTES]
    small = compress(b"x" * 100)
    tracemalloc.start()
    for stored in (bomb, small + small, small[:-1], small + b"!", compress(b"x" * 99), b"", b"x"):
        for scheme in (1, 2):
            with pytest.raises(UsageError) as caught:
                read(packed(b"x" * 100, scheme, stored))
            assert caught.value.kind == "xet-xorb"
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    name = xorb_hash([(chunk_hash(b"x" * 100), 100)])
    assert len(read(packed(b"x" * 100, 1, small), name)) == 1
