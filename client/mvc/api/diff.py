"""Values that `Repo.diff` returns: the five differences. What costs reading is computed when first asked
for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mvc.api.public import made_from, public
from mvc.api.shown import Grid, Shown
from mvc.api.versions import ComponentRoot
from mvcd.errors import Failure
from mvcd.inspect.tensors import TensorChanges
from mvcd.inspect.trainingstate import all_state, is_state_file, state_names
from mvcd.lateclasses import dataclass
from mvcd.objects.version import EMPTY, Component
from mvcd.repo.compare.diff import diff_sides
from mvcd.repo.compare.narrowing import parts_of
from mvcd.repo.compare.sides import Sides, sides_of
from mvcd.repo.core.core import Core
from mvcd.repo.history.walk import once
from mvcd.repo.records.differences import FileChanges, ValueChange
from mvcd.repo.workspace.settings import current, metric_rules

if TYPE_CHECKING:
    from mvc.api.weights import Weights
    from mvcd.inspect.checkpoints import family_of, leading
    from mvcd.inspect.columns import Column, ColumnSummary
    from mvcd.inspect.environment import PackageChange
    from mvcd.inspect.layers import Layer, ModelChange, ModuleParameters
    from mvcd.inspect.table import Table
    from mvcd.repo.compare.architecture import ArchitectureChange, SourceChange
    from mvcd.repo.compare.data import DataChange
    from mvcd.repo.compare.tablechanges import NOT_COUNTED, NOT_HERE, TableChange
    from mvcd.repo.contents.overlaps import NearOverlap, Overlap

__all__ = [
    "NOT_COUNTED",
    "NOT_HERE",
    "ArchitectureChange",
    "Column",
    "ColumnSummary",
    "DataChange",
    "Diff",
    "FileChanges",
    "Layer",
    "ModelChange",
    "ModuleParameters",
    "NearOverlap",
    "Overlap",
    "PackageChange",
    "SourceChange",
    "Table",
    "TableChange",
    "TensorChanges",
    "ValueChange",
    "family_of",
    "leading",
]


_LAZY = {
    "mvcd.inspect.checkpoints": "family_of leading",
    "mvcd.inspect.columns": "Column ColumnSummary",
    "mvcd.inspect.environment": "PackageChange",
    "mvcd.inspect.layers": "Layer ModelChange ModuleParameters",
    "mvcd.inspect.table": "Table",
    "mvcd.repo.compare.architecture": "ArchitectureChange SourceChange",
    "mvcd.repo.compare.data": "DataChange",
    "mvcd.repo.compare.tablechanges": "NOT_COUNTED NOT_HERE TableChange",
    "mvcd.repo.contents.overlaps": "NearOverlap Overlap",
}
"""Names of the engine's that come when they are first used: reading networks and tables takes 70 modules."""
_HOME = {name: module for module, names in _LAZY.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # late: start-up

    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


@made_from(_absent_weights="absent", _unread="unread")
@dataclass(frozen=True, repr=False)
class Diff(Shown):
    """The five differences. `new` is None when the right side is the workspace.

    `hyperparameters` and `metrics` have an entry per key that differs; `tensors` one per weight file that
    differs and has tensors that stayed in it, `across` those that lie in another file than before (of a model
    that was sharded anew); `totals` has each component's files and bytes (old, new). These come from records,
    recipes and headers. `weights` has every tensor by name, over all weight files; its figures are read from
    the data when they are asked for: `diff.weights["layer1.weight"].relative_l2`. `architecture` and `data`
    read small files and tables when they are first asked for, `columns` large tables too. A diff with the
    workspace reads what lies there at that moment.

    Content may be pruned, or never fetched. `absent` has the components that differ and whose files are not all
    listed here, with the versions of which that is so; `absent_files` the changed files whose content is not
    here. Of these only what the records say is told.
    """

    old: str
    new: str | None
    components: Mapping[Component, FileChanges]
    hyperparameters: Mapping[str, ValueChange]
    metrics: Mapping[str, ValueChange]
    tensors: Mapping[str, TensorChanges]
    across: TensorChanges | None
    totals: Mapping[Component, tuple[ComponentRoot, ComponentRoot]]
    _absent_weights: tuple[str, ...] = field(repr=False)
    _unread: bool = field(repr=False)
    _sides: Sides = field(repr=False, compare=False)
    _core: Core = field(repr=False, compare=False)

    def _brief(self) -> str:
        files = sum(c.changed for c in self.components.values())
        counts = (
            f"{files} of {len(self.components)} parts differ, {len(self.hyperparameters)} settings,"
            f" {len(self.metrics)} metrics"
        )
        return f"{self._sides_named()}: {counts}"

    def _sides_named(self) -> str:
        return f"{self.old[:10]}..{'workspace' if self.new is None else self.new[:10]}"

    def _grid(self) -> Grid:
        """What is known without reading content: values and files."""
        rows: list[tuple[object, ...]] = []
        for kind, values in (("hyperparameter", self.hyperparameters), ("metric", self.metrics)):
            rows += [(kind, key, _change(v), v.old, v.new) for key, v in values.items()]
        for component, files in self.components.items():
            part = component.value
            rows += [(part, path, "added", None, None) for path in files.added]
            rows += [(part, path, "modified", None, None) for path in files.modified]
            rows += [(part, path, "deleted", None, None) for path in files.deleted]
            rows += [(part, new, "renamed", old, new) for old, new in files.renamed]
            rows += [(part, path, "moved", was.value, part) for path, was in files.moved]
        return Grid(self._sides_named(), ("part", "name", "change", "old", "new"), rows)

    @property
    def changed(self) -> bool:
        """Whether anything differs."""
        return any(c.changed for c in self.components.values())

    @property
    def below(self) -> tuple[str, str] | None:
        """The paths in the old and the new version that were compared, where it was not all of them."""
        return self._sides.below

    @property
    def absent(self) -> Mapping[Component, tuple[str, ...]]:
        """Components whose files are not all listed here, with the versions concerned."""
        return {c: tuple(id.hex() for id in ids) for c, ids in self._sides.absent.items()}

    @cached_property
    def absent_files(self) -> tuple[str, ...]:
        """Changed files whose content is not here."""
        from mvcd.repo.compare.tablechanges import NOT_HERE, problems  # late: start-up

        tables = [table for table in self.data.tables if NOT_HERE in problems(table)]
        paths = {*self.architecture.absent, *(table.path for table in tables)}
        return tuple(sorted(paths | set(self._absent_weights)))

    @property
    def way_to_absent(self) -> str:
        """The exact command that fetches content which is not here."""
        return self._core.way_to_absent()

    def is_state(self, path: str) -> bool:
        """Whether a weight file holds training state (optimizer, scheduler, random numbers), not the model."""
        tensors = self.tensors.get(path)
        return is_state_file(path) or (tensors is not None and all_state(names_of(tensors)))

    @property
    def results(self) -> Mapping[str, ValueChange]:
        """`metrics` under the name of its component."""
        return self.metrics

    @cached_property
    def background(self) -> frozenset[str]:
        """Keys of the new side's hyperparameters that a library wrote down by itself, as transformers'
        `training_args.bin` has all its defaults: that no source sets, and that are no others than before."""
        from mvcd.repo.compare import dumped  # late: start-up

        side = self._sides.new
        found = dumped.background(self._core, side, side.version.hyperparameters)
        before = self._sides.old.version.hyperparameters
        return frozenset(k for k in found if not (k in before and k in self.hyperparameters))

    @cached_property
    def weights(self) -> Weights:
        """Tensors by name; empty if the component was not asked for."""
        from mvcd.repo.compare.weights import weights  # late: start-up
        from mvcd.repo.tensors.labelled import Weights

        if Component.WEIGHTS not in self.components:
            return Weights.none()
        return weights(self._core, self._sides)

    @cached_property
    def since(self) -> Mapping[str, Diff]:
        """Comparisons of weight files that came with the newest checkpoint of their model on the old side, be
        it still there or gone; `below` has the two paths. Keys are the paths of those that speak for their
        model. At most four models, none where content is not here."""
        files = self.components.get(Component.WEIGHTS)
        if files is None or self._core.promised is not None:
            return {}
        from mvcd.repo.compare.earlier import earlier, since  # late: start-up

        found = {}
        for new, old in earlier(self._sides, files.added, files.modified).items():
            with suppress(Failure):
                found[new] = _public(self._core, since(self._core, self._sides, old, new))
        return found

    def measure_weights(self, limit: int, paths: Collection[str] | None = None) -> int:
        """Takes the figures of all tensors that changed, where that reads no more than `limit` bytes and
        fetches nothing. Returns 0, or how many bytes it would read at least. With `paths` only of the models in
        these files and of what lies in another file than before, not of training state."""
        files = [t for path, t in self.tensors.items() if paths is None or path in paths]
        found = [each for each in (*files, self.across) if each is not None]
        if not any(each.changed for each in found) or self._core.promised is not None:
            return 0
        if self._unread:
            return limit + 1  # even to tell whether they changed was too much
        weights = self.weights
        wanted = weights.to_measure(None if paths is None else {*paths, *weights.moved_to()})
        size = weights.bytes_of(wanted)
        if size > limit:
            return size
        with suppress(Failure):  # the workspace changes while it is read
            weights.measure(wanted)
        return 0

    @cached_property
    def architecture(self) -> ArchitectureChange:
        """Layers, configuration, source and environment; empty if the component was not asked for."""
        from mvcd.repo.compare.architecture import (  # late: start-up
            ArchitectureChange,
            compare_architecture,
        )

        if Component.ARCHITECTURE not in self.components:
            return ArchitectureChange()
        return compare_architecture(self._sides)

    @cached_property
    def data(self) -> DataChange:
        """Rows and columns of tables (up to 64 MiB in all, but Parquet files always), images by class, equal
        files, splits that share files or most bytes of some; empty if the component was not asked for."""
        from mvcd.repo.compare.data import DataChange, compare_data  # late: start-up

        return compare_data(self._sides) if Component.DATA in self.components else DataChange()

    @cached_property
    def columns(self) -> Mapping[str, TableChange]:
        """Changed tables by path, shards of one table together, each read whole, with a summary of each column
        on both sides:
        `diff.columns["data/train.csv"].new.summaries["age"].mean`."""
        from mvcd.repo.compare.data import summarise_tables  # late: start-up

        if Component.DATA not in self.components:
            return {}
        return {table.path: table for table in summarise_tables(self._sides)}


def _change(value: ValueChange) -> str:
    if value.better is not None:
        return "better" if value.better else "worse"
    return "added" if value.old is None else "deleted" if value.new is None else "changed"


def names_of(changes: TensorChanges) -> list[str]:
    """All tensors that stand in any list, by their new names."""
    kinds = ("added", "removed", "reshaped", "retyped", "changed", "unchanged", "uncompared")
    found = [name for kind in kinds for name in getattr(changes, kind)]
    return found + [new for _, new in changes.renamed]


def state_of(changes: TensorChanges) -> frozenset[str]:
    """Chooses the tensors that are training state, beside a model's in one file."""
    names = names_of(changes)
    state = state_names(names)
    return frozenset() if len(state) == len(names) else state


def without_state(changes: TensorChanges) -> TensorChanges:
    """The tensors of a file that are the model's; all, if all are training state."""
    state = state_of(changes)
    if not state:
        return changes
    kinds = ("added", "removed", "reshaped", "retyped", "changed", "unchanged", "uncompared")
    kept = {kind: tuple(n for n in getattr(changes, kind) if n not in state) for kind in kinds}
    renamed = tuple(pair for pair in changes.renamed if pair[1] not in state)
    return replace(changes, **kept, renamed=renamed)


def difference(
    core: Core,
    a: str | None,
    b: str | None,
    components: Collection[Component] | None,
    paths: Collection[str] = (),
) -> Diff:
    """Compares two versions, or one with the workspace, as `Repo.diff` does."""
    if b is None:
        return _public(core, parts_of(core, a, b, paths), components)
    asked = (a, b, *paths)
    return _public(core, once(core, _LastSides).of(asked), components)


class _LastSides:
    """The two sides that were compared last, for whoever asks about values and then about files of them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._asked: tuple[str | None, ...] = ()
        self._sides: Sides | None = None

    def of(self, asked: tuple[str | None, ...]) -> Sides:
        """Two revisions, and paths that are not None."""
        if self._sides is None or asked != self._asked:
            a, b, *paths = asked
            self._sides = parts_of(self._core, a, b, [path for path in paths if path is not None])
            self._asked = asked
        return self._sides


def tensors(core: Core, rev: str) -> Weights:
    """The tensors of a version, as `Repo.tensors` has them."""
    from mvcd.repo.compare.weights import weights  # late: start-up

    return weights(core, sides_of(core, EMPTY.id.hex(), rev))


def _public(core: Core, sides: Sides, components: Collection[Component] | None = None) -> Diff:
    diff = diff_sides(sides, components=components, metrics=metric_rules(current(core)))
    return public(Diff, diff, _sides=sides, _core=core)
