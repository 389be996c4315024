"""Routes about one version: its record, where it came from, its files and their bytes, its signatures."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from mvc.api.errors import Failure
from mvc.api.repo import Repo
from mvc.web.site import answer, limit_of, segment, site_of

_FILES_ROWS = 500
_PIECE_BYTES = 1 << 20
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_PICTURES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
}
"""What browsers may draw; everything else is bytes to them, so that nothing of a repository runs."""
EMPTY = "v0"
_VALUES = ("metrics", "hyperparameters")
_VALUED = ("results", "hyperparameters")
"""Components whose files values are read from."""


def version(request: Request) -> Response:
    """One version in full; of what it changed, all or the values alone."""
    site = site_of(request)
    repo = site.repo
    values = request.query_params.get("changes") == "values"
    found = repo.show(segment(request, "rev"))
    parent = found.parents[0] if found.parents else EMPTY
    changes = repo.diff(parent, found.id, components=_VALUED if values else None)
    since = repo.since_parent(found)
    document = site.shapes.whole(found, changes, repo.signatures(found.id).signatures)
    if values:
        document["changes"] = {key: document["changes"][key] for key in _VALUES}
    more = {
        "numbered": found.numbered,
        "changed": [part.value for part in since.changed],
        "better": dict(since.better),
        "files": found.files,
        "bytes": found.size,
    }
    return answer({**document, **more})


def signatures(request: Request) -> Response:
    """Each signature of a version, checked now."""
    site = site_of(request)
    found = site.repo.signatures(segment(request, "rev"))
    return answer(
        {"ok": found.ok, "signatures": [site.shapes.signature(s) for s in found.signatures]}
    )


def lineage(request: Request) -> Response:
    """Where a version came from, and what came from it."""
    site = site_of(request)
    return answer(site.shapes.lineage(site.repo.lineage(segment(request, "rev"))))


def files(request: Request) -> Response:
    """Files of a version, by component and path."""
    site, asked = site_of(request), request.query_params
    listed = site.repo.ls(segment(request, "rev"), component=asked.get("component") or None)
    after = asked.get("after")
    if after is not None and not any(file.path == after for file in listed):
        raise Failure(f"there is no file {after}", kind="no-such-path")
    limit = limit_of(request, _FILES_ROWS)
    found = list(islice(listed, limit + 1))
    following = found[limit - 1].path if len(found) > limit else None
    return answer({"files": [site.shapes.file(f) for f in found[:limit]], "next": following})


# ---------------------------------------------------------------- bytes


def raw(request: Request) -> Response:
    """The bytes of a file, or a range of them."""
    repo, rev, path = site_of(request).repo, segment(request, "rev"), segment(request, "path")
    entry = repo.stat(path, rev)
    if entry.kind == "directory" or entry.recipe is None:
        raise Failure(f"{path} is a directory", kind="no-such-path", help=f"mvc ls {rev} {path}")
    name = path.rpartition("/")[2]
    headers = {
        "ETag": f'"{entry.recipe}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
        "Content-Type": _PICTURES.get(name.rpartition(".")[2].lower(), "application/octet-stream"),
    }
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    if wanted is not None and request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        wanted = None
    span = None if wanted is None else _span(wanted, entry.size)
    if span is None:
        return _sent(request, repo, path, rev, range(entry.size), headers, 200)
    if not span:
        headers["Content-Range"] = f"bytes */{entry.size}"
        return Response(status_code=416, headers=headers)
    headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{entry.size}"
    return _sent(request, repo, path, rev, span, headers, 206)


def _span(said: str, size: int) -> range | None:
    """The bytes that a Range header asks for; empty if there are none, None for what is to be ignored."""
    match = _RANGE.fullmatch(said.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return range(max(0, size - int(match[2])), size)
    start = int(match[1])
    if match[2] and int(match[2]) < start:
        return None
    stop = min(int(match[2]) + 1, size) if match[2] else size
    return range(start, stop) if start < size else range(0)


def _sent(
    request: Request,
    repo: Repo,
    path: str,
    rev: str,
    span: range,
    headers: dict[str, str],
    status: int,
) -> Response:
    headers["Content-Length"] = str(len(span))
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(_pieces(repo.open(path, rev), span), status, headers)


def _pieces(file: io.RawIOBase, span: range) -> Iterator[bytes]:
    with file:
        file.seek(span.start)
        left = len(span)
        while left:
            piece = file.read(min(left, _PIECE_BYTES))
            assert piece is not None
            if not piece:
                return  # a file that is shorter than it said ends the connection: Content-Length tells
            left -= len(piece)
            yield piece


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [
        Route("/api/v1/r/v/{rev}", version),
        Route("/api/v1/r/signatures/{rev}", signatures),
        Route("/api/v1/r/lineage/{rev}", lineage),
        Route("/api/v1/r/files/{rev}", files),
        Route("/api/v1/raw/{rev}/{path:path}", raw),
    ]
