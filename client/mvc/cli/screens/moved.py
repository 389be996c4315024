"""What checkout, restore and switch tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.screens.status import left_out, place

if TYPE_CHECKING:
    from mvc.api.results import CheckoutResult

_SHOWN_PATHS = 10


def lines(result: CheckoutResult, *, moved: bool) -> Iterator[str]:
    """`moved`: HEAD went along, rather than only files."""
    if moved:
        yield place(result.head)
    wrote = f"{text.plural(result.written, 'file')} written ({text.size(result.bytes_written)})"
    if result.written or result.removed:
        yield f"  {wrote}" + (f", {result.removed:,} removed" if result.removed else "")
    elif not result.left_out:
        yield "  no file differed"
    for path in result.kept[:_SHOWN_PATHS]:
        yield f"  kept unsaved  {text.safe(path)}"
    if len(result.kept) > _SHOWN_PATHS:
        yield f"  ... and {len(result.kept) - _SHOWN_PATHS:,} more unsaved"
    for path, reason in result.skipped:
        yield f"  skipped  {text.safe(path)}: {reason}"
    if result.saved is not None:
        yield click.style("  What was overwritten is kept: mvc undo", dim=True)
    if moved:
        yield from left_out(result.head, result.left_out)
    if moved and result.head.branch is None and result.head.number:
        yield click.style("  A commit here starts a branch of its own.", dim=True)
