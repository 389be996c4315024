"""Values that questions over history return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mvc.api.public import made_from
from mvc.api.results import Component, Value
from mvc.api.shown import Grid, Shown, labels
from mvc.api.versions import Version

__all__ = [
    "Bisection",
    "Blame",
    "ComparedColumn",
    "ComparedRow",
    "Comparison",
    "Extent",
    "ExtentPoint",
    "Looked",
    "Mention",
    "Point",
    "Series",
    "SinceParent",
    "Turning",
]


@dataclass(frozen=True, slots=True)
class ComparedColumn:
    """A column of a comparison. `kind`: "hyperparameter" or "metric". `differs`: not all rows agree."""

    key: str
    kind: str
    differs: bool


@made_from("version", version="version.id", number="version.generation")
@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One version in a comparison. `cells` go with the columns; None also stands for a missing value."""

    version: str
    number: int
    time: datetime
    author: str
    message: str
    refs: tuple[str, ...]
    cells: tuple[Value, ...]
    numbered: bool = True  # whether vN names it here


@dataclass(frozen=True, slots=True, repr=False)
class Comparison(Shown):
    """A table of versions. `columns`: the keys that differ, or those asked for; `hidden` counts the others."""

    columns: tuple[ComparedColumn, ...]
    rows: tuple[ComparedRow, ...]
    hidden: int
    alike: int = 0  # of the hidden ones, those that are alike in all versions

    def _brief(self) -> str:
        return f"of {len(self.rows)} versions in {len(self.columns)} columns"

    def _grid(self) -> Grid:
        about = ("number", "version", "time", "author", "message")
        named = labels(((column.kind, column.key) for column in self.columns), about)
        rows = [(r.number, r.version, r.time, r.author, r.message, *r.cells) for r in self.rows]
        return Grid(f"{len(rows)} versions compared", (*about, *named.values()), rows)


@dataclass(frozen=True, slots=True)
class ExtentPoint:
    """A value of a key, and the version that has it."""

    version: str
    number: int
    value: Value


@dataclass(frozen=True, slots=True)
class Extent:
    """The extent of the values of a key. `last` is the newest; `low` and `high` are the least and the greatest
    number, each of the oldest version that has it, None without a number; `best` is one of these where it is
    known which way is better. `versions` counts those that record the key; `differs`: not all agree."""

    key: str
    versions: int
    differs: bool
    last: ExtentPoint | None
    low: ExtentPoint | None
    high: ExtentPoint | None
    best: ExtentPoint | None


@dataclass(frozen=True, slots=True)
class SinceParent:
    """A version against its first parent, by their records alone. `better` has the metrics that moved and have
    a direction: whether they got better."""

    changed: tuple[Component, ...]
    better: Mapping[str, bool]


@made_from(version="entry")
@dataclass(frozen=True, slots=True)
class Blame:
    """The version that made `subject` what it is. `old` is None if it was not there before.

    `kind`: "path", "tensor", "hyperparameter" or "metric". For paths and tensors `old` and `new` describe the
    content. `unchanged` counts the versions since that left it alone. Without `certain` an earlier version may
    have made it so: what the parents have is not here, pruned or never fetched.
    """

    subject: str
    kind: str
    version: Version
    old: Value
    new: Value
    unchanged: int
    certain: bool = True


@made_from("state")
@dataclass(frozen=True, slots=True)
class Bisection:
    """State of a search. With `first_bad` it is over; else the workspace holds `testing`.

    `suspects`: one of these is the first bad version, but all that are left were skipped. `good`, `bad` and
    `skipped` are ids, `log` is what was said, such as "good 1f2e...", in order.
    """

    remaining: int
    testing: Version | None
    first_bad: Version | None
    suspects: tuple[Version, ...]
    start: str
    bad: str | None
    good: tuple[str, ...]
    skipped: tuple[str, ...]
    log: tuple[str, ...]

    @property
    def steps(self) -> int:
        """Number of answers that are still needed, approximately."""
        return max(0, (self.remaining - 1).bit_length())


@dataclass(frozen=True, slots=True)
class Turning:
    """The change of a condition: it became true in `first`, and was not yet true in `before`.

    `unknown` versions between the two lack what the condition asks for; `later` counts how often it became
    untrue again; `asked` versions could be asked.
    """

    first: Version | None
    before: Version | None
    unknown: int
    later: int
    asked: int


@dataclass(frozen=True, slots=True)
class Mention:
    """Something in a version that has what was looked for.

    `kind`: "version" (its id or number), "message", "name", "annotation", "metric", "hyperparameter", "path",
    "tensor", "content" (a file with these bytes). `what` is the text, name, key or path; files and tensors have
    their component.
    """

    kind: str
    what: str
    component: str | None


@dataclass(frozen=True, slots=True)
class Looked:
    """A version that was looked at, and what was `found` in it: mostly nothing."""

    version: str
    number: int
    time: datetime
    message: str
    found: tuple[Mention, ...]
    numbered: bool = True  # whether vN names it here


@dataclass(frozen=True, slots=True)
class Point:
    """One version on a line. `step` is what it records as step, global_step, iteration or epoch."""

    version: str
    number: int
    time: datetime
    step: float | None
    value: float


@dataclass(frozen=True, slots=True, repr=False)
class Series(Shown):
    """One metric along one line of history, oldest first."""

    metric: str
    rev: str
    points: tuple[Point, ...]

    def _brief(self) -> str:
        count = len(self.points)
        if not count:
            return f"{self.metric} of {self.rev}: no points"
        first, last = self.points[0].value, self.points[-1].value
        return f"{self.metric} of {self.rev}: {count} points, {first:.6g} to {last:.6g}"

    def _grid(self) -> Grid:
        rows = [
            (self.rev, self.metric, p.number, p.version, p.time, p.step, p.value)
            for p in self.points
        ]
        columns = ("rev", "metric", "number", "version", "time", "step", "value")
        return Grid(f"{self.metric} of {self.rev}", columns, rows)
