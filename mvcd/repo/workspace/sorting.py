"""Files sorted into components: by rules, content and company, for a version that is edited.

The company of a file is what the edited version has: the names in the known version's lists, less what went,
and what came. A file that comes or goes may so change what its neighbours are, which did not change themselves
(`neighbours`); only these are looked at again. Where content is needed and a file did not change, its kind is
remembered by its recipe, or its first bytes are read.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Protocol

from mvcd.ids import RecipeId
from mvcd.inspect import kinds
from mvcd.inspect.company import heeds, is_anchor, spans_below, tokenizers_below, tree_around
from mvcd.inspect.components import ComponentRules, Ruling
from mvcd.inspect.kinds import UNKNOWN, ContentKind, kind_of
from mvcd.inspect.spans import Layout, Span, TensorInfo, reading
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.manifest import names_in
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Component, Version
from mvcd.repo.contents.drafts import shape_of
from mvcd.repo.contents.files import ABSENT, Placed, VersionFiles, recipe_of
from mvcd.repo.workspace.found import Candidates, children
from mvcd.store.api import Store

_TIES = ".onnx"
"""How names of files end whose data may lie in files that their names do not tell."""

_KEPT_VALUES = 4096
"""Kinds of names of which it is remembered what part their files are."""

_KEPT_NAMES = 1 << 16
"""Names in directories that are kept for the next file, 8 MB. Files are asked for in the order of their
paths."""


def may_tie(path: str) -> bool:
    """Whether a file of this path may name others beside it as the place of its data."""
    return path.lower().endswith(_TIES)


class Came(Protocol):
    """Paths that are new or changed."""

    def __iter__(self) -> Iterator[str]: ...
    def names(self, directory: str) -> frozenset[str]:
        """The names of those in a directory ("" is the root), and of the directories in it on the way to
        others."""


class PathsCame:
    """Some paths, by directory."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._paths = list(paths)
        self._names = _by_directory(self._paths)
        for directory, names in children(list(self._names)).items():
            self._names[directory] |= names

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def names(self, directory: str) -> frozenset[str]:
        return frozenset(self._names.get(directory, ()))


class AllCame:
    """All candidates of a scan."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates

    def __iter__(self) -> Iterator[str]:
        return self._candidates.paths()

    def names(self, directory: str) -> frozenset[str]:
        return self._candidates.names(directory)


NOTHING_CAME: Came = AllCame(Candidates())


class Kinds:
    """The kinds of a version's files, by recipe."""

    def __init__(self, store: Store, fetch: Fetch) -> None:
        self._store = store
        self._fetch = fetch
        self._known: dict[bytes, ContentKind | None] = {}
        self.read: dict[bytes, bytes | None] = {}  # rows for the store's cache: what had to be read

    def of(self, entry: Entry) -> ContentKind | None:
        """None where its content is not here."""
        if entry.mode is Mode.SYMLINK:
            return UNKNOWN
        if entry.recipe not in self._known:
            self._known[entry.recipe] = self._look(entry)
        return self._known[entry.recipe]

    def note(self, recipe: RecipeId, kind: ContentKind) -> None:
        self._known[recipe] = kind

    def _look(self, entry: Entry) -> ContentKind | None:
        key = cache_key(entry.recipe)
        (row,) = self._store.cache_get([key])
        if row is not None:
            return ContentKind.unpack(row)
        try:
            kind = kind_of_entry(entry, self._fetch)
        except ABSENT:
            return None
        self.read[key] = kind.pack()
        return kind


def cache_key(recipe: RecipeId) -> bytes:
    return b"/".join((b"kind", str(kinds.EDITION).encode(), recipe))


def kind_of_entry(entry: Entry, fetch: Fetch) -> ContentKind:
    """From its recipe, and its first bytes. Raises CorruptObject, and what `fetch` raises."""
    from mvcd.repo.contents.content import VersionFile  # late: start-up

    recipe = recipe_of(entry, fetch)
    spans, offset = [], 0
    for segment in recipe.segments:
        t = segment.tensor
        info = None if t is None else TensorInfo(t.name, t.dtype, t.shape, 1)
        spans.append(Span(offset, segment.size, info))
        offset += segment.size
    shape = Layout(recipe.format, tuple(spans))
    return kind_of(reading(VersionFile(entry, fetch)), entry.size, shape)


def kind_on_disk(path: str) -> ContentKind:
    """Raises OSError."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        read_at = reading(file)
        return kind_of(read_at, size, shape_of(read_at, size))


class VersionCompany:
    """What lies around a file in a version that is edited: `came` and `went` are paths."""

    def __init__(
        self,
        version: Version,
        fetch: Fetch,
        kinds: Kinds,
        came: Came = NOTHING_CAME,
        went: Iterable[str] = (),
    ) -> None:
        self._version = version
        self._fetch = fetch
        self._kinds = kinds
        self._came = came
        self._went = _by_directory(went)
        self._fresh: dict[str, ContentKind] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._kept = 0  # names in all of them
        self._tied: dict[str, frozenset[str]] = {}
        self._trees: dict[str, str | None] = {}

    def note(self, path: str, kind: ContentKind) -> None:
        """The kind of a file that came or changed, if it `may_tie`. All are noted before the company is asked
        for."""
        self._fresh[path] = kind

    def names(self, directory: str) -> frozenset[str]:
        found = self._names.get(directory)
        if found is None:
            if self._kept > _KEPT_NAMES:
                self._forget(directory)
            found = self._names[directory] = self.listed(directory) | self._came.names(directory)
            self._kept += len(found)
        return found

    def _forget(self, directory: str) -> None:
        """Keeps only what lies on the way to a directory, which may be asked for again and again."""
        self._names = {
            d: n for d, n in self._names.items() if not d or directory.startswith(d + "/")
        }
        self._kept = sum(map(len, self._names.values()))
        self._trees.clear()

    def tied(self, directory: str) -> frozenset[str]:
        found = self._tied.get(directory)
        if found is None:
            names = [name for name in self.names(directory) if name.lower().endswith(_TIES)]
            ties = (self._ties(directory + "/" + name if directory else name) for name in names)
            found = self._tied[directory] = frozenset(name for tied in ties for name in tied)
        return found

    def any_tied(self, path: str) -> bool:
        """Whether another file in the directory of this one names any as the place of its data."""
        return bool(self.tied(path.rpartition("/")[0]))

    def tree(self, directory: str) -> str | None:
        if directory not in self._trees:
            self._trees[directory] = tree_around(directory, self)
        return self._trees[directory]

    def listed(self, directory: str) -> frozenset[str]:
        """What the known version has there. A directory stays listed whose last file went: no rule minds."""
        roots = (root.root for root in self._version.components.values())
        found: set[str] = set()
        for root in roots:
            found.update(name for name, _ in names_in(root, self._fetch, directory))
        return frozenset(found.difference(self._went.get(directory, ())))

    def _ties(self, path: str) -> tuple[str, ...]:
        if path in self._fresh:
            return self._fresh[path].tied
        placed = VersionFiles(self._version, self._fetch).find(path)
        kind = None if placed is None else self._kinds.of(placed.entry)
        return () if kind is None else kind.tied


class PartSorter:
    """Sorts the files of a version that is edited."""

    def __init__(
        self, rules: ComponentRules, version: Version, fetch: Fetch, kinds: Kinds,
        came: Came = NOTHING_CAME, went: Collection[str] = (),
    ) -> None:  # fmt: skip
        """`came`: paths that are new or changed; `went`: those that the version has no longer."""
        self._rules = rules
        self._files = VersionFiles(version, fetch)
        self._version, self._fetch = version, fetch
        self._kinds = kinds
        self._came, self._went = came, went
        self._company = VersionCompany(version, fetch, kinds, came, went)
        self._numbered: dict[
            str, Component
        ] = {}  # by what stands for files with numbers in their names

    def note(self, path: str, kind: ContentKind) -> None:
        """The kind of a file that came, if it `may_tie`. All are noted before the first question."""
        self._company.note(path, kind)

    def ruling(self, path: str, kind: ContentKind) -> Ruling:
        return self._rules.ruling(path, kind, self._company)

    def component(self, path: str, kind: ContentKind) -> Component:
        alike = self._rules.alike(path) if kind is UNKNOWN else None
        if alike is None or self._company.any_tied(path):
            return self._rules.component_of(path, kind, self._company)
        found = self._numbered.get(alike)
        if found is None:
            if len(self._numbered) >= _KEPT_VALUES:
                self._numbered.clear()
            found = self._numbered[alike] = self._rules.component_of(path, kind, self._company)
        return found

    def component_of_entry(self, placed: Placed) -> Component:
        """Sorts a file that did not change; what is not here stays what it was."""
        path = placed.entry.path
        if self._rules.names_decide(path):
            return self._rules.component_of(path)
        kind = self._kinds.of(placed.entry)
        return placed.component if kind is None else self.component(path, kind)

    def neighbours(self, before: Mapping[str, Placed]) -> Iterator[tuple[Placed, Component]]:
        """Files that did not change themselves, whose component others changed by coming, going, or being
        written anew. `before`: what the version has of all paths that came or went."""
        if all(root.root is None for root in self._version.components.values()):
            return
        for path in sorted(self._beside(before)):
            placed = self._files.find(path)
            if placed is not None:
                component = self.component_of_entry(placed)
                if component is not placed.component:
                    yield placed, component

    def _beside(self, before: Mapping[str, Placed]) -> set[str]:
        """Paths of files that may be such."""
        moved = chain((path for path in self._came if path not in before), self._went)
        anchors = _by_directory(path for path in moved if is_anchor(path.rpartition("/")[2]))
        ties = _by_directory(filter(may_tie, chain(self._came, self._went)))
        found: set[str] = set()
        for directory, names in anchors.items():
            if any(map(spans_below, names)):
                below = self._files.all(prefix=directory or None)
                found.update(placed.entry.path for placed in below)
            found.update(self._heeding(directory))
        for directory, names in ties.items():
            tied = set(self._company.tied(directory))
            for name in names:
                placed = before.get(_join(directory, name))
                kind = None if placed is None else self._kinds.of(placed.entry)
                tied.update(() if kind is None else kind.tied)
            found.update(_join(directory, name) for name in tied)
        return found.difference(self._came, self._went) if found else found

    def _heeding(self, directory: str) -> Iterator[str]:
        """Files of the known version; those that came are sorted anyway."""
        for name in self._company.listed(directory):
            if heeds(name):
                yield _join(directory, name)
            if tokenizers_below(name):
                below = _join(directory, name)
                yield from (_join(below, n) for n in self._company.listed(below) if heeds(n))


def _join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def _by_directory(paths: Iterable[str]) -> dict[str, set[str]]:
    """Names of files by directory."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        directory, _, name = path.rpartition("/")
        found[directory].add(name)
    return found
