"""The status screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.results import Head, Status

_SHOWN_LINES = 40
"""Lines of each list; --verbose shows all."""


def lines(status: Status, *, verbose: bool, quiet: bool) -> Iterator[str]:
    if not quiet:
        yield place(status.head)
    if not status.tracked and not status.head.number:
        yield "Nothing is under care yet"
    elif status.clean:
        yield (
            f"Nothing changed since v{status.head.number}" if status.head.number else "No files yet"
        )
    yield from _changes(status, verbose=verbose)
    yield from _names("Skipped:", [f"{p}: {why}" for p, why in status.skipped], verbose=verbose)
    unparsed = [f"{path}: {why}" for path, why in status.unparsed]
    yield from _names("Not understood, so without settings or metrics:", unparsed, verbose=verbose)
    if not quiet:
        yield from _names("Not under care:", status.untracked, verbose=verbose)
        yield from left_out(status.head, status.left_out)
        yield from _advice(status)


def place(head: Head) -> str:
    if not head.number and head.branch is None:
        return "At the empty version v0, before the first"
    where = (
        f"On branch {click.style(head.branch, fg='green')}" if head.branch else "On an old version"
    )
    if not head.number:
        return f"{where}, no versions yet"
    return f"{where}, at v{head.number} {click.style(text.short(head.version), fg='yellow')}"


def left_out(head: Head, components: Sequence[StrEnum]) -> Iterator[str]:
    """What is absent by choice, and how it comes."""
    if components:
        words = {"state": "training state"}
        what = ", ".join(words.get(c.value, c.value) for c in components)
        rev = text.safe(head.branch) if head.branch else text.short(head.version)
        yield f"Left out here: {what}"
        yield click.style(f"mvc checkout {rev}  brings all files", dim=True)


def _changes(status: Status, *, verbose: bool) -> Iterator[str]:
    kinds = (
        ("modified", "yellow", status.modified),
        ("added", "green", status.added),
        ("deleted", "red", status.deleted),
    )
    for kind, color, changes in kinds:
        shown = changes if verbose else changes[:_SHOWN_LINES]
        for change in shown:
            label = click.style(f"{kind:<9}", fg=color)
            yield f"  {label} {change.component.value:<15} {text.safe(change.path)}"
        if len(changes) > len(shown):
            yield f"  {kind:<9} ... {len(changes) - len(shown):,} more (mvc status -v)"


def _names(title: str, names: tuple[str, ...] | list[str], *, verbose: bool) -> Iterator[str]:
    if names:
        yield title
        shown = names if verbose else names[:_SHOWN_LINES]
        yield from (f"  {text.safe(name)}" for name in shown)
        if len(names) > len(shown):
            yield f"  ... {len(names) - len(shown):,} more (mvc status -v)"


def _advice(status: Status) -> Iterator[str]:
    def dim(line: str) -> str:
        return click.style(line, dim=True)

    if not status.tracked and not status.head.number:
        yield dim("mvc add .  puts everything here under care")
    elif not status.clean:
        yield dim("mvc commit -m '...'  saves these changes; mvc diff shows them")
    elif status.untracked:
        yield dim("mvc add PATH  puts a path under care; .mvcignore leaves one out")
    if status.head.number and status.head.branch is None:
        yield dim("mvc commit starts a branch here; mvc switch main  goes back")
