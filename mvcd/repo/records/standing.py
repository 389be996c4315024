"""Where a workspace stands: HEAD, what differs from it, branches and tags.

These are apart from `results` so that the verbs that people wait for load no other class: a frozen dataclass
takes 0.4 ms to make.
"""

from __future__ import annotations

from mvcd.ids import VersionId
from mvcd.lateclasses import NamedTuple, dataclass
from mvcd.objects.version import Component, SubPart


class Head(NamedTuple):
    """Where the workspace stands. `branch` is None when HEAD is detached; v0 is the empty version."""

    branch: str | None
    version: VersionId
    number: int


@dataclass(frozen=True, slots=True)
class PathChange:
    """A file that is not as the version has it; `size` is bytes."""

    path: str
    component: Component
    size: int = 0  # bytes; of what is gone, as they were


@dataclass(frozen=True, slots=True)
class PathRename:
    """A file whose content lies under another name."""

    old: str
    new: str
    component: Component


@dataclass(frozen=True, slots=True)
class Apart:
    """How many versions only a branch has (`ahead`), and only that of `remote` when it was last heard of
    (`behind`); at most 1,000 of each are counted."""

    remote: str
    ahead: int
    behind: int


class Status(NamedTuple):
    head: Head
    added: tuple[PathChange, ...]
    modified: tuple[PathChange, ...]
    deleted: tuple[PathChange, ...]
    untracked: tuple[str, ...]  # top-level names not under care; directories end in "/"
    skipped: tuple[tuple[str, str], ...]
    tracked: tuple[str, ...]
    left_out: tuple[Component | SubPart, ...] = ()  # absent here, and not deleted
    unparsed: tuple[
        tuple[str, str], ...
    ] = ()  # of HEAD's files: settings or metrics not understood
    unknown_settings: tuple[str, ...] = ()  # what mvc.toml has that means nothing, in words
    renamed: tuple[PathRename, ...] = ()  # by their stats (found.py); neither added nor deleted
    apart: tuple[Apart, ...] = ()  # of remotes whose branch stands elsewhere

    @property
    def clean(self) -> bool:
        return not (self.added or self.modified or self.deleted or self.renamed)


class Branch(NamedTuple):
    name: str
    version: VersionId
    number: int
    current: bool
    rev: str = ""  # how it is written as a revision: "heads/v1" of v1


class Tag(NamedTuple):
    name: str
    version: VersionId
    number: int
    message: str = ""
    signer: str | None = None  # fingerprint of the key that signed it just now
    rev: str = ""  # how it is written as a revision: "tags/v1" of v1
