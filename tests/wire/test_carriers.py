"""Messages that carry frames are written as protobuf writes them, and read from whatever it may write."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from mvcd.wire.carriers import GetReply, PutRequest
from mvcd.wire.v1 import remote_pb2 as pb

sizes = st.sampled_from([0, 1, 127, 128, 16_383, 16_384, 3 << 20])


@given(st.text(max_size=200), st.binary(max_size=16), sizes)
def test_a_put(repo: str, session: bytes, size: int) -> None:
    records = b"\x07" * size
    message = pb.PutRequest(repo=repo, session=session, records=records).SerializeToString()
    assert PutRequest(repo, session, memoryview(records)).serialize() == message
    found = PutRequest.parse(message)
    assert (found.repo, found.session, bytes(found.records)) == (repo, session, records)


@given(sizes, sizes)
def test_a_reply(size: int, gone: int) -> None:
    records, missing = b"\x07" * size, b"\x08" * gone
    message = pb.GetReply(records=records, missing=missing).SerializeToString()
    assert GetReply(records, missing).serialize() == message
    found = GetReply.parse(message)
    assert (bytes(found.records), bytes(found.missing)) == (records, missing)


@given(st.binary(max_size=40))
def test_other_bytes_are_read_as_protobuf_reads_them(data: bytes) -> None:
    try:
        expected = pb.PutRequest.FromString(data)
    except DecodeError:
        with pytest.raises(DecodeError):
            PutRequest.parse(data)
    else:
        found = PutRequest.parse(data)
        assert found.repo == expected.repo
        assert found.session == expected.session
        assert bytes(found.records) == expected.records


def test_fields_in_another_order_twice_or_unknown() -> None:
    first = pb.PutRequest(records=b"one", repo="team/model").SerializeToString()
    second = pb.PutRequest(session=bytes(16), records=b"two").SerializeToString()
    unknown = b"\xa2\x06\x02hi"
    found = PutRequest.parse(first + unknown + second)
    assert (found.repo, found.session, bytes(found.records)) == ("team/model", bytes(16), b"two")
