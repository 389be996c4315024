"""Metrics over versions in little room: a point is the place of its version, a step, a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from mvc.api.errors import ExpressionError
from mvc.api.search import Series
from mvc.web.site import Json, Site
from mvc.web.values import thinned

MAX_LINES = 20
"""Names whose lines are kept besides that of HEAD."""
_MAX_VALUES = 2_000


def lines(
    site: Site, metrics: Iterable[str], names: Sequence[str], places: Mapping[str, int]
) -> Iterator[tuple[str, Json]]:
    """Each metric with its `lines` over versions and its `steps`, by name; of versions in `places` alone."""
    asked = list(metrics)
    along = _by_metric(
        site, _series(site, asked, ("HEAD", *names[:MAX_LINES]), steps=False), places
    )
    steps = _by_metric(site, _series(site, asked, ("HEAD",), steps=True), places)
    for metric in sorted(along.keys() | steps.keys()):
        yield metric, {"lines": along.get(metric, {}), "steps": steps.get(metric, {})}


def _series(
    site: Site, metrics: Sequence[str], revs: Sequence[str], *, steps: bool
) -> tuple[Series, ...]:
    """Metrics that none of these lines has are left out: they are of versions beside them."""
    known = list(metrics)
    while known:
        try:
            return site.repo.series(*known, revs=revs, steps=steps)
        except ExpressionError as error:
            known.remove(error.expression)
    return ()


def _by_metric(site: Site, found: Iterable[Series], places: Mapping[str, int]) -> dict[str, Json]:
    kept: dict[str, Json] = {}
    for one in found:
        here = [point for point in one.points if point.version in places]
        (document,) = site.shapes.series((replace(one, points=thinned(here, _MAX_VALUES)),))
        kept.setdefault(one.metric, {})[one.rev] = [
            [places[point["version"]], point["step"], point["value"]]
            for point in document["points"]
        ]
    return kept
