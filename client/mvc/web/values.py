"""Routes about what versions record: keys, lines, how far values reach, comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mvc.api.errors import UsageError
from mvc.api.metric_names import held_out_first, ranked
from mvc.api.search import Extent, ExtentPoint, Point
from mvc.web.site import Json, answer, limit_of, site_of

_SERIES_ROWS = 10_000
_KEYS_ROWS = 200
MAX_COMPARED_VERSIONS = 100
_EXTENT_KEYS = 64
"""Keys whose extents one request may ask for."""


def keys(request: Request) -> Response:
    """Keys that versions record, those with the words of `q` in them, the most common first."""
    site, words = site_of(request), request.query_params.get("q", "").lower().split()
    every = request.query_params.get("all") == "1"
    found = site.remembered.of(
        site.repo, ("keys", every), lambda: site.repo.recorded(all_refs=every)
    )
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
    said = asked.get("limit", "")
    most = int(said) if said.isdecimal() and int(said) else _SERIES_ROWS
    revs, where = asked.getlist("rev") or ["HEAD"], asked.get("where") or None
    steps = asked.get("steps") == "1"

    def find() -> list[Json]:
        found = site.repo.series(*metrics, revs=revs, where=where, steps=steps)
        return site.shapes.series(
            tuple(replace(one, points=thinned(one.points, most)) for one in found)
        )

    question = ("series", *metrics, None, *revs, None, where, steps, most)
    return answer({"series": site.remembered.of(site.repo, question, find)})


def extents(request: Request) -> Response:
    """The newest, the least, the greatest and the best value of keys, over the versions that a list shows."""
    site, asked = site_of(request), request.query_params
    keys = asked.getlist("key")
    if not keys or len(keys) > _EXTENT_KEYS:
        raise UsageError(f"name 1 to {_EXTENT_KEYS} keys", help="?key=KEY&key=KEY")
    where, every = asked.get("where", "").strip() or None, asked.get("all") == "1"
    found = site.remembered.of(
        site.repo, ("extents", *keys, None, where, every),
        lambda: site.repo.extents(*keys, where=where, all_refs=every),
    )  # fmt: skip
    return answer({"extents": [_extent(one) for one in found]})


def _extent(extent: Extent) -> Json:
    def value(point: ExtentPoint | None) -> Json | None:
        """NaN and infinities, which JSON does not know, as text."""
        if point is None:
            return None
        plain = point.value
        odd = isinstance(plain, float) and not abs(plain) < float("inf")
        return {**asdict(point), "value": str(plain) if odd else plain}

    places = {name: value(getattr(extent, name)) for name in ("last", "low", "high", "best")}
    return {"key": extent.key, "versions": extent.versions, "differs": extent.differs, **places}


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
        Route("/api/v1/r/keys", keys),
        Route("/api/v1/r/series", series),
        Route("/api/v1/r/extents", extents),
        Route("/api/v1/r/compare", compare),
    ]
