"""Weights that the version before has no more: what the versions before it had.

A run's directory is emptied, and the next run begins with the same model; an architecture is tried, then
given up; a merge took one side's weights, and the other side's are trained on. So where the parent has no
such tensor, those before it are asked, by all of their parents: a branch point is among them. Few of them,
for most new tensors have no base anywhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Final

from mvcd.errors import IntegrityError
from mvcd.ids import NodeId, RecipeId, VersionId
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Component, Version
from mvcd.repo.bases.likepaths import form_of, name_of
from mvcd.repo.contents.files import VersionFiles

MAX_LISTED_FILES: Final = 20_000
"""Weight files of a version among which like ones are looked for."""

FEW_FILES: Final = 512
"""Weight files of which all are compared with a path; of more only those whose names are like its own."""

MAX_VERSIONS: Final = 64
"""Versions whose records are read, 0.1 ms each."""

MAX_CHANGED_VERSIONS: Final = 3
"""Versions of them, each with other weights, whose lists of files are looked through."""

Unlikeness = Callable[[str], tuple[object, ...]]


class LikeFiles:
    """Files among which those with the likest paths are found; they are listed when that is first asked."""

    def __init__(self, files: Callable[[], Iterator[Entry]]) -> None:
        self._files = files
        self._listed: dict[str, list[Entry]] | None = None  # by the form of their names

    def alike(self, path: str, unlikeness: Unlikeness, most: int) -> list[Entry]:
        """Others than the file at `path` itself, the likest first."""
        return [e for e in self.sorted(path, unlikeness, most + 1) if e.path != path][:most]

    def sorted(self, path: str, unlikeness: Unlikeness, most: int) -> list[Entry]:
        """The likest first; of equally like ones that which was listed first."""
        if self._listed is None:
            self._listed = {}
            for entry in islice(self._files(), MAX_LISTED_FILES):
                self._listed.setdefault(form_of(name_of(entry.path)), []).append(entry)
        few = sum(map(len, self._listed.values())) <= FEW_FILES
        found = (
            chain(*self._listed.values()) if few else self._listed.get(form_of(name_of(path)), [])
        )
        return sorted(found, key=lambda entry: unlikeness(entry.path))[:most]


def weights(version: Version, fetch: Fetch) -> Iterator[Entry]:
    """A version's weight files, as far as their list is here."""
    try:
        for placed in VersionFiles(version, fetch).all([Component.WEIGHTS]):
            if placed.entry.mode is not Mode.SYMLINK:
                yield placed.entry
    except IntegrityError:
        return  # pruned or damaged: a delta is an economy, never a need


def past_weights(
    parent: Version, load: Callable[[VersionId], Version], fetch: Fetch
) -> Iterator[Entry]:
    """Weight files that versions before `parent` had and it has not: the latest first, each content once."""
    seen: set[RecipeId] = {
        entry.recipe for entry in islice(weights(parent, fetch), MAX_LISTED_FILES)
    }
    for version in islice(_with_other_weights(parent, load), MAX_CHANGED_VERSIONS):
        for entry in weights(version, fetch):
            if entry.recipe not in seen:
                seen.add(entry.recipe)
                yield entry


def _with_other_weights(parent: Version, load: Callable[[VersionId], Version]) -> Iterator[Version]:
    """Versions before, with lists of weights that none after them has. Nearest first."""
    lists: set[NodeId | None] = {None, parent.components[Component.WEIGHTS].root}
    left, known = deque(parent.parents), set(parent.parents)
    for _ in range(MAX_VERSIONS):
        if not left:
            return
        try:
            version = load(left.popleft())
        except IntegrityError:
            continue  # a clone's history may end here
        left += [id for id in version.parents if id not in known]
        known.update(version.parents)
        root = version.components[Component.WEIGHTS].root
        if root not in lists:
            lists.add(root)
            yield version
