"""The application: routes, what stands before all of them, and errors as JSON."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mvc.api import errors
from mvc.web import actions, assets, contents, differences, events, releases, versions
from mvc.web.door import Door
from mvc.web.site import Site, answer, body_of, site_of

POLICY = "default-src 'self'; frame-ancestors 'none'"
_GUARDS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_STATUS: Sequence[tuple[type[errors.MvcError], int]] = (
    (errors.UsageError, 400),
    (errors.NoRepository, 404),
    (errors.NotPermitted, 403),
    (errors.AuthError, 403),
    (errors.IntegrityError, 500),
    (errors.DaemonError, 503),
    (errors.RemoteUnreachable, 503),
)
_UNPACKED_BYTES = 1400
"""Documents up to this go into one packet anyway."""
_KINDS = {"no-cursor": 410}
_ABSENT = ("unknown-", "no-such-", "ambiguous-")
"""How the kinds begin of failures that are about something that is not there."""


def make_app(site: Site) -> ASGIApp:
    """The application that serves a site."""
    return _Front(routed(site), site.door)


def routed(site: Site) -> Starlette:
    """The routes of a site, for whoever stands before them."""
    app = Starlette(
        routes=[
            Route("/api/v1/session", session, methods=["POST"]),
            Route("/api/v1/repos", repos),
            *(
                route
                for module in (versions, contents, differences, releases, actions, events)
                for route in module.routes()
            ),
            *assets.routes(),
        ],
        exception_handlers={
            errors.MvcError: _of_error,
            UnicodeDecodeError: _of_bytes,
            HTTPException: _of_status,
            Exception: _of_accident,
        },
    )
    app.router.redirect_slashes = False
    app.state.site = site
    app.state.walks = versions.Walks()
    app.state.keys = versions.RecordedKeys()
    app.state.assets = assets.page_files()
    return app


class _Front:
    """Before all routes: who asks, what for, and what each answer says of itself."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        raw = scope.get("raw_path") or scope["path"].encode()
        scope["path"] = raw.decode("ascii", "replace")  # as it was sent: %2F divides nothing
        asked = Headers(scope=scope)
        refused = self._refusal(scope["method"], scope["path"], asked)
        may_pack = "gzip" in asked.get("accept-encoding", "")
        start: Message | None = None  # held back until it is known how long a document is

        async def guarded(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in _GUARDS:
                    found.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    found.setdefault("Cache-Control", "no-store")
                if may_pack and found.get("content-type") == "application/json":
                    start = message
                    return
            elif start is not None:
                begun, start = start, None
                await send(_packed(begun, message))
            await send(message)

        await (refused or self._app)(scope, receive, guarded)

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        door = self._door
        if headers.get("host", "") not in door.hosts:
            return _refused(421, "host", "this server does not answer to that name", door.origin)
        if method not in ("GET", "HEAD") and not door.is_own(headers):
            return _refused(403, "foreign", "this request was not made by the page", "X-MVC: 1")
        if path.startswith("/api/") and path != "/api/v1/session" and not door.knows(headers):
            return _refused(401, "session", "this browser was not let in", "mvc ui")
        return None


def _packed(start: Message, body: Message) -> Message:
    """Packs a document that comes in one piece, in place; returns its head, which says so."""
    if not body.get("more_body") and len(body.get("body", b"")) > _UNPACKED_BYTES:
        body["body"] = gzip.compress(body["body"], 6, mtime=0)
        found = MutableHeaders(scope=start)
        found["Content-Encoding"], found["Content-Length"] = "gzip", str(len(body["body"]))
        found.add_vary_header("Accept-Encoding")
    return start


def _refused(status: int, kind: str, message: str, help: str) -> Response:
    return answer({"kind": kind, "message": message, "cause": None, "help": help}, status)


async def session(request: Request) -> Response:
    """Lets in whoever has the token."""
    door = site_of(request).door
    said = await body_of(request, token=str)
    value = door.exchange(said.get("token"))
    if value is None:
        if door.knows(request.headers):
            return answer({"open": True})
        return _refused(401, "token", "this address was used already, or is an old one", "mvc ui")
    found = answer({"open": True})
    found.set_cookie(door.cookie, value, path="/", httponly=True, samesite="strict")
    return found


def repos(request: Request) -> Response:
    """What is served."""
    repo = site_of(request).repo
    head = repo.head
    name = repo.root.rstrip("/").rpartition("/")[2]
    found = {
        "name": name,
        "root": repo.root,
        "head": {"ref": head.branch, "version": head.version, "number": head.number},
        "operation": next((op.number for op in repo.operations(limit=1)), 0),
        "mvc": errors.__version__,
    }
    return answer({"repos": [found]})


# ---------------------------------------------------------------- errors


def status_of(error: errors.MvcError) -> int:
    """The status that says what a caller would do next."""
    if error.kind in _KINDS:
        return _KINDS[error.kind]
    if error.kind.startswith(_ABSENT) and not isinstance(error, errors.UsageError):
        return 404
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 409)


def error_document(error: errors.MvcError) -> dict[str, object]:
    """An error as the command line writes it, without the exit code."""
    place: dict[str, object] = {}
    if isinstance(error, errors.ExpressionError):
        place = {"expression": error.expression, "start": error.start, "length": error.length}
    said = {"kind": error.kind, "message": str(error), "cause": error.cause, "help": error.help}
    return {**said, **place, **error.more}


def _of_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, errors.MvcError)
    return answer(error_document(error), status_of(error))


def _of_bytes(_: Request, error: Exception) -> Response:
    return _refused(400, "usage", f"the address is not UTF-8: {error}", "percent-encode it")


def _of_status(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase.lower()
    return _refused(error.status_code, "http", f"{phrase}: nothing here answers that", "/")


def _of_accident(_: Request, error: Exception) -> Response:
    return _refused(500, "accident", f"this went wrong here: {type(error).__name__}", "mvc doctor")
