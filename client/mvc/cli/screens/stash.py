"""Work that was put aside: as rows, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.picks import Stash


def rows(found: Sequence[Stash], now: datetime) -> list[str]:
    return text.table(
        [
            (
                click.style(str(stash.number), bold=True),
                click.style(text.short(stash.version), fg="yellow"),
                text.when(stash.time, now),
                text.first_line(stash.message),
            )
            for stash in found
        ]
    )


def document(stash: Stash) -> dict[str, Any]:
    return {
        "number": stash.number,
        "version": stash.version,
        "base": stash.base,
        "message": stash.message,
        "author": stash.author,
        "time": stash.time.isoformat(),
    }
