"""The application of `mvcd serve --web`: all repositories of a team server, for those who have accounts
there."""

from __future__ import annotations

import re
from typing import NamedTuple

from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mvc.api.errors import AuthError, MvcError
from mvc.api.hosted import TeamRepo
from mvc.api.hosting import Hosting, Visited, Visitor
from mvc.api.lastasked import LastAsked
from mvc.web import adminroutes, assets, failures, teamfinding, teamroutes
from mvc.web.app import application, repository_routes
from mvc.web.dressing import Dressed
from mvc.web.failures import refused
from mvc.web.remembered import Remembered
from mvc.web.site import Server, Shapes, Site, put_site
from mvc.web.visitors import is_own, visitor_of
from mvc.web.walks import Walks

STREAM_SECONDS = 600.0
"""How long a reading of tensors may last."""
KEPT_ENTRIES = 64
"""Repositories times people, of which it is kept what was begun or counted for them; each may hold eight walks
and the names of all metrics."""
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*"
_INSIDE = re.compile(rf"/(?P<name>{_NAME})/-(?P<rest>/.*)?", re.DOTALL)
"""No segment of a repository's name begins with `-`, so this is one repository and the path in it."""
_REPOSITORY = re.compile(rf"/{_NAME}/?")
_OPEN = ("/api/v1/session", "/api/v1/logout")
"""Asked by those who are not known (any more)."""


class _Asked(NamedTuple):
    """A path taken apart: the repository that it lies in, if any, and the path there."""

    repo: str | None
    path: str

    @classmethod
    def of(cls, path: str) -> _Asked:
        match = _INSIDE.fullmatch(path)
        return cls(None, path) if match is None else cls(match["name"], match["rest"] or "")

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/")

    @property
    def method(self) -> str:
        """The kind of request, by which it has a share."""
        kind, *words = self.path.removeprefix("/api/v1/").split("/")
        if kind != "r" or not words:
            return kind
        return words[-1] if words[-1] in ("tensors", "tensor") else words[0]


class TeamPage:
    """An ASGI application; see WEB.md. `end` ends its streams soon."""

    def __init__(self, hosting: Hosting, shapes: Shapes) -> None:
        self._server = Server(shapes)
        of_failure = failures.hiding(hosting.hide)
        of_all = (*teamroutes.routes(), *teamfinding.routes(), *adminroutes.routes())
        whole = application(of_all, of_failure)
        whole.state.hosting, whole.state.shapes = hosting, shapes
        whole.state.assets = assets.of_team(whole.state.assets)
        inside = application([*teamroutes.inside(), *repository_routes()], of_failure)
        self._app = Dressed(_Front(hosting, self._server, whole, inside))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def end(self) -> None:
        self._server.ending = True


class _Front:
    """Before all routes: who asks, how much at once, and for which repository."""

    def __init__(
        self, hosting: Hosting, server: Server, whole: Starlette, inside: Starlette
    ) -> None:
        self._hosting, self._server = hosting, server
        self._whole, self._inside = whole, inside
        self._kept = LastAsked[tuple[Walks, Remembered]](KEPT_ENTRIES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked, headers = _Asked.of(scope["path"]), Headers(scope=scope)
        scope.setdefault("state", {})
        if scope["method"] not in ("GET", "HEAD") and not is_own(headers):
            answer: ASGIApp = refused(
                403, "foreign", "this request was not made by the page", "X-MVC: 1"
            )
        elif not asked.is_api:
            answer = self._page(scope, asked)
        else:
            await self._admitted(scope, asked, headers, receive, send)
            return
        await answer(scope, receive, send)

    def _page(self, scope: Scope, asked: _Asked) -> ASGIApp:
        """A file of the page: it is the same for all, and says nothing of any repository."""
        if asked.repo is not None and asked.path:
            scope["path"] = asked.path
            return self._inside
        screen = asked.path.split("/")[1:2]
        if asked.repo is None and screen and screen[0] in ("", "static", *teamroutes.SCREENS):
            return self._whole
        name = asked.repo or asked.path.strip("/")
        named = asked.repo is not None or _REPOSITORY.fullmatch(asked.path)
        return RedirectResponse(f"/{name}/-/", 308) if named else self._whole

    async def _admitted(
        self, scope: Scope, asked: _Asked, headers: Headers, receive: Receive, send: Send
    ) -> None:
        """A request to the interface: a stranger's place until it is known who asks, then one of theirs."""
        admission, visitor = self._hosting.admission, visitor_of(scope, headers)
        address = visitor.peer.rpartition(":")[0]
        if (why := admission.arrive(address)) is not None:
            await _busy(why)(scope, receive, send)
            return
        stranger = True
        try:
            scope["state"]["visitor"] = visitor
            if asked.repo is None and asked.path in _OPEN:
                await self._whole(scope, receive, send)
                return
            try:
                visited = await run_sync(self._hosting.who, visitor)
            except AuthError as error:
                await _unknown(error)(scope, receive, send)
                return
            admission.known(address)
            stranger = False
            await self._claimed(scope, asked, visitor, visited, receive, send)
        finally:
            if stranger:
                admission.known(address)
            admission.leave()

    async def _claimed(
        self, scope: Scope, asked: _Asked, visitor: Visitor, visited: Visited,
        receive: Receive, send: Send,
    ) -> None:  # fmt: skip
        admission, state = self._hosting.admission, scope["state"]
        if (why := admission.claim(visited.user, asked.method)) is not None:
            await _busy(why)(scope, receive, send)
            return
        try:
            state["visited"], state["principal"] = visited, visited.user
            if asked.repo is None:
                await self._whole(scope, receive, send)
                return
            scope["path"], state["repo"] = asked.path, asked.repo
            try:
                repo = await run_sync(self._hosting.repo, visitor, asked.repo)
            except MvcError as error:
                await failures.hiding(self._hosting.hide)(Request(scope), error)(
                    scope, receive, send
                )
                return
            put_site(scope, self._site(visitor, repo))
            await self._inside(scope, receive, send)
        finally:
            admission.release(visited.user, asked.method)

    def _site(self, visitor: Visitor, repo: TeamRepo) -> Site:
        walks, keys = self._kept.of(repo.identity, lambda: (Walks(), Remembered()))
        return Site(
            repo, self._server, walks, keys, can=repo.can, stream_seconds=STREAM_SECONDS,
            may_go_on=lambda: self._still(visitor, repo),
        )  # fmt: skip

    def _still(self, visitor: Visitor, repo: TeamRepo) -> None:
        """Raises AuthError where the same may not be seen any more: a new request finds out what may."""
        if self._hosting.repo(visitor, repo.root).identity != repo.identity:
            raise AuthError("what may be seen has changed", kind="scope")


def _busy(why: str) -> Response:
    return refused(429, "busy", why, "try again in a second", {"Retry-After": "1"})


def _unknown(error: AuthError) -> Response:
    return refused(401, "session", error.cause or str(error), "/login")
