"""Decoding for ever what was written once, and refusing everything else in bounded memory."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mvcd.codec import _planes
from mvcd.codec.decode import decode, decode_into, decode_many
from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import MAX_RAW_BYTES, Codec, Encoded
from mvcd.errors import CorruptObject, Failure
from tests.codec.samples import BASE_ID, bf16, f32, table, weights

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "codec.json").read_text())
_DELTAS = ("DELTA", "RANS", "PATCH", "WIDENED")
DELTAS = tuple(codec for codec in Codec if codec.name.startswith(_DELTAS))
PLANAR = (Codec.PLANES2, Codec.PLANES4, Codec.PLANES8)


def vector(case: dict) -> tuple[Encoded, bytes | None]:
    base = bytes.fromhex(case["base"]) if "base" in case else None
    codec, body = Codec(case["codec"]), bytes.fromhex(case["body"])
    return Encoded(codec, case["raw_size"], body, BASE_ID if base is not None else None), base


def by_name(kind: str):
    return pytest.mark.parametrize("case", VECTORS[kind], ids=lambda case: case["name"])


@by_name("decodes")
def test_vector_decodes(case):
    encoded, base = vector(case)
    raw = decode(encoded, base)
    assert len(raw) == case["raw_size"]
    assert hashlib.sha256(raw).hexdigest() == case["sha256"]
    out = bytearray(len(raw))
    decode_into(encoded, memoryview(out), base)
    assert out == raw


@by_name("refused")
def test_vector_is_refused(case):
    encoded, base = vector(case)
    with pytest.raises(CorruptObject) as caught:
        decode(encoded, base)
    assert caught.value.cause
    if encoded.raw_size <= MAX_RAW_BYTES:
        with pytest.raises(CorruptObject):
            decode_into(encoded, memoryview(bytearray(encoded.raw_size)), base)


def test_vectors_know_every_codec():
    assert {case["codec"] for case in VECTORS["decodes"]} == set(Codec)


def test_numbers_are_the_published_ones():
    published = """
        RAW ZSTD PLANES2 PLANES4 PLANES8 FILL DELTA1 DELTA2 DELTA4 DELTA8 RANS1 RANS2 RANS4 RANS8
        PATCH WIDENED4
    """.split()
    assert [codec.name for codec in sorted(Codec)] == published
    assert [int(codec) for codec in sorted(Codec)] == [*range(15), 20]


def samples() -> list[tuple[Encoded, bytes | None]]:
    """One real body of each structured codec."""
    encoder = Encoder()
    before = weights(3000)
    after = [x * (1 + 1e-4) for x in before]
    base = bf16(before)
    rows = table(200).replace(b"cat", b"cattle")
    return [
        (encoder.encode(table(200)), None),
        (encoder.encode(bf16(before), element_size=2, dtype="BF16"), None),
        (encoder.encode(f32(before) + b"end", element_size=4, dtype="F32"), None),
        (
            encoder.encode(bf16(after), element_size=2, dtype="BF16", base=(BASE_ID, base)),
            base,
        ),
        (encoder.encode(table(200), base=(BASE_ID, rows)), rows),
    ]


SAMPLES = samples()


def decode_or_refuse(encoded: Encoded, base: bytes | None) -> bytes | None:
    raw = None
    with suppress(CorruptObject):
        raw = decode(encoded, base)
        assert len(raw) == encoded.raw_size
    assert many_or_refuse([encoded], [base]) == (None if raw is None else [raw])
    if encoded.codec not in DELTAS:
        assert many_or_refuse([encoded]) == (None if raw is None else [raw])
    return raw


def many_or_refuse(
    encoded: list[Encoded], bases: list[bytes | None] | None = None
) -> list[bytes] | None:
    with suppress(CorruptObject):
        return decode_many(encoded, bases)
    return None


@given(st.lists(st.sampled_from([vector(c) for c in VECTORS["decodes"]]), max_size=8))
def test_many_at_once_are_decoded_as_one_by_one(cases):
    alone = [encoded for encoded, base in cases if base is None]
    assert decode_many(alone) == [decode(encoded) for encoded in alone]
    encoded, bases = [case[0] for case in cases], [case[1] for case in cases]
    assert decode_many(encoded, bases) == [decode(*case) for case in cases]


def test_one_of_many_that_is_damaged_is_refused():
    good, bad = vector(VECTORS["decodes"][0])[0], vector(VECTORS["refused"][0])[0]
    assert many_or_refuse([good, bad, good]) is None


def test_the_samples_are_what_they_should_be():
    assert [s.codec for s, _ in SAMPLES] == [
        Codec.ZSTD,
        Codec.PLANES2,
        Codec.PLANES4,
        Codec.RANS2,
        Codec.PATCH,
    ]


@given(
    st.sampled_from([*Codec]),
    st.integers(0, 3000) | st.sampled_from([MAX_RAW_BYTES, MAX_RAW_BYTES + 1, 1 << 60, -1]),
    st.binary(max_size=200) | st.binary(max_size=100).map(lambda b: zstandard.FRAME_HEADER + b),
)
def test_garbage_gives_the_declared_size_or_an_error(codec, size, body):
    decode_or_refuse(Encoded(codec, size, body), b"base" if codec in DELTAS else None)


@given(st.sampled_from(SAMPLES), st.data())
def test_flipped_bits_give_the_declared_size_or_an_error(sample, draw):
    encoded, base = sample
    body = bytearray(encoded.body)
    for bit in draw.draw(st.lists(st.integers(0, 8 * len(body) - 1), min_size=1, max_size=4)):
        body[bit // 8] ^= 1 << bit % 8
    decode_or_refuse(Encoded(encoded.codec, encoded.raw_size, body, encoded.base), base)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s[0].codec.name)
def test_every_other_length_and_size_is_refused(sample):
    encoded, base = sample
    body = bytes(encoded.body)
    for cut in {*range(40), *range(40, len(body), 97), len(body) - 1}:
        assert decode_or_refuse(Encoded(encoded.codec, encoded.raw_size, body[:cut]), base) is None
    assert decode_or_refuse(Encoded(encoded.codec, encoded.raw_size, body + b"\0"), base) is None
    for size in (0, 1, encoded.raw_size - 8, encoded.raw_size + 8, MAX_RAW_BYTES):
        assert decode_or_refuse(Encoded(encoded.codec, size, body), base) is None


def plane_header(width: int, *fields: tuple[int, int]) -> bytes:
    return struct.pack(f"<B{width}I", 0, *(kind | size << 8 for kind, size in fields))


def bombs() -> dict[str, Encoded]:
    """Bodies that would become much larger than they may."""
    gigabyte = zstandard.ZstdCompressor(level=1).compressobj(size=1 << 30)
    frame = b"".join(gigabyte.compress(bytes(1 << 20)) for _ in range(1 << 10)) + gigabyte.flush()
    # the content size field (8 bytes, after magic and descriptor) of a frame without window byte
    lie = zstandard.FRAME_HEADER + bytes([0xE0]) + struct.pack("<Q", MAX_RAW_BYTES) + frame[10:]
    window = zstandard.FRAME_HEADER + bytes([0xC0, 31 - 10 << 3]) + struct.pack("<Q", MAX_RAW_BYTES)
    many = zstandard.ZstdCompressor(level=1).compress(bytes(MAX_RAW_BYTES))
    return {
        "a gigabyte": Encoded(Codec.ZSTD, 1 << 30, frame),
        "a gigabyte for a little": Encoded(Codec.ZSTD, 1000, frame),
        "a frame that lies": Encoded(Codec.ZSTD, MAX_RAW_BYTES, lie),
        "a window of 2 GiB": Encoded(Codec.ZSTD, MAX_RAW_BYTES, window + b"\1\0\0"),
        "planes larger than their share": Encoded(
            Codec.PLANES8, MAX_RAW_BYTES, plane_header(8, *[(2, len(many))] * 8) + many * 8
        ),
        "a fill of a gigabyte": Encoded(Codec.FILL, 1 << 30, b"\0"),
        "planes of a gigabyte": Encoded(
            Codec.PLANES2, 1 << 30, plane_header(2, (1, 1), (1, 1)) + b"\0\0"
        ),
    }


BOMBS = bombs()


def peak_of(encoded: Encoded) -> int:
    """Python's allocations, bytes; zstandard's buffers for output are Python's."""
    tracemalloc.start()
    try:
        with pytest.raises(CorruptObject):
            decode(encoded)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_little_memory(name):
    assert peak_of(BOMBS[name]) < 2 * MAX_RAW_BYTES + (1 << 16)


def test_a_codec_of_later_versions_is_no_damage():
    later = Encoded(200, 3, b"abc")
    for call in (
        lambda: decode(later),
        lambda: decode_many([later]),
        lambda: decode_into(later, memoryview(bytearray(3))),
    ):
        with pytest.raises(Failure, match="cannot be read") as caught:
            call()
        assert caught.value.kind == "unknown-codec"


def test_a_delta_needs_its_base():
    encoded, _ = SAMPLES[3]
    with pytest.raises(ValueError, match="base"):
        decode(encoded)


def test_decode_into_wants_the_exact_size():
    with pytest.raises(ValueError, match="bytes"):
        decode_into(Encoded(Codec.RAW, 3, b"abc"), memoryview(bytearray(4)))


@pytest.mark.parametrize("codec", PLANAR)
def test_planes_need_no_base_even_if_one_is_given(codec):
    width = {Codec.PLANES2: 2, Codec.PLANES4: 4, Codec.PLANES8: 8}[codec]
    body = plane_header(width, *[(0, 1)] * width) + bytes(range(width))
    assert decode(Encoded(codec, width, body), b"ignored") == bytes(range(width))


def test_planes_are_joined_in_c_but_for_those_in_zstd():
    chance = random.Random(1)
    data = f32([chance.gauss(0, 0.02) for _ in range(5000)])
    body = bytes(Encoder().encode(data, element_size=4, dtype="F32").body)
    scratch = bytearray(_planes.body_scratch(len(data)))
    assert _planes.decode_body(4, len(data), body, None, scratch) == data
    out = bytearray(len(data))
    assert _planes.decode_body(4, len(data), body, out, scratch) is True
    assert out == data
    assert _planes.decode_body(4, len(data), body[:-1], out, scratch) is None
    text = b"".join(f"{n % 10:04}".encode() for n in range(5000))
    with_zstd = Encoder().alone.planes(memoryview(text), 4, False, None)
    larger = bytearray(_planes.body_scratch(len(text)))
    assert _planes.decode_body(4, len(text), with_zstd, None, larger) is None
    assert decode(Encoded(Codec.PLANES4, len(text), with_zstd)) == text
    for width, size, into, room in (
        (3, 4, out, scratch),
        (4, -1, out, scratch),
        (4, len(data), bytearray(3), scratch),
        (4, len(data), out, scratch[:-1]),
    ):
        with pytest.raises(ValueError, match=r"width|out has|too short"):
            _planes.decode_body(width, size, body, into, room)
