"""The difference as one line a component, and the totals."""

from __future__ import annotations

from collections.abc import Iterator
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.screens.diff import absent, architecture, data, values, weights
from mvc.cli.screens.diff.marks import file_counts, file_marks, sentence
from mvc.cli.screens.diff.whole import heading

if TYPE_CHECKING:
    from mvc.api.diff import Diff, FileChanges

_SIZED = ("weights", "data")
_NARROWEST_COLUMNS = 30


def lines(diff: Diff, old: str, new: str) -> Iterator[str]:
    """What does not fit the terminal's width goes on in the next line."""
    yield heading(old, new)
    if not diff.changed:
        yield "No differences"
        return
    rows = []
    for component, files in diff.components.items():
        name = component.value
        size = sizes(diff, name) if files.changed and name in _SIZED else ""
        if not files.listed:
            size = absent.roots(diff, name)
        says = sentence([size, meaning(diff, name)])
        rows.append(
            [click.style(name, bold=files.changed, dim=not files.changed), marks(files), says]
        )
    indent = sum(max(text.width(row[i]) for row in rows) + 2 for i in range(2))
    room = max(_NARROWEST_COLUMNS, get_terminal_size().columns - indent)
    for row in rows:
        first, *rest = _wrapped(row[2], room)
        row[2] = "\n".join([first, *(" " * indent + line for line in rest)])
    yield from text.table(rows)
    yield totals(diff)
    yield from absent.lines(diff, old, new)


def _wrapped(sentence: str, room: int) -> list[str]:
    """Broken after semicolons."""
    found = [""]
    for part in sentence.split("; "):
        joined = f"{found[-1]}; {part}" if found[-1] else part
        if found[-1] and text.width(joined) > room:
            found[-1] += ";"
            found.append(part)
        else:
            found[-1] = joined
    return found


def marks(files: FileChanges) -> str:
    """ "+2 ~1", "=" where nothing changed, "?" where the lists of files are not here."""
    return file_marks(files) or click.style("=" if files.listed else "?", dim=files.listed)


def meaning(diff: Diff, name: str) -> str:
    """What changed in a component, in a few words; empty if nothing can be said."""
    match name:
        case "architecture":
            return architecture.summary(diff)
        case "weights":
            return weights.whole(diff)
        case "hyperparameters":
            return values.summary(diff.hyperparameters, "setting")
        case "data":
            return data.summary(diff.data)
        case "results":
            return values.summary(diff.metrics, "metric")
    return ""


def sizes(diff: Diff, name: str) -> str:
    pair = next(pair for component, pair in diff.totals.items() if component.value == name)
    return _moved(*(root.size for root in pair))


def _moved(old: int, new: int) -> str:
    before, after = text.size(old), text.size(new)
    return before if before == after else f"{before} -> {after}"


def totals(diff: Diff) -> str:
    counts: dict[str, int] = {}
    for files in diff.components.values():
        for kind, count in file_counts(files):
            counts[kind] = counts.get(kind, 0) + count
    words = {"moved": "of another part before"}
    kinds = ", ".join(f"{count:,} {words.get(kind, kind)}" for kind, count in counts.items())
    old = sum(a.size for a, _ in diff.totals.values())
    new = sum(b.size for _, b in diff.totals.values())
    total = text.plural(sum(counts.values()), "file")
    return sentence([f"{total}: {kinds}" if kinds else "", _moved(old, new)])
