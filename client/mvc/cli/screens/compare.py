"""Many versions as a table: for people, as JSON, CSV and Markdown."""

from __future__ import annotations

import csv as csv_format
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from mvc.api.metric_names import has_direction, held_out_first, short_name
from mvc.cli import documents, text

if TYPE_CHECKING:
    from mvc.api.search import ComparedColumn, ComparedRow, Comparison

_MESSAGE_COLUMNS = 32
"""Columns of the message at most; where the terminal has less room, it gets what is left, at least this:"""
_SHORTEST_COLUMNS = 12
_FACTS_COLUMNS = 21
"""Of number and id, and the space around the message."""
_NAMED_COLUMNS = 3
_FIRST_METRICS = 3
"""Metrics that have room before the first hyperparameter: what differs in how it came about is asked next."""


def titles(found: Comparison) -> list[str]:
    """The keys; one that is a hyperparameter and a metric says which."""
    keys = [column.key for column in found.columns]
    return [_title(c) if keys.count(c.key) > 1 else c.key for c in found.columns]


def _title(column: ComparedColumn) -> str:
    return f"{'metrics' if column.kind == 'metric' else 'params'}.{column.key}"


def document(found: Comparison) -> dict[str, Any]:
    """`differs`: not all versions agree. `values`: null also for what a version does not have."""
    keys = titles(found)
    return {
        "columns": [{"key": c.key, "kind": c.kind, "differs": c.differs} for c in found.columns],
        "hidden_columns": found.hidden,
        "versions": [
            {
                "version": row.version,
                "number": row.number,
                "time": row.time.isoformat(),
                "author": row.author,
                "message": row.message,
                "refs": list(row.refs),
                "values": dict(zip(keys, map(documents.scalar, row.cells), strict=True)),
            }
            for row in found.rows
        ],
    }


def fitting(found: Comparison) -> Comparison:
    """The comparison with the columns that a terminal has room for: metrics with a direction first, those of
    held-out data before others, of many three before the first hyperparameter, then hyperparameters, then other
    metrics; what needs its file to be told apart comes last. One stays, however wide."""
    there = text.room()
    if there is None or not found.rows:
        return found
    shown = titles(found)
    metrics = [i for i, column in enumerate(found.columns) if column.kind == "metric"]
    ranks = {k: at for at, k in enumerate(held_out_first(found.columns[i].key for i in metrics))}
    judged = [i for i in metrics if has_direction(found.columns[i].key)]
    judged.sort(key=lambda i: ranks[found.columns[i].key])
    settings = [i for i in range(len(found.columns)) if found.columns[i].kind != "metric"]
    rest = [i for i in metrics if i not in judged]
    first, others = judged[:_FIRST_METRICS], judged[_FIRST_METRICS:]
    in_turn = (*first, *settings[:1], *others, *settings[1:], *rest)
    order = sorted(in_turn, key=lambda i: _is_aside(found.columns[i].key))
    left = there - _FACTS_COLUMNS - _SHORTEST_COLUMNS
    kept: list[int] = []
    for index in order:
        key = found.columns[index].key
        alone = key not in {found.columns[other].key for other in kept}
        title = key if alone else shown[index]
        cells = [text.safe(title), *(text.number(row.cells[index]) for row in found.rows)]
        needed = 2 + max(map(text.width, cells))
        if needed <= left or not kept:
            kept.append(index)
            left -= needed
    kept.sort()
    return replace(
        found,
        columns=tuple(found.columns[i] for i in kept),
        rows=tuple(replace(row, cells=tuple(row.cells[i] for i in kept)) for row in found.rows),
    )


def _is_aside(key: str) -> bool:
    return short_name(key) != key


def _number(row: ComparedRow) -> str:
    """Its number where that names it here."""
    return f"v{row.number}" if row.numbered else ""


def table(found: Comparison) -> list[str]:
    if not found.rows:
        return ["No version"]
    head = [click.style(t, bold=True) for t in ("version", "", *map(text.safe, titles(found)))]
    facts = [
        [
            _number(row),
            click.style(text.short(row.version), fg="yellow"),
            *map(text.number, row.cells),
        ]
        for row in found.rows
    ]
    lines = text.table([head, *facts], right=_right(found, 2))
    widths = list(map(text.width, lines))
    taken, there = max(widths) + 2, text.room()
    room = (
        _MESSAGE_COLUMNS
        if there is None
        else min(_MESSAGE_COLUMNS, max(_SHORTEST_COLUMNS, there - taken))
    )
    messages = (text.cut(text.first_line(row.message), room) for row in found.rows)
    last = [click.style("message", bold=True), *messages]
    return [
        f"{line}{' ' * (taken - width)}{message}"
        for line, width, message in zip(lines, widths, last, strict=True)
    ]


def _right(found: Comparison, offset: int) -> Sequence[int]:
    """Numbers end flush, words begin so."""
    words = {
        index for row in found.rows for index, cell in enumerate(row.cells) if isinstance(cell, str)
    }
    return [offset + index for index in range(len(found.columns)) if index not in words]


def without_room(found: Comparison, shown: Comparison) -> str:
    """Names the columns that `fitting` took away, the first ones; empty for none."""
    kept = set(shown.columns)
    gone = [title for title, c in zip(titles(found), found.columns, strict=True) if c not in kept]
    if not gone:
        return ""
    room = text.room() or 0
    for count in range(min(len(gone), _NAMED_COLUMNS), 0, -1):
        named = ", ".join(map(text.safe, gone[:count]))
        more = f" and {len(gone) - count:,} more" if len(gone) > count else ""
        said = f"no room for {named}{more}"
        if text.width(said) <= room or count == 1:
            break
    way = "(--full shows them, --columns KEY,... chooses)"
    return f"{said}  {way}" if text.width(said) + 2 + len(way) <= room else f"{said}\n{way}"


def hidden(found: Comparison) -> str:
    if len(found.rows) == 1:
        return f"{text.plural(found.hidden, 'column')} left out  (--full shows them)"
    if found.alike == found.hidden:
        why = "alike in all left out"
    else:
        why = "left out: alike, steps, or the same elsewhere"
    return f"{text.plural(found.hidden, 'column')} {why}  (--full shows them)"


def markdown(found: Comparison) -> list[str]:
    right = _right(found, 1)
    head = ["version", *titles(found), "message"]
    rules = ["--:" if index in right else "---" for index in range(len(head))]
    rows = [
        [_number(r), *map(text.number, r.cells), text.first_line(r.message)] for r in found.rows
    ]
    lines = [list(map(_escaped, head)), rules, *(list(map(_escaped, row)) for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _escaped(cell: str) -> str:
    for sign in "\\|<`*_[":
        cell = cell.replace(sign, f"\\{sign}")
    return text.safe(cell)


def csv(found: Comparison) -> str:
    """RFC 4180, but a newline ends lines. Numbers in full; an empty cell is what a version does not have."""
    out = io.StringIO()
    writer = csv_format.writer(out, lineterminator="\n")
    writer.writerow(["version", "id", "time", "author", *titles(found), "message"])
    for row in found.rows:
        facts = [_number(row), row.version, row.time.isoformat(), row.author]
        writer.writerow([*facts, *map(_cell, row.cells), row.message.strip()])
    return out.getvalue()


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
