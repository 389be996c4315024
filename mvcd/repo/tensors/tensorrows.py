"""The tensors of both sides' weight files, gathered from recipes and headers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from mvcd.inspect.trainingstate import state_in
from mvcd.objects.entry import Entry
from mvcd.repo.contents.files import ABSENT
from mvcd.repo.tensors.tensormatch import equal_files
from mvcd.repo.tensors.tensortable import TensorRow, TensorSide, TensorSides


@dataclass(slots=True)
class Rows:
    """`passed`: whether headers of equal files, which may name more, were passed over. `absent`: files of
    which it is not here what tensors they have, pruned or never fetched; "" stands for the list of files."""

    old: list[TensorRow] = field(default_factory=list)
    new: list[TensorRow] = field(default_factory=list)
    passed: bool = False
    absent: list[str] = field(default_factory=list)

    def states(self) -> set[tuple[str, str]]:
        """(path, name) of the tensors that are training state."""
        names: dict[str, list[str]] = {}
        for row in (*self.old, *self.new):
            names.setdefault(row.path, []).append(row.name)
        return {(path, name) for path, found in names.items() for name in state_in(path, found)}


def gather(
    sides: TensorSides,
    changed: Collection[str],
    *,
    equal_headers: bool = False,
    equal_recipes: bool = True,
) -> Rows:
    """`changed`: paths of all components that differ. Of files that are equal on both sides the recipes are
    read unless told otherwise, the headers only if asked for."""
    found = Rows()
    try:
        near = None if equal_recipes else changed
        entries = sides.old.entries(near), sides.new.entries(near)
    except ABSENT:
        found.absent.append("")
        return found
    equal = equal_files(*entries, changed)
    for side, files, rows in zip(sides, entries, (found.old, found.new), strict=True):
        if not equal_recipes:
            files = {path: entry for path, entry in files.items() if path not in equal}  # noqa: PLW2901
        _gather(found, side, files, rows, set() if equal_headers else equal)
    return found


def _gather(
    found: Rows,
    side: TensorSide,
    files: Mapping[str, Entry],
    rows: list[TensorRow],
    without_headers: Collection[str],
) -> None:
    for path, entry in files.items():
        headers = path not in without_headers
        try:
            mine = list(side.recipe_rows(entry, headers=headers))
            if not mine and headers:
                mine = list(side.header_rows(entry))
            found.passed |= not headers
        except ABSENT:
            found.absent.append(path)
        else:
            rows += mine
