"""A peer at the other end of a channel: `mvcd.store.peer.Peer` over the eight calls.

Calls are repeated here, not by gRPC, whose own retry gives up once a call outgrows its buffer. Each is
idempotent: objects are named by content, and an update carries an id under which the server remembers its
reply.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import grpc

from mvcd import __version__
from mvcd.codec.encoded import CODEC_FEATURES
from mvcd.errors import Conflict, Failure, MvcError, RemoteUnreachable
from mvcd.ids import Bytes, Digest, VersionId
from mvcd.store.api import RefUpdate
from mvcd.store.frames import RecordFrame, parse_frame
from mvcd.store.peer import CallLimits, Hello, Receipt, RefsChanged, require_all
from mvcd.wire import ids as packed
from mvcd.wire import limits
from mvcd.wire.address import proxy_for
from mvcd.wire.carriers import GetReply, PutRequest
from mvcd.wire.diagnosis import Endpoint, diagnose
from mvcd.wire.ids import AnyId
from mvcd.wire.pages import all_refs, all_versions
from mvcd.wire.patience import Patience, Waits, first_answer, reconnecting
from mvcd.wire.portions import Portions
from mvcd.wire.stall import Stall
from mvcd.wire.status import to_error
from mvcd.wire.v1 import remote_pb2 as pb
from mvcd.wire.v1 import remote_pb2_grpc

__all__ = ["Patience", "RemotePeer"]

T = TypeVar("T")
PROTOCOL = 1
CODECS = tuple(sorted(set(CODEC_FEATURES.values())))
"""Features of the codecs that we read, told in each Get too."""
FEATURES = ("below", "names", "notes", "pruned", "stands", "watch", *CODECS)
SHORT_SECONDS = 15.0
"""Seconds for a call that looks things up."""
LONG_SECONDS = 120.0
"""Seconds for an update: the other side walks the closure, about a million objects in 10 s."""
SLOWEST_BYTES_PER_SECOND = 64 << 10
"""Bytes a second below which a put is given up."""
_ADDRESSED = ("mvc login URL", "mvc whoami", "mvc whoami URL")
"""What servers say helps, without knowing under which address they were called."""
EVENT_PAUSE_SECONDS = 0.05
"""Seconds between two events at least; what comes faster waits with the server."""

OPTIONS = (
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES),
    ("grpc.max_send_message_length", limits.MESSAGE_BYTES),
    ("grpc.enable_retries", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


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
        place: Endpoint | None = None,
    ) -> None:
        """`target` as gRPC names it ("host:port", "unix:/path"); without credentials in plain text. `place`
        says where that is, for whoever asks why nobody answers."""
        self.url = url
        self._place = place
        self._answered = False
        self._repo = repo
        self.patience = patience or Patience()
        self._metadata = [("authorization", f"Bearer {token}")] if token else []
        every = [*OPTIONS, *reconnecting(self.patience), *options]
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
        self._session = os.urandom(limits.ID_BYTES)
        self._put = False
        self._frames = 0
        self._portions = Portions()
        self._greeting = pb.HelloRequest(
            repo=self._repo, protocol_min=PROTOCOL, protocol_max=PROTOCOL, features=FEATURES,
            client=f"mvc {__version__}",
        )  # fmt: skip
        self._greeted: Any = None
        self._hello: Hello | None = None

    def hello(self) -> Hello:
        return self._heard(self._call(self._stub.Hello, self._greeting, SHORT_SECONDS))

    def create(self) -> None:
        greeting = pb.HelloRequest(create=True)
        greeting.MergeFrom(self._greeting)
        self._heard(self._call(self._stub.Hello, greeting, SHORT_SECONDS))

    def told(self) -> Hello:
        """It was asked beside the first call."""
        if self._hello is not None:
            return self._hello
        self._greet()
        try:
            return self._heard(self._greeted.result())
        except (grpc.RpcError, grpc.FutureCancelledError):
            return self.hello()

    def _greet(self) -> None:
        if self._greeted is None and self._hello is None:
            self._greeted = self._stub.Hello.future(
                self._greeting, timeout=SHORT_SECONDS, metadata=self._metadata
            )

    def _heard(self, reply: pb.HelloReply) -> Hello:
        usual, told = CallLimits(), reply.limits
        kept_to = CallLimits(
            _limit(usual.has_ids, told.has_ids),
            _limit(usual.get_ids, told.get_ids),
            _limit(usual.log_versions, told.log_versions),
            _limit(usual.ref_updates, told.ref_updates),
        )
        self._hello = Hello(
            reply.repo_id, reply.complete, reply.server, reply.principal, reply.role, reply.damaged,
            frozenset(reply.features), kept_to,
        )  # fmt: skip
        return self._hello

    def _most(self, count: int, limit: Callable[[CallLimits], int]) -> int:
        """How many of `count` ids go into one call."""
        return limits.FEWEST_IDS if count <= limits.FEWEST_IDS else limit(self.told().limits)

    def refs(self, prefix: str = "") -> dict[str, bytes]:
        def ask(token: str) -> pb.ListRefsReply:
            request = pb.ListRefsRequest(repo=self._repo, prefix=prefix, page_token=token)
            reply: pb.ListRefsReply = self._call(self._stub.ListRefs, request, SHORT_SECONDS)
            return reply

        return all_refs(ask, self._bad)

    def log(self, heads: Sequence[VersionId], haves: Sequence[VersionId]) -> Iterator[VersionId]:
        most = self._most(max(len(heads), len(haves)), lambda limits: limits.log_versions)
        known = packed.pack(haves[-most:])
        seen: dict[VersionId, None] = {}
        parts: list[list[VersionId]] = []
        for start in range(0, len(heads), most):
            found = self._log(packed.pack(heads[start : start + most]), known)
            parts.append([id for id in dict.fromkeys(found) if id not in seen])
            seen |= dict.fromkeys(parts[-1])
        # What only later heads reach is no ancestor of what earlier ones do, but may descend from it.
        for part in reversed(parts):
            yield from part

    def _log(self, heads: bytes, known: bytes) -> Iterator[VersionId]:
        def ask(frontier: bytes) -> pb.LogReply:
            request = pb.LogRequest(repo=self._repo, heads=frontier, haves=known)
            reply: pb.LogReply = self._call(self._stub.Log, request, LONG_SECONDS)
            return reply

        return all_versions(ask, heads, self._bad)

    def has(self, ids: Sequence[Digest]) -> list[bool]:
        most = self._most(len(ids), lambda limits: limits.has_ids)
        found: list[bool] = []
        for start in range(0, len(ids), most):
            some = ids[start : start + most]
            request = pb.HasRequest(repo=self._repo, ids=packed.pack(some), session=self._session)
            reply = self._call(self._stub.Has, request, SHORT_SECONDS)
            self._frames = reply.frames
            found += [not gone for gone in packed.flags(reply.missing, len(some))]
        return found

    def records(self, ids: Sequence[Digest]) -> Iterator[RecordFrame]:
        gone: list[Digest] = []
        most = self._most(len(ids), lambda limits: limits.get_ids)
        yield from self._portions.frames(ids, most, lambda some: self._records(some, gone))
        require_all(gone, ())

    def arranged(self, ids: Sequence[Digest]) -> list[Digest]:
        return list(ids)  # what rests where is the server's own affair

    def below(self, ids: Sequence[Digest]) -> Iterator[RecordFrame]:
        if len(ids) > limits.FEWEST_IDS or "below" not in self.told().features:
            yield from self.records(ids)
            return
        gone: list[Digest] = []
        yield from self._records(ids, gone, more=self.told().limits.get_ids)
        require_all(gone, ())

    def _records(
        self, ids: Sequence[Digest], gone: list[Digest], *, more: int = 0
    ) -> Iterator[RecordFrame]:
        """Adds what is not there to `gone`. With `more`, up to so many objects that nobody named come too."""
        left: dict[bytes, Digest] = {id: id for id in ids}
        waits = Waits(self)
        while left:
            request = pb.GetRequest(
                repo=self._repo,
                ids=packed.pack(left.values()),
                below=bool(more),
                features=CODECS,
            )
            try:
                for reply in self._stream(request):
                    if not reply.records and not reply.missing:
                        raise self._bad("a message that brings nothing")
                    waits.moved()
                    gone.extend(
                        self._asked(left, packed.unpack(bytes(reply.missing), AnyId, len(ids)))
                    )
                    if reply.records:
                        frame = parse_frame(reply.records)
                        found = [record.id for record, _ in frame.records]
                        named = [id for id in found if id in left]
                        more -= len(found) - len(named)
                        self._asked(left, found if more < 0 else named)
                        yield frame
                break
            except grpc.RpcError as error:
                waits.again(error)
        gone.extend(left.values())

    def _asked(self, left: dict[bytes, Digest], ids: Iterable[Digest]) -> list[Digest]:
        """Takes ids off the list of what is still to come. Raises Failure for one that nobody asked for: a
        server must not fill our disk."""
        try:
            return [left.pop(id) for id in ids]
        except KeyError as error:
            raise self._bad("what it was not asked for") from error

    def _bad(self, what: str) -> Failure:
        """Each list, page, stream and message that a server sends has a bound."""
        return Failure(
            f"{self.url} sent {what}",
            kind="bad-reply",
            cause="a faulty server, or one that means no good",
            help="ask whoever runs it; mvc ls-remote URL  (of another copy)",
        )

    @property
    def frames(self) -> int:
        return self._frames

    def put(self, frame: Bytes) -> None:
        self._put = True
        request = PutRequest(self._repo, self._session, frame)
        reply = self._call(self._stub.Put, request, 30 + len(frame) / SLOWEST_BYTES_PER_SECOND)
        self._frames = int(reply.frames)

    def update_refs(
        self, updates: Sequence[RefUpdate], *, force: frozenset[str], author: str, detail: str
    ) -> Receipt:
        most = self._most(len(updates), lambda limits: limits.ref_updates)
        if len(updates) > most:
            raise Failure(
                f"{len(updates)} refs in one update", kind="too-large",
                cause=f"{self.url} moves at most {most} together",
                help="name fewer refs: mvc push REMOTE REF...",
            )  # fmt: skip
        request = pb.UpdateRefsRequest(
            repo=self._repo,
            session=self._session if self._put else b"",
            request_id=os.urandom(limits.ID_BYTES),
            updates=[
                pb.RefUpdate(name=u.name, expect=u.expect, target=u.target, force=u.name in force)
                for u in updates
            ],
            author=author,
            detail=detail,
        )
        waits = Waits(self)
        try:
            reply = self._call(self._stub.UpdateRefs, request, LONG_SECONDS, waits)
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

    def watch(self, prefix: str = "", since: int = 0, repo_id: str = "") -> Iterator[RefsChanged]:
        request = pb.WatchRefsRequest(repo=self._repo, prefix=prefix, since=since, repo_id=repo_id)
        call = self._stub.WatchRefs(request, metadata=self._metadata)
        try:
            last = -EVENT_PAUSE_SECONDS
            for event in call:
                early = last + EVENT_PAUSE_SECONDS - self.patience.clock()
                if early > 0:
                    self.patience.sleep(early)
                last = self.patience.clock()
                refs = {r.name: r.value if r.HasField("value") else None for r in event.refs}
                yield RefsChanged(event.changes, event.fresh, refs)
        except grpc.RpcError as error:
            raise self.why(error) from None
        finally:
            call.cancel()

    def why(self, error: grpc.RpcError) -> MvcError:
        """What a call ended with, in our words; with the proxy in between, if there is one."""
        found = to_error(error, self.url)
        via = None if self._place is None else proxy_for(self._place.host)
        if isinstance(found, RemoteUnreachable) and via is not None:
            found.cause = f"{found.cause or 'no answer'}; asked through the proxy {via.shown}"
            host = self._place.host if self._place else ""
            found.help = f"check the proxy, or go without it: no_proxy={host}"
        if found.help in _ADDRESSED:
            server = "/".join(self.url.split("/", 3)[:3])
            found.help = f"{found.help.removesuffix(' URL')} {server}"
        return found

    def hopeless(self, error: grpc.RpcError) -> MvcError | None:
        """What no repetition mends, found out once: after a first answer everything was right before."""
        if self._answered or self._place is None:
            return None
        if not isinstance(to_error(error, self.url), RemoteUnreachable):
            return None
        return diagnose(self._place)

    def close(self) -> None:
        self._channel.close()

    # ------------------------------------------------------------------ inside

    def _call(
        self,
        method: Callable[..., T],
        request: object,
        seconds: float,
        waits: Waits | None = None,
    ) -> T:
        waits = waits or Waits(self)
        if request is not self._greeting:
            self._greet()
        while True:
            try:
                reply = (
                    method(request, timeout=seconds, metadata=self._metadata)
                    if self._answered or self._place is None
                    else first_answer(
                        method.future(request, timeout=seconds, metadata=self._metadata),  # type: ignore[attr-defined]
                        self._place,
                        self.patience,
                    )
                )
            except grpc.RpcError as error:
                waits.again(error)
            else:
                self._answered = True
                return reply

    def _stream(self, request: pb.GetRequest) -> Iterator[GetReply]:
        """Replies of one Get; a timer set anew by each of them ends a stream that stalls."""
        self._greet()
        call = self._stub.Get(request, metadata=self._metadata)
        watch = Stall(call.cancel)
        try:
            for reply in call:
                watch.moved()
                yield reply
        except grpc.RpcError:
            if watch.fired:
                raise RemoteUnreachable(
                    f"{self.url} sent nothing for {watch.seconds:.0f} s",
                    help="run the command again",
                ) from None
            raise
        finally:
            watch.end()
            call.cancel()


def _limit(usual: int, told: int) -> int:
    """What goes into one call: no server may take fewer than the fewest, nor make us send more than usual."""
    return max(limits.FEWEST_IDS, min(usual, told)) if told else usual
