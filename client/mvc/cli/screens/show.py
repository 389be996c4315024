"""One version whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from mvc.api.metric_names import is_aside, ranked, without_copies
from mvc.cli import text
from mvc.cli.screens import notes, pruning, signature
from mvc.cli.screens.diff import absent
from mvc.cli.screens.log import heading

if TYPE_CHECKING:
    from mvc.api.diff import Diff, FileChanges
    from mvc.api.results import Version
    from mvc.api.signatures import SignatureStatus


def lines(
    version: Version,
    changes: Diff,
    signatures: Sequence[SignatureStatus] = (),
    *,
    verbose: bool = False,
) -> Iterator[str]:
    """Without `verbose`, settings that a library wrote down by itself are counted only."""
    yield heading(version)
    if not version.number:
        yield "    The empty version, before the first."
        return
    yield from text.table([*_facts(version), *(("signed", s) for s in signature.lines(signatures))])
    yield ""
    yield from (f"    {text.safe(line)}".rstrip() for line in version.message.strip().split("\n"))
    yield from notes.section(version.annotations)
    yield ""
    yield from text.table(_components(version, changes), right=(1, 2))
    before, now = text.short(changes.old), f"v{version.number}"
    yield from absent.lines(changes, before, now, files=False)
    metrics = without_copies(version.metrics)
    told = [key for key in ranked(metrics) if verbose or not is_aside(key, metrics)]
    yield from _values("metrics", {key: metrics[key] for key in told})
    if len(told) < len(metrics):
        yield f"  ... {len(metrics) - len(told):,} more that several files have (-v)"
    settings = without_copies(version.hyperparameters)
    shown = (
        settings if verbose else {k: v for k, v in settings.items() if k not in changes.background}
    )
    yield from _settings(shown, len(settings) - len(shown), changes)


def _facts(version: Version) -> Iterator[tuple[str, str]]:
    made = version.provenance
    yield "id", version.id
    if version.parents:
        yield "parents", ", ".join(map(text.short, version.parents))
    if version.pruned is not None:
        yield from pruning.facts(version.pruned, datetime.now().astimezone())
    yield "author", text.safe(version.author)
    yield "time", text.moment(version.time)
    if version.trigger != "manual":
        yield "trigger", version.trigger
    if made.git_commit:
        yield "git", text.short(made.git_commit) + (" with changes" if made.git_dirty else "")
    if made.command:
        yield "command", text.safe(" ".join(made.command))
    if made.host:
        yield "host", f"{text.safe(made.host)}, Python {text.safe(made.python)}"


def _components(version: Version, changes: Diff) -> Iterator[tuple[str, ...]]:
    for name, root in version.components.items():
        row = (
            click.style(name.value, bold=True),
            text.plural(root.files, "file"),
            text.size(root.size),
        )
        yield (*row, _counts(changes.components[name]))


def _counts(files: FileChanges) -> str:
    if not files.listed:
        return "?"
    counts = (
        (len(files.added), "+", "green"),
        (len(files.modified), "~", "yellow"),
        (len(files.deleted), "-", "red"),
        (len(files.renamed), ">", "cyan"),
        (len(files.moved), "=", "cyan"),
    )
    return " ".join(click.style(f"{sign}{n:,}", fg=color) for n, sign, color in counts if n)


def _settings(shown: Mapping[str, object], folded: int, changes: Diff) -> Iterator[str]:
    """With what those were before that differ from the parent."""
    if not shown and not folded:
        return
    yield ""
    yield click.style("hyperparameters", bold=True)
    rows = []
    for key, value in shown.items():
        change = changes.hyperparameters.get(key)
        row = [f"  {text.safe(key)}", text.number(value)]
        if change is not None and change.old is not None:
            row.append(click.style(f"was {text.number(change.old)}", fg="yellow"))
        rows.append(row)
    yield from text.table(rows)
    if folded:
        yield f"  ... {folded:,} more that a library wrote down and no source sets (-v)"


def _values(title: str, values: Mapping[str, object]) -> Iterator[str]:
    if values:
        yield ""
        yield click.style(title, bold=True)
        yield from text.table((f"  {text.safe(k)}", text.number(v)) for k, v in values.items())
