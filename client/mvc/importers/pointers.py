"""Content that lies elsewhere than in git, and the pointers to it that git has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mvc.importers.gitrecords import Blob, Change

GIT_ID = "id in git"
"""The algorithm of a digest that is the id of the content in git."""


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file whose content lies in a cache. `digest` is in hex, by `algorithm`, which is GIT_ID or hashlib's
    name of one; `text` if it may also be that of the content with the line ends of Unix."""

    algorithm: str
    digest: str
    place: str
    executable: bool = False
    text: bool = False


@dataclass(frozen=True, slots=True)
class Lacking:
    """Content that no cache has: the path that it belongs at, and its digest."""

    path: str
    digest: str


@dataclass(slots=True)
class PointerOverlay:
    """What the pointers of one commit stand for. It is not changed once it is made."""

    items: dict[str, CachedFile] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()  # pointers that are replaced by it
    lacking: tuple[Lacking, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()  # (pointer, why it stays as it is)


class Pointers(Protocol):
    """A kind of pointers, and the caches that hold what they stand for."""

    place: str
    """The caches, as people call them."""
    way: str
    """The command that brings content into the cache, but for what comes before it."""

    def overlay(
        self,
        tree: Mapping[str, Blob],
        changed: Collection[Change] | None,
        before: PointerOverlay | None,
    ) -> PointerOverlay:
        """Works out what stands where in a commit. `changed` is how its files differ from those that `before`
        is of; both are None at first."""

    def searched(self) -> Sequence[str]:
        """Lists the directories that content was looked for in."""
