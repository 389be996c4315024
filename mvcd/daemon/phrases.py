"""What became of each component, in a few words: "2 of 148 tensors", "lr 0.1 -> 0.05", "3 files deleted"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from mvcd.daemon.cells import cells, safe, shorten
from mvcd.inspect.tensors import TensorChanges
from mvcd.inspect.trainingstate import is_state_file
from mvcd.objects.version import Component, Value
from mvcd.repo.records.differences import Diff, FileChanges, ValueChange

NAMED_VALUES = 3
"""Values told one by one; the rest are counted. More than three are not taken in at a glance."""

CHANGED = "changed"
"""The whole part of a component of which it is not here what files changed."""

_TEXT_CELLS = 40
"""Cells of one value."""

_VALUES = {Component.HYPERPARAMETERS: "settings", Component.RESULTS: "metrics"}


def title(diff: Diff, component: Component) -> str:
    return _VALUES[component] if values_of(diff, component) else component.value


def parts(diff: Diff, component: Component) -> Sequence[str]:
    """What changed in it, deletions last; empty if nothing did."""
    files = diff.components[component]
    if told := values(values_of(diff, component)):
        return [told]
    if not files.listed:
        return [CHANGED]
    if component is Component.WEIGHTS:
        return [*_weights(diff, files)]
    return [*_files(files)]


def values_of(diff: Diff, component: Component) -> Mapping[str, ValueChange]:
    if component is Component.HYPERPARAMETERS:
        return diff.hyperparameters
    return _without_copies(diff.metrics) if component is Component.RESULTS else {}


def _without_copies(changes: Mapping[str, ValueChange]) -> Mapping[str, ValueChange]:
    """Without `runs/*/trainer_state.json:loss` where `loss` says the same: a training writes a metric into
    several files."""
    return {
        key: change
        for key, change in changes.items()
        if (name := key.rpartition(":")[2]) == key or changes.get(name) != change
    }


def values(changes: Mapping[str, ValueChange], named: int = NAMED_VALUES) -> str:
    """ "lr 0.1 -> 0.05, decay 0.01 and 4 more"."""
    told = [f"{safe(key)} {_change(change)}" for key, change in list(changes.items())[:named]]
    more = len(changes) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


def _change(change: ValueChange) -> str:
    if change.old is None:
        return _text(change.new)
    return f"{_text(change.old)} -> {_text(change.new)}"


def _text(value: Value) -> str:
    if value is None:
        return "gone"
    if isinstance(value, float):
        return "NaN" if value != value else f"{value:.6g}"  # noqa: PLR0124 - only NaN differs from itself
    return shorten(safe(" ".join(str(value).split())), _TEXT_CELLS)


def line(diff: Diff, component: Component, room: int) -> str:
    """ "weights: 3 files added (148 tensors)": what changed in it, within `room` cells. Fewer values are told
    where all three have no room, and a single file is counted where its name has none."""
    head = title(diff, component)
    if changes := values_of(diff, component):
        ways = [values(changes, named) for named in range(NAMED_VALUES, 0, -1)]
    else:
        whole = parts(diff, component)
        paths = {path for _, some_paths in kinds(diff.components[component]) for path in some_paths}
        ways = [", ".join(whole), ", ".join(_counted(part, paths) for part in whole)]
    fitting = (way for way in ways if cells(f"{head}: {way}") <= room)
    return shorten(f"{head}: {next(fitting, ways[-1])}", room)


def _counted(part: str, paths: Iterable[str]) -> str:
    """ "1 file added" of "runs/a/b.bin added"."""
    name = max((safe(p) for p in paths if part.startswith(f"{safe(p)} ")), key=len, default="")
    return f"1 file{part[len(name) :]}" if name else part


# -------------------------------------------------------------------- files


def kinds(files: FileChanges) -> Iterator[tuple[str, Sequence[str]]]:
    """(what became of them, paths), deletions last."""
    yield "modified", files.modified
    yield "added", files.added
    yield "renamed", [new for _, new in files.renamed]
    yield "of another part before", [path for path, _ in files.moved]
    yield "deleted", files.deleted


def some(kind: str, paths: Sequence[str]) -> str:
    """ "b.bin added", "3 files added"."""
    return f"{safe(paths[0])} {kind}" if len(paths) == 1 else f"{len(paths):,} files {kind}"


def _files(files: FileChanges) -> Iterator[str]:
    return (some(kind, paths) for kind, paths in kinds(files) if paths)


# -------------------------------------------------------------------- tensors


def _weights(diff: Diff, files: FileChanges) -> Iterator[str]:
    """Counts of tensors stand for the files that were weights before, and beside those that came."""
    changed = changed_tensors(diff)
    if changed:
        yield changed
    for kind, paths in kinds(files):
        if not paths or (changed and kind == "modified"):
            continue
        count = came(diff, paths) if kind == "added" else 0
        yield some(kind, paths) + (f" ({tensors(count)})" if count else "")


def changed_tensors(diff: Diff, has: Callable[[str], bool] | None = None) -> str:
    """ "3 of 148 tensors", of files that stayed, those that `has` accepts, and of what lies in other files than
    before; "" where no tensors are known."""
    every = [t for path, t in diff.tensors.items() if has is None or has(path)]
    every += [] if diff.across is None else [diff.across]
    total = sum(_count(t, TensorChanges.__slots__) for t in every)
    same = sum(len(t.unchanged) for t in every)
    return f"{total - same:,} of {tensors(total)}" if total else ""


def came(diff: Diff, paths: Iterable[str]) -> int:
    """Tensors in files that came; of the files of a training's state only if no other has any."""
    counts = {path: diff.came[path] for path in paths if path in diff.came}
    model = sum(n for p, n in counts.items() if not is_state_file(p))
    return model or sum(counts.values())


def tensors(count: int) -> str:
    return f"{count:,} tensor" if count == 1 else f"{count:,} tensors"


def _count(changes: TensorChanges, fields: Iterable[str]) -> int:
    return sum(len(getattr(changes, field)) for field in fields)
