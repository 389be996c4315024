"""The files of a version across its five components, looked up, listed and compared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from mvcd.errors import AuthError, CorruptObject, MissingObject, RemoteUnreachable
from mvcd.ids import Digest, NodeId
from mvcd.lateclasses import NamedTuple
from mvcd.objects.difference import diff_entries
from mvcd.objects.entry import Entry
from mvcd.objects.manifest import entries, find, look_up, names_in
from mvcd.objects.recipe import Part, Recipe, parts
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Component, Version

FULL_SCAN_LOOKUPS = 512
"""Look-ups from which one pass over all entries beats walking down for each: a node holds about 100."""


ABSENT = (MissingObject, RemoteUnreachable, AuthError)
"""What reading raises of content that is not here: pruned, or never fetched while its remote does not give it.
Questions that can say the rest without it do."""


class Contents(NamedTuple):
    """Where objects come from: `fetch` one, `fetch_many` in any order, each once."""

    fetch: Fetch
    fetch_many: Callable[[Sequence[Digest]], Iterable[tuple[Digest, bytes]]]


class Placed(NamedTuple):
    """An entry and the component it belongs to."""

    component: Component
    entry: Entry


class VersionFiles:
    """Read access to one version's entries. `fetch` returns verified objects."""

    def __init__(self, version: Version, fetch: Fetch) -> None:
        self._version = version
        self._fetch = fetch

    def find(self, path: str, components: Collection[Component] | None = None) -> Placed | None:
        for component, root in self._version.components.items():
            if components is not None and component not in components:
                continue
            if root.root is not None and (entry := find(root.root, self._fetch, path)) is not None:
                return Placed(component, entry)
        return None

    def look_up(self, path: str) -> Placed | bool:
        """The file at `path`, else whether it is a directory, of any component. Reads one or two nodes of each
        level of the lists."""
        directory = False
        for component, root in self._version.components.items():
            found = look_up(root.root, self._fetch, path)
            if isinstance(found, Entry):
                return Placed(component, found)
            directory = directory or found
        return directory

    def directory(
        self, path: str, components: Collection[Component] | None = None
    ) -> dict[str, Placed | None]:
        """What lies directly in a directory ("" is the top), by name, in order: None for a directory."""
        found: dict[str, Placed | None] = {}
        for component, root in self._version.components.items():
            if components is None or component in components:
                for name, entry in names_in(root.root, self._fetch, path):
                    found[name] = None if entry is None else Placed(component, entry)
        return dict(sorted(found.items()))

    def lookup(self, paths: Collection[str]) -> dict[str, Placed]:
        """Returns those of `paths` that the version has."""
        if len(paths) < FULL_SCAN_LOOKUPS:
            found = ((path, self.find(path)) for path in paths)
            return {path: placed for path, placed in found if placed is not None}
        wanted = paths if isinstance(paths, (set, frozenset, dict)) else set(paths)
        return {p.entry.path: p for p in self.all() if p.entry.path in wanted}

    def all(
        self, components: Collection[Component] | None = None, prefix: str | None = None
    ) -> Iterator[Placed]:
        """Component by component, in path order within each."""
        for component, root in self._version.components.items():
            if components is not None and component not in components:
                continue
            if root.root is not None:
                for entry in entries(root.root, self._fetch, prefix):
                    yield Placed(component, entry)


Change = tuple[Placed | None, Placed | None]
"""(before, after) of one path."""


def changes(
    old: Version, new: Version, fetch: Fetch, *, unlisted: set[Component] | None = None
) -> dict[str, Change]:
    """Paths whose entry or component differs, reading only differing subtrees.

    Raises MissingObject where a list of files is not here; with `unlisted`, such components are put there
    and passed over.
    """
    found: dict[str, Change] = {}
    for component in Component:
        a, b = old.components[component].root, new.components[component].root
        if a == b:
            continue
        try:
            pairs = list(diff_entries(a, b, fetch))
        except ABSENT:
            if unlisted is None:
                raise
            unlisted.add(component)
            continue
        for before, after in pairs:
            present = before or after
            assert present is not None
            was, now = found.get(present.path, (None, None))
            if before is not None:
                was = Placed(component, before)
            if after is not None:
                now = Placed(component, after)
            found[present.path] = (was, now)
    return found


def is_listed(root: NodeId | None, fetch: Fetch) -> bool:
    """Whether a component's list of files is here whole."""
    try:
        return root is None or all(True for _ in entries(root, fetch))
    except ABSENT:
        return False


def recipe_of(entry: Entry, fetch: Fetch) -> Recipe:
    """Raises CorruptObject, also where it is of another size than the list of files says: whoever trusts that
    size must not meet more."""
    return checked_recipe(entry, fetch(entry.recipe))


def checked_recipe(entry: Entry, data: bytes) -> Recipe:
    """The same of a recipe that was read."""
    recipe = Recipe.decode(data)
    if recipe.size != entry.size:
        raise CorruptObject(
            f"{entry.path} has {recipe.size} bytes, its manifest says {entry.size}",
            help="mvc verify",
        )
    return recipe


def content_parts(entry: Entry, fetch: Fetch, start: int = 0) -> Iterator[Part]:
    return parts(recipe_of(entry, fetch), fetch, start)


def read_entry(entry: Entry, fetch: Fetch) -> bytes:
    """A whole file's bytes, for files known to be small."""
    return b"".join(
        part.literal if part.chunk is None else fetch(part.chunk)  # type: ignore[misc]
        for part in content_parts(entry, fetch)
    )


class CachingFetch:
    """A fetch that keeps the nodes and recipes of one operation; chunks pass through."""

    def __init__(self, fetch: Fetch, limit: int = 4096) -> None:
        self._fetch = fetch
        self._limit = limit
        self._kept: dict[Digest, bytes] = {}

    def __call__(self, id: Digest) -> bytes:
        data = self._kept.get(id)
        if data is None:
            data = self._fetch(id)
            if id.kind != 1:
                if len(self._kept) >= self._limit:
                    self._kept.clear()
                self._kept[id] = data
        return data
