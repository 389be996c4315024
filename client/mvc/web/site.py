"""What all routes share: the repository that a request is about, and how its values are written as JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from mvc.api.errors import UsageError

if TYPE_CHECKING:
    from mvc.api.card import Card
    from mvc.api.diff import Diff
    from mvc.api.diskuse import DiskUse
    from mvc.api.lineage import Lineage
    from mvc.api.pruning import PruneResult
    from mvc.api.repo import Repo
    from mvc.api.results import Listed, Operation
    from mvc.api.search import Comparison, Series
    from mvc.api.signatures import SignatureStatus
    from mvc.api.stages import ChainReport, CheckedRequirement, StageRecord
    from mvc.api.versions import Version
    from mvc.api.weights import TensorDiff, TensorStatistics
    from mvc.web.remembered import Remembered
    from mvc.web.walks import Walks

Json = dict[str, Any]
ACTIONS = ("undo", "tag", "annotate", "promote", "rollback", "prune")
"""What a person may do with their own repository."""
MAX_BODY_BYTES = 1 << 20
"""An annotation has 24 KiB at most; nothing else that is sent is longer."""
MAX_LIMIT_ROWS = 1000
"""Rows that one answer has at most, whatever was asked."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """How values become JSON: the command line's documents, which it hands in."""

    version: Callable[[Version], Json]
    whole: Callable[[Version, Diff, tuple[SignatureStatus, ...]], Json]
    signature: Callable[[SignatureStatus], Json]
    diff: Callable[[Diff, bool], Json]
    markdown: Callable[[Repo, Diff], Iterable[str]]
    tensor: Callable[[TensorDiff], Json]
    statistics: Callable[[TensorStatistics], Json]
    file: Callable[[Listed], Json]
    lineage: Callable[[Lineage], Json]
    comparison: Callable[[Comparison], Json]
    series: Callable[[tuple[Series, ...]], list[Json]]
    operation: Callable[[Operation], Json]
    stage: Callable[[StageRecord], Json]
    requirement: Callable[[CheckedRequirement], Json]
    chain: Callable[[ChainReport], Json]
    disk_use: Callable[[DiskUse], Json]
    pruned: Callable[[PruneResult], Json]
    card: Callable[[Card], Json]
    account: Callable[[Any], Json]
    """What accounts and audit logs consist of."""
    watched: Callable[[str], Json]
    """State of the daemon for the workspace at a path. Raises DaemonError."""


@dataclass(slots=True)
class Server:
    """What all sites of one server share."""

    shapes: Shapes
    measuring: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(1))
    """Held while data is read for figures: a second reading would only halve the speed of the first."""
    ending: bool = False
    """Whether the server ends, and streams with it."""


@dataclass(slots=True)
class Site:
    """One repository, for one person. `writing` is held by the action under way; readers need nothing. `walks`
    and `remembered` are what was begun or found out for the same person before. `can`: actions that may be
    tried."""

    repo: Repo
    server: Server
    walks: Walks
    remembered: Remembered
    can: Sequence[str] = ACTIONS
    writing: threading.Lock = field(default_factory=threading.Lock)
    may_go_on: Callable[[], None] = lambda: None
    """Raises MvcError once a stream must end, since whoever reads it may not any more."""
    stream_seconds: float | None = None
    """How long a stream of figures may last."""

    @property
    def shapes(self) -> Shapes:
        return self.server.shapes

    @property
    def measuring(self) -> threading.Semaphore:
        return self.server.measuring

    @property
    def ending(self) -> bool:
        return self.server.ending


def put_site(scope: MutableMapping[str, Any], site: Site) -> None:
    """Says what a request is about, before its route is looked for."""
    scope.setdefault("state", {})["site"] = site


def site_of(request: Request) -> Site:
    """The site that a request is made to."""
    found: Site = request.state.site
    return found


def answer(
    document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """One JSON document, its schema first."""
    text = json.dumps({"schema_version": 1, **document}, allow_nan=False, separators=(",", ":"))
    return Response(text, status, headers, "application/json")


def segment(request: Request, name: str) -> str:
    """A part of the path, which was matched as it was sent."""
    return unquote(request.path_params[name], errors="strict")


def limit_of(request: Request, usual: int) -> int:
    """The query's `limit`. Raises UsageError for what is no number above 0."""
    said = request.query_params.get("limit")
    if said is None:
        return usual
    if not said.isdecimal() or not int(said):
        raise UsageError(f"limit is {said!r}, and not a number above 0")
    return min(int(said), MAX_LIMIT_ROWS)


async def body_of(request: Request, **kinds: type | tuple[type, ...]) -> Json:
    """The JSON object that came, with no other fields than these. Raises UsageError."""
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > MAX_BODY_BYTES:
            raise UsageError(f"the request's body has more than {MAX_BODY_BYTES:,} bytes")
    try:
        found = json.loads(data)
        json.dumps(found, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except ValueError as error:
        raise UsageError("the request's body is no JSON", cause=str(error)) from None
    if not isinstance(found, dict):
        raise UsageError("the request's body is no JSON object")
    for name, value in found.items():
        if name not in kinds or not isinstance(value, kinds[name]):
            raise UsageError(f"{name} is unknown, or of another type")
    return found
