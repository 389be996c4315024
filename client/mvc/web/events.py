"""Operations as they happen, as server-sent events; their ids are the numbers of operations."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from mvc.api.errors import MvcError, UsageError
from mvc.api.results import Operation
from mvc.web.site import Site, site_of

PING_SECONDS = 15.0
_TURN_SECONDS = 0.5
"""How long a stream goes on at most, once the server ends."""
_ASK_SECONDS = 2.0
"""How long somebody hears of changes at most who may not any more."""
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
    asked = heard = time.monotonic()
    while not site.ending:
        async for operation in feed:
            heard = time.monotonic()
            yield _text(site, operation)
            if heard - asked >= _ASK_SECONDS:
                break
        if time.monotonic() - asked >= _ASK_SECONDS:
            asked = time.monotonic()
            if not await run_sync(_may_go_on, site):
                return
        if time.monotonic() - heard >= PING_SECONDS:
            heard = time.monotonic()
            yield ": ping\n\n"


def _may_go_on(site: Site) -> bool:
    try:
        site.may_go_on()
    except MvcError:
        return False
    return True


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
