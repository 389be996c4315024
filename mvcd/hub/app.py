"""One ASGI application, into which groups of routes are mounted: requests are told, their errors answered, and
how many there are at once is bounded.

Paths are matched as they were sent, so a `/` that a client wrote as %2F belongs to a revision or a name and
divides nothing. What endpoints get of them is unescaped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mvcd.errors import MvcError
from mvcd.hub import answers

MAX_TOLD_CHARACTERS = 300
MAX_CALLS = 128
"""Requests at once; more are answered 503, and come again."""


@dataclass(slots=True)
class HttpCall:
    """A request that ended. Sizes in bytes; `principal` and `repo` as far as they were found out."""

    endpoint: str
    method: str
    path: str
    status: int
    seconds: float
    received: int
    sent: int
    peer: str
    principal: str | None
    repo: str | None


class CallListener:
    """Hears of requests. This one does nothing about them."""

    def begun(self) -> None: ...

    def ended(self, call: HttpCall) -> None: ...


def make_app(groups: Iterable[Sequence[BaseRoute]], listener: CallListener) -> ASGIApp:
    """The application of these groups of routes; the first route that matches is taken."""
    app = Starlette(
        routes=[route for group in groups for route in group],
        exception_handlers={
            MvcError: answers.of_error,
            HTTPException: _no_route,
            Exception: answers.of_accident,
        },
    )
    app.router.redirect_slashes = False
    return _Front(app, listener)


def _no_route(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": f"{error.detail}: nothing here answers that"}, error.status_code)


class _Front:
    """Before all routes: the path as it was sent, the bound, and what is told."""

    def __init__(self, app: ASGIApp, listener: CallListener) -> None:
        self._app, self._listener = app, listener
        self._calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = scope.get("raw_path", scope["path"].encode()).decode("ascii", "replace")
        if self._calls >= MAX_CALLS:
            busy = JSONResponse({"error": "too many requests at once"}, 503, {"Retry-After": "1"})
            await busy(scope, receive, send)
            return
        self._calls += 1
        self._listener.begun()
        counted = _Counted(receive, send)
        try:
            await self._app(scope, counted.receive, counted.send)
        finally:
            self._calls -= 1
            self._listener.ended(counted.call(scope))


class _Counted:
    """The two sides of one request, counted."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._started = time.monotonic()
        self._status, self._received, self._sent = 499, 0, 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        self._sent += len(message.get("body", b""))
        await self._send(message)

    def call(self, scope: Scope) -> HttpCall:
        state: dict[str, Any] = scope.get("state") or {}
        endpoint: Callable[..., Any] | None = scope.get("endpoint")
        host, port = scope.get("client") or ("", 0)
        return HttpCall(
            getattr(endpoint, "__name__", "none"),
            scope["method"],
            scope["path"][:MAX_TOLD_CHARACTERS],
            self._status,
            time.monotonic() - self._started,
            self._received,
            self._sent,
            f"{host}:{port}",
            state.get("principal"),
            state.get("repo"),
        )
