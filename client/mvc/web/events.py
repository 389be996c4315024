"""Operations as they happen, as server-sent events; their ids are the numbers of operations."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from mvc.api.errors import UsageError
from mvc.api.results import Operation
from mvc.web.site import Site, site_of

PING_SECONDS = 15.0
_TURN_SECONDS = 0.5
"""How long a stream goes on at most, once the server ends."""
RETRY_SECONDS = 1.0
"""How long a browser waits before it connects again."""


def kind_of(operation: Operation) -> str:
    """The name of the event that an operation is."""
    spaces = {name.partition("/")[0] for name in operation.refs}
    for space, kind in (("heads", "version"), ("stages", "stage")):
        if space in spaces:
            return kind
    return "ref" if spaces & {"tags", "notes", "remotes", "workspaces"} else "operation"


def _text(site: Site, operation: Operation) -> str:
    data = json.dumps(site.shapes.operation(operation), allow_nan=False, separators=(",", ":"))
    return f"id: {operation.number}\nevent: {kind_of(operation)}\ndata: {data}\n\n"


async def _told(site: Site, after: int | None) -> AsyncIterator[str]:
    feed = site.repo.feed(after=after, timeout=_TURN_SECONDS)
    yield f"retry: {round(RETRY_SECONDS * 1000)}\nid: {feed.number}\n: begun\n\n"
    quiet_seconds = 0.0
    while not site.ending:
        async for operation in feed:
            quiet_seconds = 0.0
            yield _text(site, operation)
        quiet_seconds += _TURN_SECONDS
        if quiet_seconds >= PING_SECONDS:
            quiet_seconds = 0.0
            yield ": ping\n\n"


async def events(request: Request) -> Response:
    """Operations after the one that the browser saw last, or from now on."""
    said = request.headers.get("last-event-id") or request.query_params.get("after")
    if said is not None and not said.isdecimal():
        raise UsageError(f"{said!r} is no number of an operation")
    return StreamingResponse(
        _told(site_of(request), None if said is None else int(said)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [Route("/api/v1/events", events)]
