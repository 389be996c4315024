"""Values that verbs about remotes return. Ids are 64 hex digits; bytes are those that travelled."""

from __future__ import annotations

from dataclasses import dataclass

from mvc.api.results import CheckoutResult, CommitResult, Head
from mvcd.repo import cloning, fetching, follow, pushing
from mvcd.repo.merge import Clash, MergeConflict, MergeResult
from mvcd.repo.remotes import Remote
from mvcd.repo.verify_remote import RemoteReport

__all__ = [
    "Clash",
    "Clone",
    "Fetch",
    "Followed",
    "Merge",
    "MergeConflict",
    "MovedRef",
    "Pull",
    "Push",
    "Remote",
    "RemoteRef",
    "RemoteReport",
]


@dataclass(frozen=True, slots=True)
class MovedRef:
    """A ref before and after. Both are None if it points to no version (a signature)."""

    name: str
    old: str | None
    new: str | None

    @classmethod
    def of(cls, moved: fetching.Moved) -> MovedRef:
        old, new = moved.old, moved.new
        return cls(
            moved.name, None if old is None else old.hex(), None if new is None else new.hex()
        )


@dataclass(frozen=True, slots=True)
class RemoteRef:
    """A ref of a remote and the version it points to; None for a signature."""

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

    @classmethod
    def of(cls, result: fetching.FetchResult) -> Fetch:
        return cls(
            result.remote, result.url, tuple(map(MovedRef.of, result.moved)),
            result.versions, result.objects, result.bytes,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pull:
    """Result of a pull, and the move of the current branch; `checkout` is None when it was up to date."""

    fetched: Fetch
    branch: str
    old: str
    new: str
    checkout: CheckoutResult | None

    @classmethod
    def of(cls, result: fetching.PullResult) -> Pull:
        done = result.checkout
        return cls(
            Fetch.of(result.fetched), result.branch, result.old.hex(), result.new.hex(),
            None if done is None else CheckoutResult.of(done),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Push:
    """The receipt of a push: refs moved, what travelled, what the remote verified of it."""

    remote: str
    url: str
    moved: tuple[MovedRef, ...]
    versions: int
    objects: int
    bytes: int
    verified_objects: int
    verified_bytes: int
    dry_run: bool

    @classmethod
    def of(cls, result: pushing.PushResult) -> Push:
        return cls(
            result.remote, result.url, tuple(map(MovedRef.of, result.moved)),
            result.versions, result.objects, result.bytes,
            result.verified_objects, result.verified_bytes, result.dry_run,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clone:
    """Result of a clone. `branch` None: the other repository has no versions yet."""

    root: str
    branch: str | None
    fetched: Fetch
    checkout: CheckoutResult | None

    @classmethod
    def of(cls, result: cloning.CloneResult) -> Clone:
        done = result.checkout
        return cls(
            result.root, result.branch, Fetch.of(result.fetched),
            None if done is None else CheckoutResult.of(done),
        )  # fmt: skip


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

    @classmethod
    def of(cls, result: MergeResult) -> Merge:
        return cls(
            Head.of(result.head), result.base.hex(),
            None if result.commit is None else CommitResult.of(result.commit),
            None if result.checkout is None else CheckoutResult.of(result.checkout),
            result.resolved,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Followed:
    """A deployment directory after a switch to `version`; or, with `problem`, as it was."""

    directory: str
    version: str | None
    before: str | None
    bytes_total: int
    problem: str

    @classmethod
    def of(cls, done: follow.Followed) -> Followed:
        return cls(
            done.directory,
            None if done.version is None else done.version.hex(),
            None if done.before is None else done.before.hex(),
            done.bytes_total, done.problem,
        )  # fmt: skip
