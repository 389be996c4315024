"""Records made ahead are those that a session makes, and their rows those that it would write."""

from __future__ import annotations

import random
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.codec.encoded import MAX_RAW_BYTES, Codec, Encoded
from mvcd.ids import ID_TYPES, ChunkId, Kind
from mvcd.store import _records
from mvcd.store.readymade import made_ready, sealed
from mvcd.store.record import MAX_BODY_BYTES, PLAIN_OVERHEAD_BYTES, record_head, record_size
from mvcd.store.rows import ObjectLocation
from tests.store.objects import compressed, delta, plain, revisions

KINDS = st.sampled_from(list(Kind))


@settings(deadline=None)  # other work on the machine is no failure
@given(
    kind=KINDS,
    forms=st.lists(
        st.tuples(
            st.sampled_from(list(Codec)), st.integers(0, MAX_RAW_BYTES), st.binary(max_size=70)
        ),
        max_size=12,
    ),
    place=st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**31)),
)
def test_records_and_rows_are_those_of_python(
    kind: Kind, forms: list[tuple[Codec, int, bytes]], place: tuple[int, int]
) -> None:
    objects = {
        ID_TYPES[kind].of(b"%d" % n): Encoded(codec, size, memoryview(body) if n % 2 else body)
        for n, (codec, size, body) in enumerate(forms)
    }
    ready = made_ready(objects)
    records = [record_head(id, encoded) + bytes(encoded.body) for id, encoded in objects.items()]
    assert ready == ([*objects], sum(size for _, size, _ in forms), b"".join(records))
    pack, start = place
    offsets = accumulate(map(len, records), initial=start)
    rows = [
        ObjectLocation(pack, at, len(body), size, kind, None).row()
        for at, (_, size, body) in zip(offsets, forms, strict=False)
    ]
    assert _records.rows(ready.data, pack, start) == rows


@pytest.mark.parametrize("size", [7, 8, 9, 1000, 4096])
def test_checksums_of_bodies_of_any_length(size: int) -> None:
    data = random.Random(size).randbytes(size)
    id, encoded = plain(data)
    assert made_ready({id: encoded}).data == record_head(id, encoded) + data


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_heads_are_written_before_bodies_that_lie_in_a_row(bodies: list[bytes]) -> None:
    room = b"?" * PLAIN_OVERHEAD_BYTES
    data = memoryview(bytearray(b"".join(room + body for body in bodies)))
    objects, at = [], 0
    for n, body in enumerate(bodies):
        at += len(room)
        encoded = Encoded(Codec.PLANES2, 9 * n, data[at : at + len(body)])
        objects.append((ChunkId.of(b"%d" % n), encoded))
        at += len(body)
    assert sealed(objects, data) == made_ready(dict(objects))


def test_rows_of_records_with_a_base() -> None:
    first, second = revisions(1, 2)
    id, encoded = delta(second, first)
    record = record_head(id, encoded) + bytes(encoded.body)
    assert len(record) == record_size(len(encoded.body), True)
    (row,) = _records.rows(record, 3, 9)
    base = ChunkId.of(first)
    assert row == ObjectLocation(3, 9, len(encoded.body), len(second), Kind.CHUNK, base).row()


def test_what_makes_no_record_is_refused() -> None:
    id = ChunkId.of(b"x")
    for encoded in (
        Encoded(Codec.RAW, 1, b"x", id),
        Encoded(Codec.RAW, MAX_RAW_BYTES + 1, b"x"),
        Encoded(Codec.RAW, -1, b"x"),
        Encoded(Codec.RAW, 1, bytes(MAX_BODY_BYTES + 1)),
    ):
        with pytest.raises(ValueError):
            made_ready({id: encoded})
    good = Encoded(Codec.RAW, 1, b"x")
    for made in ([(id[:31], good)], [(id, good[:3])], [(id,)], [id], [(str(id), good)]):
        with pytest.raises(TypeError):
            _records.make(1, made)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        _records.make(1, [(id, (0, 1, "x", None))])  # type: ignore[list-item]


def test_raw_bytes_of_places() -> None:
    """Of plain records only, and where a record is as its place says: what differs is left to Python."""
    first, second = revisions(1, 2)
    objects = [plain(b"a"), delta(second, first), compressed(b"c" * 90), plain(b""), plain(first)]
    data, places = b"before", []
    for id, encoded in objects:
        place = (1, 100 + len(data), len(encoded.body), encoded.raw_size, id.kind, encoded.base)
        places.append(ObjectLocation(*place))
        data += record_head(id, encoded) + bytes(encoded.body)
    assert _records.raws(data, 100, places) == [b"a", None, None, b"", first]
    assert _records.raws(data[:-1], 100, places) == [b"a", None, None, b"", None]
    assert _records.raws(data, 100, []) == []
    for start in (0, 99, 101, 1 << 40):
        assert _records.raws(data, start, places) == [None] * 5
    last = places[-1]
    for other in (
        last._replace(raw_size=9),
        last._replace(body_size=9),
        last._replace(base=ChunkId.of(b"a")),
        last._replace(offset=0),
        last._replace(offset=1 << 32),
    ):
        assert _records.raws(data, 100, [other]) == [None]
    for bad in ((1, 2, 3), "place", (1, -1, 0, 0, 1, None), (1, 1, "2", 0, 1, None)):
        with pytest.raises((TypeError, OverflowError)):
            _records.raws(data, 100, [bad])  # type: ignore[list-item]


def test_rows_of_what_is_no_record_are_refused() -> None:
    data = made_ready(dict([plain(b"x")])).data
    for bad in (data[:-1], data + b"\0", b"\0" + data):
        with pytest.raises(ValueError):
            _records.rows(bad, 0, 0)
    assert _records.rows(b"", 0, 0) == []
