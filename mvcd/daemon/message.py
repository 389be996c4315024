"""What an automatic version says of itself: "weights: 2 of 148 tensors, metrics: val_acc 0.91 -> 0.93"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mvcd.inspect.tensors import TensorChanges
from mvcd.objects.version import Component, Value
from mvcd.repo.results import Diff, FileChanges, ValueChange

_NAMED = 3
"""Values told one by one; the rest are counted."""

_TEXT = 40
_VALUES_NAME = {Component.RESULTS: "metrics"}


def describe(diff: Diff, names: Sequence[str] = ()) -> str:
    """One line, the components in their order; never empty."""
    parts = []
    for component, files in diff.components.items():
        values = _values(_values_of(diff, component))
        if values:
            parts.append(f"{_VALUES_NAME.get(component, component.value)}: {values}")
        elif files.changed:
            parts.append(f"{component.value}: {_tensors(component, diff, files) or _files(files)}")
    return ", ".join(parts) or "no change"


def _values_of(diff: Diff, component: Component) -> Mapping[str, ValueChange]:
    if component is Component.HYPERPARAMETERS:
        return diff.hyperparameters
    return diff.metrics if component is Component.RESULTS else {}


def _values(changes: Mapping[str, ValueChange]) -> str:
    told = [f"{key} {_change(change)}" for key, change in list(changes.items())[:_NAMED]]
    more = len(changes) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


def _change(change: ValueChange) -> str:
    if change.old is None:
        return _text(change.new)
    return f"{_text(change.old)} -> {_text(change.new)}"


def _text(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if value is None:
        return "gone"
    text = " ".join(str(value).split())
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"


def _tensors(component: Component, diff: Diff, files: FileChanges) -> str:
    """Counts over changed weight files that were weights before; files that came or went are told beside."""
    every = [*diff.tensors.values(), *([] if diff.across is None else [diff.across])]
    if component is not Component.WEIGHTS or not every:
        return ""
    total = sum(_count(t, TensorChanges.__slots__) for t in every)
    same = sum(len(t.unchanged) for t in every)
    told = [f"{total - same} of {total} tensors"]
    others = FileChanges(files.added, (), files.deleted, files.renamed)
    return ", ".join([*told, _files(others)] if others.changed else told)


def _count(changes: TensorChanges, kinds: Iterable[str]) -> int:
    return sum(len(getattr(changes, kind)) for kind in kinds)


def _files(files: FileChanges) -> str:
    kinds = {
        "added": files.added,
        "changed": files.modified,
        "removed": files.deleted,
        "renamed": [new for _, new in files.renamed],
    }
    return ", ".join(_some(kind, paths) for kind, paths in kinds.items() if paths)


def _some(kind: str, paths: Iterable[str]) -> str:
    names = list(paths)
    return f"{names[0]} {kind}" if len(names) == 1 else f"{len(names)} files {kind}"
