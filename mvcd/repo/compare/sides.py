"""The two sides of a comparison: versions, or a version and the workspace, read in one way.

The workspace takes part as an unsaved version (snapshot.py): its manifests and recipes can be fetched, its
chunks cannot, so its files are opened where they lie.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property, partial
from io import BytesIO
from typing import BinaryIO, cast

from mvcd.ids import VersionId
from mvcd.lateclasses import dataclass
from mvcd.monitor import Monitor, Silent
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.recipe import Recipe
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Component, Version
from mvcd.repo.contents.files import (
    CachingFetch,
    Change,
    VersionFiles,
    changes,
    is_listed,
    recipe_of,
)
from mvcd.repo.core.core import Core

_NAMED_PATHS = 5
"""Unreadable paths of which a comparison with the workspace warns."""


@dataclass(frozen=True, slots=True)
class Side:
    """One version's content. `id` is None for the workspace; `place` then says where a file lies."""

    id: VersionId | None
    version: Version
    fetch: Fetch
    place: Callable[[str], str] | None = None

    @property
    def files(self) -> VersionFiles:
        return VersionFiles(self.version, self.fetch)

    def recipe(self, entry: Entry) -> Recipe:
        return recipe_of(entry, self.fetch)

    def open(self, entry: Entry) -> BinaryIO:
        """A file for reading from anywhere; of a symbolic link its text. Close it. Raises Failure when
        the workspace has lost it since, and what `VersionFile` raises."""
        from mvcd.repo.contents.content import VersionFile  # late: start-up
        from mvcd.repo.ondisk.reading import unread

        if self.place is None:
            return cast(BinaryIO, VersionFile(entry, self.fetch))
        path = self.place(entry.path)
        try:
            if entry.mode is Mode.SYMLINK:
                return BytesIO(os.fsencode(os.readlink(path)))
            return open(path, "rb")
        except OSError as error:
            raise unread(entry.path, error.errno or 0) from error

    def read(self, entry: Entry, limit: int) -> bytes:
        """Up to `limit` bytes from the start."""
        with self.open(entry) as file:
            pieces = []
            while limit > 0 and (piece := file.read(limit)):
                pieces.append(piece)
                limit -= len(piece)
            return b"".join(pieces)


@dataclass(frozen=True)
class Sides:
    """`monitor` hears of long reading; `below` has the paths whose parts of versions are compared, where it is
    not all of them."""

    old: Side
    new: Side
    monitor: Monitor = field(default_factory=Silent, compare=False, repr=False)
    below: tuple[str, str] | None = None

    @cached_property
    def changes(self) -> Mapping[str, Change]:
        """By path: (before, after) of every file that differs, but for components in `absent`."""
        return self._compared[0]

    @cached_property
    def weights_on_one_side(self) -> tuple[str, ...]:
        """Paths of files that are there on both sides, and weights on one of them only."""
        pairs = ((p, a.component, b.component) for p, (a, b) in self.changes.items() if a and b)
        found = [p for p, a, b in pairs if a is not b and Component.WEIGHTS in (a, b)]
        return tuple(sorted(found))

    @cached_property
    def absent(self) -> Mapping[Component, tuple[VersionId, ...]]:
        """Components that differ, and the versions whose lists of their files are not here: pruned, or never
        fetched. Of these no more is known than what the records say."""
        fetch, found = self.new.fetch, {}
        for component in (c for c in Component if c in self._compared[1]):
            roots = [(s.id, s.version.components[component].root) for s in (self.old, self.new)]
            lacking = [id for id, root in roots if id is not None and not is_listed(root, fetch)]
            found[component] = tuple(lacking)
        return found

    @cached_property
    def _compared(self) -> tuple[Mapping[str, Change], set[Component]]:
        unlisted = set[Component]()
        found = changes(self.old.version, self.new.version, self.new.fetch, unlisted=unlisted)
        return found, unlisted


def sides_of(core: Core, old: str | None = None, new: str | None = None) -> Sides:
    """Takes up `old` (None: HEAD) and `new` (None: the workspace, as it is at this moment)."""
    fetch = CachingFetch(core.fetch)
    old_id = core.resolve(old or "HEAD")
    left = Side(old_id, core.version(old_id), fetch)
    if new is not None:
        new_id = core.resolve(new)
        return Sides(left, Side(new_id, core.version(new_id), fetch), core.monitor)
    from mvcd.repo.workspace.workspace import ScannedWorkspace  # late: start-up

    workspace = ScannedWorkspace(core)
    unsaved, through = workspace.unsaved
    for path, why in list(workspace.unreadable.reasons.items())[:_NAMED_PATHS]:
        core.monitor.warn(f"{path} {why}; compared as HEAD has it (mvc status names all such)")
    return Sides(left, Side(None, unsaved, through, partial(os.path.join, core.root)), core.monitor)
