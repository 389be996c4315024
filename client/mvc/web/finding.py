"""Routes that look for something in all of history: words, or the version that a file is of."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mvc.api.errors import UsageError
from mvc.api.search import Looked
from mvc.web.site import Json, answer, limit_of, site_of

PAGE_SECONDS = 0.5
"""Time after which an answer is sent with what was found; `next` goes on behind the last version looked at."""
_HITS_ROWS = 200
_MAX_CHARACTERS = 18


def search(request: Request) -> Response:
    """What has all words of `q`; or, with `size`, which versions have a file of this size and `sha256`."""
    site, asked = site_of(request), request.query_params
    size = asked.get("size")
    if size is not None and not (size.isdecimal() and len(size) <= _MAX_CHARACTERS):
        raise UsageError(f"size is {size!r}, and no number of bytes")
    looked_at = site.repo.mentions(
        asked.get("q", "").strip(),
        size=None if size is None else int(size),
        sha256=asked.get("sha256"),
        after=asked.get("cursor"),
    )
    hits: list[Json] = []
    count, following, limit = 0, None, limit_of(request, _HITS_ROWS)
    end = time.monotonic() + PAGE_SECONDS
    for looked in looked_at:
        count += 1
        hits += _hits(looked)
        if len(hits) >= limit or time.monotonic() > end:
            following = looked.version
            break
    return answer({"hits": hits, "looked": count, "next": following})


def _hits(looked: Looked) -> list[Json]:
    return [
        {
            "version": looked.version,
            "number": looked.number,
            "numbered": looked.numbered,
            "time": looked.time.isoformat(),
            "message": looked.message,
            "kind": found.kind,
            "what": found.what,
            "component": found.component,
        }
        for found in looked.found
    ]


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [Route("/api/v1/r/search", search)]
