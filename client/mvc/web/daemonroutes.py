"""What the daemon does here: a matter of one workspace."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mvc.api.errors import DaemonError
from mvc.web.site import answer, site_of


def daemon(request: Request) -> Response:
    """State of the daemon for this workspace."""
    site = site_of(request)
    try:
        return answer({"running": True, **site.shapes.watched(site.repo.root)})
    except DaemonError as error:
        if error.kind != "not-running":
            raise
        return answer({"running": False, "workspaces": [], "help": "mvc watch"})


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [Route("/api/v1/r/daemon", daemon)]
