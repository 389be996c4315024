"""The five differences of two versions, from records and manifests; recipes are read for changed weights only.

The workspace takes part as an unsaved version (snapshot.py), so there is one comparison, not two.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping

from mvcd.ids import VersionId
from mvcd.inspect.tensors import TensorChanges, compare_tensors
from mvcd.inspect.textdiff import is_text, unified_diff
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.recipe import Recipe
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Component, Value, Version
from mvcd.repo.files import Change, changes, read_entry, recipe_of
from mvcd.repo.results import Diff, FileChanges, ValueChange
from mvcd.repo.weights import Weights

MAX_TEXT = 4 << 20
"""Bytes of the largest file shown line by line."""


def compare(
    old_id: VersionId,
    old: Version,
    new_id: VersionId | None,
    new: Version,
    fetch: Fetch,
    *,
    components: Collection[Component] | None = None,
    weights: Weights | None = None,
) -> Diff:
    wanted = tuple(components) if components is not None else tuple(Component)
    changed = changes(old, new, fetch)
    files = {c: _file_changes(c, changed) for c in wanted}
    settings = Component.HYPERPARAMETERS in wanted
    return Diff(
        old=old_id,
        new=new_id,
        components=files,
        hyperparameters=_values(old.hyperparameters, new.hyperparameters) if settings else {},
        metrics=_values(old.metrics, new.metrics) if Component.RESULTS in wanted else {},
        tensors=dict(_tensors(changed, fetch)) if Component.WEIGHTS in wanted else {},
        weights=weights if weights and Component.WEIGHTS in wanted else Weights.none(),
    )


def _file_changes(component: Component, changed: Mapping[str, Change]) -> FileChanges:
    added: dict[str, Entry] = {}
    deleted: dict[str, Entry] = {}
    modified: list[str] = []
    for path, (before, after) in changed.items():
        here_before = before is not None and before.component is component
        here_after = after is not None and after.component is component
        if here_before and here_after:
            modified.append(path)
        elif here_before and before is not None:
            deleted[path] = before.entry
        elif here_after and after is not None:
            added[path] = after.entry
    renamed = _renames(deleted, added)
    for old_path, new_path in renamed:
        del deleted[old_path], added[new_path]
    return FileChanges(
        tuple(sorted(added)), tuple(sorted(modified)), tuple(sorted(deleted)), tuple(renamed)
    )


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


def _values(old: Mapping[str, Value], new: Mapping[str, Value]) -> dict[str, ValueChange]:
    keys = sorted(old.keys() | new.keys())
    return {
        key: ValueChange(old.get(key), new.get(key)) for key in keys if not _same(old, new, key)
    }


def _same(old: Mapping[str, Value], new: Mapping[str, Value], key: str) -> bool:
    if (key in old) != (key in new):
        return False
    a, b = old[key], new[key]
    both_nan = a != a and b != b  # noqa: PLR0124 - NaN is the value that differs from itself
    return both_nan or (a == b and isinstance(a, bool) == isinstance(b, bool))


def _tensors(changed: Mapping[str, Change], fetch: Fetch) -> Iterator[tuple[str, TensorChanges]]:
    for path in sorted(changed):
        before, after = changed[path]
        if before is None or after is None or after.component is not Component.WEIGHTS:
            continue
        old, new = recipe_of(before.entry, fetch), recipe_of(after.entry, fetch)
        if old.format or new.format:
            yield path, compare_tensors(_rows(old), _rows(new))


def _rows(recipe: Recipe) -> Iterable[tuple[str, str, tuple[int, ...], object]]:
    for segment in recipe.segments:
        if segment.tensor is not None:
            tensor = segment.tensor
            yield tensor.name, tensor.dtype, tensor.shape, segment.content_key


def patch(
    changed: Mapping[str, Change], fetch: Fetch, diff: Diff, *, root: str | None = None
) -> Iterator[str]:
    """Unified diff lines of every changed text file of the diff's components, in path order.

    With `root`, the new side is read from the workspace there, since its chunks are stored nowhere.
    """
    for path in sorted(changed):
        before, after = changed[path]
        sides = [p for p in (before, after) if p is not None]
        if not any(p.component in diff.components for p in sides):
            continue
        if any(p.entry.size > MAX_TEXT for p in sides):
            yield f"{path}: too large to show line by line"
            continue
        old = b"" if before is None else read_entry(before.entry, fetch)
        new = b"" if after is None else _new_side(after.entry, fetch, root)
        if old == new:
            continue
        if not (is_text(old) and is_text(new)):
            yield f"{path}: binary files differ"
            continue
        yield from unified_diff(
            old, new,
            "/dev/null" if before is None else f"a/{path}",
            "/dev/null" if after is None else f"b/{path}",
        )  # fmt: skip


def _new_side(entry: Entry, fetch: Fetch, root: str | None) -> bytes:
    if root is None:
        return read_entry(entry, fetch)
    path = os.path.join(root, entry.path)
    if entry.mode is Mode.SYMLINK:
        return os.fsencode(os.readlink(path))
    with open(path, "rb") as file:
        return file.read(MAX_TEXT)
