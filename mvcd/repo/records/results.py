"""What the repository's verbs answer: small frozen values, no behaviour beyond derived figures.

Sizes are raw bytes unless a name says `stored`. Paths are relative to the workspace root, '/'-separated.

What the verbs of every minute need is defined in `standing`, `versionentry`, `committed` and `operations`, and
they import it from there: a frozen dataclass takes 0.4 ms to make, and here are twenty.
"""

from __future__ import annotations

from mvcd.ids import VersionId
from mvcd.lateclasses import dataclass
from mvcd.objects.version import Component, SubPart
from mvcd.repo.records.committed import CommitResult, ComponentCommit, Context
from mvcd.repo.records.differences import Diff, FileChanges, ValueChange, WeightChanges
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
