"""Who last changed what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from mvc.cli import documents, text
from mvc.cli.screens.log import heading

if TYPE_CHECKING:
    from mvc.api.search import Blame


def document(blame: Blame, way_to_absent: str) -> dict[str, Any]:
    """`help`: the command by which what is not here comes; null where all is."""
    return {
        "subject": blame.subject,
        "kind": blame.kind,
        "version": documents.version(blame.version),
        "old": documents.scalar(blame.old),
        "new": documents.scalar(blame.new),
        "unchanged": blame.unchanged,
        "certain": blame.certain,
        "help": None if blame.certain else way_to_absent,
    }


def lines(found: Sequence[Blame], now: datetime, way_to_absent: str) -> Iterator[str]:
    for index, blame in enumerate(found):
        if index:
            yield ""
        version = blame.version
        yield f"{click.style(text.safe(blame.subject), bold=True)}  {_change(blame)}"
        yield f"    {heading(version)}"
        by = f"{text.when(version.time, now)}  {text.safe(version.author)}"
        yield click.style(f"    {by}", dim=True)
        yield f"    {text.first_line(version.message)}"
        if blame.unchanged:
            yield click.style(
                f"    unchanged in {text.plural(blame.unchanged, 'version')} since", dim=True
            )
        if not blame.certain:
            yield click.style(
                "    or an earlier version: before this one it is not here (pruned, or never fetched)",
                fg="yellow",
            )
            yield click.style(f"    {text.safe(way_to_absent)}", dim=True)


def _change(blame: Blame) -> str:
    old, new = _shown(blame, blame.old), _shown(blame, blame.new)
    if not blame.certain:
        return new
    if blame.old is None:
        return f"{click.style('+', fg='green')} {new}"
    if blame.new is None:
        return f"{click.style('-', fg='red')} {old}"
    return f"{old} -> {new}"


def _shown(blame: Blame, value: object) -> str:
    return text.safe(str(value)) if blame.kind in ("path", "tensor") else text.number(value)
