"""What `diff` answers, apart from `results`: it loads no other class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field

from mvcd.ids import VersionId
from mvcd.inspect.tensors import TensorChanges
from mvcd.lateclasses import dataclass
from mvcd.objects.version import Component, ComponentRoot, Value


@dataclass(frozen=True, slots=True)
class FileChanges:
    """Without `listed`, the files differ, but a list of them is not here: which ones is not known.

    `moved` has paths that were part of another component before, and that one; their content may have changed
    too. There they count as nothing.
    """

    added: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()  # (old, new), equal content
    listed: bool = True
    moved: tuple[tuple[str, Component], ...] = ()

    @property
    def changed(self) -> bool:
        known = self.added or self.modified or self.deleted or self.renamed or self.moved
        return bool(known) or not self.listed


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A setting or metric on both sides; None also stands for absent. `diff` = new - old for numbers.

    `better` is for metrics that have a direction (mvcd/inspect/direction.py): whether new improves on old.
    """

    old: Value
    new: Value
    better: bool | None = None

    @property
    def diff(self) -> float | None:
        numbers = (int, float)
        if isinstance(self.old, bool) or isinstance(self.new, bool):
            return None
        if isinstance(self.old, numbers) and isinstance(self.new, numbers):
            return self.new - self.old
        return None

    @property
    def percent(self) -> float | None:
        """`diff` in percent of the old value's size; None unless both are finite and the old one is not 0."""
        diff = self.diff
        if diff is None or not self.old or not math.isfinite(diff):
            return None
        try:
            return 100 * diff / abs(self.old)  # type: ignore[arg-type]  # numbers, since `diff` is one
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True)
class WeightChanges:
    """`files`: by path, the tensors that stayed in a file that changed. `across`: those that lie in another
    file than before, as when a model is sharded anew, with what came and went; None if there are none.
    `absent`: changed files of which it is not here what tensors they have. `came`: by path, how many tensors
    a file has that was not there before. `unread`: to tell whether some changed was too much to read."""

    files: Mapping[str, TensorChanges] = field(default_factory=dict)
    across: TensorChanges | None = None
    absent: tuple[str, ...] = ()
    came: Mapping[str, int] = field(default_factory=dict)
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Diff:
    """The five differences. `new` is None when the right side is the workspace."""

    old: VersionId
    new: VersionId | None
    components: Mapping[Component, FileChanges]
    hyperparameters: Mapping[str, ValueChange]
    metrics: Mapping[str, ValueChange]
    tensors: Mapping[str, TensorChanges]  # by path, of those that stayed in a changed weight file
    across: TensorChanges | None  # of those that lie in another file than before
    absent: tuple[str, ...]  # changed weight files of which it is not here what tensors they have
    totals: Mapping[Component, tuple[ComponentRoot, ComponentRoot]] = field(default_factory=dict)
    came: Mapping[str, int] = field(
        default_factory=dict
    )  # by path, tensors of weight files that came
    unread: bool = False  # to tell whether some tensors changed was too much to read

    @property
    def changed(self) -> bool:
        return any(c.changed for c in self.components.values())
