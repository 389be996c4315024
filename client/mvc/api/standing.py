"""The place where a workspace stands: HEAD, what differs from it, branches and tags."""

from __future__ import annotations

from mvcd.lateclasses import dataclass
from mvcd.objects.version import Component, SubPart
from mvcd.repo.records.standing import Apart, PathChange, PathRename

__all__ = ["Apart", "Branch", "Head", "PathChange", "PathRename", "Status", "Tag"]


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
