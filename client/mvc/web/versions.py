"""Routes about many versions: pages of them, their names and keys, series and comparisons."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mvc.api.errors import Failure, UsageError
from mvc.api.metric_names import held_out_first, is_axis, ranked, without_copies
from mvc.api.repo import Repo
from mvc.api.search import Point, Series
from mvc.api.versions import Version
from mvc.web.site import Json, Site, answer, limit_of, site_of

PAGE_ROWS = 100
_AUTO_METRICS = 4
_AUTO_SETTINGS_KEYS = 2
_SERIES_ROWS = 10_000
_WAITING_WALKS = 8
MAX_COMPARED_VERSIONS = 100
_KEYS_ROWS = 200


@dataclass(frozen=True, slots=True)
class Question:
    """What a list of versions is asked for."""

    where: str | None
    all_refs: bool
    sort: str | None

    @classmethod
    def of(cls, request: Request) -> Question:
        """The query's."""
        asked = request.query_params
        return cls(
            asked.get("where", "").strip() or None,
            asked.get("all") == "1",
            asked.get("sort") or None,
        )

    def ask(self, repo: Repo) -> Iterator[Version]:
        """Raises ExpressionError, UsageError, Failure."""
        if self.sort is None:
            return repo.find(self.where, all_refs=self.all_refs)
        lowest = self.sort.startswith("-")
        everything = 1 << 40
        return repo.find(
            self.where, all_refs=self.all_refs, best=self.sort.removeprefix("-"), lowest=lowest,
            limit=everything,
        )  # fmt: skip


class Walks:
    """Walks that wait for their next page, by what was asked and the last row that was given."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: OrderedDict[tuple[Question, str], Iterator[Version]] = OrderedDict()

    def page(
        self, repo: Repo, question: Question, cursor: str | None, limit: int
    ) -> tuple[list[Version], str | None]:
        """The rows after `cursor` and the cursor after them. Raises Failure(kind="no-cursor")."""
        walk = question.ask(repo) if cursor is None else self._behind(repo, question, cursor)
        rows = list(islice(walk, limit))
        if len(rows) < limit:
            return rows, None
        following = rows[-1].id
        with self._lock:
            self._waiting[question, following] = walk
            while len(self._waiting) > _WAITING_WALKS:
                self._waiting.popitem(last=False)
        return rows, following

    def _behind(self, repo: Repo, question: Question, cursor: str) -> Iterator[Version]:
        with self._lock:
            walk = self._waiting.pop((question, cursor), None)
        if walk is not None:
            return walk
        walk = question.ask(repo)
        if any(version.id == cursor for version in walk):
            return walk
        raise Failure(
            "the version that the page ended with is not there any more", kind="no-cursor"
        )


class RecordedKeys:
    """The keys that versions record, counted once for each state of the repository: that reads all records."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[bool, tuple[int, dict[tuple[str, str], int]]] = {}

    def of(self, repo: Repo, *, all_refs: bool) -> dict[tuple[str, str], int]:
        """Kind and key, with the number of versions that record it."""
        newest = next((operation.number for operation in repo.operations(limit=1)), 0)
        with self._lock:
            if (known := self._found.get(all_refs)) is None or known[0] != newest:
                known = self._found[all_refs] = newest, repo.recorded(all_refs=all_refs)
            return known[1]


def chosen_columns(rows: Sequence[Version]) -> tuple[str, ...]:
    """At most six keys that say most: metrics of the newest row with a direction, then settings that differ."""
    if not rows:
        return ()
    newest = next((row for row in rows if row.metrics), rows[0])
    every = held_out_first(ranked(without_copies(newest.metrics)))
    metrics = [key for key in every if not is_axis(key)][:_AUTO_METRICS] or every[:1]
    settings = [
        key
        for key in newest.hyperparameters
        if len({repr(row.hyperparameters.get(key)) for row in rows}) > 1
    ]
    plain = [key for key in settings if ":" not in key and key not in metrics]
    return (*metrics, *plain[:_AUTO_SETTINGS_KEYS])


def row_of(site: Site, version: Version, columns: Sequence[str] | None) -> Json:
    """A version as a row; with `columns` only these of its values."""
    since = site.repo.since_parent(version, columns)
    if columns is not None:
        kept = set(columns)
        version = replace(
            version,
            metrics={k: v for k, v in version.metrics.items() if k in kept},
            hyperparameters={k: v for k, v in version.hyperparameters.items() if k in kept},
        )
    return {
        **site.shapes.version(version),
        "numbered": version.numbered,
        "changed": [part.value for part in since.changed],
        "better": dict(since.better),
        "files": version.files,
        "bytes": version.size,
    }


def versions(request: Request) -> Response:
    """A page of versions."""
    site, asked = site_of(request), request.query_params
    rows, following = site.walks.page(
        site.repo, Question.of(request), asked.get("cursor"), limit_of(request, PAGE_ROWS)
    )
    said = asked.get("columns")
    if said is None:
        columns = None
    else:
        columns = chosen_columns(rows) if said == "auto" else tuple(filter(None, said.split(",")))
    return answer(
        {
            "versions": [row_of(site, row, columns) for row in rows],
            "columns": columns,
            "next": following,
        }
    )


def names(request: Request) -> Response:
    """Names of versions, by id, and where HEAD is."""
    repo = site_of(request).repo
    head = repo.head
    return answer(
        {
            "head": {"ref": head.branch, "version": head.version, "number": head.number},
            "names": {id: list(found) for id, found in repo.names().items()},
        }
    )


def keys(request: Request) -> Response:
    """Keys that versions record, those with the words of `q` in them, the most common first."""
    site, words = site_of(request), request.query_params.get("q", "").lower().split()
    found = site.keys.of(site.repo, all_refs=request.query_params.get("all") == "1")
    fitting = [
        (kind, key, count)
        for (kind, key), count in found.items()
        if all(word in key.lower() for word in words)
    ]
    rank = {key: at for at, key in enumerate(held_out_first(ranked(k for _, k, _ in fitting)))}
    fitting.sort(key=lambda row: (row[0] != "metric", rank[row[1]]))
    return answer(
        {
            "total": len(fitting),
            "keys": [
                {"key": key, "kind": kind, "versions": count}
                for kind, key, count in fitting[: limit_of(request, _KEYS_ROWS)]
            ],
        }
    )


def thinned(points: Sequence[Point], most: int) -> tuple[Point, ...]:
    """At most about `most` points: of each stretch the least and the greatest, so that no peak is lost."""
    if len(points) <= most:
        return tuple(points)
    size = max(2, 2 * len(points) // most)
    kept: list[Point] = []
    for start in range(0, len(points), size):
        part = range(start, min(start + size, len(points)))
        ends = {min(part, key=lambda i: points[i].value), max(part, key=lambda i: points[i].value)}
        kept += [points[i] for i in sorted(ends)]
    return tuple(kept)


def series(request: Request) -> Response:
    """Lines of metrics along revs."""
    site, asked = site_of(request), request.query_params
    metrics = asked.getlist("metric")
    if not metrics:
        raise UsageError("no metric was named", help="?metric=KEY")
    found = site.repo.series(
        *metrics, revs=asked.getlist("rev") or ("HEAD",), where=asked.get("where") or None,
        steps=asked.get("steps") == "1",
    )  # fmt: skip
    said = asked.get("limit", "")
    most = int(said) if said.isdecimal() and int(said) else _SERIES_ROWS
    thin: tuple[Series, ...] = tuple(replace(s, points=thinned(s.points, most)) for s in found)
    return answer({"series": site.shapes.series(thin)})


def compare(request: Request) -> Response:
    """Versions side by side."""
    site, asked = site_of(request), request.query_params
    revs = asked.getlist("v")
    if not revs:
        raise UsageError("no version was named", help="?v=v3&v=v7")
    if len(revs) > MAX_COMPARED_VERSIONS:
        raise UsageError(f"more than {MAX_COMPARED_VERSIONS} versions were named")
    found = site.repo.compare(*revs, every_column=asked.get("full") == "1")
    return answer(site.shapes.comparison(found))


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [
        Route("/api/v1/r/versions", versions),
        Route("/api/v1/r/names", names),
        Route("/api/v1/r/keys", keys),
        Route("/api/v1/r/series", series),
        Route("/api/v1/r/compare", compare),
    ]
