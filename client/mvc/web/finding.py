"""Routes that look for something in all of history: words, or the version that a file is of."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mvc.api.errors import UsageError
from mvc.api.repo import Repo
from mvc.api.search import Looked
from mvc.web.site import Json, answer, limit_of, site_of

PAGE_SECONDS = 0.5
"""Time after which an answer is sent with what was found; `next` goes on behind the last version looked at."""
_HITS_ROWS = 200
_MAX_CHARACTERS = 18


class Inquiry(NamedTuple):
    """What a request looks for: all words of `text`, or a file of `size` bytes with this `sha256`."""

    text: str
    size: int | None
    sha256: str | None

    @classmethod
    def of(cls, request: Request) -> Inquiry:
        """Raises UsageError for what is no number of bytes."""
        asked = request.query_params
        size = asked.get("size")
        if size is not None and not (size.isdecimal() and len(size) <= _MAX_CHARACTERS):
            raise UsageError(f"size is {size!r}, and no number of bytes")
        number = None if size is None else int(size)
        return cls(asked.get("q", "").strip(), number, asked.get("sha256"))

    @property
    def nothing(self) -> bool:
        return not self.text and self.size is None

    def within(self, repo: Repo, after: str | None) -> Iterator[Looked]:
        """Raises what `Repo.mentions` raises."""
        return repo.mentions(self.text, size=self.size, sha256=self.sha256, after=after)


class FoundPage:
    """An answer while it is made: its `hits`, and how many versions were `looked` at."""

    def __init__(self, request: Request) -> None:
        """The request says how many hits are enough. Raises UsageError."""
        self.hits: list[Json] = []
        self.looked = 0
        self._limit = limit_of(request, _HITS_ROWS)
        self._end = time.monotonic() + PAGE_SECONDS

    @property
    def full(self) -> bool:
        """Whether there are enough hits, or the time is over."""
        return len(self.hits) >= self._limit or time.monotonic() > self._end

    def fill(self, versions: Iterable[Looked], **more: str) -> str | None:
        """Takes the hits of versions, each with the fields `more`, until the page is full. Returns the version
        to go on behind, None where all were looked at."""
        for looked in versions:
            self.looked += 1
            self.hits += ({**more, **hit} for hit in _hits(looked))
            if self.full:
                return looked.version
        return None


def search(request: Request) -> Response:
    """Looks through the versions of a repository, behind those of the cursor."""
    inquiry, page = Inquiry.of(request), FoundPage(request)
    cursor = request.query_params.get("cursor")
    following = page.fill(inquiry.within(site_of(request).repo, cursor))
    return answer({"hits": page.hits, "looked": page.looked, "next": following})


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
