"""Frames from anybody: only what is whole, within the limits and what its digest says comes through."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.codec.encoded import MAX_RAW_BYTES, Codec, Encoded
from mvcd.errors import CorruptObject, MissingObject, MvcError, UsageError
from mvcd.ids import Bytes, ChunkId, Digest
from mvcd.store import _records
from mvcd.store.frames import (
    FRAME_END_BYTES,
    FRAME_RAW_END_BYTES,
    MAX_FRAME_BYTES,
    MAX_FRAME_RAW_BYTES,
    SMALL_BYTES,
    BaseOf,
    CheckedRecord,
    RecordFrame,
    _parse_with_care,
    check_frame,
    gather,
    parse_frame,
    smaller,
)
from mvcd.store.record import CODECS, TYPES, Record, record_head
from tests.store.objects import delta, plain, revisions, some


def whole(id: Digest, encoded: Encoded) -> bytes:
    return record_head(id, encoded) + bytes(encoded.body)


def nowhere(id: ChunkId) -> bytes:
    raise MissingObject(f"no chunk {id.short()}")


def checked_frame(data: Bytes, base_of: BaseOf) -> list[CheckedRecord]:
    return check_frame(parse_frame(data), base_of)


def refused(frame: Bytes) -> MvcError:
    with pytest.raises(MvcError) as caught:
        checked_frame(frame, nowhere)
    return caught.value


OBJECTS = some(seed=21, count=12)
FRAME = b"".join(whole(id, encoded) for id, encoded, _ in OBJECTS)


def test_a_frame_tells_its_objects() -> None:
    checked = checked_frame(FRAME, nowhere)
    assert [(one.record.id, one.raw) for one in checked] == [(id, raw) for id, _, raw in OBJECTS]
    assert b"".join(one.data for one in checked) == FRAME
    assert checked_frame(b"", nowhere) == []


def test_what_it_says_twice_comes_once() -> None:
    assert len(checked_frame(FRAME + FRAME, nowhere)) == len(OBJECTS)


@given(st.integers(1, len(FRAME) - 1))
def test_cut_anywhere(at: int) -> None:
    """At the end of a record what is left is a frame; elsewhere it is none."""
    try:
        found = checked_frame(FRAME[:at], nowhere)
    except UsageError as error:
        assert error.kind == "bad-frame"
    else:
        assert b"".join(one.data for one in found) == FRAME[:at]


@given(st.integers(0, len(FRAME) * 8 - 1))
def test_one_bit_wrong_anywhere(bit: int) -> None:
    frame = bytearray(FRAME)
    frame[bit // 8] ^= 1 << bit % 8
    assert refused(frame).kind == "bad-frame"


@given(st.binary(min_size=1, max_size=300))
def test_garbage_is_no_frame(data: bytes) -> None:
    assert refused(data).kind == "bad-frame"
    assert refused(FRAME + data).kind == "bad-frame"


def test_bytes_that_are_not_what_the_digest_says() -> None:
    id, _ = plain(b"right")
    error = refused(whole(id, Encoded(Codec.RAW, 5, b"wrong")))
    assert isinstance(error, CorruptObject)
    assert error.kind == "digest-mismatch" and id.short() in str(error)


def test_a_body_that_does_not_decode() -> None:
    id, _ = plain(b"right")
    for encoded in (Encoded(Codec.ZSTD, 5, b"no zstd"), Encoded(Codec.RAW, 6, b"right")):
        assert isinstance(refused(whole(id, encoded)), CorruptObject)


def test_bases_stand_before_or_elsewhere() -> None:
    first, second, third = revisions(seed=22, count=3)
    base = whole(*plain(first))
    middle, last = whole(*delta(second, first)), whole(*delta(third, second))
    assert [one.raw for one in checked_frame(base + middle + last, nowhere)] == [
        first,
        second,
        third,
    ]
    elsewhere = {ChunkId.of(second): second}
    assert checked_frame(last, elsewhere.__getitem__)[0].raw == third
    for frame in (middle, last + middle + base):
        assert isinstance(refused(frame), MissingObject)


def test_a_wrong_base_is_found_by_the_digest() -> None:
    first, second = revisions(seed=23, count=2)
    with pytest.raises(CorruptObject):
        checked_frame(whole(*delta(second, first)), lambda _: first[::-1])


def test_bytes_of_a_frame_have_a_limit() -> None:
    error = refused(bytes(MAX_FRAME_BYTES + 1))
    assert isinstance(error, UsageError) and error.kind == "too-large"


def test_raw_bytes_of_a_frame_have_a_limit() -> None:
    """A few hundred bytes that would decode to 10 MiB are refused before the last of them is."""
    fills = [bytes([n]) * MAX_RAW_BYTES for n in range(5)]
    made = [whole(ChunkId.of(d), Encoded(Codec.FILL, len(d), d[:1])) for d in fills]
    most = MAX_FRAME_RAW_BYTES // MAX_RAW_BYTES
    assert len(checked_frame(b"".join(made[:most]), nowhere)) == most
    assert refused(b"".join(made)).kind == "too-large"


def test_gathered_frames_are_within_the_limits() -> None:
    source = random.Random(24)
    parts = [(source.randbytes(source.randrange(1, 1 << 18)), 1 << 18) for _ in range(60)]
    parts += [(b"fill", MAX_RAW_BYTES)] * 20
    frames = list(gather(parts))
    assert b"".join(frames) == b"".join(part for part, _ in parts)
    assert all(len(frame) <= FRAME_END_BYTES for frame in frames)
    assert len(list(gather([(b"fill", MAX_RAW_BYTES)] * 7))) == -(
        -7 // (FRAME_RAW_END_BYTES // MAX_RAW_BYTES)
    )
    large = [(bytes(FRAME_END_BYTES * 2), 1), (b"x", 1)]
    assert [len(frame) for frame in gather(large)] == [FRAME_END_BYTES * 2, 1]
    assert list(gather([])) == []


def test_records_can_be_looked_at_before_they_are_checked() -> None:
    frame = bytearray(FRAME)
    frame[-1] ^= 1
    found = [record.id for record, _ in parse_frame(frame).records]
    assert found == [id for id, _, _ in OBJECTS]


SMALL = b"".join(whole(*plain(bytes([n]) * n)) for n in range(40)) * 2


def parsed_in_python(data: Bytes) -> RecordFrame | tuple[str, str]:
    return outcome(lambda: _parse_with_care(data, memoryview(data)))


def outcome(parse: Callable[[], RecordFrame]) -> RecordFrame | tuple[str, str]:
    """What is parsed, checksums found right or not, or how it is refused."""
    try:
        return parse()._replace(sound=False)
    except UsageError as error:
        return error.kind or "", error.cause or ""


@given(st.sampled_from([FRAME, SMALL]), st.data())
def test_c_and_python_read_the_same(data: bytes, choose: st.DataObject) -> None:
    """Frames cut anywhere, and with bytes changed anywhere, in heads above all."""
    frame = bytearray(data[: choose.draw(st.integers(0, len(data)))])
    for _ in range(choose.draw(st.integers(0, 3))) if frame else ():
        at = choose.draw(st.integers(0, min(len(frame) - 1, 200)))
        frame[at] = choose.draw(st.integers(0, 255))
    assert outcome(lambda: parse_frame(frame)) == parsed_in_python(frame)


@pytest.mark.parametrize("most_bytes", [1, 100, len(FRAME) // 2, len(FRAME), 1 << 30])
def test_smaller_frames_hold_the_same_records(most_bytes: int) -> None:
    frames = list(smaller(FRAME, most_bytes))
    assert b"".join(frames) == FRAME
    records = [parse_frame(frame).records for frame in frames]
    assert all(
        len(frame) <= most_bytes or len(few) == 1
        for frame, few in zip(frames, records, strict=True)
    )
    assert len(frames) == 1 or most_bytes < len(FRAME)
    assert list(smaller(b"", most_bytes)) == []


def test_types_of_what_c_reads() -> None:
    first, second = revisions(seed=25, count=2)
    data = whole(*plain(first)) + whole(*delta(second, first)) + whole(*plain(b""))
    for (ours, _), (python, _) in zip(
        parse_frame(data).records, _parse_with_care(data, memoryview(data)).records, strict=True
    ):
        assert type(ours) is type(python) is Record
        assert [type(field) for field in ours] == [type(field) for field in python]


def test_only_checksums_of_small_records_are_looked_at_in_c() -> None:
    assert parse_frame(SMALL).sound
    assert not parse_frame(whole(*plain(random.Random(26).randbytes(SMALL_BYTES)))).sound


def test_ids_and_records_of_other_types_are_refused() -> None:
    for record, types in ((bytes, TYPES), (Record, dict.fromkeys(TYPES, int)), (5, TYPES)):
        with pytest.raises(TypeError):
            _records.parse(SMALL, record, types, CODECS, 1 << 20, 1)  # type: ignore[arg-type]
