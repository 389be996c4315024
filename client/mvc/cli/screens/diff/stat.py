"""The difference as one line a component, and the totals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.screens.diff import architecture, values
from mvc.cli.screens.diff.marks import file_counts, file_marks, sentence
from mvc.cli.screens.diff.whole import heading

if TYPE_CHECKING:
    from mvc.api.diff import Diff


def lines(diff: Diff, old: str, new: str) -> Iterator[str]:
    yield heading(old, new)
    if not diff.changed:
        yield "No differences"
        return
    rows = []
    for component, files in diff.components.items():
        says = meaning(diff, component.value)
        name = click.style(component.value, bold=files.changed, dim=not files.changed)
        rows.append(
            [
                name,
                file_marks(files) or click.style("=", dim=True),
                sizes(diff, component.value),
                says,
            ]
        )
    yield from text.table(rows)
    yield totals(diff)


def meaning(diff: Diff, name: str) -> str:
    """What changed in a component, in a few words; empty if nothing can be said."""
    match name:
        case "architecture":
            return architecture.summary(diff.architecture)
        case "weights":
            return _tensors(diff)
        case "hyperparameters":
            return values.summary(diff.hyperparameters, "setting")
        case "results":
            return values.summary(diff.metrics, "metric")
    return ""


def sizes(diff: Diff, name: str) -> str:
    old, new = next(pair for component, pair in diff.totals.items() if component.value == name)
    before, after = text.size(old.size), text.size(new.size)
    return after if before == after else f"{before} -> {after}"


def totals(diff: Diff) -> str:
    counts: dict[str, int] = {}
    for files in diff.components.values():
        for kind, count in file_counts(files):
            counts[kind] = counts.get(kind, 0) + count
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    old = sum(a.size for a, _ in diff.totals.values())
    new = sum(b.size for _, b in diff.totals.values())
    total = text.plural(sum(counts.values()), "file")
    return sentence([f"{total}: {kinds}", f"{text.size(old)} -> {text.size(new)}"])


def _tensors(diff: Diff) -> str:
    every = list(diff.tensors.values())
    if not every:
        return ""
    changed = sum(len(t.changed) for t in every)
    total = sum(len(getattr(t, kind)) for t in every for kind in type(t).__slots__)
    return f"{changed:,} of {text.plural(total, 'tensor')} changed"
