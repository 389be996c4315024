"""The bytes of a file at a revision: HEAD and GET, whole or in ranges."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mvcd.hub.digested import etag
from mvcd.hub.filestream import FileAnswer, asked_range
from mvcd.hub.lookups import asked, no_such_entry
from mvcd.hub.repoids import sha_of
from mvcd.hub.site import HubSite


def routes(site: HubSite) -> list[Route]:
    def resolve(request: Request) -> Response:
        found = asked(site, request)
        id, path = found.version(request.path_params["rev"]), request.path_params["path"]
        placed = found.files(id).find(path)
        if placed is None:
            raise no_such_entry(path, id)
        digest, large = etag(found, placed)
        headers = {
            "etag": f'"{digest}"',
            "x-repo-commit": sha_of(id),
            "content-type": "application/octet-stream" if large else "text/plain; charset=utf-8",
            "content-disposition": _disposition(path),
            "x-content-type-options": "nosniff",
            "cache-control": "private, no-cache",
        }
        if large:
            headers |= {"x-linked-etag": f'"{digest}"', "x-linked-size": str(placed.entry.size)}
        if headers["etag"] in _tags(request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers={"etag": headers["etag"]})
        wanted = request.headers.get("range")
        if request.headers.get("if-range", headers["etag"]) != headers["etag"]:
            wanted = None
        try:
            part = asked_range(wanted, placed.entry.size) if request.method == "GET" else None
        except ValueError:
            return Response(
                status_code=416, headers={"content-range": f"bytes */{placed.entry.size}"}
            )
        return FileAnswer(found, placed.entry, headers, part, head=request.method == "HEAD")

    rest = "{repo:hubrepo}/resolve/{rev:hubrev}/{path:hubpath}"
    return [
        Route(f"/{{kind:hubkind}}/{rest}", resolve),
        Route(
            "/api/resolve-cache/{kind:hubkind}/{repo:hubrepo}/{rev:hubrev}/{path:hubpath}",
            resolve,
        ),
        Route(f"/{rest}", resolve),
    ]


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def _disposition(path: str) -> str:
    """The name under which a browser keeps the file (RFC 6266)."""
    name = path.rpartition("/")[2]
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
