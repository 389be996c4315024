"""What pruning did, and what is said of versions that were pruned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.pruning import PruneResult
    from mvc.api.results import Pruned

_SHOWN_VERSIONS = 20


def document(result: PruneResult) -> dict[str, Any]:
    return {
        "dry_run": result.dry_run,
        "rules": result.rules,
        "pruned": [
            {
                "version": one.version,
                "number": one.number,
                "time": one.time.isoformat(),
                "message": one.message,
                "bytes": one.size,
            }
            for one in result.versions
        ],
        "unsafe": dict(result.unsafe),
        "kept": dict(result.kept),
        "bytes_freed": result.freed,
        "until": result.until.isoformat(),
        "operation": result.operation,
    }


def lines(result: PruneResult, now: datetime, *, every: bool) -> Iterator[str]:
    """`every`: name all versions, however many."""
    stay = ", ".join(f"{count:,} by {text.safe(rule)}" for rule, count in result.kept.items())
    shown = result.versions if every else result.versions[:_SHOWN_VERSIONS]
    yield from text.table(
        (
            (
                click.style(f"v{one.number} {text.short(one.version)}", fg="yellow"),
                text.size(one.size),
                text.when(one.time, now),
                text.first_line(one.message),
            )
            for one in shown
        ),
        right=(1,),
    )
    if len(shown) < len(result.versions):
        yield f"... and {len(result.versions) - len(shown):,} more (-v)"
    if result.versions:
        does = "would lose" if result.dry_run else "lose"
        yield (
            f"{text.plural(len(result.versions), 'version')} {does} content that takes "
            f"{text.size(result.freed)}; records stay"
        )
    else:
        yield "No version goes"
    if stay:
        yield f"Automatic versions that stay: {stay}"
    for id, why in result.unsafe.items():
        yield click.style(f"{text.short(id)} stays: {text.safe(why)}", fg="yellow")


def facts(pruned: Pruned, now: datetime) -> Iterator[tuple[str, str]]:
    """Since when, by which rules, and where the content of one version is."""
    yield "pruned", f"{text.when(pruned.time, now)} by {text.safe(pruned.rule)}"
    names = ", ".join(map(text.safe, pruned.remotes))
    if not pruned.remotes:
        where = "no remote is known to have it"
    else:
        where = f"{names} {'has' if len(pruned.remotes) == 1 else 'have'} it"
    if pruned.here:
        until = pruned.until.astimezone(now.tzinfo)
        kept = f"kept until {until:%Y-%m-%d %H:%M}" if until > now else "until the next mvc gc"
        where = f"still here, {kept}; {where}"
    yield "content", where
