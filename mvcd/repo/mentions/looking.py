"""Looks through versions, newest first, for what mentions some words, or is some content.

A key, path or tensor is told at the newest version that has it, and not again; a content at each version. Of
each list of files only what differs from the list before is read, as far as versions follow each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import filterfalse
from typing import NamedTuple

from mvcd.errors import Failure, IntegrityError
from mvcd.ids import NodeId, RecipeId, VersionId
from mvcd.objects.difference import diff_entries
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.glance import Glance
from mvcd.objects.recipe import Recipe
from mvcd.objects.version import Component
from mvcd.repo.contents.digests import DigestAlgorithm, remembered
from mvcd.repo.contents.files import ABSENT, Placed
from mvcd.repo.core.core import Core
from mvcd.repo.history.history import names_by_version
from mvcd.repo.history.listing import digests_of_files
from mvcd.repo.history.walk import ancestors
from mvcd.repo.mentions.sought import Sought
from mvcd.repo.records.annotations import texts_of


class MentionKind(StrEnum):
    VERSION = "version"  # its id or number
    MESSAGE = "message"
    NAME = "name"  # a branch, tag or stage
    ANNOTATION = "annotation"
    METRIC = "metric"
    HYPERPARAMETER = "hyperparameter"
    PATH = "path"
    TENSOR = "tensor"
    CONTENT = "content"  # a file with these bytes; without digest, with this number of them


class Mention(NamedTuple):
    """Something that has what was looked for. `what`: the text, key, path or name; of files their component."""

    kind: MentionKind
    what: str
    component: Component | None = None


class Looked(NamedTuple):
    """One version that was looked at, and what was found in it."""

    version: Glance
    found: tuple[Mention, ...]


def look(core: Core, sought: Sought, *, after: VersionId | None = None) -> Iterator[Looked]:
    """Yields all versions that any branch, tag or HEAD reaches, newest first; with `after`, those behind it.

    Whoever has enough stops. Raises Failure(kind="no-cursor") when `after` is none of them.
    """
    starts = {core.head().version, *names_by_version(core)}
    versions = ancestors(core, starts)
    if after is not None and not any(version.id == after for version in versions):
        raise Failure("the version that was looked at last is not there any more", kind="no-cursor")
    looking = _Looking(core, sought)
    return (Looked(version, tuple(looking.at(version))) for version in versions)


class _Looking:
    """What was seen so far."""

    def __init__(self, core: Core, sought: Sought) -> None:
        self._core, self._sought = core, sought
        self._fetch = core.store.get  # what a remote has would come version by version
        self._names = names_by_version(core)
        self._told = set[Mention]()
        self._keys = set[str]()
        self._recipes = set[RecipeId]()
        self._same: dict[RecipeId, bool] = {}
        self._roots: dict[Component, NodeId | None] = {}
        self._holding: dict[tuple[Component, str], None] = {}

    def at(self, version: Glance) -> Iterator[Mention]:
        if self._sought.words:
            yield from self._of_version(version)
            for found in self._of_keys(version):
                if found not in self._told:
                    self._told.add(found)
                    yield found
        for component in Component:
            try:
                yield from self._of_files(component, version.root(component))
            except (*ABSENT, IntegrityError):
                # what is not here, or damaged, mentions and holds nothing
                self._roots[component] = None
                for held in [one for one in self._holding if one[0] is component]:
                    del self._holding[held]
        for component, path in self._holding:
            yield Mention(MentionKind.CONTENT, path, component)

    def _of_version(self, version: Glance) -> Iterator[Mention]:
        sought, id = self._sought, version.id.hex()
        if sought.names(id, version.generation):
            yield Mention(MentionKind.VERSION, id)
        if sought.in_text(version.message):
            yield Mention(MentionKind.MESSAGE, version.message)
        for name in self._names.get(version.id, ()):
            if sought.in_text(name):
                yield Mention(MentionKind.NAME, name)
        for key, text in texts_of(self._core.store, version.id).items():
            if sought.in_text(f"{key} {text}"):
                yield Mention(MentionKind.ANNOTATION, f"{key}: {text}")

    def _of_keys(self, version: Glance) -> Iterator[Mention]:
        new = list(dict.fromkeys(filterfalse(self._keys.__contains__, version.keys())))
        if not new:
            return
        self._keys.update(new)
        metrics = {key for key, _ in version.metrics()}
        for key in new:
            if self._sought.in_text(key):
                kind = MentionKind.METRIC if key in metrics else MentionKind.HYPERPARAMETER
                yield Mention(kind, key)

    # ---------------------------------------------------------------- files

    def _of_files(self, component: Component, root: NodeId | None) -> Iterator[Mention]:
        before = self._roots.get(component)
        if root == before:
            return
        changed = list(diff_entries(before, root, self._fetch))
        self._roots[component] = root
        entries = [new for _, new in changed if new is not None]
        for old, new in changed:
            if new is None and old is not None:
                self._holding.pop((component, old.path), None)
        self._hold(component, entries)
        for entry in entries:
            path = Mention(MentionKind.PATH, entry.path, component)
            if path not in self._told and self._sought.in_text(entry.path):
                self._told.add(path)
                yield path
            if component is Component.WEIGHTS:
                yield from self._of_tensors(entry)

    def _of_tensors(self, entry: Entry) -> Iterator[Mention]:
        """Names that the recipe has: most words are in none, which its bytes tell."""
        if entry.recipe in self._recipes or entry.mode is Mode.SYMLINK or not self._sought.words:
            return
        self._recipes.add(entry.recipe)
        data = self._fetch(entry.recipe)
        if not self._sought.in_bytes(data):
            return
        for tensor in Recipe.decode(data).tensors():
            found = Mention(MentionKind.TENSOR, tensor, Component.WEIGHTS)
            if found not in self._told and self._sought.in_text(tensor):
                self._told.add(found)
                yield found

    def _hold(self, component: Component, entries: list[Entry]) -> None:
        """Notes which files have the content; in `_holding` they stay until they change."""
        sought = self._sought
        if sought.sha256 is None and sought.size is None:
            return
        self._compare([entry for entry in entries if sought.size in (None, entry.size)], component)
        for entry in entries:
            if sought.size in (None, entry.size) and self._same.get(entry.recipe):
                self._holding[component, entry.path] = None
            else:
                self._holding.pop((component, entry.path), None)

    def _compare(self, entries: list[Entry], component: Component) -> None:
        """Finds out which recipes are the content: by the digest, and without one all."""
        new = {e.recipe: e for e in entries if e.recipe not in self._same}
        wanted = self._sought.sha256
        if wanted is None:
            self._same.update(dict.fromkeys(new, True))
            return
        if self._sought.size is None or self._core.promised is not None:
            # for a digest alone all files would be read, and where content is promised, fetched
            known = remembered(self._core.store, list(new), DigestAlgorithm.SHA256)
            self._same.update(
                {recipe: known.get(recipe) == bytes.fromhex(wanted) for recipe in new}
            )
            return
        for recipe, entry in new.items():
            try:
                (digest,) = digests_of_files(
                    self._core, [Placed(component, entry)], DigestAlgorithm.SHA256
                )
            except (*ABSENT, IntegrityError):
                digest = ""
            self._same[recipe] = digest == wanted
