"""Values that the verbs return: frozen. Ids are 64 hex digits, times are aware datetimes, sizes are raw bytes
unless a name says `stored`, and paths are relative to the workspace's root with '/' between their parts.

Values that hold no id are the engine's own and only re-exported. What the verbs of every minute need is defined
in `standing`, `versions` and `commits`, and they import it from there: a frozen dataclass takes 0.4 ms to make.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime

from mvc.api.commits import CommitResult
from mvc.api.public import made_from
from mvc.api.standing import Apart, Branch, Head, Status, Tag
from mvc.api.versions import ComponentRoot, Pruned, Version
from mvcd.lateclasses import dataclass
from mvcd.monitor import Monitor
from mvcd.objects.version import Component, Provenance, SubPart, Value
from mvcd.repo.records.results import (
    Check,
    ComponentCommit,
    Explained,
    Listed,
    PathChange,
    PathEntry,
    PathRename,
)
from mvcd.repo.workspace.ignore import IgnoreMatch
from mvcd.store.reports import CollectReport, OptimizeReport, StoreStats

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
