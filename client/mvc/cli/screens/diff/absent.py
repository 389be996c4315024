"""What could not be compared since it is not here: pruned, or never fetched. The rest is shown as ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.diff import Diff

NOTE = "content not here"
ABSENT = "Not here (pruned, or never fetched)"
_ALL_COMPONENTS = 5  # components


def lines(diff: Diff, old: str, new: str, *, files: bool = True) -> Iterator[str]:
    """For the end of a screen: what is absent, and the command by which it comes; nothing if all is here. `old`
    and `new` are how the sides are called there. Without `files` no file is looked into."""
    if found := sentence(diff, old, new, files=files):
        yield click.style(found, fg="yellow")
        yield click.style(text.safe(diff.way_to_absent), dim=True)


def sentence(diff: Diff, old: str, new: str, *, files: bool = True) -> str:
    """ "Not here (pruned, or never fetched): data of v1; the content of 2 files"."""
    names = {diff.old: old.partition(" ")[0], diff.new: new.partition(" ")[0]}
    by_sides: dict[tuple[str, ...], list[str]] = {}
    for component, ids in diff.absent.items():
        if component in diff.components:
            by_sides.setdefault(ids, []).append(component.value)
    said = []
    for ids, components in by_sides.items():
        whose = f" of {' and '.join(names[id] for id in ids)}" if ids else ""
        what = ", ".join(components) if len(components) < _ALL_COMPONENTS else "all content"
        said.append(f"{what}{whose}")
    if files and (paths := diff.absent_files):
        said.append(f"the content of {text.plural(len(paths), 'file')}")
    return f"{ABSENT}: {'; '.join(said)}" if said else ""


def roots(diff: Diff, name: str) -> str:
    """What the records say of a component: "12 files, 3.1 MiB -> 14 files, 3.4 MiB"."""
    pair = next(pair for component, pair in diff.totals.items() if component.value == name)
    shown = [f"{text.plural(root.files, 'file')}, {text.size(root.size)}" for root in pair]
    return shown[0] if shown[0] == shown[1] else " -> ".join(shown)
