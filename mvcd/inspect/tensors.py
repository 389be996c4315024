"""Comparing the tensor tables of two recipes: what came, went, changed its form or its content.

Nothing is read: a tensor's key is its content's identity (`Segment.content_key`): equal keys, equal bytes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

Row = tuple[str, str, tuple[int, ...], Hashable]
"""Name, dtype, shape, identity of the content."""


@dataclass(frozen=True, slots=True)
class TensorChanges:
    """Names of tensors, sorted; every name of both sides is in exactly one of the lists.

    A tensor whose dtype and shape both changed counts as retyped.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    reshaped: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


def compare_tensors(old: Iterable[Row], new: Iterable[Row]) -> TensorChanges:
    """Matches by name. A name that stands twice on one side counts as its last appearance."""
    before = {row[0]: row for row in old}
    after = {row[0]: row for row in new}
    found: dict[str, list[str]] = {field: [] for field in TensorChanges.__slots__}
    for name in sorted(before.keys() | after.keys()):
        found[_kind(before.get(name), after.get(name))].append(name)
    return TensorChanges(**{field: tuple(names) for field, names in found.items()})


def _kind(old: Row | None, new: Row | None) -> str:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    if old[1] != new[1]:
        return "retyped"
    if old[2] != new[2]:
        return "reshaped"
    return "unchanged" if old[3] == new[3] else "changed"
