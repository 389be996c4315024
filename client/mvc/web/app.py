"""The application of `mvc ui`: one repository, for one person."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mvc.api import errors
from mvc.web import (
    actions,
    assets,
    care,
    contents,
    daemonroutes,
    differences,
    events,
    failures,
    finding,
    releases,
    tensors,
    values,
    versions,
)
from mvc.web.door import Door
from mvc.web.dressing import Dressed
from mvc.web.failures import refused
from mvc.web.site import Json, Site, answer, body_of, put_site, site_of


def repository_routes() -> list[BaseRoute]:
    """The routes of one repository, whoever serves it."""
    modules = (
        versions, values, contents, tensors, differences, releases, care, finding, actions, events,
    )  # fmt: skip
    return [route for module in modules for route in module.routes()]


def application(
    routes: Iterable[BaseRoute], of_failure: Callable[[Request, Exception], Response]
) -> Starlette:
    """Makes an application of routes and the files of the page, with errors as JSON."""
    app = Starlette(
        routes=[*routes, *assets.routes()], exception_handlers=failures.handlers(of_failure)
    )
    app.router.redirect_slashes = False
    app.state.assets = assets.page_files()
    return app


def make_app(site: Site, door: Door) -> ASGIApp:
    """The application that serves a site to whom the door lets in."""
    app = routed()
    app.state.door = door
    return Dressed(_Front(app, site, door))


def routed() -> Starlette:
    """The routes of `mvc ui`, for whoever stands before them and puts the site."""
    own: list[BaseRoute] = [
        Route("/api/v1/session", session, methods=["POST"]),
        Route("/api/v1/repos", repos),
    ]
    return application([*own, *repository_routes(), *daemonroutes.routes()], failures.of_error)


class _Front:
    """Before all routes: who asks, and what for."""

    def __init__(self, app: ASGIApp, site: Site, door: Door) -> None:
        self._app, self._site, self._door = app, site, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        put_site(scope, self._site)
        refusal = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        door = self._door
        if headers.get("host", "") not in door.hosts:
            return refused(421, "host", "this server does not answer to that name", door.origin)
        if method not in ("GET", "HEAD") and not door.is_own(headers):
            return refused(403, "foreign", "this request was not made by the page", "X-MVC: 1")
        if path.startswith("/api/") and path != "/api/v1/session" and not door.knows(headers):
            return refused(401, "session", "this browser was not let in", "mvc ui")
        return None


async def session(request: Request) -> Response:
    """Lets in whoever has the token."""
    door: Door = request.app.state.door
    said = await body_of(request, token=str)
    value = door.exchange(said.get("token"))
    if value is None:
        if door.knows(request.headers):
            return answer({"open": True})
        return refused(401, "token", "this address was used already, or is an old one", "mvc ui")
    found = answer({"open": True})
    found.set_cookie(door.cookie, value, path="/", httponly=True, samesite="strict")
    return found


def repository(site: Site) -> Json:
    """What the frame of the page says of the repository that it is about."""
    repo = site.repo
    head = repo.head
    return {
        "name": repo.root.rstrip("/").rpartition("/")[2],
        "root": repo.root,
        "head": {"ref": head.branch, "version": head.version, "number": head.number},
        "operation": next((op.number for op in repo.operations(limit=1)), 0),
        "mvc": errors.__version__,
        "can": list(site.can),
    }


def repos(request: Request) -> Response:
    """What is served."""
    return answer({"repos": [repository(site_of(request))]})
