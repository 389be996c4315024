"""Messages that no client of ours would send: refused in plain words, never a crash, never INTERNAL."""

from __future__ import annotations

import os
import random
import struct

import grpc
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvcd.codec.encoded import MAX_RAW_BYTES, Codec, Encoded
from mvcd.ids import ChunkId, Kind, NodeId
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.store.peer import RefsChanged
from mvcd.store.record import record_head
from mvcd.wire.limits import HAS_IDS
from mvcd.wire.server import make_server
from mvcd.wire.v1 import remote_pb2 as pb
from mvcd.wire.v1 import remote_pb2_grpc
from tests.store.objects import delta, plain, revisions
from tests.wire.hosts import OneStore, OpenRepository, calling, serving

SERVICE = "/mvcd.wire.v1.Remote/"
CALLS = {
    "Hello": pb.HelloRequest,
    "ListRefs": pb.ListRefsRequest,
    "Log": pb.LogRequest,
    "Has": pb.HasRequest,
    "Put": pb.PutRequest,
    "UpdateRefs": pb.UpdateRefsRequest,
    "Get": pb.GetRequest,
}
REFUSED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
SESSION = bytes(16)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with LmdbStore.create(tmp_path_factory.mktemp("hostile") / "server") as store:
        store.update_refs([RefUpdate("heads/main", None, b"1" * 32)])
        served, port = serving(store)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield store, channel
        served.stop(1)


@pytest.fixture
def stub(served):
    return remote_pb2_grpc.RemoteStub(served[1])


def raw_call(channel: grpc.Channel, name: str, data: bytes) -> grpc.StatusCode:
    """What the server says to these bytes as a request."""
    make = channel.unary_stream if name == "Get" else channel.unary_unary
    method = make(SERVICE + name, request_serializer=bytes, response_deserializer=bytes)
    try:
        answer = method(data, timeout=20)
        if name == "Get":
            list(answer)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def refusal(stub, records: bytes) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Put(pb.PutRequest(repo="r", session=SESSION, records=records))
    return caught.value.code(), caught.value.details()


def record(id: bytes, codec: int, raw_size: int, body: bytes, base: ChunkId | None = None) -> bytes:
    return record_head(ChunkId(id), Encoded(Codec(codec), raw_size, body, base)) + body


GOOD = b"".join(record_head(*plain(d)) + d for d in (b"first", b"second" * 100, os.urandom(3000)))

ids = st.one_of(
    st.binary(max_size=200), st.lists(st.binary(min_size=32, max_size=32)).map(b"".join)
)
names = st.one_of(st.text(max_size=600), st.sampled_from(["heads/main", "", "heads/../x", "a\0b"]))
records = st.one_of(
    st.binary(max_size=300),
    st.tuples(st.integers(0, len(GOOD) - 1), st.integers(1, 255)).map(
        lambda at: GOOD[: at[0]] + bytes([GOOD[at[0]] ^ at[1]]) + GOOD[at[0] + 1 :]
    ),
    st.integers(0, len(GOOD)).map(lambda end: GOOD[:end]),
)
sixteen = st.one_of(st.binary(max_size=40), st.binary(min_size=16, max_size=16))
repo = st.sampled_from(["r", "r", "r", "", "x", "../r", "r" * 3000, "é" * 2000])
updates = st.lists(
    st.builds(
        pb.RefUpdate,
        name=names,
        expect=st.one_of(st.none(), st.binary(max_size=40)),
        target=st.one_of(st.none(), st.binary(max_size=40)),
        force=st.booleans(),
    ),
    max_size=3,
)
requests = st.one_of(
    st.builds(pb.HelloRequest, repo=repo, protocol_min=st.integers(0, 3), client=st.text()),
    st.builds(pb.ListRefsRequest, repo=repo, prefix=names, page_token=names),
    st.builds(pb.LogRequest, repo=repo, heads=ids, haves=ids),
    st.builds(pb.HasRequest, repo=repo, session=sixteen, ids=ids),
    st.builds(pb.GetRequest, repo=repo, ids=ids),
    st.builds(pb.PutRequest, repo=repo, session=sixteen, records=records),
    st.builds(
        pb.UpdateRefsRequest,
        repo=repo,
        session=sixteen,
        request_id=sixteen,
        updates=updates,
        author=names,
        detail=names,
    ),
)
QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


def send(channel: grpc.Channel, request, mutate: random.Random | None = None) -> grpc.StatusCode:
    name = type(request).__name__.removesuffix("Request")
    data = bytearray(request.SerializeToString())
    for _ in range(mutate.randrange(4) if mutate and data else 0):
        data[mutate.randrange(len(data))] = mutate.randrange(256)
    return raw_call(channel, name, bytes(data))


@settings(max_examples=400, **QUIET)
@given(request=requests)
def test_any_message_is_answered_or_refused(served, request) -> None:
    code = send(served[1], request)
    assert code in REFUSED | {grpc.StatusCode.OK}, code


@settings(max_examples=300, **QUIET)
@given(request=requests, seed=st.integers(0, 1 << 32))
def test_mutated_messages(served, request, seed: int) -> None:
    code = send(served[1], request, random.Random(seed))
    assert code in REFUSED | {grpc.StatusCode.OK}, code


@pytest.mark.campaign
@settings(max_examples=20_000, **QUIET)
@given(request=requests, seed=st.integers(0, 1 << 32))
def test_many_mutated_messages(served, request, seed: int) -> None:
    code = send(served[1], request, random.Random(seed))
    assert code in REFUSED | {grpc.StatusCode.OK}, code


def test_unknown_methods_and_garbage(served) -> None:
    _, channel = served
    for name in ("Delete", "put", "", "Hello/"):
        assert raw_call(channel, name, b"") is grpc.StatusCode.UNIMPLEMENTED
    for name in CALLS:
        code = raw_call(channel, name, bytes(5 << 20))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED, (name, code)
        assert raw_call(channel, name, b"") in REFUSED


def test_what_was_refused_left_nothing(served, stub) -> None:
    before = served[0].stats().objects
    data = b"content that no other test stores"
    wrong = record(bytes(ChunkId.of(b"another")), Codec.RAW, len(data), data)
    assert refusal(stub, wrong)[0] is grpc.StatusCode.DATA_LOSS
    stub.UpdateRefs(
        pb.UpdateRefsRequest(
            repo="r", session=SESSION, request_id=os.urandom(16),
            updates=[pb.RefUpdate(name=f"heads/{os.urandom(4).hex()}", target=b"1" * 32)],
        )
    )  # fmt: skip
    assert served[0].has([ChunkId.of(data), ChunkId.of(b"another")]) == [False, False]
    assert served[0].stats().objects >= before
    assert list(served[0].check()) == []


def test_bombs(stub) -> None:
    """Little that says it is much: refused by the declared size, or when more comes out than was declared."""
    huge = zstandard.compress(bytes(64 << 20))
    id = bytes(32)
    lying = record(id, Codec.ZSTD, 1000, huge)
    assert refusal(stub, lying)[0] is grpc.StatusCode.DATA_LOSS
    fills = b"".join(
        record(ChunkId.of(bytes([n]) * MAX_RAW_BYTES), Codec.FILL, MAX_RAW_BYTES, bytes([n]))
        for n in range(5)
    )
    code, text = refusal(stub, fills)
    assert code is grpc.StatusCode.INVALID_ARGUMENT and "raw bytes" in text
    head = bytearray(record(id, Codec.ZSTD, 1000, huge))
    head[8:12] = struct.pack("<I", 0xFFFF_FFFF)
    assert refusal(stub, bytes(head))[0] is grpc.StatusCode.INVALID_ARGUMENT
    window = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=27)
    ).compressobj()
    body = window.compress(b"x" * 1000) + window.flush()
    assert refusal(stub, record(id, Codec.ZSTD, 1000, body))[0] is grpc.StatusCode.DATA_LOSS


def test_objects_that_are_not_what_they_say(served, stub) -> None:
    data = os.urandom(500)
    as_node = record_head(NodeId(ChunkId.of(data)), Encoded(Codec.RAW, 500, data)) + data
    assert refusal(stub, as_node)[0] is grpc.StatusCode.DATA_LOSS
    assert refusal(stub, record(bytes(ChunkId.of(data)), Codec.RAW, 499, data))[0] in REFUSED
    first, second = revisions(seed=77, count=2)
    id, encoded = delta(second, first)
    baseless = record_head(id, encoded) + bytes(encoded.body)
    code, text = refusal(stub, baseless)
    assert code is grpc.StatusCode.FAILED_PRECONDITION and "not in the store" in text
    itself = record_head(id, Encoded(encoded.codec, len(second), encoded.body, ChunkId(id)))
    assert refusal(stub, itself + bytes(encoded.body))[0] is grpc.StatusCode.FAILED_PRECONDITION
    unknown = bytearray(record_head(*plain(data)) + data)
    unknown[4] = max(Kind) + 1
    assert refusal(stub, bytes(unknown))[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_too_many_ids(stub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Has(pb.HasRequest(repo="r", ids=bytes(32 * (HAS_IDS + 1))))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    stub.Has(pb.HasRequest(repo="r", ids=bytes(32 * HAS_IDS)))


def test_asking_begins_no_upload(served, stub) -> None:
    store, _ = served
    leases = len(os.listdir(store.lease_directory))
    for _ in range(50):
        stub.Has(pb.HasRequest(repo="r", session=os.urandom(16), ids=bytes(32)))
    assert len(os.listdir(store.lease_directory)) == leases


def test_uploads_that_nobody_ends(tmp_path) -> None:
    """Their number is bounded, and one that was closed for another goes on where it was."""
    with LmdbStore.create(tmp_path / "server") as store:
        served, port = serving(store)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = remote_pb2_grpc.RemoteStub(channel)
            data = [b"%d" % n for n in range(300)]
            sessions = [os.urandom(16) for _ in data]
            served.remote.uploads._clock = iter(range(10_000)).__next__
            for session, one in zip(sessions, data, strict=True):
                whole = record_head(*plain(one)) + one
                stub.Put(pb.PutRequest(repo="r", session=session, records=whole))
            assert len(os.listdir(store.lease_directory)) <= 128
            more = record_head(*plain(b"more")) + b"more"
            stub.Put(pb.PutRequest(repo="r", session=sessions[0], records=more))
        served.stop(1)
        assert all(store.has([ChunkId.of(one) for one in [*data, b"more"]]))


@pytest.mark.parametrize("seed", range(5))
def test_puts_repeated_and_out_of_order(tmp_path, seed: int) -> None:
    """Whole objects before differences, else in any order and number; updates replayed at will."""
    source = random.Random(seed)
    versions = revisions(seed=seed, count=8)
    whole = [record_head(*plain(v)) + v for v in versions[::2]]
    others = []
    for base, one in zip(versions[::2], versions[1::2], strict=True):
        id, encoded = delta(one, base)
        others.append(record_head(id, encoded) + bytes(encoded.body))
    with LmdbStore.create(tmp_path / "server") as store:
        served, port = serving(store)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = remote_pb2_grpc.RemoteStub(channel)
            session = os.urandom(16)
            for stage in (whole, others):
                frames = [source.choice(stage) for _ in range(6)] + stage
                source.shuffle(frames)
                for frame in frames:
                    stub.Put(pb.PutRequest(repo="r", session=session, records=frame))
            moves = [
                pb.UpdateRefsRequest(
                    repo="r", session=session, request_id=os.urandom(16),
                    updates=[pb.RefUpdate(name=f"heads/{n}", target=b"1" * 32)],
                )
                for n in range(3)
            ]  # fmt: skip
            first = [stub.UpdateRefs(one) for one in moves]
            for _ in range(10):
                n = source.randrange(3)
                assert stub.UpdateRefs(moves[n]) == first[n]
            stub.Put(pb.PutRequest(repo="r", session=session, records=whole[0]))
        assert [store.get(ChunkId.of(v)) for v in versions] == versions
        assert store.changes() == 3 and list(store.check()) == []
        served.stop(1)


def test_watching_ends_with_its_caller_and_its_server(served) -> None:
    store, _ = served
    own, port = serving(store)
    peer = calling(port)
    watch = peer.watch("heads/")
    first = next(watch)
    assert first.fresh and "heads/main" in first.refs
    name = f"heads/{os.urandom(4).hex()}"
    store.update_refs([RefUpdate("other/x" + name, None, b"2"), RefUpdate(name, None, b"2")])
    event = next(watch)
    assert (event.fresh, event.refs) == (False, {name: b"2"})
    watch.close()
    rest = peer.watch("heads/", since=store.changes(), repo_id=peer.hello().repo_id)
    assert next(rest) == RefsChanged(store.changes(), False, {})
    other = peer.watch("heads/", since=store.changes(), repo_id="1" * 32)
    assert next(other).fresh
    other.close()
    own.stop(1)
    assert list(rest) == []
    peer.close()


def test_watching_notices_that_the_store_was_replaced(tmp_path) -> None:
    """By another one, that has seen as many changes."""
    update = RefUpdate("heads/main", None, b"2")
    with MemoryStore() as first, MemoryStore() as second:
        host = OneStore(OpenRepository(first))
        own = make_server(host)
        port = own.server.add_insecure_port("127.0.0.1:0")
        own.server.start()
        first.update_refs([update])
        second.update_refs([update])
        peer = calling(port)
        watch = peer.watch()
        assert next(watch) == RefsChanged(1, True, {"heads/main": b"2"})
        host.hosted = OpenRepository(second, repo_id="1" * 32)
        assert next(watch) == RefsChanged(1, True, {"heads/main": b"2"})
        watch.close()
        peer.close()
        own.stop(1)
