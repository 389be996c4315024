"""Routes about the daemon: its state, the end of its log, and whether it watches this workspace."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mvc import daemon_client
from mvc.api.context import author_of
from mvc.api.errors import DaemonError
from mvc.api.repo import Repo
from mvc.web.actions import act
from mvc.web.site import Json, answer, body_of, limit_of, site_of

_LOG_LINES = 100
_END_SECONDS = 3600.0
"""How long a save that is under way may take before the workspace is no longer watched."""


def daemon(request: Request) -> Response:
    """State of the daemon for this workspace."""
    site = site_of(request)
    try:
        return answer({"running": True, "watched": True, **site.shapes.watched(site.repo.root)})
    except DaemonError as error:
        if error.kind not in ("not-running", "not-watched"):
            raise
        running = error.kind == "not-watched"
        return answer({"running": running, "watched": False, "workspaces": [], "help": "mvc watch"})


def log(request: Request) -> Response:
    """The last lines of the daemon's log; none where it does not run."""
    try:
        found = daemon_client.ask("log", lines=limit_of(request, _LOG_LINES))["lines"]
    except DaemonError as error:
        if error.kind not in ("not-running", "unknown-verb"):
            raise
        found = []
    return answer({"lines": found})


async def watch(request: Request) -> Response:
    """Makes the daemon watch this workspace, or not. Neither starts a daemon: that is `mvc watch`."""
    site, body = site_of(request), await body_of(request, watch=bool)

    def change(repo: Repo) -> Json:
        if body.get("watch"):
            author = author_of(repo.root, repo.config)
            daemon_client.ask("watch", root=repo.root, author=author)
        else:
            daemon_client.ask("unwatch", root=repo.root, timeout=_END_SECONDS)
        return {"watched": bool(body.get("watch"))}

    return await act(site, "watch", {}, change)


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [
        Route("/api/v1/r/daemon", daemon),
        Route("/api/v1/r/daemon/log", log),
        Route("/api/v1/r/watch", watch, methods=["POST"]),
    ]
