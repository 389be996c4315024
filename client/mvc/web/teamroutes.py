"""Routes of a team's page that are about no repository, or about which there are: login, who one is, the
list."""

from __future__ import annotations

from dataclasses import asdict

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mvc.api.errors import UsageError, __version__
from mvc.api.hosted import RepoSummary
from mvc.api.hosting import Hosting, Visited, Visitor
from mvc.web import assets
from mvc.web.app import repository
from mvc.web.site import Json, answer, body_of, limit_of, site_of
from mvc.web.visitors import give, take

SCREENS = ("login", "admin", "search")
"""Screens of the server, beside those of each repository."""
_REPOS_ROWS = 50


def hosting_of(request: Request) -> Hosting:
    """The server that a request is made to."""
    found: Hosting = request.app.state.hosting
    return found


def visitor(request: Request) -> Visitor:
    """Who asks."""
    found: Visitor = request.state.visitor
    return found


async def session(request: Request) -> Response:
    """Lets in the bearer of a token."""
    said = await body_of(request, token=str)
    if not said.get("token"):
        raise UsageError("the request's body has no token")
    hosting, who = hosting_of(request), visitor(request)
    secret = await run_sync(hosting.enter, who, said["token"].strip())
    found = answer({"open": True})
    give(found, request.headers, secret, tls=request.url.scheme == "https")
    return found


async def logout(request: Request) -> Response:
    """Ends the session."""
    await run_sync(hosting_of(request).leave, visitor(request))
    found = answer({"open": False})
    take(found)
    return found


def _who(request: Request) -> Json:
    visited: Visited = request.state.visited
    return {
        "user": visited.user,
        "token": visited.token,
        "admin": visited.admin,
        "until": None if visited.until is None else visited.until.isoformat(),
    }


def me(request: Request) -> Response:
    """Who asks, as the server knows them."""
    return answer(_who(request))


def _row(found: RepoSummary) -> Json:
    return {
        **asdict(found),
        "time": None if found.time is None else found.time.isoformat(),
        "stages": dict(found.stages),
    }


def repos(request: Request) -> Response:
    """The repositories that may be read."""
    found, following = hosting_of(request).repositories(
        visitor(request),
        after=request.query_params.get("after"),
        limit=limit_of(request, _REPOS_ROWS),
        words=request.query_params.get("q", ""),
    )
    rows = [_row(one) for one in found]
    return answer({"team": _who(request), "repos": rows, "next": following, "mvc": __version__})


def one_repo(request: Request) -> Response:
    """The repository that a screen is about."""
    site = site_of(request)
    return answer({"team": _who(request), "repos": [{**repository(site), "name": site.repo.root}]})


def routes() -> list[BaseRoute]:
    """Routes of this module that are about no repository."""
    return [
        Route("/api/v1/session", session, methods=["POST"]),
        Route("/api/v1/logout", logout, methods=["POST"]),
        Route("/api/v1/me", me),
        Route("/api/v1/repos", repos),
        *(Route(f"/{name}", assets.index) for name in SCREENS),
    ]


def inside() -> list[BaseRoute]:
    """Routes of a repository that only a team has."""
    return [Route("/api/v1/repos", one_repo)]
