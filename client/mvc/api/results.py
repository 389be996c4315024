"""Values that the verbs return: frozen. Ids are 64 hex digits, times are aware datetimes, sizes are raw bytes
unless a name says `stored`, and paths are relative to the workspace's root with '/' between their parts.

Values that hold no id are the engine's own and only re-exported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from mvcd.monitor import Monitor
from mvcd.objects import version as objects
from mvcd.objects.version import Component, Provenance, Value
from mvcd.repo import results as engine
from mvcd.repo.ignore import Match as IgnoreMatch
from mvcd.repo.results import (
    Check,
    ComponentCommit,
    Listed,
    PathChange,
)
from mvcd.repo.signatures import SignatureStatus
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
    "Harm",
    "Head",
    "IgnoreMatch",
    "Listed",
    "Monitor",
    "Operation",
    "PathChange",
    "Provenance",
    "SignatureReport",
    "SignatureStatus",
    "Status",
    "StoreStats",
    "Tag",
    "Value",
    "VerifyError",
    "VerifyReport",
    "Version",
]


def moment(time_us: int, utc_offset_minutes: int) -> datetime:
    """Converts microseconds since 1970 to a datetime in the zone that was recorded with them."""
    zone = timezone(timedelta(minutes=utc_offset_minutes))
    return datetime.fromtimestamp(0, zone) + timedelta(microseconds=time_us)


@dataclass(frozen=True, slots=True)
class ComponentRoot:
    """One component of a version. Equal `digest`, equal content; None when it has no files."""

    digest: str | None
    files: int
    size: int

    @classmethod
    def of(cls, root: objects.ComponentRoot) -> ComponentRoot:
        return cls(None if root.root is None else root.root.hex(), root.files, root.size)


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

    @classmethod
    def of(cls, entry: engine.History) -> Version:
        version = entry.version
        return cls(
            id=entry.id.hex(),
            number=version.generation,
            parents=tuple(p.hex() for p in version.parents),
            time=moment(version.time_us, version.utc_offset_minutes),
            author=version.author,
            message=version.message,
            trigger=version.trigger.name.lower(),
            hyperparameters=dict(version.hyperparameters),
            metrics=dict(version.metrics),
            components={c: ComponentRoot.of(r) for c, r in version.components.items()},
            provenance=version.provenance,
            tracked=version.tracked,
            refs=entry.refs,
        )

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

    @classmethod
    def of(cls, head: engine.Head) -> Head:
        return cls(head.branch, head.version.hex(), head.number)


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
    left_out: tuple[Component, ...] = ()  # absent here by choice, and not deleted

    @classmethod
    def of(cls, status: engine.Status) -> Status:
        return cls(
            Head.of(status.head),
            status.added,
            status.modified,
            status.deleted,
            status.untracked,
            status.skipped,
            status.tracked,
            status.left_out,
        )

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

    @classmethod
    def of(cls, result: engine.CommitResult) -> CommitResult:
        return cls(
            result.version.hex(),
            result.number,
            result.branch,
            result.started_branch,
            result.files,
            result.bytes_total,
            result.bytes_changed,
            result.bytes_new,
            result.bytes_stored,
            result.components,
            result.skipped,
            result.leading_out,
            result.signer,
        )

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
    left_out: tuple[Component, ...] = ()  # of HEAD's version, absent here by choice

    @classmethod
    def of(cls, result: engine.CheckoutResult) -> CheckoutResult:
        return cls(
            Head.of(result.head),
            result.written,
            result.removed,
            result.bytes_written,
            result.kept,
            None if result.saved is None else result.saved.hex(),
            result.skipped,
            result.left_out,
        )


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch, and the version it points to."""

    name: str
    version: str
    number: int
    current: bool

    @classmethod
    def of(cls, branch: engine.Branch) -> Branch:
        return cls(branch.name, branch.version.hex(), branch.number, branch.current)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, and the version it points to."""

    name: str
    version: str
    number: int
    message: str = ""
    signer: str | None = None  # fingerprint of the key that signed it, of a tag just made

    @classmethod
    def of(cls, tag: engine.Tag) -> Tag:
        return cls(tag.name, tag.version.hex(), tag.number, tag.message, tag.signer)


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """The signatures of one version, or of one tag (then `tag` is its name), the good ones first."""

    version: str
    number: int
    tag: str | None
    signatures: tuple[SignatureStatus, ...]

    @property
    def ok(self) -> bool:
        """Whether somebody who may sign did. Signatures of others, good or not, change nothing."""
        return any(s.good for s in self.signatures)


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

    @classmethod
    def of(cls, operation: engine.Operation) -> Operation:
        return cls(
            operation.number,
            moment(operation.time_us, operation.utc_offset_minutes),
            operation.author,
            operation.verb,
            operation.detail,
            tuple(m.name for m in operation.moves),
            operation.files,
            operation.undoes,
        )


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

    @classmethod
    def of(cls, report: engine.VerifyReport) -> VerifyReport:
        errors = [
            VerifyError(
                e.problem,
                e.where,
                e.object,
                tuple(Harm(h.version.hex(), h.number, h.path) for h in e.hurts),
            )
            for e in report.errors
        ]
        return cls(report.objects, report.bytes, report.versions, tuple(errors), report.absent)

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.errors
