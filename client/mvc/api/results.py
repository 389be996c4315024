"""Values that the verbs return: frozen. Ids are 64 hex digits, times are aware datetimes, sizes are raw bytes
unless a name says `stored`, and paths are relative to the workspace's root with '/' between their parts.

Values that hold no id are the engine's own and only re-exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mvc.api.public import made_from
from mvc.api.shown import Grid, Shown, first_line, html_table, labels
from mvcd.inspect.trainingstate import SubPart
from mvcd.monitor import Monitor
from mvcd.objects.version import Component, Provenance, Value
from mvcd.repo.records.results import (
    Apart,
    Check,
    ComponentCommit,
    Explained,
    Listed,
    PathChange,
    PathEntry,
    PathRename,
)
from mvcd.repo.workspace.ignore import IgnoreMatch
from mvcd.store.api import CollectReport, OptimizeReport, StoreStats

__all__ = [
    "Annotation",
    "Annotations",
    "Apart",
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
    "OptimizeReport",
    "PathChange",
    "PathEntry",
    "PathRename",
    "Provenance",
    "Pruned",
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


@dataclass(frozen=True, slots=True)
class Pruned:
    """A version whose content is not kept here, since `time`, by the rules `rule`. `here`: it still is, and
    stays until `until`. `remotes` are known to have it."""

    time: datetime
    until: datetime
    rule: str
    here: bool
    remotes: tuple[str, ...]


@made_from("version", number="version.generation")
@dataclass(frozen=True, slots=True, repr=False)
class Version(Shown):
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
    pruned: Pruned | None = None  # its content is not kept here
    annotations: Mapping[str, str] = field(
        default_factory=dict
    )  # text under keys, written beside it
    numbered: bool = (
        True  # whether vN names it here; what a merge brought in has its own line's number
    )

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(c.size for c in self.components.values())

    @property
    def files(self) -> int:
        """Number of files."""
        return sum(c.files for c in self.components.values())

    def _brief(self) -> str:
        more = [f"+{len(self.refs) - 2}"] if len(self.refs) > 2 else []
        names = f" ({', '.join([*self.refs[:2], *more])})" if self.refs else ""
        return f"v{self.number} {self.id[:10]}{names} {first_line(self.message)!r}"

    def _grid(self) -> Grid:
        return versions_grid(f"v{self.number} {self.id[:10]}", [self])

    def _repr_html_(self) -> str:
        """Shows the version in a notebook, a line for each thing that it records."""
        grid = self._grid()
        title = f"{grid.title} {first_line(self.message)}"
        rows = [*zip(grid.columns, grid.rows[0], strict=True), ("names", ", ".join(self.refs))]
        return html_table(Grid(title, ("", "value"), rows))


_VERSION_COLUMNS = ("number", "version", "time", "author", "message", "trigger", "files", "size")


def versions_grid(title: str, versions: Sequence[Version]) -> Grid:
    """A row for each version: what it is, then its settings and metrics, None where it has none of the name."""
    keys = [
        (kind, key)
        for version in versions
        for kind, values in _recorded(version).items()
        for key in values
    ]
    named = labels(sorted(set(keys)), _VERSION_COLUMNS)
    rows = []
    for version in versions:
        values = _recorded(version)
        about = (
            version.number, version.id, version.time, version.author, version.message,
            version.trigger, version.files, version.size,
        )  # fmt: skip
        rows.append((*about, *(values[kind].get(key) for kind, key in named)))
    return Grid(title, (*_VERSION_COLUMNS, *named.values()), rows)


def _recorded(version: Version) -> Mapping[str, Mapping[str, Value]]:
    return {"hyperparameter": version.hyperparameters, "metric": version.metrics}


@dataclass(frozen=True, slots=True)
class Annotation:
    """Text under a key of a version, when it was written there and by whom."""

    key: str
    text: str
    time: datetime
    author: str


@dataclass(frozen=True, slots=True)
class Annotations(Mapping[str, str]):
    """A version's annotations, a mapping of key to text: `repo.annotations("v3")["accuracy"]`. `entries` tell
    by whom and when each was written, in the order of keys."""

    version: str
    number: int
    entries: tuple[Annotation, ...]

    def __getitem__(self, key: str) -> str:
        for entry in self.entries:
            if entry.key == key:
                return entry.text
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return (entry.key for entry in self.entries)

    def __len__(self) -> int:
        return len(self.entries)


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
    unknown_settings: tuple[str, ...] = ()  # what mvc.toml has that means nothing, in words
    renamed: tuple[PathRename, ...] = ()  # same inode, size and time; neither added nor deleted
    apart: tuple[Apart, ...] = ()  # remotes whose branch of HEAD's name stands elsewhere

    @property
    def clean(self) -> bool:
        """Whether nothing differs from the version."""
        return not (self.added or self.modified or self.deleted or self.renamed)


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
    unfound_bases: tuple[
        tuple[str, str], ...
    ] = ()  # (line of [bases] in mvc.toml, why it was of no use and what helps)
    dubious: tuple[tuple[str, str], ...] = ()  # new (path, what it seems to be), seldom meant

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
    rev: str = ""  # how it is written as a revision: "heads/v1" of v1


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, and the version it points to."""

    name: str
    version: str
    number: int
    message: str = ""
    signer: str | None = None  # fingerprint of the key that signed it, of a tag just made
    rev: str = ""  # how it is written as a revision: "tags/v1" of v1


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
