"""Settings and metrics key by key: old, new, difference, percent, and whether that is better."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from mvc.api.metric_names import is_aside, is_same_figure, ranked, without_copies
from mvc.cli import text
from mvc.cli.screens.diff.marks import RowLimits, more

if TYPE_CHECKING:
    from mvc.api.diff import ValueChange

_SHORTEST_KEY_COLUMNS = 20
"""Columns that a key keeps on a narrow terminal."""

_LONGEST_COLUMNS = 28
"""Columns of one value, so that old and new stay side by side on 80."""


def lines(
    values: Mapping[str, ValueChange],
    limits: RowLimits,
    indent: str = "    ",
    *,
    metrics: bool = False,
    background: Collection[str] = (),
) -> Iterator[str]:
    """With `metrics` those of which it is known what is better come first, and steps and times last. Keys in
    `background` come last."""
    rows = []
    folded = limits.values is not None
    shown = without_copies(values, _is_same) if folded else dict(values)
    keys = list(shown)
    if metrics and folded:
        keys = ranked(distinct(values))
    keys.sort(key=lambda key: key in background)
    for key in keys[: limits.values]:
        change = shown[key]
        row = [text.safe(key), _short(change.old, limits), "->", _short(change.new, limits)]
        rows.append([*row, *_difference(change)])
    if limits.values is not None:
        rows = _fitting(rows, len(indent))
    yield from (indent + line for line in text.table(rows, right=(1, 4, 5)))
    if limits.values is not None:
        yield from more(len(shown), len(rows), indent)


def _fitting(rows: Sequence[list[str]], indent: int) -> list[list[str]]:
    """The rows with their keys cut in the middle where the terminal is narrower than they are; then also
    without the difference, which old and new tell."""
    columns = text.room()
    if columns is None:
        return list(rows)
    found = list(rows)
    for less in (found, [[*row[:4], *row[5:]] for row in rows]):
        found = less
        taken = indent + max(map(text.width, text.table(less, right=(1, 4, 5))), default=0)
        longest = max((text.width(row[0]) for row in less), default=0)
        room = longest - max(0, taken - columns)
        if room >= min(longest, _SHORTEST_KEY_COLUMNS):
            break
    room = max(room, _SHORTEST_KEY_COLUMNS)
    return [[text.middle(row[0], room), *row[1:]] for row in found]


def distinct(values: Mapping[str, ValueChange]) -> dict[str, ValueChange]:
    """Metrics without what another file says too, and without timings and the like of more than one file."""
    shown = without_copies(values, _is_same)
    return {key: change for key, change in shown.items() if not is_aside(key, shown)}


def _is_same(a: ValueChange, b: ValueChange) -> bool:
    return is_same_figure(a.old, b.old) and is_same_figure(a.new, b.new)


def difference(change: ValueChange) -> tuple[str, str]:
    """ "+0.02" and "+2.1 %"; empty where there is no number to give."""
    diff = change.diff
    if diff is None or not math.isfinite(diff):
        return "", ""
    return text.signed(diff), "" if change.percent is None else percent(change.percent)


def percent(value: float) -> str:
    """Past a thousand percent as a multiple, which can still be read."""
    if abs(value) < 1000:
        return f"{value:+.1f} %" if abs(value) >= 0.1 else f"{value:+.2g} %"
    return f"x{1 + value / 100:.4g}"


def verdict(change: ValueChange) -> str:
    return "" if change.better is None else "better" if change.better else "worse"


def summary(values: Mapping[str, ValueChange], noun: str) -> str:
    """ "5 metrics: 3 better, 1 worse"."""
    if not values:
        return ""
    verdicts = [verdict(change) for change in values.values()]
    counts = [f"{n:,} {word}" for word in ("better", "worse") if (n := verdicts.count(word))]
    counted = text.plural(len(values), noun)
    return f"{counted}: {', '.join(counts)}" if counts else counted


def _short(value: object, limits: RowLimits) -> str:
    shown = text.number(value)
    if limits.values is not None and len(shown) > _LONGEST_COLUMNS:
        return shown[: _LONGEST_COLUMNS - 1] + "…"
    return shown


def _difference(change: ValueChange) -> list[str]:
    words = [*difference(change), verdict(change)]
    while words and not words[-1]:
        words.pop()
    color = {True: "green", False: "red"}.get(change.better)  # type: ignore[arg-type]
    return [click.style(w, fg=color, bold=True) if color and w else w for w in words]
