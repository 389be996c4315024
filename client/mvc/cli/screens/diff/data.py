"""What changed in the data: tables, images by class, equal files, splits that share files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.screens.diff.marks import RowLimits, change, cut, mark, more, sentence

if TYPE_CHECKING:
    from mvc.api.diff import (
        Column,
        ColumnSummary,
        DataChange,
        NearOverlap,
        Overlap,
        Table,
        TableChange,
    )

_WHOLE = 1e12
_MAX_COLUMNS = 4
"""Columns that are named on a table's line."""


def notes(found: DataChange) -> dict[str, str]:
    """What is said of each table on its line."""
    return {table.path: note(table) for table in found.tables}


def in_shards(found: DataChange) -> dict[str, str]:
    """The table that each changed file is a shard of, by its path."""
    return {path: table.path for table in found.tables for path in table.files}


def lines(found: DataChange, limits: RowLimits) -> Iterator[str]:
    """What stands below the changed files."""
    if found.images:
        yield f"    {click.style('images', bold=True)}  {images(found)}"
        rows = [
            [f"      {text.safe(name) or '.'}", f"{old:,}", "->", f"{new:,}", f"{new - old:+,}"]
            for name, (old, new) in list(found.images.items())[: limits.names]
        ]
        yield from text.table(rows, right=(1, 3, 4))
        yield from more(len(found.images), limits.names, " " * 6)
    for overlap in found.overlaps:
        yield f"    {click.style(shared(overlap), fg='red', bold=True)}"
        examples = [f"      {text.safe(a)} = {text.safe(b)}" for a, b in overlap.examples]
        yield from examples[: 1 if limits.names else None]
    for near in found.near:
        yield f"    {click.style(nearly(near), fg='red', bold=True)}"
        pairs = [
            f"      {text.safe(a)} ~ {text.safe(b)}  {percent(s)}" for a, b, s in near.examples
        ]
        yield from pairs[: 1 if limits.names else None]
    if found.unlooked:
        yield f"    {unlooked(found.unlooked)}"
    if found.duplicates:
        yield f"    {duplicates(found)}"
    if found.unlisted:
        yield f"    {unlisted(found.unlisted)}"
        whole = limits.names is None
        for paths in found.duplicates if whole else found.duplicates[:1]:
            shown = paths if whole else paths[:2]
            rest = "" if len(shown) == len(paths) else " = ..."
            yield f"      {' = '.join(map(text.safe, shown))}{rest}"


def summary(found: DataChange) -> str:
    """One line: rows, images, equal files."""
    rows = found.rows
    return sentence(
        [
            f"rows {change(*rows)}" if rows is not None else "",
            images(found) if found.images else "",
            *(shared(overlap) for overlap in found.overlaps),
            *(nearly(near) for near in found.near),
            duplicates(found) if found.duplicates else "",
        ]
    )


def images(found: DataChange) -> str:
    directories = text.plural(len(found.images), "directory", "directories")
    more = sum(new - old for old, new in found.images.values())
    return f"{more:+,} {'image' if abs(more) == 1 else 'images'} in {directories}"


def shared(overlap: Overlap) -> str:
    a, b = overlap.splits
    return f"{a} and {b} share {text.plural(overlap.files, 'file')}"


def nearly(near: NearOverlap) -> str:
    """Not "are near-equal": bytes are what was compared."""
    a, b = near.splits
    which = text.plural(near.files, "file shares", "files share")
    return f"{which} most bytes between {a} and {b}"


def percent(share: float) -> str:
    """Rounded down: what differs is not the same to 100 %."""
    return f"{int(100 * share)} %"


def unlooked(files: int) -> str:
    return f"near-equal files between splits: {files:,} files are too many to look for them"


def unlisted(files: int) -> str:
    return f"{files:,} files: equal ones are looked for only where one of them changed"


def duplicates(found: DataChange) -> str:
    """Files that only repeat another, and that the old side did not have."""
    return text.plural(found.repeated, "more file repeats another", "more files repeat others")


def note(table: TableChange) -> str:
    """ "rows 10 -> 12; columns +age -name"."""
    old, new = table.old, table.new
    here = new if new is not None else old
    if here is None or here.problem:
        return sentence([_shards(table), _problem(here)])
    if old is None or new is None:
        told = f"{rows(here)}, {text.plural(len(here.columns), 'column')}"
        return sentence([_shards(table), told])
    return sentence(
        [
            _shards(table),
            _rows(old, new),
            columns(table),
            "columns reordered" if table.reordered else "",
        ]
    )


def _shards(table: TableChange) -> str:
    """ "4 shards", "shards 2 -> 4"; empty for a table in one file."""
    if table.shards is None:
        return ""
    old, new = table.shards
    if old and new and old != new:
        return f"shards {change(old, new)}"
    return text.plural(new or old, "shard")


def _problem(table: Table | None) -> str:
    from mvc.api.diff import NOT_COUNTED  # late: start-up

    if table is None or not table.problem:
        return ""
    return (
        f"{NOT_COUNTED} (--columns)" if table.problem == NOT_COUNTED else text.safe(table.problem)
    )


def columns(table: TableChange) -> str:
    """ "columns +age -name, x int64 -> float"; empty if none differ."""
    said = [click.style(f"+{text.safe(c.name)}", fg="green") for c in table.columns_added]
    said += [click.style(f"-{text.safe(c.name)}", fg="red") for c in table.columns_removed]
    retyped = [f"{text.safe(a.name)} {a.type} -> {b.type}" for a, b in table.columns_retyped]
    shown = [*said, *(click.style(r, fg="magenta") for r in retyped)]
    rest = f" and {len(shown) - _MAX_COLUMNS:,} more" if len(shown) > _MAX_COLUMNS else ""
    return f"columns {', '.join(shown[:_MAX_COLUMNS])}{rest}" if shown else ""


def rows(table: Table) -> str:
    return "rows unknown" if table.rows is None else text.plural(table.rows, "row")


def _rows(old: Table, new: Table) -> str:
    if old.rows is None or new.rows is None:
        return f"{rows(new)} ({_problem(old)} before)" if old.problem else rows(new)
    if old.rows == new.rows:
        return rows(new)
    return f"rows {change(old.rows, new.rows)}"


# -------------------------------------------------------------------- --columns


def summaries(tables: Mapping[str, TableChange], limits: RowLimits) -> Iterator[str]:
    """The section of `--columns`: per table the columns whose figures differ, before and after."""
    yield click.style("columns", bold=True)
    if not tables:
        yield "  no table changed"
    for path, table in tables.items():
        yield f"  {text.safe(path)}  {note(table)}"
        shown, same = _figures(table)
        if shown:
            head = ["      column", "type", "missing", "distinct", "range", "mean"]
            styled = [click.style(cell, dim=True) for cell in head]
            found = text.table([styled, *shown])
            yield found[0]
            yield from cut(found[1:], limits.values)
        if same:
            yield click.style(f"    {text.plural(same, 'column')} as before", dim=True)


def _figures(table: TableChange) -> tuple[list[list[str]], int]:
    """Rows of the columns that differ, and how many do not."""
    old: Mapping[str, ColumnSummary] = table.old.summaries if table.old is not None else {}
    new: Mapping[str, ColumnSummary] = table.new.summaries if table.new is not None else {}
    found, same = [], 0
    for name in _order(table.old, table.new):
        before, after = old.get(name), new.get(name)
        if before == after:
            same += before is not None
            continue
        kinds = [_kind(name, side) for side in (table.old, table.new)]
        sign = "  " if before and after else f"{mark('added' if after else 'removed')} "
        row = [f"    {sign}{text.safe(name)}", _pair(*kinds)]
        row += [_pair(*(_cell(side, figure) for side in (before, after))) for figure in _FIGURES]
        found.append(row)
    return found, same


def _order(*tables: Table | None) -> Sequence[str]:
    names = (column.name for table in tables if table is not None for column in table.columns)
    return list(dict.fromkeys(names))


def _kind(name: str, table: Table | None) -> str:
    columns: Sequence[Column] = table.columns if table is not None else ()
    return next((text.safe(column.type) for column in columns if column.name == name), "")


_FIGURES = ("missing", "distinct", "range", "mean")


def _cell(found: ColumnSummary | None, figure: str) -> str:
    if found is None:
        return ""
    match figure:
        case "missing":
            return f"{found.missing:,}"
        case "distinct":
            return f"{'>' if found.distinct_more else ''}{found.distinct:,}"
        case "range":
            return "" if found.min is None else f"{_number(found.min)}..{_number(found.max)}"
    return "" if found.mean is None else _number(found.mean)


def _number(value: float | None) -> str:
    """Whole numbers in full, as ids and counts are read; others to four digits."""
    if value is None:
        return "-"
    if abs(value) < _WHOLE and value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.6g}" if abs(value) >= 1000 else f"{value:.4g}"


def _pair(old: str, new: str) -> str:
    return new or old if old == new or not (old and new) else f"{old} -> {new}"
