"""Many versions in one table: hyperparameters and metrics by key, those that differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mvcd.errors import UsageError
from mvcd.inspect.axes import is_axis, is_same_figure, short_name
from mvcd.objects.glance import MISSING, Glance
from mvcd.objects.version import Value
from mvcd.repo.core.core import Core
from mvcd.repo.history.history import names_by_version
from mvcd.repo.history.query.evaluate import known_keys, unknown_key, value_finder
from mvcd.repo.history.query.tree import Key
from mvcd.repo.history.search import Filter
from mvcd.repo.history.subject import SubjectKind
from mvcd.repo.history.walk import selected
from mvcd.repo.versions.numbers import Numbers


@dataclass(frozen=True, slots=True)
class ComparedColumn:
    key: str
    kind: SubjectKind  # HYPERPARAMETER or METRIC
    differs: bool


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """`cells` go with the columns; None also stands for what a version does not have."""

    version: Glance
    refs: tuple[str, ...]
    cells: tuple[Value, ...]
    numbered: bool = True  # whether vN names it here


@dataclass(frozen=True, slots=True)
class Comparison:
    """`columns` are those asked for, or those that differ but for steps and what other columns say too;
    `hidden` counts the others, `alike` those of them that are alike in all versions."""

    columns: tuple[ComparedColumn, ...]
    rows: tuple[ComparedRow, ...]
    hidden: int
    alike: int = 0


def compare_versions(
    core: Core,
    revs: Sequence[str] = (),
    *,
    branches: Sequence[str] = (),
    all_refs: bool = False,
    where: str | None = None,
    sort: str | None = None,
    reverse: bool = False,
    columns: Sequence[str] = (),
    every_column: bool = False,
) -> Comparison:
    """Puts any number of versions into one table.

    In the order given, unless sorted: by a key, numbers ascending, then text, then what has none. Raises
    UsageError where no version is named.
    """
    _require_some(revs, branches, all_refs)
    found = list(selected(core, revs, branches=branches, all_refs=all_refs))
    if where is not None:
        found = list(Filter(core, where)(found))
    if sort is not None:
        found = _sorted(found, sort, reverse)
    values = [(dict(version.hyperparameters()), dict(version.metrics())) for version in found]
    known = _columns(values)
    main = [column for column in known if column.differs and not _is_minor(column, values)]
    shown = _chosen(known, main, columns, every_column or len(found) == 1) if found else []
    names, numbers = names_by_version(core), Numbers(core)
    places = [(column.kind is SubjectKind.METRIC, column.key) for column in shown]
    rows = [
        ComparedRow(
            version,
            tuple(names.get(version.id, ())),
            tuple(mine[area].get(key) for area, key in places),
            numbers.names(version.id, version.generation),
        )
        for version, mine in zip(found, values, strict=True)
    ]
    alike = sum(not column.differs for column in known if column not in shown)
    return Comparison(tuple(shown), tuple(rows), len(known) - len(shown), alike)


def _columns(
    rows: Sequence[tuple[Mapping[str, Value], Mapping[str, Value]]],
) -> list[ComparedColumn]:
    """Hyperparameters, then metrics, each in the order in which they appear."""
    found = []
    for area, kind in enumerate((SubjectKind.HYPERPARAMETER, SubjectKind.METRIC)):
        tables = [row[area] for row in rows]
        for key in dict.fromkeys(key for table in tables for key in table):
            first = tables[0].get(key, MISSING)
            agree = all(_same(first, table.get(key, MISSING)) for table in tables)
            found.append(ComparedColumn(key, kind, not agree))
    return found


def _same(a: Value | object, b: Value | object) -> bool:
    """True is not 1, and one NaN is like another."""
    return a is b or (a == b and type(a) is type(b)) or (a != a and b != b)  # noqa: PLR0124


def _is_minor(
    column: ComparedColumn, rows: Sequence[tuple[Mapping[str, Value], Mapping[str, Value]]]
) -> bool:
    """Whether a metric counts steps, or a column stands apart as `path:name` and repeats the short one."""
    metric = column.kind is SubjectKind.METRIC
    key, short = column.key, short_name(column.key)
    tables = [row[metric] for row in rows]
    copies = (is_same_figure(t.get(key, MISSING), t.get(short, MISSING)) for t in tables)
    return (metric and is_axis(key)) or (short != key and all(copies))


def _chosen(
    known: Sequence[ComparedColumn],
    main: Sequence[ComparedColumn],
    wanted: Sequence[str],
    every: bool,
) -> list[ComparedColumn]:
    if every and not wanted:
        return list(known)
    if not wanted:
        return list(main)
    chosen: list[ComparedColumn] = []
    for glob in wanted:
        matching = [column for column in known if _named(column, glob)]
        if not matching:
            raise unknown_key(glob, Key(glob, 0, len(glob)), [column.key for column in known])
        chosen += [column for column in matching if column not in chosen]
    return chosen


def _named(column: ComparedColumn, glob: str) -> bool:
    area = "metrics." if column.kind is SubjectKind.METRIC else "params."
    return fnmatchcase(column.key, glob) or fnmatchcase(area + column.key, glob)


def _sorted(versions: list[Glance], key: str, reverse: bool) -> list[Glance]:
    """Versions without a value, or NaN, come last either way."""
    fields = {
        "version": lambda v: v.generation, "generation": lambda v: v.generation,
        "time": lambda v: v.time_us, "date": lambda v: v.time_us,
        "author": lambda v: v.author, "message": lambda v: v.message,
    }  # fmt: skip
    find = fields.get(key) or value_finder(key)
    pairs = [(find(version), version) for version in versions]
    if versions and all(value is MISSING for value, _ in pairs):
        raise unknown_key(key, Key(key, 0, len(key)), known_keys(versions))
    ranked = [(rank, version) for value, version in pairs if (rank := _rank(value)) is not None]
    ranked.sort(key=lambda pair: pair[0], reverse=reverse)
    return [v for _, v in ranked] + [v for value, v in pairs if _rank(value) is None]


def _rank(value: Value | object) -> tuple[int, float, str] | None:
    if isinstance(value, (int, float)):
        return None if value != value else (0, value, "")  # noqa: PLR0124 - NaN
    return (1, 0.0, value) if isinstance(value, str) else None


def _require_some(revs: Sequence[str], branches: Sequence[str], all_refs: bool) -> None:
    if not (revs or branches or all_refs):
        raise UsageError(
            "nothing to compare", help="mvc compare v1 v2, or: mvc compare --branch main"
        )
