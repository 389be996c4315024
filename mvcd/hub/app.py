"""One ASGI application, into which groups of routes are mounted: errors are answered, and how many requests
there are at once is bounded.

Paths are matched as they were sent, so a `/` that a client wrote as %2F belongs to a revision or a name and
divides nothing. What endpoints get of them is unescaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from mvcd.errors import MvcError
from mvcd.hub import answers

MAX_CALLS = 128
"""Requests at once; more are answered 503, and come again."""


def make_app(groups: Iterable[Sequence[BaseRoute]]) -> ASGIApp:
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
    return _Front(app)


def _no_route(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": f"{error.detail}: nothing here answers that"}, error.status_code)


class _Front:
    """Before all routes: the path as it was sent, and the bound."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
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
        try:
            await self._app(scope, receive, send)
        finally:
            self._calls -= 1
