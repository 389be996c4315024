"""A server that means no good, against our client: each call ends, with an error that says so."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from mvcd.errors import Failure, MvcError, RemoteUnreachable, UsageError
from mvcd.ids import ChunkId, VersionId
from mvcd.monitor import Silent
from mvcd.store.api import RefUpdate
from mvcd.store.memory_store import MemoryStore
from mvcd.sync.pull import pull
from mvcd.wire import client, limits, pages, stall
from mvcd.wire.client import RemotePeer
from mvcd.wire.v1 import remote_pb2 as pb
from tests.store.objects import plain
from tests.wire.hosts import QUICK

SERVICE = "mvcd.wire.v1.Remote"
REPLIES = {
    "Hello": pb.HelloReply, "ListRefs": pb.ListRefsReply, "Log": pb.LogReply, "Has": pb.HasReply,
    "Get": pb.GetReply, "Put": pb.PutReply, "UpdateRefs": pb.UpdateRefsReply, "WatchRefs": pb.RefEvent,
}  # fmt: skip
REQUESTS = {
    "Hello": pb.HelloRequest, "ListRefs": pb.ListRefsRequest, "Log": pb.LogRequest, "Has": pb.HasRequest,
    "Get": pb.GetRequest, "Put": pb.PutRequest, "UpdateRefs": pb.UpdateRefsRequest,
    "WatchRefs": pb.WatchRefsRequest,
}  # fmt: skip
Answer = Callable[[Any, int], Any]
"""What is said to a request, which is the n-th of its kind."""


def hello(request: Any, count: int) -> pb.HelloReply:
    return pb.HelloReply(protocol=1, features=["below", "watch"], repo_id="0" * 32, complete=True)


class Hostile:
    """Answers as it is told; what it is not told of, politely."""

    def __init__(self, **answers: Answer) -> None:
        self.calls: dict[str, int] = dict.fromkeys(REQUESTS, 0)
        self.end = threading.Event()
        self._answers = {"Hello": hello, **answers}
        self._pool = ThreadPoolExecutor(32)
        self._server = grpc.server(self._pool)
        methods = {name: self._handler(name) for name in REQUESTS}
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(SERVICE, methods)]
        )
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def _handler(self, name: str) -> Any:
        streams = name in ("Get", "WatchRefs")
        make = (
            grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
        )

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            self.calls[name] += 1
            told = self._answers.get(name)
            if told is None:
                return iter(()) if streams else REPLIES[name]()
            return told(request, self.calls[name])

        return make(answer, REQUESTS[name].FromString, REPLIES[name].SerializeToString)

    def peer(self) -> RemotePeer:
        target = f"127.0.0.1:{self.port}"
        return RemotePeer(target, "r", f"grpc://{target}/r", patience=QUICK)

    def __enter__(self) -> RemotePeer:
        self._peer = self.peer()
        return self._peer

    def __exit__(self, *exc: object) -> None:
        self._peer.close()
        self.end.set()
        self._server.stop(0).wait()
        self._pool.shutdown()


def page(count: int, token: str, refs: int = 1) -> pb.ListRefsReply:
    named = [pb.Ref(name=f"heads/{count:09}-{n}", value=bytes(32)) for n in range(refs)]
    return pb.ListRefsReply(refs=named, next_page_token=token)


def ids(count: int, seed: int = 0) -> list[VersionId]:
    return [VersionId.of(b"%d %d" % (seed, n)) for n in range(count)]


LISTS: dict[str, Answer] = {
    "never ends": lambda request, n: page(n, f"{n:09}"),
    "repeats": lambda request, n: page(1, "heads/1"),
    "goes back": lambda request, n: page(n, f"{10 - n % 10}"),
    "empty pages": lambda request, n: pb.ListRefsReply(next_page_token=f"{n:09}"),
    "large value": lambda request, n: pb.ListRefsReply(
        refs=[pb.Ref(name="heads/x", value=bytes(1 << 20))]
    ),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_refs(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_PAGES", 200)
    with Hostile(ListRefs=LISTS[kind]) as peer, pytest.raises(Failure) as caught:
        peer.refs()
    assert caught.value.kind == "bad-reply"


def test_a_list_of_too_many_refs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_REFS", 3000)
    hostile = Hostile(ListRefs=lambda request, n: page(n, f"{n:09}", 1000))
    with hostile as peer, pytest.raises(Failure, match="does not end"):
        peer.refs()
    assert hostile.calls["ListRefs"] < 6


LOGS: dict[str, Answer] = {
    "never ends": lambda request, n: pb.LogReply(
        versions=b"".join(ids(10, n)), frontier=bytes(ids(1, n + 1)[0])
    ),
    "repeats": lambda request, n: pb.LogReply(
        versions=b"".join(ids(10)), frontier=bytes(ids(1)[0])
    ),
    "nothing, and more to come": lambda request, n: pb.LogReply(frontier=bytes(ids(1, n)[0])),
}


@pytest.mark.parametrize("kind", LOGS)
def test_a_history(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_PAGES", 200)
    with Hostile(Log=LOGS[kind]) as peer, pytest.raises(Failure) as caught:
        list(peer.log(ids(1), []))
    assert caught.value.kind == "bad-reply"


def test_a_history_of_too_many_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_VERSIONS", 20_000)
    hostile = Hostile(
        Log=lambda request, n: pb.LogReply(
            versions=b"".join(ids(10_000, n)), frontier=bytes(ids(1, n)[0])
        )
    )
    with hostile as peer, pytest.raises(Failure, match="does not end"):
        list(peer.log(ids(1), []))
    assert hostile.calls["Log"] < 5


def records_of(data: bytes) -> tuple[ChunkId, bytes]:
    with MemoryStore() as store, store.session() as session:
        session.put(*plain(data))
        session.commit()
        id = ChunkId.of(data)
        return id, b"".join(map(bytes, store.records([id])))


WANTED, RECORD = records_of(b"wanted " * 1000)
_, OTHER = records_of(b"something else " * 1000)


def repeatedly(reply: pb.GetReply) -> Answer:
    return lambda request, n: itertools.repeat(reply)


STREAMS: dict[str, Answer] = {
    "nothing, again and again": repeatedly(pb.GetReply()),
    "the same record": repeatedly(pb.GetReply(records=RECORD)),
    "what nobody asked for": repeatedly(pb.GetReply(records=OTHER)),
    "the same absence": repeatedly(pb.GetReply(missing=bytes(WANTED))),
    "half a digest": repeatedly(pb.GetReply(missing=b"x")),
    "no records": repeatedly(pb.GetReply(records=b"garbage")),
}


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("call", ["records", "below"])
def test_a_stream(kind: str, call: str) -> None:
    with Hostile(Get=STREAMS[kind]) as peer, pytest.raises(MvcError):
        for _ in getattr(peer, call)([WANTED]):
            pass


def test_a_stream_below_that_never_ends() -> None:
    """Each object is another one, and nobody asked for any."""

    def endless(request: Any, count: int) -> Iterator[pb.GetReply]:
        yield pb.GetReply(records=RECORD)
        for n in itertools.count():
            yield pb.GetReply(records=records_of(b"%d" % n * 100)[1])

    with Hostile(Get=endless) as peer, pytest.raises(Failure):
        for _ in peer.below([WANTED]):
            pass


def test_a_pull_takes_nothing_that_was_not_asked_for() -> None:
    version = VersionId.of(b"v")
    hostile = Hostile(
        Log=lambda request, n: pb.LogReply(versions=bytes(version)),
        Get=repeatedly(pb.GetReply(records=OTHER)),
    )
    with hostile as peer, MemoryStore() as store, store.session() as session:
        with pytest.raises(MvcError):
            pull(store, session, [peer], [version], [], monitor=Silent())
        session.flush()
        assert len(list(store.ids())) <= 1, "a frame at most"


def test_an_answer_to_has() -> None:
    for missing in (b"", b"x" * 1000):
        hostile = Hostile(Has=lambda r, n, m=missing: pb.HasReply(missing=m))
        with hostile as peer, pytest.raises(UsageError):
            peer.has([WANTED] * 8)


def test_a_greeting_does_not_tell_us_to_make_a_million_calls() -> None:
    tiny = pb.Limits(has_ids=1, get_ids=1, log_versions=1, ref_updates=1)
    huge = pb.Limits(has_ids=1 << 31, get_ids=1 << 31, log_versions=1 << 31, ref_updates=1 << 31)
    for told, has in ((tiny, limits.FEWEST_IDS), (huge, limits.HAS_IDS)):
        reply = pb.HelloReply(protocol=1, limits=told)
        with Hostile(Hello=lambda r, n, reply=reply: reply) as peer:
            assert peer.hello().limits.has_ids == has


def test_events_that_never_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are taken one by one, with time between them: the server waits, not our memory."""
    monkeypatch.setattr(client, "EVENT_PAUSE_SECONDS", 0.02)
    flood = lambda request, n: itertools.repeat(pb.RefEvent(changes=1, fresh=True))  # noqa: E731
    with Hostile(WatchRefs=flood) as peer:
        begun = time.monotonic()
        assert len(list(itertools.islice(peer.watch(), 20))) == 20
        assert time.monotonic() - begun >= 19 * 0.02


@pytest.mark.parametrize("name", ["Hello", "ListRefs", "Log", "Has", "Put", "UpdateRefs", "Get"])
def test_an_answer_that_never_comes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in ("SHORT_SECONDS", "LONG_SECONDS"):
        monkeypatch.setattr(client, seconds, 0.2)
    monkeypatch.setattr(stall, "STALL_SECONDS", 0.2)
    hostile = Hostile()

    def silent(request: Any, count: int) -> Any:
        hostile.end.wait(20)
        return iter(()) if name == "Get" else REPLIES[name]()

    hostile._answers[name] = silent
    calls: dict[str, Callable[[RemotePeer], object]] = {
        "Hello": lambda peer: peer.hello(),
        "ListRefs": lambda peer: peer.refs(),
        "Log": lambda peer: list(peer.log(ids(1), [])),
        "Has": lambda peer: peer.has([WANTED]),
        "Put": lambda peer: peer.put(RECORD),
        "UpdateRefs": lambda peer: peer.update_refs(
            [RefUpdate("heads/main", None, bytes(32))], force=frozenset(), author="", detail=""
        ),
        "Get": lambda peer: list(peer.records([WANTED])),
    }
    patience = client.Patience(first=0.01, most=0.05, total=0.5)
    with hostile as peer:
        peer.patience = patience
        if name == "Put":
            peer._stub.Put = _hurried(peer._stub.Put)
        begun = time.monotonic()
        with pytest.raises(RemoteUnreachable):
            calls[name](peer)
        assert time.monotonic() - begun < 10


def _hurried(method: Any) -> Any:
    return lambda request, timeout, metadata: method(request, timeout=0.2, metadata=metadata)


def test_a_message_beyond_the_limit() -> None:
    large = pb.ListRefsReply(refs=[pb.Ref(name="x", value=bytes(5 << 20))])
    with Hostile(ListRefs=lambda request, n: large) as peer, pytest.raises(MvcError):
        peer.refs()
