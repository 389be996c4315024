"""How far a key's values reach over many versions: the newest, the least, the greatest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mvcd.ids import VersionId
from mvcd.inspect.direction import Direction
from mvcd.objects.glance import MISSING
from mvcd.objects.version import Value
from mvcd.repo.core.core import Core
from mvcd.repo.history.history import heads
from mvcd.repo.history.query.evaluate import value_finder
from mvcd.repo.history.search import Filter
from mvcd.repo.history.walk import ancestors
from mvcd.repo.workspace.settings import current, metric_rules


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
    """Of each of `keys`, over the ancestors of `rev`, or of all refs, that fulfil `where`. Reads records alone.

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
