"""The tensors of changed weight files, by digest: which changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mvc.cli import text
from mvc.cli.screens.diff import folding
from mvc.cli.screens.diff.checkpoints import weight_files
from mvc.cli.screens.diff.marks import RowLimits, fitting, mark, more

if TYPE_CHECKING:
    from mvc.api.diff import Diff, TensorChanges
    from mvc.cli.screens.diff.amounts import Amounts

_KINDS = ("changed", "reshaped", "retyped", "added", "removed")
_UNCOMPARED = "not compared (--tensors)"


def summary(*changes: TensorChanges) -> str:
    """ "10 tensors: 4 changed, 1 added, 5 unchanged"."""
    words = {
        **{kind: kind for kind in (*_KINDS, "renamed", "unchanged")},
        "uncompared": _UNCOMPARED,
    }
    counts = {kind: sum(len(getattr(found, kind)) for found in changes) for kind in words}
    parts = [f"{count:,} {words[kind]}" for kind, count in counts.items() if count]
    return f"{text.plural(sum(counts.values()), 'tensor')}: {', '.join(parts)}"


def note(changes: TensorChanges, limits: RowLimits) -> str:
    """`summary` of a file; of the model's tensors alone where training state has a line of its own."""
    from mvc.api.diff import without_state  # late: start-up

    return summary(changes if limits.names is None else without_state(changes))


def since(diff: Diff, limits: RowLimits, amounts: Amounts, *, forms: bool) -> Iterator[str]:
    """What a checkpoint that came changed, compared with the one before it."""
    for path, changes in diff.tensors.items():
        before = text.safe(diff.below[0]) if diff.below else ""
        yield from fitting(f"      since {before}:", note(changes, limits), " " * 8)
        yield from names(path, changes, limits, amounts, forms=forms)
    yield from amounts.left_out()


def elsewhere(diff: Diff, limits: RowLimits, amounts: Amounts, *, forms: bool) -> Iterator[str]:
    """Tensors that lie in another file than before (a model that was sharded anew), and those of files that are
    as before while what holds their data changed: external data of ONNX, the shards of TensorFlow."""
    listed = {path for files in diff.components.values() for path in files.modified}
    for path, changes in diff.tensors.items():
        if path not in listed:
            name = f"    {click.style(text.safe(path), bold=True)}"
            yield from fitting(name, note(changes, limits), " " * 6)
            yield from names(path, changes, limits, amounts, forms=forms)
    if diff.across is not None and not _told_since(diff):
        yield f"    {click.style('across files', bold=True)}  {summary(diff.across)}"
        yield from names("", diff.across, limits, amounts, forms=forms)
    yield from amounts.left_out()


def _told_since(diff: Diff) -> bool:
    """Whether the checkpoints that came tell of all tensors that lie in another file than before."""
    from mvc.api.diff import names_of  # late: start-up

    told = {n for sub in diff.since.values() for c in sub.tensors.values() for n in names_of(c)}
    return diff.across is not None and told.issuperset(names_of(diff.across))


def names(
    path: str, changes: TensorChanges, limits: RowLimits, amounts: Amounts, *, forms: bool
) -> Iterator[str]:
    """Yields the tensors of a file ("": of several) whose values changed; with `forms` also those that came,
    went, or have another form or name."""
    kinds = _KINDS if forms else ("changed",)
    state = _state(changes, limits)
    rows = [
        (kind, text.safe(name), f"  ({kind})" if kind in ("reshaped", "retyped") else "")
        for kind in kinds
        for name in getattr(changes, kind)
        if name not in state
    ]
    if forms:
        rows += [("renamed", f"{text.safe(a)} -> {text.safe(b)}", "") for a, b in changes.renamed]
    shown = folding.with_members(rows, fold=limits.names is not None)
    lines = [
        (
            f"      {mark(row.kind)} {folding.joined(row.name)}{row.note}",
            amounts.note(path, row.members),
        )
        for row in shown[: limits.names]
    ]
    yield from (line.rstrip() for line in text.table(lines))
    yield from more(len(shown), limits.names, " " * 8)
    counts = [(kind, len(state.intersection(getattr(changes, kind)))) for kind in _KINDS]
    if said := ", ".join(f"{count:,} {kind}" for kind, count in counts if count):
        yield f"      {mark('changed')} training state  {text.plural(len(state), 'tensor')}: {said}"


def _state(changes: TensorChanges, limits: RowLimits) -> frozenset[str]:
    """Tensors folded into one line; none where all are shown."""
    from mvc.api.diff import state_of  # late: start-up

    return frozenset() if limits.names is None else state_of(changes)


def whole(diff: Diff) -> str:
    """`summary` over the models' tensors in all files, of checkpoints of one model over one; empty if none has
    tensors."""
    from mvc.api.diff import without_state  # late: start-up

    shown = weight_files(diff) or diff.tensors.keys()
    every = [without_state(changes) for path, changes in diff.tensors.items() if path in shown]
    if diff.across is not None:
        every.append(without_state(diff.across))
    return summary(*every) if every else ""
