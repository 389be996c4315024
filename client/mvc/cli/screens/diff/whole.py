"""The five differences on one screen.

    v7 1f2e3d4c5b -> workspace

    architecture     1 modified
      ~ model.py   +12 -3
    weights          1 modified
      ~ model.safetensors   9 tensors: 5 changed, 1 added, 3 unchanged
          ~ hidden.weight
    ...

Long lists are cut, so that all five parts stay in view; --verbose shows them whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.screens.diff import (
    absent,
    architecture,
    checkpoints,
    data,
    folding,
    values,
    weights,
)
from mvc.cli.screens.diff.amounts import Amounts
from mvc.cli.screens.diff.marks import WHOLE, RowLimits, file_counts, fitting, mark, more

if TYPE_CHECKING:
    from mvc.api.diff import Diff, FileChanges

Below = Callable[["Diff", RowLimits, Amounts], Iterator[str]]


def lines(diff: Diff, old: str, new: str, *, verbose: bool) -> Iterator[str]:
    limits = WHOLE if verbose else RowLimits()
    yield heading(old, new)
    if not diff.changed:
        yield "No differences"
        return
    yield ""
    amounts = Amounts(diff, None if verbose else checkpoints.weight_files(diff))
    for component, files in diff.components.items():
        name = component.value
        below = list(_BELOW[name](diff, limits, amounts)) if name in _BELOW else []
        yield _title(diff, name, files, shown=bool(below))
        state = diff.is_state if name == "weights" else _never
        below_file = _names(diff, limits, amounts)
        tables = data.in_shards(diff.data) if name == "data" else {}
        notes = _notes(diff, name, limits)
        yield from _files(files, notes, limits, below_file, state, tables)
        yield from below
    yield from absent.lines(diff, old, new)


def heading(old: str, new: str) -> str:
    """Both names; two long ones, as of paths within versions, on a line each."""
    joined = f"{click.style(old, fg='yellow')} -> {click.style(new, fg='yellow')}"
    columns = text.room()
    if columns is None or text.width(joined) <= columns:
        return joined
    return joined.replace(" -> ", "\n-> ", 1)


def _title(diff: Diff, name: str, files: FileChanges, *, shown: bool) -> str:
    if not files.listed:
        return f"{click.style(f'{name:<16}', bold=True)} changed: {absent.roots(diff, name)}"
    words = {"moved": "of another part before"}
    counts = [f"{count:,} {words.get(kind, kind)}" for kind, count in file_counts(files)]
    if not counts:
        note = "no file changed" if shown else "unchanged"
        return click.style(f"{name:<16} {note}", dim=not shown, bold=shown)
    return f"{click.style(f'{name:<16}', bold=True)} {', '.join(counts)}"


def _files(
    files: FileChanges,
    notes: Mapping[str, str],
    limits: RowLimits,
    below: Callable[[str], Iterator[str]],
    state: Callable[[str], bool],
    tables: Mapping[str, str],
) -> Iterator[str]:
    """`tables`: what files that are shards of one are shown as."""
    rows = [("modified", p, p) for p in files.modified]
    rows += [("added", p, p) for p in files.added]
    rows += [("deleted", p, p) for p in files.deleted]
    rows += [("renamed", f"{a} -> {b}", b) for a, b in files.renamed]
    rows += [("moved", f"{path}  ({part.value} before)", path) for path, part in files.moved]
    members = [(kind, label, tables[path]) for kind, label, path in rows if path in tables]
    rows = _as_tables(rows, tables)
    aside = [row for row in rows if state(row[2])]
    rows = [row for row in rows if not state(row[2])]
    others: dict[str, int] = {}
    if limits.paths is None:
        rows, aside = rows + aside, []
    else:
        rows, others = checkpoints.spoken(rows)
    shown = [(*row, 1) for row in rows]
    if limits.paths is not None and len(rows) > limits.paths:
        shown = folding.files(rows)
    for kind, label, path, count in shown[: limits.paths]:
        said = text.plural(count, "file") if count > 1 else notes.get(path)
        more_of_it = checkpoints.more(others.get(path, 0), of_model=state is not _never)
        names = list(below(path)) if count == 1 else []
        alone = bool(more_of_it) and not said and not names
        note = more_of_it if alone else said
        yield from fitting(f"  {mark(kind)} {text.safe(label)} ", note or "", " " * 6)
        yield from names
        if limits.paths is None:
            yield from _members(path, members)
        if more_of_it and not alone:
            yield f"      {more_of_it}"
    yield from more(len(shown), limits.paths)
    yield from _folded(aside)


def _members(table: str, members: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """The files of a table in shards."""
    for kind, label, of in members:
        if of == table:
            yield f"      {mark(kind)} {text.safe(label)}"


def _as_tables(
    rows: Sequence[tuple[str, str, str]], tables: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """Rows with shards as the tables that they are, at the place of the first of each."""
    kinds: dict[str, set[str]] = {}
    for kind, _, path in rows:
        kinds.setdefault(tables.get(path, ""), set()).add(kind)
    found: dict[str, tuple[str, str, str]] = {}
    for row in rows:
        table = tables.get(row[2])
        if table is None:
            found[row[1]] = row
        else:
            kind = row[0] if len(kinds[table]) == 1 else "modified"
            found.setdefault(table, (kind, table, table))
    return list(found.values())


def _folded(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Files of training state, in one line."""
    counts = Counter(kind for kind, _, _ in rows)
    said = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    if said:
        kind = next(iter(counts)) if len(counts) == 1 else "modified"
        yield f"  {mark(kind)} training state   {text.plural(len(rows), 'file')}: {said} (-v)"


def _never(path: str) -> bool:  # noqa: ARG001
    return False


def _notes(diff: Diff, name: str, limits: RowLimits) -> Mapping[str, str]:
    """What is said of a file on its own line."""
    if name == "architecture":
        counts = architecture.line_counts(diff.architecture)
        return {**counts, **dict.fromkeys(diff.architecture.absent, absent.NOTE)}
    if name == "weights":
        return {path: weights.note(found, limits) for path, found in diff.tensors.items()}
    if name == "data":
        return data.notes(diff.data)
    return {}


def _names(diff: Diff, limits: RowLimits, amounts: Amounts) -> Callable[[str], Iterator[str]]:
    def below(path: str) -> Iterator[str]:
        forms = not _forms_shown(diff)
        if path in diff.tensors:
            yield from weights.names(path, diff.tensors[path], limits, amounts, forms=forms)
        elif path in diff.since:
            sub = diff.since[path]
            mine = Amounts(sub, None if limits.names is None else checkpoints.weight_files(sub))
            yield from weights.since(sub, limits, mine, forms=forms)

    return below


def _forms_shown(diff: Diff) -> bool:
    """Whether layers that came, went or have another form are told with the architecture."""
    return any(component.value == "architecture" for component in diff.components)


_BELOW: Mapping[str, Below] = {
    "architecture": lambda diff, limits, _: architecture.lines(diff, limits),
    "weights": lambda diff, limits, amounts: weights.elsewhere(
        diff, limits, amounts, forms=not _forms_shown(diff)
    ),
    "hyperparameters": lambda diff, limits, _: values.lines(
        diff.hyperparameters, limits, background=diff.background if diff.hyperparameters else ()
    ),
    "data": lambda diff, limits, _: data.lines(diff.data, limits),
    "results": lambda diff, limits, _: values.lines(diff.metrics, limits, metrics=True),
}
"""What stands below a component's files."""
