"""The files of the page itself, read and packed once, each with its digest as ETag."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

INDEX = "index.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page; `packed` by gzip."""

    content: bytes
    packed: bytes
    kind: str
    tag: str


def page_files() -> dict[str, Asset]:
    """All files below static/, by their paths there."""
    found: dict[str, Asset] = {}
    _gather(resources.files("mvc.web").joinpath("static"), "", found)
    return found


def of_team(found: dict[str, Asset]) -> dict[str, Asset]:
    """The same, with a page that knows from its first line that it has no versions of its own to ask for."""
    marked = found[INDEX].content.replace(b"<html ", b"<html data-team ", 1)
    return {**found, INDEX: _asset(marked, found[INDEX].kind)}


def _asset(content: bytes, kind: str) -> Asset:
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    return Asset(content, gzip.compress(content, mtime=0), kind, tag)


def _gather(directory: Traversable, below: str, found: dict[str, Asset]) -> None:
    for entry in directory.iterdir():
        path = below + entry.name
        if entry.is_dir():
            _gather(entry, path + "/", found)
        elif (kind := _TYPES.get(entry.name[entry.name.rfind(".") :])) is not None:
            found[path] = _asset(entry.read_bytes(), kind)


def _send(request: Request, asset: Asset | None) -> Response:
    if asset is None:
        return Response("There is no such file.\n", 404, media_type="text/plain")
    headers = {"ETag": asset.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == asset.tag:
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = asset.kind
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.packed, headers=headers | {"Content-Encoding": "gzip"})
    return Response(asset.content, headers=headers)


async def asset(request: Request) -> Response:
    """A file of the page."""
    return _send(request, request.app.state.assets.get(request.path_params["path"]))


async def index(request: Request) -> Response:
    """The page, whose scripts read the rest of the address."""
    return _send(request, request.app.state.assets[INDEX])


SCREENS = (
    "",
    "v",
    "diff",
    "compare",
    "models",
    "plots",
    "stages",
    "storage",
    "daemon",
    "ops",
    "search",
)
"""First parts of the addresses that are screens of the page."""


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    pages: list[BaseRoute] = [Route("/static/{path:path}", asset), Route("/", index)]
    for name in filter(None, SCREENS):
        pages += [Route(f"/{name}", index), Route(f"/{name}/{{rest:path}}", index)]
    return pages
