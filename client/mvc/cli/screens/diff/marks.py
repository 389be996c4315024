"""Signs, colours and counts that all parts of a difference share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.diff import FileChanges

_MARKS = {
    "added": ("+", "green"),
    "removed": ("-", "red"),
    "deleted": ("-", "red"),
    "modified": ("~", "yellow"),
    "changed": ("~", "yellow"),
    "reshaped": ("#", "magenta"),
    "retyped": ("#", "magenta"),
    "renamed": (">", "cyan"),
    "moved": ("=", "cyan"),
}


@dataclass(frozen=True, slots=True)
class RowLimits:
    """Rows of each list before it is cut, so that all five parts stay in view. None: no limit."""

    paths: int | None = 8
    values: int | None = 12
    names: int | None = 6
    layers: int | None = 10


WHOLE = RowLimits(None, None, None, None)


def mark(kind: str) -> str:
    sign, color = _MARKS[kind]
    return click.style(sign, fg=color)


def file_counts(files: FileChanges) -> list[tuple[str, int]]:
    """(kind, count) of the kinds there are."""
    counts = (
        ("added", len(files.added)),
        ("modified", len(files.modified)),
        ("deleted", len(files.deleted)),
        ("renamed", len(files.renamed)),
        ("moved", len(files.moved)),
    )
    return [(kind, count) for kind, count in counts if count]


def file_marks(files: FileChanges) -> str:
    """ "+2 ~1 -3", coloured."""
    return " ".join(
        click.style(f"{_MARKS[kind][0]}{count:,}", fg=_MARKS[kind][1])
        for kind, count in file_counts(files)
    )


def cut(lines: Sequence[str], limit: int | None, indent: str = "    ") -> Iterator[str]:
    """The lines, or as many as allowed and how many more there are."""
    yield from lines[:limit]
    yield from more(len(lines), limit, indent)


def more(count: int, limit: int | None, indent: str = "    ") -> Iterator[str]:
    """How many of `count` rows a list cut at `limit` does not show, if any."""
    if limit is not None and count > limit:
        yield f"{indent}... {count - limit:,} more (-v)"


def fitting(name: str, note: str, indent: str) -> Iterator[str]:
    """A name and what is said of it, which goes to a line of its own where the terminal has no room."""
    line = f"{name}  {note}" if note else name.rstrip()
    columns = text.room()
    if columns is None or not note or text.width(line) <= columns:
        yield line
    else:
        yield name.rstrip()
        yield indent + note


def sentence(parts: Iterable[str]) -> str:
    return "; ".join(part for part in parts if part)


def change(old: int, new: int) -> str:
    """ "51,203 -> 51,215", or the one number if they are equal."""
    return f"{new:,}" if old == new else f"{old:,} -> {new:,}"


def named(name: str) -> str:
    return text.safe(name) or "(top)"
