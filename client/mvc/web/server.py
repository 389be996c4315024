"""Serves the page of one repository on this machine until it is told to end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from mvc.api.errors import Failure, MvcError, UsageError
from mvc.api.extras import require_libraries

if TYPE_CHECKING:
    from mvc.api.repo import Repo
    from mvc.web.site import Shapes

HOST = "127.0.0.1"
LIBRARIES = ("starlette", "uvicorn")
_BACKLOG_CONNECTIONS = 128
_FIRST_ROWS = 60
_END_SECONDS = 5
"""How long answers that are under way have once the server ends."""


def require_extra() -> None:
    """Raises Failure(kind="needs-extra") where the libraries of the extra `web` are not installed."""
    require_libraries("mvc ui", LIBRARIES, "web")


def serve(
    repo: Repo, shapes: Shapes, *, port: int, ready: Callable[[str], None] = lambda _: None
) -> None:
    """Serves until SIGINT or SIGTERM. `port` 0 is one that is free; `ready` gets the address to open, when
    it answers.

    Raises Failure when it cannot listen there, or the extra is not installed.
    """
    require_extra()
    import uvicorn  # late: an extra

    from mvc.web.app import make_app  # late: an extra
    from mvc.web.door import Door
    from mvc.web.remembered import Remembered
    from mvc.web.site import Server, Site
    from mvc.web.versions import page_of
    from mvc.web.walks import Question, Walks

    listening = _bound(port)
    door = Door(HOST, listening.getsockname()[1])
    server = Server(shapes)
    site = Site(repo, server, Walks(), Remembered())
    with suppress(MvcError):  # what is wrong with the repository, the page will say
        first = Question(None, False, None)
        page_of(site, first, None, _FIRST_ROWS, "auto")  # so that nobody waits for what it loads
    config = uvicorn.Config(
        make_app(site, door),
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_END_SECONDS,
    )

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready(door.address)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            server.ending = True
            await super().shutdown(sockets)

    with listening:
        asyncio.run(Announcing(config).serve(sockets=[listening]))


def _bound(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port), backlog=_BACKLOG_CONNECTIONS)
    except OverflowError:
        raise UsageError(f"{port} is no port", help="--port 0, for one that is free") from None
    except OSError as error:
        raise Failure(
            f"cannot listen on {HOST}:{port}",
            kind="cannot-listen",
            cause=str(error.strerror or error),
            help="mvc ui --port 0, for one that is free",
        ) from None
