"""What takes which bytes, on a screen and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.diskuse import ComponentUse, DiskUse, Growth, KeeperUse, VersionUse

TOP_ROWS = 5
"""Rows of a table that stands among others."""
_YEAR_DAYS = 365

_FORMS = {
    "difference": "differences to other chunks",
    "planes": "byte planes",
    "zstd": "zstd",
    "fill": "one value over and over",
    "raw": "as they are",
    "lists": "lists and records",
}
_KEEPERS = {
    "branch": "{}",
    "tag": "tag {}",
    "stage": "stage {}",
    "workspace": "workspace {:.6}",
    "stash": "stash {}",
    "auto": "auto {}",
    "remote": "{}",
    "operations": "operation log only",
}


def document(use: DiskUse) -> dict[str, Any]:
    """All of it; sizes in bytes."""
    return {
        "total": use.disk.total,
        "disk": asdict(use.disk),
        "size": use.size,
        "distinct": use.distinct,
        "records": use.records,
        "versions": [asdict(v) | {"time": v.time.isoformat()} for v in use.versions],
        "components": [
            asdict(part) | {"component": part.component.value} for part in use.components
        ],
        "keepers": [asdict(keeper) for keeper in use.keepers],
        "paths": [asdict(path) for path in use.paths],
        "lists": use.lists,
        "forms": [asdict(form) for form in use.forms],
        "sampled": use.sampled,
        "absent": use.absent,
        "growth": None if use.growth is None else asdict(use.growth),
        "log_until": None if use.log_until is None else use.log_until.isoformat(),
    }


def overview(use: DiskUse, now: datetime) -> Iterator[str]:
    """The whole repository in a few tables, what is big first."""
    yield from _disk(use)
    yield ""
    yield from _forms(use)
    yield ""
    yield from components(use)
    if sum(1 for keeper in use.keepers if keeper.versions) > 1:
        yield ""
        yield from keepers(use, TOP_ROWS)
    if use.versions:
        yield ""
        yield from versions(use, now, TOP_ROWS)
    yield ""
    yield from _growth(use.growth, use.disk.free)


# -------------------------------------------------------------------- where the bytes are


def _disk(use: DiskUse) -> Iterator[str]:
    disk = use.disk
    loose = "mvc gc frees it" if disk.loose else ""
    rows = [
        ("needed by versions", disk.needed, _held_by_the_log(use)),
        ("needed by nothing", disk.loose, loose),
        ("removed before", disk.dead, "mvc gc gives it back when it is 30 % of a pack"),
        ("index", disk.index, ""),
        ("journal", disk.journal, ""),
        ("captured, not saved yet", disk.captures, "mvc commit saves it"),
        ("damaged copies", disk.damaged, "mvc repair kept them; they may be deleted"),
        ("other", disk.other, ""),
    ]
    rows = [rows[0], *sorted((r for r in rows[1:] if r[1]), key=lambda r: -r[1])]
    yield f"{click.style(text.size(disk.total), bold=True)} on disk"
    yield from text.table(
        (
            (f"  {name}", text.size(size), text.percent(size, disk.total), note)
            for name, size, note in rows
        ),
        right=(1, 2),
    )


def _held_by_the_log(use: DiskUse) -> str:
    log = use.keepers[-1]
    if not log.unique or use.log_until is None:
        return ""
    return f"{text.size(log.unique)} by the operation log only, until {use.log_until:%Y-%m-%d}"


def _forms(use: DiskUse) -> Iterator[str]:
    chunks = [form for form in use.forms if form.form != "lists"]
    stored = sum(form.stored for form in chunks)
    yield (
        f"{text.size(use.size)} of files in {text.plural(len(use.versions), 'version')}: "
        f"{text.size(use.distinct)} of different chunks, stored in {text.size(stored)}"
    )
    rows = [
        (
            f"  {_FORMS.get(form.form, form.form)}",
            text.size(form.raw),
            "->",
            text.size(form.stored),
            f"{form.stored / form.raw:.2f}" if form.raw else "",
        )
        for form in use.forms
    ]
    yield from text.table(rows, right=(1, 3, 4))
    if use.sampled:
        yield click.style("  shares of what is no difference are told by a sample", dim=True)
    if use.absent:
        yield click.style("  content that is not here is not counted", dim=True)


# -------------------------------------------------------------------- tables


def components(use: DiskUse) -> list[str]:
    """One row a component."""
    return _table("component", [(_part(row), row) for row in use.components], None)


def keepers(use: DiskUse, limit: int | None) -> list[str]:
    """One row a branch, tag, stage, remote's ref; the operation log for what only it holds."""
    rows = [(_keeper(row), row) for row in use.keepers if row.versions or row.kind == "branch"]
    return _table("kept by", rows, limit, "mvc du --by branch")


def versions(use: DiskUse, now: datetime, limit: int | None) -> list[str]:
    """One row a version."""
    rows = [(_version(row, now), row) for row in use.versions]
    return _table("version", rows, limit, "mvc du --by version")


def paths(use: DiskUse, limit: int | None) -> list[str]:
    """One row a path."""
    return _table("path", [(text.safe(row.path), row) for row in use.paths], limit)


def _part(row: ComponentUse) -> str:
    return row.component.value


def _keeper(row: KeeperUse) -> str:
    name = text.safe(_KEEPERS[row.kind].format(row.name))
    return f"{name}, {text.plural(row.versions, 'version')}" if row.versions else name


def _version(row: VersionUse, now: datetime) -> str:
    keeper = text.safe(row.keeper) or "operation log"
    gone = "pruned, " if row.pruned else ""
    return (
        f"v{row.number} {keeper}, {gone}{text.when(row.time, now)}  {text.first_line(row.message)}"
    )


def _table(
    title: str, rows: Sequence[tuple[str, Any]], limit: int | None, more: str = ""
) -> list[str]:
    """What is big first; numbers before names, whose end is cut where the terminal ends."""
    rows = [row for row in rows if row[1].size or row[1].stored]
    rows.sort(key=lambda pair: (-pair[1].stored, -pair[1].unique, -pair[1].size))
    shown = rows[:limit]
    found = text.table(
        [
            ("files", "stored", "unique", title),
            *(
                (text.size(use.size), text.size(use.stored), text.size(use.unique), name)
                for name, use in shown
            ),
        ],
        right=(0, 1, 2),
    )
    room = text.room() or 80
    lines = [click.style(found[0], dim=True), *(text.cut(line, room) for line in found[1:])]
    left = len(rows) - len(shown)
    if limit is not None and left and more:
        lines.append(click.style(f"{len(shown)} of {len(rows):,}  {more}", dim=True))
    return lines


# -------------------------------------------------------------------- growth


def _growth(growth: Growth | None, free: int) -> Iterator[str]:
    if growth is None:
        yield f"{text.size(free)} are free; there is too little history to tell how fast it grows"
        return
    yield (
        f"{text.size(growth.per_day)} a day: {text.size(growth.stored)} in "
        f"{text.plural(growth.versions, 'version')} over {_span(growth.days)}"
    )
    left = growth.days_left
    ends = "" if left is None else f": at this rate for {_span(left)}"
    yield f"{text.size(free)} are free{ends}"


def _span(days: float) -> str:
    if days < 2:
        return f"{24 * days:.0f} hours"
    if days < 2 * _YEAR_DAYS:
        return f"{days:.0f} days"
    years = days / _YEAR_DAYS
    return f"{years:.0f} years" if years < 100 else "more than 100 years"
