"""The five differences on one screen.

    v7 1f2e3d4c5b -> workspace

    architecture     1 modified
      ~ model.py
    weights          1 modified
      ~ model.safetensors       5 of 9 tensors changed, 1 added
          ~ hidden.weight
    ...

Long lists are cut, so that all five parts stay in view; --verbose shows them whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.results import Component, Diff, FileChanges, TensorChanges, ValueChange

_PATHS = 8
_VALUES = 12
_TENSORS = 6
_MARKS = {
    "added": ("+", "green"),
    "removed": ("-", "red"),
    "deleted": ("-", "red"),
    "modified": ("~", "yellow"),
    "changed": ("~", "yellow"),
    "reshaped": ("#", "magenta"),
    "retyped": ("#", "magenta"),
    "renamed": (">", "cyan"),
}


def lines(diff: Diff, old: str, new: str, *, verbose: bool) -> Iterator[str]:
    yield f"{click.style(old, fg='yellow')} -> {click.style(new, fg='yellow')}"
    if not diff.changed:
        yield "No differences"
        return
    yield ""
    for component, files in diff.components.items():
        yield _title(component, files)
        yield from _files(files, diff.tensors, None if verbose else _PATHS, verbose=verbose)
        if component.value == "hyperparameters":
            yield from _values(
                diff.hyperparameters, None if verbose else _VALUES, differences=False
            )
        if component.value == "results":
            yield from _values(diff.metrics, None if verbose else _VALUES, differences=True)


def _title(component: Component, files: FileChanges) -> str:
    counts = [
        f"{len(paths):,} {kind}"
        for kind, paths in (
            ("added", files.added),
            ("modified", files.modified),
            ("deleted", files.deleted),
            ("renamed", files.renamed),
        )
        if paths
    ]
    name = f"{component.value:<16}"
    if not counts:
        return click.style(f"{name} unchanged", dim=True)
    return f"{click.style(name, bold=True)} {', '.join(counts)}"


def _files(
    files: FileChanges, tensors: Mapping[str, TensorChanges], limit: int | None, *, verbose: bool
) -> Iterator[str]:
    rows = [("modified", p, p) for p in files.modified]
    rows += [("added", p, p) for p in files.added]
    rows += [("deleted", p, p) for p in files.deleted]
    rows += [("renamed", f"{a} -> {b}", b) for a, b in files.renamed]
    for kind, label, path in rows[:limit]:
        changes = tensors.get(path)
        note = f"   {_summary(changes)}" if changes is not None else ""
        yield f"  {_mark(kind)} {text.safe(label)}{note}"
        if changes is not None:
            yield from _tensor_names(changes, None if verbose else _TENSORS)
    if limit is not None and len(rows) > limit:
        yield f"    ... {len(rows) - limit:,} more (-v)"


def _mark(kind: str) -> str:
    sign, color = _MARKS[kind]
    return click.style(sign, fg=color)


def _tensor_kinds(changes: TensorChanges) -> list[tuple[str, Sequence[str]]]:
    return [
        ("changed", changes.changed),
        ("reshaped", changes.reshaped),
        ("retyped", changes.retyped),
        ("added", changes.added),
        ("removed", changes.removed),
    ]


def _summary(changes: TensorChanges) -> str:
    kinds = _tensor_kinds(changes)
    total = sum(len(names) for _, names in kinds) + len(changes.unchanged)
    parts = [f"{len(names):,} {kind}" for kind, names in kinds if names]
    return f"{text.plural(total, 'tensor')}: {', '.join([*parts, f'{len(changes.unchanged):,} unchanged'])}"


def _tensor_names(changes: TensorChanges, limit: int | None) -> Iterator[str]:
    rows = [(kind, name) for kind, names in _tensor_kinds(changes) for name in names]
    for kind, name in rows[:limit]:
        note = f"  ({kind})" if kind in ("reshaped", "retyped") else ""
        yield f"      {_mark(kind)} {text.safe(name)}{note}"
    if limit is not None and len(rows) > limit:
        yield f"        ... {len(rows) - limit:,} more (-v)"


def _values(
    values: Mapping[str, ValueChange], limit: int | None, *, differences: bool
) -> Iterator[str]:
    rows = []
    for key, change in list(values.items())[:limit]:
        row = [f"    {text.safe(key)}", text.number(change.old), "->", text.number(change.new)]
        if differences and change.diff is not None and math.isfinite(change.diff):
            row.append(click.style(text.signed(change.diff), bold=True))
        rows.append(row)
    yield from text.table(rows, right=(1,))
    if limit is not None and len(values) > limit:
        yield f"    ... {len(values) - limit:,} more (-v)"
