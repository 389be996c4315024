"""Checkpoints of one model: one of them speaks, the others are counted; --verbose shows all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from mvc.cli import text

if TYPE_CHECKING:
    from mvc.api.diff import Diff, ModelChange, ValueChange

Row = tuple[str, str, str]
"""What became of a file, how it is shown, and its path."""

_MOST_ROWS = 1000
"""Rows that are sorted by the models they are of, 17 us each."""

_Item = TypeVar("_Item")


def spoken(rows: Sequence[Row]) -> tuple[list[Row], dict[str, int]]:
    """The rows without those for whom another row of their kind speaks, and by path how many these are; all
    rows where they are many, as of data, which are no checkpoints."""
    if len(rows) > _MOST_ROWS:
        return list(rows), {}
    kinds = dict.fromkeys(kind for kind, _, _ in rows if kind in ("modified", "added", "deleted"))
    counts: dict[tuple[str, str], int] = {}
    for kind in kinds:
        for path, others in _leading(path for of, _, path in rows if of == kind).items():
            counts[kind, path] = len(others)
    kept = [row for row in rows if row[0] not in kinds or (row[0], row[2]) in counts]
    return kept, {path: count for (_, path), count in counts.items() if count}


def more(count: int, *, of_model: bool = True) -> str:
    """Says "and 2 more checkpoints of it (-v)", or of files that are no model "and 2 more like it"; empty for
    none."""
    if not count:
        return ""
    said = f"{text.plural(count, 'more checkpoint')} of" if of_model else f"{count:,} more like"
    return f"and {said} it (-v)"


def weight_files(diff: Diff) -> set[str]:
    """Changed weight files that speak for a model."""
    return set(_leading(path for path in diff.tensors if not diff.is_state(path)))


def with_counts(
    items: Iterable[tuple[str, _Item]], same: Callable[[_Item], object]
) -> list[tuple[str, _Item, int]]:
    """Items in their order, each with its path and how many checkpoints that say the `same` are left out."""
    items = list(items)
    said: dict[tuple[str, object], list[str]] = {}
    families = {
        p: first
        for first, others in _leading(p for p, _ in items).items()
        for p in (first, *others)
    }
    for path, item in items:
        said.setdefault((families[path], same(item)), []).append(path)
    found = []
    for path, item in items:
        group = said[families[path], same(item)]
        first = families[path] if families[path] in group else next(iter(_leading(group)))
        if path == first:
            found.append((path, item, len(group) - 1))
    return found


def families(models: Iterable[str | None]) -> set[str]:
    """Which models these are, of the names of their files without suffix."""
    from mvc.api.diff import family_of  # late: start-up

    return {family_of(f"{model}.ckpt") for model in models if model is not None}


def models(found: Iterable[ModelChange]) -> list[tuple[str, ModelChange, int]]:
    """The models of `found` that speak, with how many checkpoints have the same change of form."""
    named = ((f"{model.new or model.old or ''}.ckpt", model) for model in found)
    return [(path.removesuffix(".ckpt"), m, n) for path, m, n in with_counts(named, _form)]


def _form(model: ModelChange) -> object:
    """Models that came, or went, have nothing to compare: one of them speaks, whatever their forms."""
    if model.old is None or model.new is None:
        return model.old is None
    pairs = (model.renamed, model.reshaped, model.retyped)
    return model.added, model.removed, pairs, model.parameters


def configs(
    found: Iterable[tuple[str, Mapping[str, ValueChange]]],
) -> list[tuple[str, Mapping[str, ValueChange]]]:
    """Configuration files that differ, each of several checkpoints' equal changes once."""
    return [(p, k) for p, k, _ in with_counts(found, lambda keys: repr(sorted(keys.items())))]


def _leading(paths: Iterable[str]) -> dict[str, list[str]]:
    from mvc.api.diff import leading  # late: start-up

    return leading(paths)
