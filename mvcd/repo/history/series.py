"""What versions record, over history: metrics as lines to draw, and how far values reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mvcd.ids import VersionId
from mvcd.inspect.axes import STEPS
from mvcd.inspect.direction import Direction
from mvcd.objects.glance import MISSING, Glance
from mvcd.objects.version import Value
from mvcd.repo.core.core import Core
from mvcd.repo.history.curve import history
from mvcd.repo.history.history import heads
from mvcd.repo.history.query.evaluate import known_keys, unknown_key, value_finder
from mvcd.repo.history.query.tree import Key
from mvcd.repo.history.search import Filter
from mvcd.repo.history.walk import ancestors
from mvcd.repo.workspace.settings import current, metric_rules

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


# -------------------------------------------------------------------- how far values reach


@dataclass(frozen=True, slots=True)
class ExtentPoint:
    """A value, and the version that has it."""

    version: VersionId
    number: int
    value: Value


@dataclass(slots=True)
class Extent:
    """`last`: the newest value; `low` and `high`: the least and the greatest number, the oldest of equal ones;
    None without one, NaN left out. `best` is one of the two where it is known which way is better. `versions`
    counts those that record the key, `differs` says whether their values do."""

    key: str
    versions: int = 0
    differs: bool = False
    last: ExtentPoint | None = None
    low: ExtentPoint | None = None
    high: ExtentPoint | None = None
    best: ExtentPoint | None = None

    def add(self, point: ExtentPoint) -> None:
        """Takes in the next older version."""
        value = point.value
        self.versions += 1
        if self.last is None:
            self.last = point
        elif repr(value) != repr(self.last.value):
            self.differs = True
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:  # noqa: PLR0124
            return
        if self.low is None or value <= self.low.value:  # type: ignore[operator]
            self.low = point
        if self.high is None or value >= self.high.value:  # type: ignore[operator]
            self.high = point


def extents(
    core: Core,
    keys: Sequence[str],
    rev: str = "HEAD",
    *,
    where: str | None = None,
    all_refs: bool = False,
) -> tuple[Extent, ...]:
    """Finds the extent of each of `keys`, over the ancestors of `rev`, or of all refs, that fulfil `where`.
    Reads records alone.

    Raises ExpressionError.
    """
    versions = ancestors(core, heads(core, rev, all_refs=all_refs))
    if where is not None:
        versions = Filter(core, where)(versions)
    found = [(Extent(key), value_finder(key)) for key in keys]
    for version in versions:
        for extent, find in found:
            value = find(version)
            if value is not MISSING:
                extent.add(ExtentPoint(version.id, version.generation, value))  # type: ignore[arg-type]
    rules = metric_rules(current(core))
    for extent, _ in found:
        match rules.direction(extent.key):
            case Direction.LOWER:
                extent.best = extent.low
            case Direction.HIGHER:
                extent.best = extent.high
    return tuple(extent for extent, _ in found)
