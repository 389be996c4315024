"""The eight calls over any host. What is allowed the host decides; what is sound is checked here.

Handlers run in threads: checking is C code that releases the GIL, and LMDB is for threads. Waiting takes none
(front.py). One call holds at most one frame (3 MiB, and its objects decoded), so memory follows the number of
calls at once, which is bounded.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn

import grpc

from mvcd import __version__
from mvcd.codec.encoded import CODEC_FEATURES
from mvcd.errors import Failure, MvcError, RemoteUnreachable, StaleReuse, UsageError
from mvcd.heap import Relief
from mvcd.ids import Digest, VersionId
from mvcd.objects.ancestry import between
from mvcd.objects.version import Version
from mvcd.store.api import RefUpdate, Store
from mvcd.store.frames import parse_frame
from mvcd.store.older import readable
from mvcd.store.peer import STANDS, WORKSPACES, changed_refs, listed
from mvcd.wire import ids as packed
from mvcd.wire import limits
from mvcd.wire.carriers import GetReply, PutRequest
from mvcd.wire.door import HostDoor, caller_of
from mvcd.wire.front import Front, Pause
from mvcd.wire.handlers import SERVICE, handlers
from mvcd.wire.host import Access, CallRepository, Host, Update
from mvcd.wire.ids import AnyId
from mvcd.wire.lookahead import records_below
from mvcd.wire.replies import Replies
from mvcd.wire.status import to_status
from mvcd.wire.tidying import Tidying
from mvcd.wire.uploads import Upload, Uploads
from mvcd.wire.v1 import remote_pb2 as pb
from mvcd.wire.v1 import remote_pb2_grpc

log = logging.getLogger(__name__)

PROTOCOL = 1
FEATURES = frozenset(
    {"below", "names", "notes", "pruned", "stands", "watch", *CODEC_FEATURES.values()}
)
REF_PAGE_BYTES = 512 << 10
"""Bytes of refs in one reply or event."""
MAX_THREADS = 32
MAX_PUTS = 12
"""Frames taken up at once; the others wait in gRPC, once and not twice. More than one push has in flight, which
a flush holds up: there is room for others meanwhile."""
MAX_WALKS = 24
"""Logs and UpdateRefs at once: they may take a minute each, on threads that nobody else waits for."""
CROWDED_FRAMES = 4
"""Frames for each push from which on memory is dearer than the time that giving it back costs."""
RELIEVED_BYTES = 32 << 20
"""Bytes received between two times that it is given back then."""
POLL_SECONDS = 0.5
"""Seconds between two looks at a watched repository's counter: a row of LMDB, 2 us."""

OPTIONS = (
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES),
    ("grpc.max_send_message_length", limits.MESSAGE_BYTES),
    ("grpc.max_metadata_size", 16 << 10),
    ("grpc.max_concurrent_streams", 64),
    # gRPC's default closes connections that ping more than once in five minutes.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.so_reuseport", 0),
)


def make_server(
    host: Host,
    *,
    interceptors: Sequence[grpc.ServerInterceptor] = (),
    clock: Callable[[], float] = time.time,
    ticks: Callable[[], float] = time.monotonic,
) -> RunningServer:
    """A server without an address yet. `RunningServer.stop` ends it. `clock` tells seconds since 1970, `ticks`
    how time passes."""
    pool = ThreadPoolExecutor(MAX_THREADS, "mvc-serve")
    server = Front(pool, options=OPTIONS, interceptors=interceptors)
    remote = RemoteService(host, clock, ticks)
    remote.register(server)
    return RunningServer(server, remote, pool)


class RunningServer:
    """A gRPC server and what it must close."""

    def __init__(self, server: Front, remote: RemoteService, pool: ThreadPoolExecutor) -> None:
        self.server = server
        self.remote = remote
        self._pool = pool

    def stop(self, grace: float) -> None:
        """Takes no new calls, waits `grace` seconds for those in flight, makes durable what was put."""
        self.remote.stopping.set()
        self.server.stop(grace).wait()
        self._pool.shutdown()
        self.remote.close()


class RemoteService(remote_pb2_grpc.RemoteServicer):
    """The service. Every method opens the repository for its caller first. `clock` tells seconds since 1970,
    `ticks` how time passes."""

    def __init__(
        self,
        host: Host,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._clock = clock
        self._replies = Replies(clock)
        self.uploads = Uploads(ticks)
        self.stopping = threading.Event()
        self._tidying = Tidying(host, self.uploads, ticks, self.stopping)
        self._relief = Relief(RELIEVED_BYTES)
        self.putting = ThreadPoolExecutor(MAX_PUTS, "mvc-put")
        self._walking = ThreadPoolExecutor(MAX_WALKS, "mvc-walk")

    def close(self) -> None:
        """After the last call: makes durable what was put."""
        self.stopping.set()
        self.putting.shutdown()
        self._walking.shutdown()
        self._tidying.end()
        self.uploads.close()

    def tidy(self) -> None:
        """See `tidying.Tidying.tidy`."""
        self._tidying.tidy()

    def register(self, server: Front) -> None:
        """Adds the service to a server."""
        self._tidying.start()
        pools = {"Put": self.putting, "Log": self._walking, "UpdateRefs": self._walking}
        server.add_generic_rpc_handlers((handlers(self, pools),))
        admitter = self._host.admitter
        if admitter is not None:
            server.guard(SERVICE.full_name, HostDoor(admitter))

    def Hello(self, request: pb.HelloRequest, context: grpc.ServicerContext) -> pb.HelloReply:  # noqa: N802
        access = Access.CREATE if request.create else Access.READ
        with self._opened(request.repo, context, access) as hosted:
            if not request.protocol_min <= PROTOCOL <= request.protocol_max:
                raise UsageError(
                    f"this server speaks protocol {PROTOCOL}, the caller "
                    f"{request.protocol_min} to {request.protocol_max}",
                    kind="protocol", help="upgrade the older of the two",
                )  # fmt: skip
            features = FEATURES.intersection(request.features)
            if not _visible(hosted, WORKSPACES):
                features -= {STANDS}
            return pb.HelloReply(
                protocol=PROTOCOL,
                features=sorted(features),
                limits=pb.Limits(
                    frame_bytes=limits.FRAME_BYTES, has_ids=limits.HAS_IDS, get_ids=limits.GET_IDS,
                    log_versions=limits.LOG_VERSIONS, ref_updates=limits.REF_UPDATES,
                ),
                repo_id=hosted.repo_id,
                complete=hosted.complete,
                server=f"mvcd {__version__}",
                time_us=int(self._clock() * 1_000_000),
                principal=hosted.principal,
                role=hosted.role,
                damaged=len(hosted.store.damaged()),
            )  # fmt: skip

    def ListRefs(  # noqa: N802
        self, request: pb.ListRefsRequest, context: grpc.ServicerContext
    ) -> pb.ListRefsReply:
        with self._opened(request.repo, context, Access.READ) as hosted:
            reply = pb.ListRefsReply(changes=hosted.store.changes())
            size = 0
            for name, value in _visible(hosted, request.prefix).items():
                if request.page_token and name.encode() <= request.page_token.encode():
                    continue
                size += len(name) + len(value) + 16
                if size > REF_PAGE_BYTES and reply.refs:
                    reply.next_page_token = reply.refs[-1].name
                    break
                reply.refs.append(pb.Ref(name=name, value=value))
            return reply

    def WatchRefs(  # noqa: N802
        self, request: pb.WatchRefsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.RefEvent | Pause]:
        """Opened anew at each look, so that a revoked token ends its streams."""
        seen: dict[str, bytes] | None = None
        since, of = request.since, request.repo_id
        while context.is_active() and not self.stopping.is_set():
            with self._opened(request.repo, context, Access.WATCH) as hosted:
                changes = hosted.store.changes()
                if hosted.repo_id != of:  # another store, whose numbers mean nothing to the caller
                    seen, since, of = None, -1, hosted.repo_id
                if seen is None or changes != since:
                    refs = _visible(hosted, request.prefix)
                    same = seen is None and changes == since
                    changed: Mapping[str, bytes | None] = (
                        refs if seen is None else changed_refs(seen, refs)
                    )
                    if seen is None and same:
                        yield pb.RefEvent(changes=changes)
                    elif seen is None or changed:
                        yield from _events(changes, seen is None, changed)
                    seen, since = refs, changes
            yield Pause(POLL_SECONDS)

    def Log(self, request: pb.LogRequest, context: grpc.ServicerContext) -> pb.LogReply:  # noqa: N802
        with self._opened(request.repo, context, Access.READ) as hosted:
            store = hosted.store
            heads = packed.unpack(request.heads, VersionId, limits.LOG_VERSIONS)
            haves = packed.unpack(request.haves, VersionId, limits.LOG_VERSIONS)
            found: list[Digest] = []
            frontier: list[Digest] = []
            walk = between(heads, haves, lambda id: Version.decode(store.get(id)))
            for id in walk:
                if len(found) == limits.LOG_VERSIONS:
                    frontier = _frontier(heads, found, store)
                    break
                found.append(id)
            return pb.LogReply(versions=packed.pack(found), frontier=packed.pack(frontier))

    def Has(self, request: pb.HasRequest, context: grpc.ServicerContext) -> pb.HasReply:  # noqa: N802
        with self._opened(request.repo, context, Access.READ) as hosted:
            ids = packed.unpack(request.ids, AnyId, limits.HAS_IDS)
            session = _identifier(request.session, "session") if request.session else b""
            alone = hosted.others is None
            if alone:
                self.uploads.settle(request.repo, session)
            frames = self.uploads.announce(request.repo, session) if session else 0
            with self.uploads.known(request.repo, session) as upload:
                if upload is not None and alone:
                    gone = set(upload.arrivals.missing(list(ids)))
                    missing = [id in gone for id in ids]
                else:
                    missing = [not here for here in hosted.store.has(ids)]
            return pb.HasReply(missing=packed.bitmap(missing), frames=frames)

    def Get(self, request: pb.GetRequest, context: grpc.ServicerContext) -> Iterator[GetReply]:  # noqa: N802
        with self._opened(request.repo, context, Access.READ) as hosted:
            ids = packed.unpack(request.ids, AnyId, limits.GET_IDS)
            there = hosted.store.has(ids)
            found = [id for id, here in zip(ids, there, strict=True) if here]
            frames = (
                records_below(hosted.store, found, limits.GET_IDS)
                if request.below
                else hosted.store.records(found)
            )
            for frame in readable(frames, request.features, hosted.store):
                if not context.is_active():
                    return
                yield GetReply(records=frame)
            gone = [id for id, here in zip(ids, there, strict=True) if not here]
            if gone:
                yield GetReply(missing=packed.pack(gone))

    def Put(self, request: PutRequest, context: grpc.ServicerContext) -> pb.PutReply:  # noqa: N802
        with self._opened(request.repo, context, Access.PUT) as hosted:
            hosted.check_put(len(request.records))
            session = _identifier(request.session, "session")
            try:
                with self.uploads.using(
                    request.repo, session, hosted.store, hosted.principal
                ) as upload:
                    stored, known = upload.put(parse_frame(request.records), hosted.others)
                    frames = self.uploads.frames()
                    if frames <= CROWDED_FRAMES:
                        upload.drain()
                        self._relief.moved(len(request.records))
            except (Failure, RemoteUnreachable, StaleReuse):
                self.uploads.end(request.repo, session)  # it has failed for good: begin anew
                raise
            return pb.PutReply(stored=stored, known=known, frames=frames)

    def UpdateRefs(  # noqa: N802
        self, request: pb.UpdateRefsRequest, context: grpc.ServicerContext
    ) -> pb.UpdateRefsReply:
        with self._opened(request.repo, context, Access.UPDATE) as hosted:
            update = _update(request)
            if (reply := self._remembered(hosted, request)) is not None:
                return reply
            own = not request.session  # nothing was put
            session = (
                b"\0" * limits.ID_BYTES + request.request_id if own else bytes(request.session)
            )
            try:
                with self.uploads.using(
                    request.repo, session, hosted.store, hosted.principal
                ) as upload:
                    answer = self._move(request, update, hosted, upload)
            except MvcError as error:
                if own or isinstance(error, StaleReuse):
                    self.uploads.end(request.repo, session, named=own)  # own: nothing was put
                # The first try of this very request may have ended while we worked.
                if (reply := self._remembered(hosted, request, thoroughly=True)) is not None:
                    return reply
                raise
            self.uploads.end(request.repo, session, named=True)
            return answer

    def _remembered(
        self, hosted: CallRepository, request: pb.UpdateRefsRequest, *, thoroughly: bool = False
    ) -> pb.UpdateRefsReply | None:
        reply = self._replies.find(hosted.store, request.request_id)
        if reply is None and hosted.others is not None:
            reply = hosted.others.answered(request.request_id.hex(), thoroughly=thoroughly)
        return None if reply is None else pb.UpdateRefsReply.FromString(reply)

    def _move(
        self, request: pb.UpdateRefsRequest, update: Update, hosted: CallRepository, upload: Upload
    ) -> pb.UpdateRefsReply:
        """One transaction: refs, operation, audit row, and the reply for whoever asks again."""
        upload.flush()
        answer = pb.UpdateRefsReply(
            changes=hosted.store.changes() + 1,
            objects=upload.arrivals.objects,
            verified_bytes=upload.arrivals.raw_bytes,
        )
        update = replace(update, reply=answer.SerializeToString())
        judgement = hosted.check_update(update, upload.arrivals.missing)
        remembered = self._replies.rows(hosted.store, request.request_id, update.reply)
        upload.arrivals.run(
            lambda work: work.commit(
                update.updates,
                operation=judgement.operation,
                audit=judgement.audit,
                cache={**remembered, **judgement.cache},
            )
        )
        return answer

    # ------------------------------------------------------------------ inside

    @contextmanager
    def _opened(
        self, repo: str, context: grpc.ServicerContext, action: Access
    ) -> Iterator[CallRepository]:
        """The repository for this caller; our errors become status, others say nothing of us."""
        try:
            if len(repo) > limits.REPO_NAME_CHARACTERS:
                raise UsageError(f"a repository's name of {len(repo)} characters", kind="too-large")
            yield self._host.open(repo, caller_of(context), action)
        except MvcError as error:
            context.abort_with_status(to_status(error))
        except Exception as error:
            if not context.is_active() or isinstance(error, grpc.RpcError):
                raise
            _internal(context, error)


def _internal(context: grpc.ServicerContext, error: Exception) -> NoReturn:
    if not error.args and type(error) is Exception:
        raise error  # how grpc's own abort leaves a handler
    log.exception("a call failed for a reason of ours")
    context.abort(grpc.StatusCode.INTERNAL, "the server failed; its log says more")


def _visible(hosted: CallRepository, prefix: str) -> dict[str, bytes]:
    found = hosted.store.refs(prefix).items()
    return {n: v for n, v in found if hosted.visible(n) and listed(n, prefix)}


def _events(changes: int, fresh: bool, refs: Mapping[str, bytes | None]) -> Iterator[pb.RefEvent]:
    """What changed, in as many messages as it needs. Only the last one tells the number to go on from."""
    event = pb.RefEvent(fresh=fresh)
    size = 0
    for name, value in refs.items():
        more = len(name) + len(value or b"") + 16
        if event.refs and size + more > REF_PAGE_BYTES:
            yield event
            event, size = pb.RefEvent(), 0
        event.refs.append(pb.Ref(name=name, value=value))
        size += more
    event.changes = changes
    yield event


def _frontier(heads: Sequence[Digest], found: list[Digest], store: Store) -> list[Digest]:
    """Heads and parents of what was found that were not found themselves: where the next call goes on. Raises
    Failure when they are more than a call takes."""
    inside = set(found)
    parents = (parent for id in found for parent in Version.decode(store.get(id)).parents)
    left = dict.fromkeys(id for id in (*heads, *parents) if id not in inside)
    if len(left) > limits.LOG_VERSIONS:
        raise Failure(
            f"more than {limits.LOG_VERSIONS} lines of history at once", kind="too-large",
            help="ask for fewer refs at once",
        )  # fmt: skip
    return list(left)


def _identifier(value: bytes, what: str) -> bytes:
    if len(value) != limits.ID_BYTES:
        raise UsageError(
            f"a {what} has {limits.ID_BYTES} bytes, not {len(value)}", kind="bad-frame"
        )
    return bytes(value)


def _update(request: pb.UpdateRefsRequest) -> Update:
    """Raises UsageError."""
    _identifier(request.request_id, "request_id")
    if request.session:
        _identifier(request.session, "session")
    if not 0 < len(request.updates) <= limits.REF_UPDATES:
        raise UsageError(
            f"1 to {limits.REF_UPDATES} updates, not {len(request.updates)}", kind="too-large"
        )
    names = [u.name for u in request.updates]
    if len(set(names)) != len(names):
        raise UsageError("one ref twice in one update", kind="bad-name")
    if any(len(text) > limits.TEXT_CHARACTERS for text in (request.author, request.detail)):
        raise UsageError("author and detail have at most 4096 characters", kind="too-large")
    updates = tuple(
        RefUpdate(
            u.name,
            u.expect if u.HasField("expect") else None,
            u.target if u.HasField("target") else None,
        )
        for u in request.updates
    )
    force = frozenset(u.name for u in request.updates if u.force)
    return Update(updates, force, request.author, request.detail, request.request_id.hex())
