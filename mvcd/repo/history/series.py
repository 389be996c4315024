"""Metrics over history, as lines to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mvcd.ids import VersionId
from mvcd.inspect.axes import STEPS
from mvcd.objects.glance import MISSING, Glance
from mvcd.repo.core.core import Core
from mvcd.repo.history.curve import history
from mvcd.repo.history.query.evaluate import known_keys, unknown_key, value_finder
from mvcd.repo.history.query.tree import Key
from mvcd.repo.history.search import Filter
from mvcd.repo.history.walk import ancestors

STEP_KEYS = (*STEPS, "train/global_step", "trainer/global_step", "_step", "train/epoch")
"""Keys that say how far training was, in the order in which they are looked for."""


@dataclass(frozen=True, slots=True)
class Point:
    version: VersionId
    number: int
    time_us: int
    step: float | None
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """One metric along one line of first parents, oldest first; versions without a number are left out."""

    metric: str
    rev: str
    points: tuple[Point, ...]


def series(
    core: Core,
    metrics: Sequence[str],
    revs: Sequence[str] = ("HEAD",),
    *,
    where: str | None = None,
    steps: bool = False,
) -> tuple[Series, ...]:
    """Reads metrics along the first parents of each of `revs`, oldest first.

    With `steps`, the points of a metric are those that the newest version's file has, where it has several, or
    where the versions do not say their steps themselves.

    Raises ExpressionError (kind "unknown-key") for a metric that none of the versions has.
    """
    found, keys = [], set[str]()
    lines = {rev: _line(core, rev, where) for rev in revs}
    passed = {rev: _steps(lines[rev]) for rev in revs}
    for metric in metrics:
        mine = [Series(metric, rev, _points(lines[rev], passed[rev], metric)) for rev in revs]
        if steps:
            mine = [_with_steps(core, one, lines[one.rev]) for one in mine]
        if not any(one.points for one in mine):
            keys = keys or {key for line in lines.values() for key in known_keys(line)}
            raise unknown_key(metric, Key(metric, 0, len(metric)), keys)
        found += [one for one in mine if one.points]
    return tuple(found)


def _line(core: Core, rev: str, where: str | None) -> list[Glance]:
    versions = ancestors(core, [core.resolve(rev)], first_parent=True)
    if where is not None:
        versions = Filter(core, where)(versions)
    return list(versions)[::-1]


def _steps(line: Sequence[Glance]) -> list[float | None]:
    """How far training was in each version."""
    finders = [value_finder(key) for key in STEP_KEYS]
    return [next((s for f in finders if (s := _number(f(v))) is not None), None) for v in line]


def _points(
    line: Sequence[Glance], steps: Sequence[float | None], metric: str
) -> tuple[Point, ...]:
    find = value_finder(metric)
    found = (
        (version, step, _number(find(version))) for version, step in zip(line, steps, strict=True)
    )
    return tuple(
        Point(version.id, version.generation, version.time_us, step, value)
        for version, step, value in found
        if value is not None
    )


def _with_steps(core: Core, found: Series, line: Sequence[Glance]) -> Series:
    newest = line[-1] if line else None
    within = history(core, core.version(newest.id), found.metric) if newest else ()
    alone = any(point.step is not None for point in found.points)
    if newest is None or len(within) < (2 if alone else 1):
        return found
    points = (
        Point(newest.id, newest.generation, newest.time_us, step, value)
        for step, number in within
        if (value := _number(number)) is not None
    )
    return replace(found, points=tuple(points))


def _number(value: object) -> float | None:
    """None also for NaN and infinities: there is nowhere to draw them."""
    if value is MISSING or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    number = float(value)
    return number if abs(number) < float("inf") else None
