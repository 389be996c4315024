"""The five differences of two versions, from records and manifests; of changed weights recipes and headers.

What the differences mean costs a little reading and is asked for by itself: architecture.py, tables.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from mvcd.objects.entry import Entry
from mvcd.objects.version import Component, Value
from mvcd.repo.compare.narrowing import parts_of
from mvcd.repo.compare.sides import Sides
from mvcd.repo.contents.files import ABSENT, Change, Placed
from mvcd.repo.core.core import Core
from mvcd.repo.records.differences import Diff, FileChanges, ValueChange, WeightChanges
from mvcd.repo.workspace.settings import current, metric_rules

if TYPE_CHECKING:
    from mvcd.inspect.direction import MetricRules

MAX_TEXT_BYTES = 4 << 20
"""Bytes of the largest file shown line by line."""


def diff(
    core: Core,
    old: str | None = None,
    new: str | None = None,
    *,
    components: Collection[Component] | None = None,
    paths: Collection[str] = (),
) -> Diff:
    """Compares `old` (None: HEAD) with `new` (None: the workspace), or parts of them (narrowing.py)."""
    rules = metric_rules(current(core))
    sides = parts_of(core, old, new, paths)
    return diff_sides(sides, components=components, metrics=rules)


def diff_sides(
    sides: Sides,
    *,
    components: Collection[Component] | None = None,
    metrics: MetricRules | None = None,
) -> Diff:
    """Compares two sides. `metrics` decides what is better; by default the built-in rules do."""
    from mvcd.inspect.direction import MetricRules  # late: start-up

    wanted = tuple(components) if components is not None else tuple(Component)
    old, new = sides.old.version, sides.new.version
    rules = metrics or MetricRules.default()
    settings, results = Component.HYPERPARAMETERS in wanted, Component.RESULTS in wanted
    assert sides.old.id is not None, "the workspace stands on the right"
    tensors = _tensors(sides) if Component.WEIGHTS in wanted else WeightChanges()
    return Diff(
        old=sides.old.id,
        new=sides.new.id,
        components={
            c: FileChanges(listed=False) if c in sides.absent else _file_changes(c, sides.changes)
            for c in wanted
        },
        hyperparameters=value_changes(old.hyperparameters, new.hyperparameters) if settings else {},
        metrics=value_changes(old.metrics, new.metrics, rules) if results else {},
        tensors=tensors.files,
        across=tensors.across,
        absent=tensors.absent,
        totals={c: (old.components[c], new.components[c]) for c in wanted},
        came=tensors.came,
        unread=tensors.unread,
    )


def _file_changes(component: Component, changed: Mapping[str, Change]) -> FileChanges:
    added: dict[str, Entry] = {}
    deleted: dict[str, Entry] = {}
    modified: list[str] = []
    moved: list[tuple[str, Component]] = []
    for path, (before, after) in changed.items():
        here_before = before is not None and before.component is component
        here_after = after is not None and after.component is component
        if here_before and here_after:
            modified.append(path)
        elif here_after and before is not None:
            moved.append((path, before.component))
        elif here_before and before is not None and after is None:
            deleted[path] = before.entry
        elif here_after and after is not None:
            added[path] = after.entry
    renamed = _renames(deleted, added)
    for old_path, new_path in renamed:
        del deleted[old_path], added[new_path]
    came, stayed, gone = (tuple(sorted(paths)) for paths in (added, modified, deleted))
    return FileChanges(came, stayed, gone, tuple(renamed), moved=tuple(sorted(moved)))


def _renames(deleted: Mapping[str, Entry], added: Mapping[str, Entry]) -> list[tuple[str, str]]:
    """Pairs of equal, non-empty content, in path order on both sides."""
    by_recipe: dict[bytes, list[str]] = {}
    for path in sorted(deleted, reverse=True):
        if deleted[path].size:
            by_recipe.setdefault(deleted[path].recipe, []).append(path)
    pairs = []
    for path in sorted(added):
        if olds := by_recipe.get(added[path].recipe):
            pairs.append((olds.pop(), path))
    return sorted(pairs)


def value_changes(
    old: Mapping[str, Value], new: Mapping[str, Value], rules: MetricRules | None = None
) -> dict[str, ValueChange]:
    """Keys that differ, sorted; NaN equals itself, and True is not 1. With `rules`, also what is better."""
    found = {}
    for key in sorted(old.keys() | new.keys()):
        if not _same(old, new, key):
            a, b = old.get(key), new.get(key)
            found[key] = ValueChange(a, b, None if rules is None else rules.better(key, a, b))
    return found


def _same(old: Mapping[str, Value], new: Mapping[str, Value], key: str) -> bool:
    if (key in old) != (key in new):
        return False
    a, b = old[key], new[key]
    both_nan = a != a and b != b  # noqa: PLR0124 - NaN is the value that differs from itself
    return both_nan or (a == b and isinstance(a, bool) == isinstance(b, bool))


def _tensors(sides: Sides) -> WeightChanges:
    weights = [side.version.components[Component.WEIGHTS].root for side in (sides.old, sides.new)]
    if weights[0] == weights[1]:
        return WeightChanges()
    from mvcd.repo.compare.tensorchanges import compare_tensors  # late: start-up

    return compare_tensors(sides)


def patch(sides: Sides, components: Collection[Component]) -> Iterator[str]:
    """Unified diff lines of every changed text file of the components, in path order; then, in a line each,
    files that are not text and changed, and how many that are not text came or went."""
    binary: list[str] = []
    alone = 0
    for path in sorted(sides.changes):
        before, after = sides.changes[path]
        present = [p for p in (before, after) if p is not None]
        if not any(p.component in components for p in present):
            continue
        found = _patch(sides, path, before, after)
        if found is None and len(present) > 1:
            binary.append(path)
        elif found is None:
            alone += 1
        else:
            yield from found
    yield from (f"{path}: binary files differ" for path in binary)
    if alone:
        yield f"{alone:,} binary file{'s' if alone > 1 else ''} added or deleted"


def _patch(
    sides: Sides, path: str, before: Placed | None, after: Placed | None
) -> Iterable[str] | None:
    """None for what is not text."""
    from mvcd.inspect.textdiff import SNIFF_BYTES, is_text, unified_diff  # late: start-up

    present = [p for p in (before, after) if p is not None]
    if any(p.entry.size > MAX_TEXT_BYTES for p in present):
        return [f"{path}: too large to show line by line"]
    try:
        sides_read = []
        for side, placed in ((sides.old, before), (sides.new, after)):
            data = b"" if placed is None else side.read(placed.entry, SNIFF_BYTES)
            if not is_text(data):
                return None
            if placed is not None and placed.entry.size > SNIFF_BYTES:
                data = side.read(placed.entry, MAX_TEXT_BYTES)
            sides_read.append(data)
    except ABSENT:
        return [f"{path}: its content is not here"]
    old, new = sides_read
    return unified_diff(
        old, new,
        "/dev/null" if before is None else f"a/{path}",
        "/dev/null" if after is None else f"b/{path}",
    )  # fmt: skip
