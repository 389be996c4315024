"""The status screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.results import Apart, Head, PathChange, Status

_MAX_APART_VERSIONS = 1000  # as many as are counted

_FOLDED_FILES = 3
"""From so many changed files of one checkpoint on, they are one line."""
_SHOWN_LINES = 40
"""Lines of each list; --verbose shows all."""


def lines(status: Status, *, verbose: bool, quiet: bool) -> Iterator[str]:
    if not quiet:
        yield place(status.head)
        yield from (_apart(status.head, one) for one in status.apart)
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
    unknown = list(status.unknown_settings)
    yield from _names("In mvc.toml, so mvc commit refuses:", unknown, verbose=verbose)
    if not quiet:
        yield from _names("Not under care:", status.untracked, verbose=verbose)
        yield from left_out(status.head, status.left_out)
        yield from _advice(status)


def brief(status: Status) -> Iterator[str]:
    """A line a file, as git's `status -s`: a sign, then the path."""
    signs = (
        ("M", "yellow", status.modified),
        ("A", "green", status.added),
        ("D", "red", status.deleted),
    )
    for sign, color, changes in signs:
        for change in changes:
            yield f"{click.style(sign, fg=color)}  {text.safe(change.path)}"
    yield from (
        f"{click.style('R', fg='cyan')}  {text.safe(one.old)} -> {text.safe(one.new)}"
        for one in status.renamed
    )
    yield from (f"{click.style('?', fg='red')}  {text.safe(name)}" for name in status.untracked)


def place(head: Head) -> str:
    if not head.number and head.branch is None:
        return "At the empty version v0, before the first"
    where = (
        f"On branch {click.style(head.branch, fg='green')}" if head.branch else "On an old version"
    )
    if not head.number:
        return f"{where}, no versions yet"
    return f"{where}, at v{head.number} {click.style(text.short(head.version), fg='yellow')}"


def _apart(head: Head, one: Apart) -> str:
    """How far the branch and a remote's are apart, and the command that brings them together."""
    there = f"{text.safe(one.remote)}/{text.safe(head.branch or '')}"
    ahead, behind = _count(one.ahead), _count(one.behind)
    if not one.behind:
        return f"{ahead} ahead of {there}: mvc push"
    if not one.ahead:
        return f"{behind} behind {there}: mvc pull"
    return f"{ahead} ahead of {there}, {behind} behind: mvc pull --merge"


def _count(versions: int) -> str:
    return (
        "1,000 or more versions"
        if versions >= _MAX_APART_VERSIONS
        else text.plural(versions, "version")
    )


def left_out(head: Head, components: Sequence[StrEnum]) -> Iterator[str]:
    """What is absent by choice, and how it comes."""
    if components:
        words = {"state": "training state"}
        what = ", ".join(words.get(c.value, c.value) for c in components)
        rev = text.safe(head.branch) if head.branch else text.short(head.version)
        yield f"Left out here: {what}"
        yield click.style(f"mvc checkout {rev}  brings all files", dim=True)


def _changes(status: Status, *, verbose: bool) -> Iterator[str]:
    renamed = [
        (one.component.value, f"{text.safe(one.old)} -> {text.safe(one.new)}")
        for one in status.renamed
    ]
    kinds = (
        ("modified", "yellow", folded(status.modified, fold=not verbose)),
        ("added", "green", folded(status.added, fold=not verbose)),
        ("deleted", "red", folded(status.deleted, fold=not verbose)),
        ("renamed", "cyan", renamed),
    )
    for kind, color, changes in kinds:
        shown = changes if verbose else changes[:_SHOWN_LINES]
        for what, said in shown:
            yield f"  {click.style(f'{kind:<9}', fg=color)} {what:<15} {said}"
        if len(changes) > len(shown):
            yield f"  {kind:<9} ... {len(changes) - len(shown):,} more (mvc status -v)"


def folded(changes: Sequence[PathChange], *, fold: bool) -> list[tuple[str, str]]:
    """(component, path), in order; what lies in the directory of one checkpoint is one row, with `fold`:
    "checkpoint-500/  14 files, 240 MiB", in the place of its first."""
    if not changes:
        return []
    from mvc.api.checkpoints import directory_of  # late: start-up

    groups: dict[str, list[PathChange]] = {}
    for change in changes:
        directory = directory_of(change.path) if fold else None
        groups.setdefault(change.path if directory is None else f"{directory}/", []).append(change)
    found = []
    for name, members in groups.items():
        if len(members) < _FOLDED_FILES:
            found += [(one.component.value, text.safe(one.path)) for one in members]
            continue
        parts = {one.component.value for one in members}
        extent = f"{len(members):,} files, {text.size(sum(one.size for one in members))}"
        what = parts.pop() if len(parts) == 1 else "checkpoint"
        found.append((what, f"{text.safe(name)}  {extent}"))
    return found


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
