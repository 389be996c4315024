"""Values that the verbs return: frozen. Ids are 64 hex digits, times are aware datetimes, sizes are raw bytes
unless a name says `stored`, and paths are relative to the workspace's root with '/' between their parts.

Values that hold no id are the engine's own and only re-exported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mvc.api.public import made_from
from mvcd.inspect.trainingstate import SubPart
from mvcd.monitor import Monitor
from mvcd.objects.version import Component, Provenance, Value
from mvcd.repo.records.results import (
    Check,
    ComponentCommit,
    Explained,
    Listed,
    PathChange,
)
from mvcd.repo.workspace.ignore import IgnoreMatch
from mvcd.store.api import CollectReport, StoreStats

__all__ = [
    "Branch",
    "Check",
    "CheckoutResult",
    "CollectReport",
    "CommitResult",
    "Component",
    "ComponentCommit",
    "ComponentRoot",
    "Explained",
    "Harm",
    "Head",
    "IgnoreMatch",
    "Listed",
    "Monitor",
    "Operation",
    "PathChange",
    "Provenance",
    "Status",
    "StoreStats",
    "SubPart",
    "Tag",
    "Value",
    "VerifyError",
    "VerifyReport",
    "Version",
]


@made_from(digest="root")
@dataclass(frozen=True, slots=True)
class ComponentRoot:
    """One component of a version. Equal `digest`, equal content; None when it has no files."""

    digest: str | None
    files: int
    size: int


@made_from("version", number="version.generation")
@dataclass(frozen=True, slots=True)
class Version:
    """An immutable point of history. `number` is its generation: `v12` is 12 steps from the empty version."""

    id: str
    number: int
    parents: tuple[str, ...]
    time: datetime
    author: str
    message: str
    trigger: str  # "manual", "auto", "import", "rollback" or "merge"
    hyperparameters: Mapping[str, Value]
    metrics: Mapping[str, Value]
    components: Mapping[Component, ComponentRoot]
    provenance: Provenance
    tracked: tuple[str, ...]
    refs: tuple[str, ...] = ()  # "HEAD -> main", "main", "tag: v1.0", ...

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(c.size for c in self.components.values())

    @property
    def files(self) -> int:
        """Number of files."""
        return sum(c.files for c in self.components.values())


@dataclass(frozen=True, slots=True)
class Head:
    """The position of the workspace. `branch` is None when HEAD is detached; number 0 is the empty version."""

    branch: str | None
    version: str
    number: int


@dataclass(frozen=True, slots=True)
class Status:
    """Differences between HEAD's version and the workspace, and names that are not tracked."""

    head: Head
    added: tuple[PathChange, ...]
    modified: tuple[PathChange, ...]
    deleted: tuple[PathChange, ...]
    untracked: tuple[str, ...]  # top-level names; directories end in "/"
    skipped: tuple[tuple[str, str], ...]  # (path, why it cannot be versioned)
    tracked: tuple[str, ...]
    left_out: tuple[Component | SubPart, ...] = ()  # absent here by choice, and not deleted
    unparsed: tuple[tuple[str, str], ...] = ()  # (path, why its settings or metrics are not known)

    @property
    def clean(self) -> bool:
        """Whether nothing differs from the version."""
        return not (self.added or self.modified or self.deleted)


WITHOUT_CONTENT = frozenset({"a fifo", "a socket", "a device", "metadata of another repository"})
"""Reasons for which something is skipped that no version could hold anyway."""


@dataclass(frozen=True, slots=True)
class CommitResult:
    """Result of a commit. `started_branch`: HEAD was on an old version, so `branch` was made for it."""

    version: str
    number: int
    branch: str
    started_branch: bool
    files: int
    bytes_total: int
    bytes_changed: int  # raw bytes of new or changed files
    bytes_new: int  # raw bytes of chunks the store did not have
    bytes_stored: int  # bytes added to the store
    components: Mapping[Component, ComponentCommit]
    skipped: tuple[tuple[str, str], ...] = ()  # (path, why it is not in the version)
    leading_out: tuple[
        tuple[str, str], ...
    ] = ()  # (path, target) of new links out of the workspace
    signer: str | None = None  # fingerprint of the key that signed the version
    unparsed: tuple[tuple[str, str], ...] = ()  # (path, why its settings or metrics are not known)

    @property
    def unsaved(self) -> tuple[tuple[str, str], ...]:
        """The part of `skipped` that has content, which the version now lacks: no fifo, socket or device."""
        return tuple((path, why) for path, why in self.skipped if why not in WITHOUT_CONTENT)


@dataclass(frozen=True, slots=True)
class CheckoutResult:
    """Changes that a checkout made to files. `saved` is a version that keeps what was overwritten, for undo."""

    head: Head
    written: int
    removed: int
    bytes_written: int
    kept: tuple[str, ...] = ()  # unsaved work that was not in the way
    saved: str | None = None
    skipped: tuple[tuple[str, str], ...] = ()
    left_out: tuple[Component | SubPart, ...] = ()  # of HEAD's version, absent here by choice


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch, and the version it points to."""

    name: str
    version: str
    number: int
    current: bool


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, and the version it points to."""

    name: str
    version: str
    number: int
    message: str = ""
    signer: str | None = None  # fingerprint of the key that signed it, of a tag just made


@made_from(refs=lambda operation: tuple(move.name for move in operation.moves))
@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of the operation log: a change of refs, HEAD or the workspace that can be undone."""

    number: int
    time: datetime
    author: str
    verb: str
    detail: str
    refs: tuple[str, ...]  # names that moved
    files: bool  # whether files of the workspace were rewritten
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class Harm:
    """A file of a version that damage makes unreadable."""

    version: str
    number: int
    path: str


@dataclass(frozen=True, slots=True)
class VerifyError:
    """One damaged object, and the files that it affects. `object` is like "chunk 1f2e…" or None."""

    problem: str
    where: str
    object: str | None
    hurts: tuple[Harm, ...] = ()


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Result of a verification."""

    objects: int
    bytes: int
    versions: int
    errors: tuple[VerifyError, ...] = field(default=())
    absent: int = 0  # objects that this clone left out

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.errors
