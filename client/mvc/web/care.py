"""Routes about bytes: what takes how many, what is largest, what collection and retention would free."""

from __future__ import annotations

from heapq import nlargest

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mvc.api.diskuse import DiskUse
from mvc.api.errors import Failure, MvcError
from mvc.web.site import Json, Site, answer, limit_of, segment, site_of
from mvc.web.tensors import tensor_document, tensors_of

_LARGEST_ROWS = 12


def _disk_use(request: Request) -> DiskUse:
    site = site_of(request)
    return site.remembered.of(site.repo, "storage", site.repo.disk_use)


def storage(request: Request) -> Response:
    """What takes which bytes."""
    return answer(site_of(request).shapes.disk_use(_disk_use(request)))


def stored(request: Request) -> Response:
    """Bytes that each version brought, and those that go with it alone, by id."""
    found = _disk_use(request).versions
    return answer({"versions": {one.version: [one.stored, one.unique] for one in found}})


def largest(request: Request) -> Response:
    """The largest files and tensors of a version."""
    site, rev = site_of(request), segment(request, "rev")
    rows = limit_of(request, _LARGEST_ROWS)
    files = nlargest(rows, site.repo.ls(rev), key=lambda file: file.size)
    tensors = nlargest(rows, tensors_of(site.repo, rev).items(), key=lambda pair: pair[1].new.size)  # type: ignore[union-attr]
    return answer(
        {
            "files": [site.shapes.file(file) for file in files],
            "tensors": [tensor_document(label, one) for label, one in tensors],
        }
    )


def freeable(request: Request) -> Response:
    """What `mvc gc` and `mvc prune` would free now. Changes nothing."""
    site = site_of(request)
    return answer(site.remembered.of(site.repo, "freeable", lambda: _freeable(site)))


def _freeable(site: Site) -> Json:
    collected = site.repo.gc(dry_run=True)
    gc = {"objects": collected.objects, "bytes_freed": collected.freed_bytes}
    try:
        pruned: Json = site.shapes.pruned(site.repo.prune(dry_run=True))
    except Failure as error:
        pruned = _why_not(error)
    return {"gc": gc, "prune": pruned}


def _why_not(error: MvcError) -> Json:
    return {"kind": error.kind, "message": str(error), "cause": error.cause, "help": error.help}


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [
        Route("/api/v1/r/storage", storage),
        Route("/api/v1/r/stored", stored),
        Route("/api/v1/r/largest/{rev}", largest),
        Route("/api/v1/r/freeable", freeable),
    ]
