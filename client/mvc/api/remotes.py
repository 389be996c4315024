"""Values that verbs about remotes return. Ids are 64 hex digits; bytes are those that travelled."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mvc.api.commits import CommitResult
from mvc.api.public import made_from, moment
from mvc.api.results import CheckoutResult, Harm
from mvc.api.standing import Head
from mvcd.repo.core.remotes import Remote
from mvcd.repo.joining.threeway import Clash, MergeConflict
from mvcd.repo.share.presigning import Presigned as EnginePresigned

__all__ = [
    "Clash",
    "Clone",
    "Fetch",
    "Followed",
    "Merge",
    "MergeConflict",
    "MovedRef",
    "Presigned",
    "Pull",
    "Push",
    "Remote",
    "RemoteRef",
    "RemoteReport",
]


@dataclass(frozen=True, slots=True)
class MovedRef:
    """A ref before and after. Both are None if it points to no version (a signature, an annotation)."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class RemoteRef:
    """A ref of a remote and the version it points to; None for a signature or an annotation."""

    name: str
    version: str | None


@dataclass(frozen=True, slots=True)
class Fetch:
    """Result of a fetch: the refs and objects that came from a remote."""

    remote: str
    url: str
    moved: tuple[MovedRef, ...]
    versions: int
    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Pull:
    """Result of a pull, and the move of the current branch, which was up to date where neither `checkout` nor
    `merged` is there."""

    fetched: Fetch
    branch: str
    old: str
    new: str
    checkout: CheckoutResult | None
    merged: Merge | None


@dataclass(frozen=True, slots=True)
class Push:
    """The receipt of a push: refs moved, what travelled, what the remote verified of it. `healed` objects were
    damaged there and came anew; so many `damaged` ones are left. `made`: the repository was absent as this push
    began, and was made there."""

    remote: str
    url: str
    moved: tuple[MovedRef, ...]
    versions: int
    objects: int
    bytes: int
    verified_objects: int
    verified_bytes: int
    dry_run: bool
    healed: int
    damaged: int
    made: bool


def _expires(made: EnginePresigned) -> datetime:
    return moment(made.expires_us)


@made_from(expires=_expires)
@dataclass(frozen=True, slots=True)
class Presigned:
    """Result of signing links to `refs` of a bucket. `file` has them, or, where they are `published`, a link to
    them; "" if none was wanted. `bytes` are those of the packs that whoever has the file can read."""

    remote: str
    url: str
    refs: tuple[str, ...]
    objects: int
    packs: int
    bytes: int
    expires: datetime
    published: bool
    file: str


@dataclass(frozen=True, slots=True)
class Clone:
    """Result of a clone. `branch` None: the other repository has no versions yet."""

    root: str
    branch: str | None
    fetched: Fetch
    checkout: CheckoutResult | None


@dataclass(frozen=True, slots=True)
class Merge:
    """Result of a merge. `commit` is the version that was made; without one the branch moved forward
    (`checkout`), or there was nothing to merge. `resolved`: conflicts and whose side was taken, "ours" or
    "theirs"."""

    head: Head
    base: str
    commit: CommitResult | None
    checkout: CheckoutResult | None
    resolved: tuple[tuple[Clash, str], ...]


@dataclass(slots=True)
class RemoteReport:
    """Result of checking a remote: whether it holds all that its refs reach.

    `unknown`: refs there whose versions are not here. Broken objects are named like "chunk 1f2e...", and what
    is wrong with a bucket's own objects, in `broken`, like "pack: it is gone, packs/1f2e...". `hurts`: files
    that cannot be read from there, newest versions first.
    """

    remote: str
    url: str
    refs: int = 0
    unknown: int = 0
    versions: int = 0
    objects: int = 0
    bytes: int = 0  # raw, re-hashed
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    hurts: tuple[Harm, ...] = ()

    @property
    def ok(self) -> bool:
        """Returns True if nothing is missing or damaged there."""
        return not (self.missing or self.damaged or self.broken)


@dataclass(frozen=True, slots=True)
class Followed:
    """A deployment directory after a switch to `version`; or, with `problem`, as it was."""

    directory: str
    version: str | None
    before: str | None
    bytes_total: int
    problem: str
