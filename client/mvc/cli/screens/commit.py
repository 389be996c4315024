"""What a commit or rollback tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.results import CommitResult


_SHOWN_FILES = 5
"""Skipped files that are named."""


def warnings(result: CommitResult) -> Iterator[str]:
    """What is not in the version, or not as it lies here."""
    for path, target in result.leading_out[:_SHOWN_FILES]:
        yield f"{path} is saved as a link; what it leads to, {target}, is in no version"
    if len(result.leading_out) > _SHOWN_FILES:
        yield f"{len(result.leading_out) - _SHOWN_FILES} more links lead out of the workspace"
    for path, what in result.dubious[:_SHOWN_FILES]:
        shown = text.safe(path)
        yield (
            f"{shown} is saved too: {what}. To leave it out: mvc undo,"
            f" add the line /{shown} to .mvcignore, and commit again"
        )
    if len(result.dubious) > _SHOWN_FILES:
        yield f"{len(result.dubious) - _SHOWN_FILES} more that are seldom meant are saved"
    for path, reason in result.skipped[:_SHOWN_FILES]:
        yield f"skipped {path}: {reason}"
    if len(result.skipped) > _SHOWN_FILES:
        yield f"{len(result.skipped) - _SHOWN_FILES} more are skipped; mvc status names them"
    for line, why in result.unfound_bases[:_SHOWN_FILES]:
        yield f"no base by [bases] in mvc.toml, {text.safe(line)}: {text.safe(why)}"
    if len(result.unfound_bases) > _SHOWN_FILES:
        yield f"{len(result.unfound_bases) - _SHOWN_FILES} more lines of [bases] lead to no base"
    if result.unparsed:
        path, why = result.unparsed[0]
        more = len(result.unparsed) - 1
        others = f"; {more:,} more: mvc status names them" if more else ""
        yield f"not understood: {text.safe(path)}: {text.safe(why)}{others}"


def lines(result: CommitResult, *, verbose: bool) -> Iterator[str]:
    name = click.style(text.short(result.version), fg="yellow")
    started = "new branch " if result.started_branch else ""
    yield f"[{started}{result.branch}] v{result.number} {name}"
    changed = [c.value for c, part in result.components.items() if part.changed]
    yield (
        f"  {text.plural(result.files, 'file')}, {text.size(result.bytes_total)}; "
        f"changed: {', '.join(changed) or 'nothing'}"
    )
    yield (
        f"  {text.size(result.bytes_changed)} in changed files, saved in {text.size(result.bytes_stored)}"
    )
    if result.signer:
        yield f"  signed with {result.signer}"
    if verbose:
        rows = [
            ("  " + c.value, text.plural(part.files, "file"), text.size(part.size))
            for c, part in result.components.items()
        ]
        yield from text.table(rows, right=(1, 2))
