from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.codec.encoded import MAX_RAW_BYTES, Codec, Encoded
from mvcd.ids import ID_TYPES, ChunkId, Kind
from mvcd.store.record import (
    MAX_BODY_BYTES,
    BadRecord,
    check_pack_header,
    pack_header,
    parse_record,
    plain_at,
    record_head,
    record_size,
    scan,
)

digests = st.binary(min_size=32, max_size=32)


@st.composite
def objects(draw):
    id = ID_TYPES[draw(st.sampled_from(Kind))](draw(digests))
    base = draw(st.none() | st.builds(ChunkId, digests))
    raw_size = draw(st.integers(0, MAX_RAW_BYTES))
    return id, Encoded(draw(st.sampled_from(Codec)), raw_size, draw(st.binary(max_size=200)), base)


def written(id, encoded) -> bytes:
    return record_head(id, encoded) + encoded.body


def test_the_bytes_of_a_record_are_those_of_the_format():
    id = ChunkId(bytes(range(32)))
    base = ChunkId(bytes(range(32, 64)))
    head = b"\x89OBJ" + bytes([1, 6, 1, 0]) + struct.pack("<II", 5, 3) + id + base
    crc = struct.pack("<I", zlib.crc32(head + b"xyz"))
    assert written(id, Encoded(Codec(6), 5, b"xyz", base)) == head + crc + b"xyz"
    plain = b"\x89OBJ" + bytes([1, 0, 0, 0]) + struct.pack("<II", 3, 3) + id
    crc = struct.pack("<I", zlib.crc32(plain + b"xyz"))
    assert written(id, Encoded(Codec.RAW, 3, b"xyz")) == plain + crc + b"xyz"
    assert pack_header(7) == b"MVCPACK\n\x01\x00\x00\x00\x07\x00\x00\x00"


@settings(deadline=None)  # other work on the machine is no failure
@given(objects(), st.binary(max_size=20), st.binary(max_size=20))
def test_what_was_written_is_parsed(made, before, after):
    id, encoded = made
    data = before + written(id, encoded) + after
    record = parse_record(data, len(before))
    assert (record.id, type(record.id)) == (id, type(id))
    assert record.encoded() == Encoded(
        encoded.codec, encoded.raw_size, memoryview(encoded.body), encoded.base
    )
    assert record.size == len(data) - len(before) - len(after)
    assert record.size == record_size(len(encoded.body), encoded.base is not None)


@settings(deadline=None)  # other work on the machine is no failure
@given(objects(), st.data())
def test_every_flipped_bit_and_every_cut_is_noticed(made, data):
    whole = bytearray(written(*made))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(BadRecord):
        parse_record(bytes(whole[:cut]))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadRecord):
        parse_record(bytes(whole))


@settings(deadline=None)  # other work on the machine is no failure
@given(st.binary(max_size=300))
def test_garbage_is_refused_and_scanned_over(data):
    with pytest.raises(BadRecord):
        parse_record(data)
    id, encoded = ChunkId.of(b"x"), Encoded(Codec.RAW, 1, b"x")
    found = [r for _, r in scan(data + written(id, encoded), 0) if not isinstance(r, BadRecord)]
    assert [record.id for record in found] == [id]


@settings(deadline=None)  # other work on the machine is no failure
@given(objects(), st.binary(max_size=20), st.data())
def test_a_plain_record_is_found_as_it_is_parsed(made, before, data):
    """Also where a bit was flipped, of which the short way notices what the head tells."""
    encoded = made[1]
    whole = bytearray(before + written(*made))
    counted = (len(before), encoded.raw_size, len(encoded.body))
    found = plain_at(memoryview(whole), *counted)
    assert found == (None if encoded.base is not None else encoded)
    assert plain_at(memoryview(whole)[:-1], *counted) is None or encoded.base is not None
    bit = data.draw(st.integers(8 * len(before), 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    found = plain_at(memoryview(whole), *counted)
    if found is not None and bit // 8 != len(before) + 4:  # its kind, which the digest tells
        assert found.codec in set(Codec)
        assert found.raw_size == encoded.raw_size and len(found.body) == len(encoded.body)


def test_sizes_beyond_the_limits_are_refused_before_anything_else():
    head = b"\x89OBJ" + bytes([1, 0, 0, 0])
    for raw_size, size in ((MAX_RAW_BYTES + 1, 0), (0, MAX_BODY_BYTES + 1), (0, 0xFFFFFFFF)):
        with pytest.raises(BadRecord, match="limits"):
            parse_record(head + struct.pack("<II", raw_size, size) + bytes(36))


@settings(deadline=None)  # other work on the machine is no failure
@given(st.lists(objects(), min_size=1, max_size=6), st.data())
def test_a_scan_finds_all_but_the_damaged(made, data):
    pieces = [written(*one) for one in made]
    hurt = data.draw(st.integers(0, len(pieces) - 1))
    broken = bytearray(pieces[hurt])
    broken[data.draw(st.integers(0, len(broken) - 1))] ^= 0x10
    whole = b"".join([*pieces[:hurt], bytes(broken), *pieces[hurt + 1 :]])
    ids = [
        (record.id, record.size)
        for _, record in scan(whole, 0)
        if not isinstance(record, BadRecord)
    ]
    expected = [(id, len(piece)) for (id, _), piece in zip(made, pieces, strict=True)]
    assert ids == expected[:hurt] + expected[hurt + 1 :]
    assert sum(isinstance(record, BadRecord) for _, record in scan(whole, 0)) == 1


@pytest.mark.parametrize(
    "data",
    [b"", b"MVCPACK\n", pack_header(8), b"X" + pack_header(7)[1:], b"MVCPACK\n\x02" + bytes(7)],
)
def test_wrong_pack_headers(data):
    with pytest.raises(BadRecord):
        check_pack_header(data, 7)
    check_pack_header(pack_header(7), 7)
