"""Annotations of a version: as lines beside it, whole, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.results import Annotations

DESCRIPTION = "description"
_TEXT_COLUMNS = 60
"""Columns of a text that stands beside others."""


def whole(found: Annotations, now: datetime) -> Iterator[str]:
    """Every text in full, by whom and when."""
    for index, entry in enumerate(found.entries):
        if index:
            yield ""
        by = f"{text.when(entry.time.astimezone(), now)}  {text.safe(entry.author)}"
        yield f"{click.style(text.safe(entry.key), bold=True)}  {click.style(by, dim=True)}"
        yield from paragraph(entry.text)


def paragraph(said: str) -> Iterator[str]:
    """A text with its lines, indented."""
    for line in said.strip("\n").splitlines():
        yield f"    {text.safe(line)}".rstrip()


def section(annotations: Mapping[str, str]) -> Iterator[str]:
    """Annotations below a version: the description in full, of the others the first line."""
    if not annotations:
        return
    yield ""
    if DESCRIPTION in annotations:
        yield click.style(DESCRIPTION, bold=True)
        yield from paragraph(annotations[DESCRIPTION])
    others = {key: said for key, said in annotations.items() if key != DESCRIPTION}
    if others:
        yield click.style("annotations", bold=True)
        yield from text.table((f"  {text.safe(k)}", _beginning(said)) for k, said in others.items())


def short(annotations: Mapping[str, str]) -> Iterator[str]:
    """A line or two: the description's first line, the keys of the others."""
    if said := annotations.get(DESCRIPTION, "").strip():
        yield f"{click.style('described:', dim=True)} {_beginning(said)}"
    if keys := [key for key in annotations if key != DESCRIPTION]:
        shown = text.cut(", ".join(map(text.safe, keys)), _TEXT_COLUMNS)
        yield click.style(f"annotated: {shown}", dim=True)


def _beginning(said: str) -> str:
    lines = said.strip().splitlines() or [""]
    more = f"  (+{text.plural(len(lines) - 1, 'line')})" if len(lines) > 1 else ""
    return text.cut(text.safe(lines[0]), _TEXT_COLUMNS) + more


def document(found: Annotations) -> dict[str, Any]:
    return {
        "version": found.version,
        "number": found.number,
        "annotations": [
            {
                "key": entry.key,
                "text": entry.text,
                "time": entry.time.isoformat(),
                "author": entry.author,
            }
            for entry in found.entries
        ],
    }
