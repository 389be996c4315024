"""The tensors of changed weight files, by digest: which changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mvc.cli import text
from mvc.cli.screens.diff.marks import Limits, mark, more

if TYPE_CHECKING:
    from mvc.api.diff import TensorChanges

_KINDS = ("changed", "reshaped", "retyped", "added", "removed")


def summary(changes: TensorChanges) -> str:
    """ "10 tensors: 4 changed, 1 added, 5 unchanged"."""
    kinds = [*_kinds(changes), ("unchanged", changes.unchanged)]
    total = sum(len(names) for _, names in kinds)
    parts = [f"{len(names):,} {kind}" for kind, names in kinds if names]
    return f"{text.plural(total, 'tensor')}: {', '.join(parts)}"


def names(changes: TensorChanges, limits: Limits, *, forms: bool) -> Iterator[str]:
    """Those whose values changed; with `forms` also those that came, went or have another form."""
    kinds = _kinds(changes) if forms else [("changed", changes.changed)]
    rows = [(kind, name) for kind, names in kinds for name in names]
    for kind, name in rows[: limits.names]:
        note = f"  ({kind})" if kind in ("reshaped", "retyped") else ""
        yield f"      {mark(kind)} {text.safe(name)}{note}"
    yield from more(len(rows), limits.names, " " * 8)


def _kinds(changes: TensorChanges) -> list[tuple[str, Sequence[str]]]:
    return [(kind, getattr(changes, kind)) for kind in _KINDS]
