"""The three shapes of the log: whole entries, one line each, a table of metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.screens import signature

if TYPE_CHECKING:
    from mvc.api.results import Version
    from mvc.api.signatures import SignatureStatus

Signatures = Callable[["Version"], Sequence["SignatureStatus"]]

_MAX_METRICS = 6
"""Metrics on the line of a whole entry."""
_SHORT_RUN_VERSIONS = 5
"""Automatic versions in a row that are still shown one by one."""
_MESSAGE_COLUMNS = 40
"""Columns of the message in the table of metrics."""


def heading(version: Version) -> str:
    """ "v12 1f2e3d4c5b (HEAD -> main, tag: best)"."""
    name = click.style(f"v{version.number} {text.short(version.id)}", fg="yellow")
    if not version.refs:
        return name
    return f"{name} ({', '.join(map(_ref, version.refs))})"


def _ref(ref: str) -> str:
    color = (
        "magenta"
        if ref.startswith(("tag: ", "stage: "))
        else "cyan"
        if ref.startswith("HEAD")
        else "green"
    )
    return click.style(ref, fg=color, bold=True)


@dataclass(frozen=True, slots=True)
class Folded:
    """A run of automatic versions that no name points to, newest first."""

    count: int
    newest: int
    oldest: int

    def __str__(self) -> str:
        run = f"{self.count} automatic versions, v{self.newest} to v{self.oldest}"
        return click.style(f"... {run}  (mvc log --every)", dim=True)


def fold(versions: Iterable[Version], *, every: bool = False) -> Iterator[Version | Folded]:
    """The versions, with long runs of automatic ones as one line, unless `every` one is asked for."""
    run: list[Version] = []
    for version in versions:
        if version.trigger == "auto" and not version.refs and not every:
            run.append(version)
            continue
        yield from _folded(run)
        run = []
        yield version
    yield from _folded(run)


def _folded(run: Sequence[Version]) -> Iterator[Version | Folded]:
    if len(run) <= _SHORT_RUN_VERSIONS:
        yield from run
    else:
        yield Folded(len(run), run[0].number, run[-1].number)


def full(
    versions: Iterable[Version | Folded],
    now: datetime,
    *,
    verbose: bool,
    signatures: Signatures | None = None,
) -> Iterator[str]:
    for index, version in enumerate(versions):
        if index:
            yield ""
        if isinstance(version, Folded):
            yield str(version)
            continue
        yield heading(version)
        trigger = "" if version.trigger == "manual" else f"  [{version.trigger}]"
        time = text.moment(version.time) if verbose else text.when(version.time, now)
        yield click.style(f"    {time}  {text.safe(version.author)}{trigger}", dim=True)
        if signatures is not None:
            yield from (f"    {line}" for line in signature.lines(signatures(version)))
        for line in version.message.strip().split("\n"):
            yield f"    {text.safe(line)}".rstrip()
        if metrics := _some_metrics(version, None if verbose else _MAX_METRICS):
            yield f"    {metrics}"


def _some_metrics(version: Version, limit: int | None) -> str:
    items = list(version.metrics.items())
    shown = [f"{text.safe(k)} {click.style(text.number(v), bold=True)}" for k, v in items[:limit]]
    if limit is not None and len(items) > limit:
        shown.append(f"(+{len(items) - limit})")
    return "  ".join(shown)


def oneline(
    versions: Iterable[Version | Folded], *, signatures: Signatures | None = None
) -> Iterator[str]:
    for version in versions:
        if isinstance(version, Folded):
            yield str(version)
        else:
            signed = "" if signatures is None else f" [{signature.best(signatures(version))}]"
            yield f"{heading(version)}{signed} {text.first_line(version.message)}"


def metrics(versions: Sequence[Version]) -> list[str]:
    """One row a version, one column a metric; what a version does not have is '-'."""
    keys = list(dict.fromkeys(key for v in versions for key in v.metrics))
    if not keys:
        return ["No version has metrics (metrics*.json, .csv, .jsonl, ...)"] if versions else []
    title = ["version", "", *map(text.safe, keys), "message"]
    rows = [[click.style(cell, bold=True) for cell in title]]
    for version in versions:
        message = text.first_line(version.message)
        rows.append(
            [
                f"v{version.number}",
                click.style(text.short(version.id), fg="yellow"),
                *(text.number(version.metrics[k]) if k in version.metrics else "-" for k in keys),
                text.cut(message, _MESSAGE_COLUMNS),
            ]
        )
    return text.table(rows, right=range(2, 2 + len(keys)))
