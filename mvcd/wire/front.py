"""A gRPC server whose calls take a thread only while there is work for it.

grpc.server gives each call a thread before its message has come, and keeps it while a reader does not read: 48
clients that sent headers and nothing more stopped every other one. Here one event loop (grpc.aio) waits, for
messages and for readers, and handlers run in threads as before. Before a message is waited for,

    1. the call has a place among all, and among those from its address (admission.py),
    2. whoever calls has said who they are, in the metadata,
    3. the call has a place among theirs;

then the message has a deadline, and each message sent has one as well. A call costs 0.2 ms more than with
threads alone; frames of 2.5 MiB travel as fast (1.2 GB/s each way on 2 cores).

Handlers are those of grpc's synchronous API; they see a `CallContext`. A stream that has nothing to say for a
while yields a `Pause`, and holds no thread meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar, cast
from urllib.parse import unquote

import grpc

from mvcd.errors import MvcError
from mvcd.wire.admission import Admission
from mvcd.wire.door import CallContext, CallStatus, Doorkeeper
from mvcd.wire.handlers import pool_of
from mvcd.wire.status import to_status

log = logging.getLogger(__name__)

T = TypeVar("T")

MESSAGE_SECONDS = {"Put": 90.0}
"""Until a call's message has come whole. A Put of 2.5 MiB takes 40 s at the 64 KiB/s below which a client gives
up."""
USUAL_MESSAGE_SECONDS = 30.0
READER_SECONDS = 120.0
"""Until a reader has taken a message of at most 3 MiB."""
DOORKEEPER_THREADS = 4
"""Threads that find out who calls, where that is not known without waiting."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Yielded by a stream's handler: nothing to say for so many seconds."""

    seconds: float

    def ByteSize(self) -> int:  # noqa: N802 - protobuf's name
        return 0


@dataclass(slots=True)
class Refused:
    """A call that never reached its handler."""

    method: str  # the full name
    code: grpc.StatusCode
    peer: str


class Front:
    """Stands where a grpc.Server would: handlers are added, then ports, then it starts."""

    def __init__(
        self,
        pool: Executor,
        *,
        options: Sequence[tuple[str, Any]],
        interceptors: Sequence[grpc.ServerInterceptor] = (),
        admission: Admission | None = None,
        refused: Callable[[Refused], object] = lambda _: None,
        stalled: Callable[[str], object] = lambda _: None,
    ) -> None:
        """`pool` runs handlers without a pool of their own; `refused` hears of calls that never reach one,
        `stalled` of peers that read nothing any more: their connections should end."""
        self.admission = admission or Admission()
        self.active: dict[object, str] = {}
        """The peer of each call under way, as gRPC names it."""
        self.message_seconds = dict(MESSAGE_SECONDS)
        self.reader_seconds = READER_SECONDS
        self._pool = pool
        self._doors = ThreadPoolExecutor(DOORKEEPER_THREADS, "door")
        self._keepers: dict[str, Doorkeeper] = {}
        self._interceptors = tuple(interceptors)
        self._refused = refused
        self._stalled = stalled
        self._loop = _loop()
        self.aio: grpc.aio.Server = self._on_loop(_make(options))

    # ------------------------------------------------------------------ as grpc.Server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self.aio.add_generic_rpc_handlers([_Handlers(self, handler) for handler in handlers])

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Generated code adds the same handlers in both ways."""

    def add_insecure_port(self, address: str) -> int:
        return self._on_loop(_later(lambda: self.aio.add_insecure_port(address)))

    def add_secure_port(self, address: str, credentials: grpc.ServerCredentials) -> int:
        return self._on_loop(_later(lambda: self.aio.add_secure_port(address, credentials)))

    def start(self) -> None:
        self._on_loop(self.aio.start())

    def stop(self, grace: float | None) -> Stopped:
        """Takes no new calls from now on; those under way have `grace` seconds."""
        done = asyncio.run_coroutine_threadsafe(self.aio.stop(grace), self._loop)
        done.add_done_callback(lambda _: self._doors.shutdown(wait=False))
        return Stopped(done)

    # ------------------------------------------------------------------ more than that

    def guard(self, service: str, keeper: Doorkeeper) -> None:
        """From now on calls of `service` say who makes them before their message is waited for."""
        self._keepers[service] = keeper

    def _on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def handler(
        self, generic: grpc.GenericRpcHandler, details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        def found(details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
            return generic.service(details)

        ask: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None] = found
        for interceptor in reversed(self._interceptors):
            ask = _intercepted(interceptor, ask)
        return ask(details)

    async def serve(
        self,
        name: str,
        handler: grpc.RpcMethodHandler[Any, Any],
        call: grpc.aio.ServicerContext[Any, Any],
    ) -> None:
        """One call, from its headers to its end."""
        context = CallContext(call)
        address = address_of(context.peer())
        reason = self.admission.arrive(address)
        if reason is not None:
            await self._refuse(name, call, context, _busy(reason))
        self.active[call] = context.peer()
        try:
            await self._arrived(name, handler, call, context, address)
        finally:
            context.active = False
            del self.active[call]
            self.admission.leave()

    async def _arrived(
        self,
        name: str,
        handler: grpc.RpcMethodHandler[Any, Any],
        call: grpc.aio.ServicerContext[Any, Any],
        context: CallContext,
        address: str,
    ) -> None:
        service, _, method = name.lstrip("/").rpartition("/")
        keeper = self._keepers.get(service)
        try:
            caller = address
            if keeper is not None:
                # A thread and back took 1 to 3 % of the processor time of a push, both sides together.
                known = keeper.now(context)
                if known is None:
                    known = await asyncio.wrap_future(self._doors.submit(keeper, context))
                caller = known
        except MvcError as error:
            await self._refuse(name, call, context, to_status(error))
        finally:
            self.admission.known(address)
        reason = self.admission.claim(caller, method)
        if reason is not None:
            await self._refuse(name, call, context, _busy(reason))
        work = _Work(pool_of(handler.unary_unary or handler.unary_stream) or self._pool)
        try:
            seconds = self.message_seconds.get(method, USUAL_MESSAGE_SECONDS)
            try:
                # `wait_for` makes a task: two of them were 8 % of the server's processor time of a small Put.
                async with asyncio.timeout(seconds):
                    request = await call.read()
            except TimeoutError:
                late = CallStatus(
                    grpc.StatusCode.DEADLINE_EXCEEDED, f"no message for {seconds:.0f} s"
                )
                await self._refuse(name, call, context, late)
            if request is grpc.aio.EOF:
                empty = CallStatus(grpc.StatusCode.UNIMPLEMENTED, "this call takes one message")
                await self._refuse(name, call, context, empty)
            await self._answer(name, handler, cast(bytes, request), call, context, work)
        finally:
            # What a thread has begun goes on to its end; until then it counts.
            work.when_idle(lambda: self.admission.release(caller, method))

    async def _answer(
        self,
        name: str,
        handler: grpc.RpcMethodHandler[Any, Any],
        request: bytes,
        call: grpc.aio.ServicerContext[Any, Any],
        context: CallContext,
        work: _Work,
    ) -> None:
        parse = handler.request_deserializer or _itself
        serialize = handler.response_serializer or _itself
        try:
            if not handler.response_streaming:
                unary: Any = handler.unary_unary
                reply = await work.run(lambda: serialize(unary(parse(request), context)))
                await self._send(call, reply)
                return
            stream: Any = handler.unary_stream
            replies = await work.run(lambda: iter(stream(parse(request), context)))
            work.closing = replies
            while (item := await work.run(lambda: _next(replies, serialize))) is not None:
                if isinstance(item, Pause):
                    await asyncio.sleep(item.seconds)
                else:
                    await self._send(call, item)
        except (asyncio.CancelledError, grpc.aio.AbortError):
            raise
        except Exception:
            if context.status is None:
                log.exception("%s failed", name)
                context.status = CallStatus(
                    grpc.StatusCode.UNKNOWN, "the server failed; its log says more"
                )
            await _abort(call, context.status)

    async def _send(self, call: grpc.aio.ServicerContext[Any, Any], data: bytes) -> None:
        try:
            async with asyncio.timeout(self.reader_seconds):
                await call.write(data)
        except TimeoutError:
            # No status can follow a message that was not taken, and gRPC lets go of it with the connection.
            self._stalled(call.peer())
            raise asyncio.CancelledError from None

    async def _refuse(
        self,
        name: str,
        call: grpc.aio.ServicerContext[Any, Any],
        context: CallContext,
        status: grpc.Status,
    ) -> NoReturn:
        self._refused(Refused(name, status.code, context.peer()))
        await _abort(call, status)


class Stopped:
    """Waits for the end of all calls, like the value that grpc.Server.stop returns."""

    def __init__(self, done: Future[None]) -> None:
        self._done = done

    def wait(self, timeout: float | None = None) -> bool:
        """Whether all calls have ended."""
        try:
            self._done.result(timeout)
        except TimeoutError:
            return False
        return True


class _Work:
    """What one call has threads do, one piece after another, in one context of variables."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._variables = contextvars.copy_context()
        self._last: Future[Any] | None = None
        self.closing: Iterator[Any] | None = None

    async def run(self, piece: Callable[[], T]) -> T:
        self._last = future = self._pool.submit(self._variables.run, piece)
        return await asyncio.wrap_future(future)

    def when_idle(self, act: Callable[[], object]) -> None:
        """Calls `act` when no thread works for the call any more, and its stream is closed."""
        close = getattr(self.closing, "close", None)

        def ended(_: object) -> None:
            act()

        def close_stream(_: object) -> None:
            if close is None:
                act()
                return
            try:
                self._pool.submit(self._variables.run, close).add_done_callback(ended)
            except RuntimeError:  # the pool has ended, and with it whoever could close it
                act()

        if self._last is None:
            act()
        else:
            self._last.add_done_callback(close_stream)


class _Handlers(grpc.GenericRpcHandler):
    """The handlers of a service as grpc.aio calls them: all of them streams, which wait for nothing."""

    def __init__(self, front: Front, generic: grpc.GenericRpcHandler) -> None:
        self._front = front
        self._generic = generic
        self._made: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        name = details.method
        if name not in self._made:
            found = self._front.handler(self._generic, details)
            if found is None:
                return None
            if found.request_streaming:
                raise NotImplementedError(f"{name} takes a stream of messages")

            async def behaviour(
                _: AsyncIterator[bytes], call: grpc.aio.ServicerContext[Any, Any]
            ) -> None:
                await self._front.serve(name, found, call)

            self._made[name] = grpc.stream_stream_rpc_method_handler(behaviour)
        return self._made[name]


def address_of(peer: str) -> str:
    """`ipv4:10.0.0.1:51234` and `ipv6:[::1]:51234` without their ports; `unix:` stays."""
    kind, _, rest = unquote(peer).partition(":")
    return f"{kind}:{rest.rpartition(':')[0]}" if kind in ("ipv4", "ipv6") else kind


def _intercepted(
    interceptor: grpc.ServerInterceptor,
    ask: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
) -> Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None]:
    return lambda details: interceptor.intercept_service(ask, details)


def _busy(reason: str) -> grpc.Status:
    return CallStatus(grpc.StatusCode.RESOURCE_EXHAUSTED, reason)


async def _abort(call: grpc.aio.ServicerContext[Any, Any], status: grpc.Status) -> NoReturn:
    metadata = status.trailing_metadata or ()
    await call.abort(status.code, status.details or "", metadata)
    raise AssertionError("unreachable")


def _next(replies: Iterator[Any], serialize: Callable[[Any], bytes]) -> bytes | Pause | None:
    item = next(replies, None)
    return item if item is None or isinstance(item, Pause) else serialize(item)


def _itself(value: Any) -> Any:
    return value


async def _make(options: Sequence[tuple[str, Any]]) -> grpc.aio.Server:
    return grpc.aio.server(options=list(options))


async def _later(work: Callable[[], T]) -> T:
    return work()


_starting = threading.Lock()
_running: list[asyncio.AbstractEventLoop] = []


def _loop() -> asyncio.AbstractEventLoop:
    """The one loop of this process: grpc.aio shares its poller among loops, which then wake each other in
    vain."""
    with _starting:
        if not _running:
            loop = asyncio.new_event_loop()
            loop.set_exception_handler(_unhandled)
            threading.Thread(target=loop.run_forever, name="grpc-loop", daemon=True).start()
            _running.append(loop)
        return _running[0]


def _unhandled(_: asyncio.AbstractEventLoop, found: dict[str, Any]) -> None:
    """A call that was cancelled while nobody waited for its end is no error."""
    error = found.get("exception")
    if not isinstance(error, (grpc.RpcError, grpc.aio.AbortError, BlockingIOError)):
        with contextlib.suppress(Exception):
            log.warning("%s", found.get("message"), exc_info=error)
