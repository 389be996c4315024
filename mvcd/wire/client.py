"""A peer at the other end of a channel: `mvcd.store.peer.Peer` over the eight calls.

Calls are repeated here, not by gRPC, whose own retry gives up once a call outgrows its buffer. Each is
idempotent: objects are named by content, and an update carries an id under which the server remembers its
reply.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc

from mvcd import __version__
from mvcd.errors import Conflict, Failure, RemoteUnreachable
from mvcd.ids import Bytes, Digest, VersionId
from mvcd.store.api import RefUpdate
from mvcd.store.frames import Frame, parse_frame
from mvcd.store.peer import Hello, Receipt, RefsChanged, require_all
from mvcd.wire import ids as packed
from mvcd.wire.carriers import GetReply, PutRequest
from mvcd.wire.ids import AnyId
from mvcd.wire.status import may_repeat, retrying, to_error
from mvcd.wire.v1 import remote_pb2 as pb
from mvcd.wire.v1 import remote_pb2_grpc

T = TypeVar("T")
PROTOCOL = 1
FEATURES = ("watch",)
MAX_MESSAGE = 4 << 20
SHORT = 15.0
"""Seconds for a call that looks things up."""
LONG = 120.0
"""Seconds for an update: the other side walks the closure, about a million objects in 10 s."""
LOG_VERSIONS = 16 << 10
"""In one Log, both ways."""
HAS_IDS = 16 << 10
STALL = 60.0
"""Seconds without a frame after which a stream counts as dead."""
SLOWEST = 64 << 10
"""Bytes a second below which a put is given up."""

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.enable_retries", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


def _unheard(why: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Patience:
    """How long calls are repeated: from `first` seconds doubling to `most`, for `total` in all."""

    first: float = 0.2
    most: float = 15.0
    total: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    tell: Callable[[str], object] = _unheard
    """Hears why a call is made again, before its first pause."""


class RemotePeer:
    """See `mvcd.store.peer.Peer`. Safe for threads; one upload (a random session id) for its lifetime."""

    def __init__(
        self,
        target: str,
        repo: str,
        url: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        options: Sequence[tuple[str, Any]] = (),
        token: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        """`target` as gRPC names it ("host:port", "unix:/path"); without credentials in plain text."""
        self.url = url
        self._repo = repo
        self._patience = patience or Patience()
        self._metadata = [("authorization", f"Bearer {token}")] if token else []
        every = [*OPTIONS, *options]
        self._channel = (
            grpc.insecure_channel(target, every)
            if credentials is None
            else grpc.secure_channel(target, credentials, every)
        )
        self._stub = remote_pb2_grpc.RemoteStub(self._channel)  # type: ignore[no-untyped-call]
        service = f"/{pb.DESCRIPTOR.package}.Remote"
        self._stub.Put = self._channel.unary_unary(
            f"{service}/Put", PutRequest.serialize, pb.PutReply.FromString
        )
        self._stub.Get = self._channel.unary_stream(
            f"{service}/Get", pb.GetRequest.SerializeToString, GetReply.parse
        )
        self._session = os.urandom(16)
        self._put = False

    def hello(self) -> Hello:
        request = pb.HelloRequest(
            repo=self._repo, protocol_min=PROTOCOL, protocol_max=PROTOCOL, features=FEATURES,
            client=f"mvc {__version__}",
        )  # fmt: skip
        reply = self._call(self._stub.Hello, request, SHORT)
        return Hello(
            reply.repo_id, reply.complete, reply.server, reply.principal, reply.role,
            frozenset(reply.features),
        )  # fmt: skip

    def refs(self, prefix: str = "") -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        token = ""
        while True:
            request = pb.ListRefsRequest(repo=self._repo, prefix=prefix, page_token=token)
            reply = self._call(self._stub.ListRefs, request, SHORT)
            found.update((ref.name, ref.value) for ref in reply.refs)
            if not reply.next_page_token or reply.next_page_token == token:
                return found
            token = reply.next_page_token

    def log(self, heads: Sequence[VersionId], haves: Sequence[VersionId]) -> Iterator[VersionId]:
        known = packed.pack(haves[-LOG_VERSIONS:])
        frontier = packed.pack(heads)
        seen: set[VersionId] = set()
        while frontier:
            request = pb.LogRequest(repo=self._repo, heads=frontier, haves=known)
            reply = self._call(self._stub.Log, request, LONG)
            for id in packed.unpack(reply.versions, VersionId, LOG_VERSIONS):
                if id not in seen:
                    seen.add(id)
                    yield id
            frontier = reply.frontier

    def has(self, ids: Sequence[Digest]) -> list[bool]:
        found: list[bool] = []
        for start in range(0, len(ids), HAS_IDS):
            some = ids[start : start + HAS_IDS]
            request = pb.HasRequest(
                repo=self._repo, ids=packed.pack(some), session=self._session if self._put else b""
            )
            reply = self._call(self._stub.Has, request, SHORT)
            found += [not gone for gone in packed.flags(reply.missing, len(some))]
        return found

    def records(self, ids: Sequence[Digest]) -> Iterator[Frame]:
        left: dict[bytes, Digest] = {id: id for id in ids}
        gone: list[Digest] = []
        waits = _Waits(self._patience)
        while left:
            try:
                for reply in self._stream(packed.pack(left.values())):
                    waits.moved()
                    gone.extend(
                        self._asked(left, packed.unpack(bytes(reply.missing), AnyId, len(ids)))
                    )
                    if reply.records:
                        frame = parse_frame(reply.records)
                        self._asked(left, [record.id for record, _ in frame.records])
                        yield frame
                break
            except grpc.RpcError as error:
                waits.again(error, self.url)
        require_all([*gone, *left.values()], ())

    def _asked(self, left: dict[bytes, Digest], ids: Iterable[Digest]) -> list[Digest]:
        """Takes ids off the list of what is still to come. Raises Failure for one that nobody asked for: a
        server must not fill our disk."""
        try:
            return [left.pop(id) for id in ids]
        except KeyError as error:
            raise Failure(
                f"{self.url} sent what it was not asked for",
                kind="bad-reply",
                cause="a faulty server, or one that means no good",
            ) from error

    def put(self, frame: Bytes) -> None:
        self._put = True
        request = PutRequest(self._repo, self._session, frame)
        self._call(self._stub.Put, request, 30 + len(frame) / SLOWEST)

    def update_refs(
        self, updates: Sequence[RefUpdate], *, force: frozenset[str], author: str, detail: str
    ) -> Receipt:
        request = pb.UpdateRefsRequest(
            repo=self._repo,
            session=self._session if self._put else b"",
            request_id=os.urandom(16),
            updates=[
                pb.RefUpdate(name=u.name, expect=u.expect, target=u.target, force=u.name in force)
                for u in updates
            ],
            author=author,
            detail=detail,
        )
        waits = _Waits(self._patience)
        try:
            reply = self._call(self._stub.UpdateRefs, request, LONG, waits)
        except Conflict:
            if waits.count and self._in_place(updates):
                return Receipt(0, 0, 0)
            raise
        return Receipt(reply.changes, reply.objects, reply.verified_bytes)

    def _in_place(self, updates: Sequence[RefUpdate]) -> bool:
        """Whether the refs are as an update wanted them. After a repetition the conflict is then with
        ourselves, and the server forgot its first reply."""
        refs = self.refs()
        return all(refs.get(update.name) == update.target for update in updates)

    def watch(self, prefix: str = "", since: int = 0) -> Iterator[RefsChanged]:
        request = pb.WatchRefsRequest(repo=self._repo, prefix=prefix, since=since)
        call = self._stub.WatchRefs(request, metadata=self._metadata)
        try:
            for event in call:
                refs = {r.name: r.value if r.HasField("value") else None for r in event.refs}
                yield RefsChanged(event.changes, event.fresh, refs)
        except grpc.RpcError as error:
            raise to_error(error, self.url) from error
        finally:
            call.cancel()

    def close(self) -> None:
        self._channel.close()

    # ------------------------------------------------------------------ inside

    def _call(
        self,
        method: Callable[..., T],
        request: object,
        seconds: float,
        waits: _Waits | None = None,
    ) -> T:
        waits = waits or _Waits(self._patience)
        while True:
            try:
                return method(request, timeout=seconds, metadata=self._metadata)
            except grpc.RpcError as error:
                waits.again(error, self.url)

    def _stream(self, ids: bytes) -> Iterator[GetReply]:
        """Replies of one Get; a timer set anew by each of them ends a stream that stalls."""
        call = self._stub.Get(pb.GetRequest(repo=self._repo, ids=ids), metadata=self._metadata)
        watch = _Stall(call.cancel)
        try:
            for reply in call:
                watch.moved()
                yield reply
        except grpc.RpcError as error:
            if watch.fired:
                raise RemoteUnreachable(
                    f"{self.url} sent nothing for {STALL:.0f} s", help="run the command again"
                ) from error
            raise
        finally:
            watch.end()
            call.cancel()


class _Waits:
    """The pauses of one call that is repeated."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._pause = patience.first
        self._end = patience.clock() + patience.total
        self.count = 0

    def moved(self) -> None:
        """Something came: patience begins anew."""
        self._pause = self._patience.first
        self._end = self._patience.clock() + self._patience.total

    def again(self, error: grpc.RpcError, url: str) -> None:
        """Waits before the next try. Raises when there is none: it is not that kind of error, or it is late."""
        patience = self._patience
        if not may_repeat(error) or patience.clock() + self._pause > self._end:
            raise to_error(error, url) from error
        self.count += 1
        if self.count == 1:
            patience.tell(retrying(to_error(error, url), patience.total))
        patience.sleep(self._pause * (0.5 + patience.jitter() / 2))
        self._pause = min(self._pause * 2, patience.most)


class _Stall:
    """Calls `act` once when `moved` was not called for STALL seconds."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._last = time.monotonic()
        self._act = act
        self._done = threading.Event()
        self.fired = False
        self._thread = threading.Thread(target=self._run, name="mvc-stall", daemon=True)
        self._thread.start()

    def moved(self) -> None:
        self._last = time.monotonic()

    def end(self) -> None:
        self._done.set()

    def _run(self) -> None:
        while not self._done.wait(max(0.1, self._last + STALL - time.monotonic())):
            if time.monotonic() - self._last >= STALL:
                self.fired = True
                self._act()
                return
