"""Which automatic versions stay: the `[retention]` table of `mvc.toml`.

[retention]
keep_all = "24h"                       # every version younger than this
hourly = 24                            # the last of each of the 24 latest hours that have any
daily = 7                              # so for days
weekly = 4                             # so for weeks, which begin on Monday
keep_last = 10                         # the newest ones
best = {metric = "val_loss", k = 3}    # the best by a metric; a list of such tables too
min_copies = 1                         # remotes that must have what goes
grace = "24h"                          # for so long mvc undo brings back what went

A version stays if any rule keeps it. Hours, days and weeks are those of the clock by which a version was saved.
Pure: versions and a time in, decisions out; whose content may go at all is prune.py's question.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.inspect.direction import Direction, MetricRules
from mvcd.repo.core.core import Core
from mvcd.repo.workspace import settings

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
DEFAULT_GRACE_US = DAY_US
_MINUTE_US = 60_000_000
_MONDAY_DAYS = 3
"""1970-01-01 was a Thursday: three days after a Monday."""

_AGE = re.compile(r"(\d{1,6})\s*([mhdw])")
_UNITS_US = {"m": _MINUTE_US, "h": HOUR_US, "d": DAY_US, "w": 7 * DAY_US}
_COUNTS = ("hourly", "daily", "weekly", "keep_last")
_KEYS = ("keep_all", *_COUNTS, "best", "min_copies", "grace")


class Saved(NamedTuple):
    """An automatic version, as far as rules ask. `values`: its metrics that rules rank by."""

    id: VersionId
    time_us: int
    utc_offset_minutes: int
    generation: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Best:
    """The best `k` by a metric; of equal ones the older first."""

    metric: str
    k: int
    lowest: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """Times in microseconds. `text` is the table on one line, as marks and people are told it."""

    keep_all_us: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    keep_last: int = 0
    best: tuple[Best, ...] = ()
    min_copies: int = 0
    grace_us: int = DEFAULT_GRACE_US
    text: str = field(default="", compare=False)


def load(core: Core) -> Rules | None:
    """Reads the rules of the workspace, or of HEAD's version where there is no workspace; None where there is
    no table. Raises Failure on one that cannot be understood."""
    found = settings.current(core)
    table = found.get("retention")
    if table is None:
        return None
    try:
        directions = settings.metric_rules(found)
        return parse(table, lambda metric: _is_lowest(directions, metric))
    except (ValueError, TypeError, AttributeError) as error:
        raise Failure(
            f"the [retention] table of {settings.FILE} is wrong",
            kind="bad-config",
            cause=str(error),
            help='write it like: keep_all = "24h"',
        ) from None


def parse(table: Mapping[str, Any], is_lowest: Callable[[str], bool]) -> Rules:
    """`is_lowest` tells of a metric whether less is better, where the table does not. Raises ValueError, and
    what it raises."""
    for key in table.keys() - set(_KEYS):
        near = difflib.get_close_matches(key, _KEYS, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(_KEYS)}"
        raise ValueError(f"{key!r} is no rule{hint}")
    if not table.keys() - {"min_copies", "grace"}:
        raise ValueError("it says nothing of what stays; every automatic version would go")
    counts = {name: _count(name, table[name], 0) for name in _COUNTS if name in table}
    return Rules(
        keep_all_us=_age("keep_all", table.get("keep_all", "0h")),
        best=_bests(table.get("best", []), is_lowest),
        min_copies=_count("min_copies", table.get("min_copies", 0), 0),
        grace_us=_age("grace", table["grace"]) if "grace" in table else DEFAULT_GRACE_US,
        text=", ".join(_said(key, table[key]) for key in _KEYS if key in table and key != "grace"),
        **counts,
    )


def kept(rules: Rules, versions: Iterable[Saved], now_us: int) -> dict[VersionId, str]:
    """Decides which of a branch's automatic versions stay, and by which rule first."""
    newest = sorted(versions, key=lambda v: (-v.time_us, -v.generation, v.id))
    found: dict[VersionId, str] = {}

    def keep(ids: Iterable[VersionId], rule: str) -> None:
        for id in ids:
            found.setdefault(id, rule)

    keep((v.id for v in newest if now_us - v.time_us < rules.keep_all_us), "keep_all")
    by_age = sorted(newest, key=lambda v: (-v.generation, -v.time_us, v.id))
    keep((v.id for v in by_age[: rules.keep_last]), "keep_last")
    for name, count, length_us in (
        ("hourly", rules.hourly, HOUR_US),
        ("daily", rules.daily, DAY_US),
        ("weekly", rules.weekly, 7 * DAY_US),
    ):
        keep(_last_of_each(newest, length_us)[:count], name)
    for best in rules.best:
        ranked = [v for v in newest if best.metric in v.values]
        sign = 1 if best.lowest else -1
        ranked.sort(key=lambda v: (sign * v.values[best.metric], v.generation, v.time_us, v.id))
        keep((v.id for v in ranked[: best.k]), f"best by {best.metric}")
    return found


def _last_of_each(newest: Sequence[Saved], length_us: int) -> list[VersionId]:
    """The last version of each hour, day or week that has one, the newest first."""
    found: dict[int, VersionId] = {}
    for version in newest:
        local = version.time_us + version.utc_offset_minutes * _MINUTE_US
        if length_us > DAY_US:
            local += _MONDAY_DAYS * DAY_US
        found.setdefault(local // length_us, version.id)
    return [found[number] for number in sorted(found, reverse=True)]


def _is_lowest(directions: MetricRules, metric: str) -> bool:
    direction = directions.direction(metric)
    if direction is Direction.NEITHER:
        raise ValueError(
            f"is more of {metric} better, or less? Neither its name nor [metrics] tells; "
            "add lowest = true or lowest = false to best"
        )
    return direction is Direction.LOWER


def _age(name: str, value: object) -> int:
    match = _AGE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{name} must be an age like 90m, 24h, 7d or 4w, not {value!r}")
    return int(match[1]) * _UNITS_US[match[2]]


def _count(name: str, value: object, least: int) -> int:
    if type(value) is not int or not least <= value < 1 << 31:
        raise ValueError(f"{name} must be a number like 7, not {value!r}")
    return value


def _bests(value: object, is_lowest: Callable[[str], bool]) -> tuple[Best, ...]:
    found = []
    for table in value if isinstance(value, list) else [value]:
        known = {"metric", "k", "lowest"}
        if not isinstance(table, dict) or not {"metric", "k"} <= table.keys() <= known:
            raise ValueError('best must be like {metric = "val_loss", k = 3}')
        metric, lowest = table["metric"], table.get("lowest")
        if not isinstance(metric, str) or not metric or lowest not in (None, True, False):
            raise ValueError('best must be like {metric = "val_loss", k = 3, lowest = true}')
        k = _count("k", table["k"], 1)
        found.append(Best(metric, k, is_lowest(metric) if lowest is None else lowest))
    return tuple(found)


def _said(key: str, value: Any) -> str:
    if key != "best":
        return f"{key} {value}"
    tables = value if isinstance(value, list) else [value]
    return ", ".join(f"best {table['k']} by {table['metric']}" for table in tables)
