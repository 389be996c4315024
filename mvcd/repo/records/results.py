"""What the repository's verbs answer: small frozen values, no behaviour beyond derived figures.

Sizes are raw bytes unless a name says `stored`. Paths are relative to the workspace root, '/'-separated.

What the verbs of every minute need is defined in `standing`, `versionentry`, `committed` and `operations`, and
they import it from there: a frozen dataclass takes 0.4 ms to make, and here are twenty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from mvcd.ids import VersionId
from mvcd.inspect.tensors import TensorChanges
from mvcd.objects.version import Component, ComponentRoot, SubPart, Value
from mvcd.repo.records.committed import CommitResult, ComponentCommit, Context
from mvcd.repo.records.operations import Operation, RefMove
from mvcd.repo.records.standing import Apart, Branch, Head, PathChange, PathRename, Status, Tag
from mvcd.repo.records.versionentry import HistoryEntry, Pruned

__all__ = [
    "Apart",
    "Branch",
    "Check",
    "CheckoutResult",
    "CommitResult",
    "ComponentCommit",
    "Context",
    "Diff",
    "Explained",
    "FileChanges",
    "Harm",
    "Head",
    "HistoryEntry",
    "Listed",
    "Operation",
    "PathChange",
    "PathEntry",
    "PathRename",
    "Pruned",
    "RefMove",
    "Status",
    "Tag",
    "ValueChange",
    "VerifyError",
    "VerifyReport",
    "WeightChanges",
    "WorkspaceInfo",
]


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


@dataclass(frozen=True, slots=True)
class CheckoutResult:
    head: Head
    written: int  # files
    removed: int
    bytes_written: int
    kept: tuple[str, ...] = ()  # paths with unsaved work that the move did not touch
    saved: VersionId | None = None  # where overwritten work was kept for undo
    skipped: tuple[tuple[str, str], ...] = ()
    left_out: tuple[
        Component | SubPart, ...
    ] = ()  # what the workspace does not have of HEAD's version


@dataclass(frozen=True, slots=True)
class Harm:
    """A file of a version that damage makes unreadable."""

    version: VersionId
    number: int
    path: str


@dataclass(frozen=True, slots=True)
class VerifyError:
    problem: str
    where: str
    object: str | None  # "chunk 1f2e..." or None
    hurts: tuple[Harm, ...] = ()


@dataclass(frozen=True, slots=True)
class VerifyReport:
    objects: int
    bytes: int
    versions: int
    errors: tuple[VerifyError, ...]
    absent: int = 0  # objects that this clone left out

    @property
    def ok(self) -> bool:
        return not self.errors


@dataclass(frozen=True, slots=True)
class WorkspaceInfo:
    """One of the workspaces on a store. `root` is None where its place was never noted."""

    id: str
    root: str | None
    head: Head
    current: bool
    there: bool  # whether its directory still is it


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of `ls`."""

    path: str
    component: Component
    size: int
    mode: str  # "file", "executable", "symlink"
    recipe: str  # hex
    digest: str | None = None  # hex, by the algorithm that was asked for


@dataclass(frozen=True, slots=True)
class PathEntry:
    """What lies at one path of a version: a file, a link or a directory."""

    path: str  # "" is the top
    kind: str  # "file", "symlink", "directory"
    size: int = 0  # bytes; of a link its text's, of a directory 0
    executable: bool = False
    component: Component | None = None  # None of a directory, which may have files of several
    recipe: str | None = None  # hex
    digest: str | None = None  # hex, by the algorithm that was asked for


@dataclass(frozen=True, slots=True)
class Explained:
    """`component` is what a commit makes of the file now, `recorded` what the version says, if it has the file.

    `state`: whether it is training state, a sub-part of weights. `rule` names what decided. `format`: what was
    recognised, "" nothing; `tensors` and `parameters` (of these, training state left out) are None for a file
    that has none. `values` counts the settings or metrics in it, None where none are looked for. `problem` says
    what was not understood.
    """

    path: str
    component: Component
    state: bool
    rule: str
    recorded: Component | None = None
    format: str = ""
    tensors: int | None = None
    parameters: int | None = None
    state_tensors: int | None = None
    values: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`."""

    name: str
    ok: bool
    detail: str
    help: str = ""
