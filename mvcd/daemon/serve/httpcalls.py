"""Requests over HTTP told as calls of gRPC are: one log line and one count each, whatever application
answers."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mvcd.daemon.serve.metrics import ServerMetrics

log = logging.getLogger("mvcd.calls")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_TOLD_CHARACTERS = 300


class ToldRequests:
    """An ASGI application around another one, of which it tells. What the other one found out stands in the
    scope: `endpoint`, and in `state` the `principal` and the `repo`."""

    def __init__(self, app: AsgiApp, metrics: ServerMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        counted = _Counted(scope, receive, send)
        self._metrics.begin()
        try:
            await self._app(scope, counted.receive, counted.send)
        finally:
            counted.tell(self._metrics)


class _Counted:
    """The two sides of one request, counted."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._path = scope.get("raw_path", scope["path"].encode()).decode("ascii", "replace")
        self._started = time.monotonic()
        self._received = self._sent = 0
        self._status = 499  # of a request whose client went away, as others write it too

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        self._sent += len(message.get("body", b""))
        await self._send(message)

    def tell(self, metrics: ServerMetrics) -> None:
        seconds = time.monotonic() - self._started
        state: dict[str, Any] = self._scope.get("state") or {}
        name = getattr(self._scope.get("endpoint"), "__name__", "none")
        metrics.end(name, str(self._status), seconds, self._received, self._sent)
        host, port = self._scope.get("client") or ("", 0)
        fields = {
            "principal": state.get("principal"),
            "repo": state.get("repo"),
            "call": name,
            "path": f"{self._scope['method']} {self._path[:MAX_TOLD_CHARACTERS]}",
            "code": self._status,
            "ms": round(seconds * 1000, 1),
            "received": self._received,
            "sent": self._sent,
            "peer": f"{host}:{port}",
        }
        log.info("call", extra={"fields": fields})
