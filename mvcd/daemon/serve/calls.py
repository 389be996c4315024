"""What is known of each call: one log line and one count, whatever way it ends.

Whose call it is, only the host finds out, several layers down. So a call stands in a context variable
while its handler runs (a handler and its stream run in one thread), and `name` writes the principal there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import grpc

from mvcd.daemon.serve.metrics import ServerMetrics
from mvcd.wire.front import Refused
from mvcd.wire.handlers import in_pool, pool_of

log = logging.getLogger("mvcd.calls")


@dataclass(slots=True)
class Call:
    method: str
    repo: str | None
    started: float
    received: int
    sent: int = 0
    principal: str | None = None


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def name(principal: str) -> None:
    """Tells whose call this thread serves."""
    call = _current.get()
    if call is not None:
        call.principal = principal


class Observer(grpc.ServerInterceptor):
    """Logs and counts calls of the services that it is given; probes of others (health) only count."""

    def __init__(self, metrics: ServerMetrics, *, logged: str) -> None:
        self._metrics = metrics
        self._logged = f"/{logged}/"

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = continuation(details)
        if handler is None or handler.request_streaming:
            return handler
        path = details.method
        method = path.rpartition("/")[2]
        logged = path.startswith(self._logged)
        if handler.response_streaming:
            make, behaviour = grpc.unary_stream_rpc_method_handler, self._stream
            inner = handler.unary_stream
        else:
            make, behaviour = grpc.unary_unary_rpc_method_handler, self._unary
            inner = handler.unary_unary

        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            return behaviour(inner, method, logged, request, context)

        in_pool(handle, pool_of(inner))
        return make(
            handle,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def refused(self, refused: Refused) -> None:
        """A call that was turned away before its message was waited for."""
        self._metrics.begin()
        call = Call(refused.method.rpartition("/")[2], None, time.monotonic(), 0)
        logged = f"/{refused.method.lstrip('/')}".startswith(self._logged)
        self._told(call, refused.code.name, refused.peer, logged)

    def _unary(
        self, inner: Any, method: str, logged: bool, request: Any, context: grpc.ServicerContext
    ) -> Any:
        call = self._begin(method, request)
        failed = True
        try:
            answer = inner(request, context)
            call.sent += _size(answer)
            failed = False
            return answer
        finally:
            self._end(call, context, logged, failed)

    def _stream(
        self, inner: Any, method: str, logged: bool, request: Any, context: grpc.ServicerContext
    ) -> Iterator[Any]:
        call = self._begin(method, request)
        failed = True
        try:
            for message in inner(request, context):
                call.sent += _size(message)
                yield message
            failed = False
        finally:
            self._end(call, context, logged, failed)

    def _begin(self, method: str, request: Any) -> Call:
        self._metrics.begin()
        repo = getattr(request, "repo", None)
        call = Call(method, repo, time.monotonic(), _size(request))
        _current.set(call)
        return call

    def _end(self, call: Call, context: grpc.ServicerContext, logged: bool, failed: bool) -> None:
        self._told(call, _code(context, failed), context.peer(), logged)

    def _told(self, call: Call, code: str, peer: str, logged: bool) -> None:
        seconds = time.monotonic() - call.started
        self._metrics.end(call.method, code, seconds, call.received, call.sent)
        if logged:
            # A frame is no event of its own: a push of 2 GiB would write a thousand lines.
            level = logging.DEBUG if call.method == "Put" and code == "OK" else logging.INFO
            log.log(
                level,
                "call",
                extra={
                    "fields": {
                        "principal": call.principal,
                        "repo": call.repo,
                        "call": call.method,
                        "code": code,
                        "ms": round(seconds * 1000, 1),
                        "received": call.received,
                        "sent": call.sent,
                        "peer": peer,
                    }
                },
            )


def _code(context: grpc.ServicerContext, failed: bool) -> str:
    code = context.code()  # type: ignore[attr-defined]
    if isinstance(code, grpc.StatusCode):
        return str(code.name)
    if isinstance(code, int) and code:
        return next((c.name for c in grpc.StatusCode if c.value[0] == code), "UNKNOWN")
    if failed:
        return "UNKNOWN" if context.is_active() else "CANCELLED"
    return "OK"


def _size(message: Any) -> int:
    size = getattr(message, "ByteSize", None)
    return int(size()) if size is not None else len(message)
