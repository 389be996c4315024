"""Where the bytes of a repository are, and what removing what would free.

Each object counts once in `stored`: for the first that needs it, in the order of time, of components, of
branches or of paths. So these columns add up to what the disk holds. `unique` is what one needs alone, objects
and the bases of their differences: what collection frees once that one is gone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mvcd.codec.encoded import Codec
from mvcd.errors import Failure, MissingObject
from mvcd.ids import Kind, NodeId, VersionId
from mvcd.objects.closure import open_object
from mvcd.objects.entry import Entry
from mvcd.objects.tree import Node
from mvcd.objects.version import Component
from mvcd.repo.care.disk import DiskShares, disk_shares
from mvcd.repo.care.gc import KEEP_OPERATIONS_US
from mvcd.repo.care.growth import Growth, growth
from mvcd.repo.care.keepers import Keepers, KeptVersion
from mvcd.repo.care.owners import Objects, Owner, OwnerWalk, Placing, Ranking
from mvcd.repo.core.core import Core
from mvcd.repo.records.committed import Context
from mvcd.repo.records.pruned import let_go, marked_by
from mvcd.repo.records.refs import versions_of_refs
from mvcd.store.api import Store


@dataclass(frozen=True, slots=True)
class VersionUse:
    """What one version takes. `size` is that of its files; of one that is `pruned` the content does not count
    where collection will let it go."""

    id: VersionId
    number: int
    time_us: int
    utc_offset_minutes: int
    message: str
    keeper: str
    files: int
    size: int
    stored: int
    unique: int
    pruned: bool = False


@dataclass(frozen=True, slots=True)
class ComponentUse:
    """What one component takes in all versions. `size` is that of its files, those of each version anew."""

    component: Component
    size: int
    stored: int
    unique: int


@dataclass(frozen=True, slots=True)
class KeeperUse:
    """What versions take that `name` keeps; those that it shares with an earlier row count there. `unique` is
    what goes when it goes. `kind`: "branch", "tag", "stage", "workspace", "stash", "auto", "remote",
    "operations"."""

    kind: str
    name: str
    versions: int
    size: int
    stored: int
    unique: int


@dataclass(frozen=True, slots=True)
class PathUse:
    """What a file, or a directory (with "/" at its end), takes in all versions."""

    path: str
    size: int
    stored: int
    unique: int


@dataclass(frozen=True, slots=True)
class FormUse:
    """How a share of the chunks is stored, each counted once. `form`: "difference", "planes", "zstd", "fill",
    "raw", or another codec's name; "lists" are file lists, lists of chunks and records of versions."""

    form: str
    raw: int
    stored: int


@dataclass(frozen=True, slots=True)
class DiskUse:
    """`size` is that of all files of all versions, `distinct` that of their chunks, each counted once; `lists`
    are bytes of file lists that belong to no row of `paths`. With `sampled`, `forms` without a base are told by
    a sample. `log_until_us`: when the operation log lets go of what it alone holds."""

    disk: DiskShares
    size: int
    distinct: int
    records: int
    versions: tuple[VersionUse, ...]
    components: tuple[ComponentUse, ...]
    keepers: tuple[KeeperUse, ...]
    paths: tuple[PathUse, ...]
    lists: int
    forms: tuple[FormUse, ...]
    sampled: bool
    absent: int
    growth: Growth | None
    log_until_us: int | None


_RECORDS = Owner(0)
"""Whom records of versions belong to among versions and components: they stay when content goes."""
_LISTS, _ELSEWHERE = Owner(0), Owner(1)


def disk_use(core: Core, *, context: Context, below: str | None = None) -> DiskUse:
    """What is where. With `below`, a directory of the versions ("." for the top) or a file, also `paths`: what
    lies directly in it.

    Opens every list of every version once or twice, and reads no chunk. Raises IntegrityError for what is
    damaged, Failure(kind="no-such-path") if no version has anything there.
    """
    keepers = Keepers(core)
    held = sorted(keepers.versions(), key=_in_order)
    objects = Objects(core.store)
    places = None if below is None else _Places(below)
    walk = OwnerWalk(
        core.store, objects, 3 if places is None else 4, None if places is None else places.owner
    )
    refs = core.store.refs()
    marked = marked_by(refs)
    forgotten_us = context.time_us - KEEP_OPERATIONS_US
    bare = let_go(refs, context.time_us, forgotten_us, set(versions_of_refs(refs)))
    _claim_all(walk, held, bare, paths=places is not None)
    if places is not None and below != "." and not places.known:
        raise Failure(
            f"no version has a file at or below {below!r}", kind="no-such-path", help="mvc ls"
        )
    by_version, by_component, by_keeper = (
        _sums(ranking, objects, owners)
        for ranking, owners in zip(
            walk.rankings, (1 + len(held), 1 + len(Component), len(keepers.all)), strict=False
        )
    )
    versions = tuple(
        _version_use(one, keepers, by_version[index], one.version.id in marked)
        for index, one in enumerate(held, 1)
    )
    needed = sum(stored for stored, _ in by_version)
    disk = disk_shares(core, sum(objects.stored), needed)
    sizes = Counter[Component]()
    for one in held:
        for component in Component:
            sizes[component] += one.version.component(component).size
    forms, distinct, sampled = _forms(core.store, objects, walk.rankings[0])
    alone = {one.version.id: one for one in held if one.by == (keepers.log, False)}
    return DiskUse(
        disk=disk,
        size=sum(sizes.values()),
        distinct=distinct,
        records=by_version[0][0],
        versions=versions,
        components=tuple(
            ComponentUse(component, sizes[component], *by_component[index])
            for index, component in enumerate(Component, 1)
        ),
        keepers=_keeper_uses(keepers, versions, held, by_keeper),
        paths=() if places is None else places.uses(core.store, held, walk.rankings[3], objects),
        lists=0 if places is None else _sums(walk.rankings[3], objects, places.count)[0][0],
        forms=forms,
        sampled=sampled,
        absent=walk.absent,
        growth=growth(versions, now_us=context.time_us, free=disk.free),
        log_until_us=keepers.lets_go_us(alone),
    )


def _in_order(one: KeptVersion) -> tuple[int, int, int, VersionId]:
    """Versions of the first keeper first, parents before children."""
    version = one.version
    return one.by.number, version.generation, version.time_us, version.id


def _claim_all(
    walk: OwnerWalk, held: Sequence[KeptVersion], bare: frozenset[VersionId], *, paths: bool
) -> None:
    """Of versions that are `bare` the record alone: collection lets their content go."""
    rest = (_LISTS,) if paths else ()
    for index, one in enumerate(held, 1):
        walk.claim_alone(one.version.id, (_RECORDS, _RECORDS, one.by, *rest))
        for part, component in enumerate(Component, 1):
            root = one.version.root(component)
            if root is not None and one.version.id not in bare:
                walk.claim(root, (Owner(index), Owner(part), one.by, *rest))


def _sums(ranking: Ranking, objects: Objects, owners: int) -> list[tuple[int, int]]:
    """(stored, unique) of each owner, by number."""
    stored, unique = [0] * owners, [0] * owners
    for owner, several, size in zip(ranking.first, ranking.several, objects.stored, strict=True):
        if owner >= 0:
            stored[owner] += size
            if not several:
                unique[owner] += size
    return list(zip(stored, unique, strict=True))


def _version_use(
    one: KeptVersion, keepers: Keepers, sums: tuple[int, int], pruned: bool
) -> VersionUse:
    version = one.version
    parts = [version.component(component) for component in Component]
    return VersionUse(
        version.id, version.generation, version.time_us, version.utc_offset_minutes,
        version.message, keepers.all[one.by.number][1],
        sum(part.files for part in parts), sum(part.size for part in parts), *sums, pruned,
    )  # fmt: skip


def _keeper_uses(
    keepers: Keepers,
    versions: Sequence[VersionUse],
    held: Sequence[KeptVersion],
    sums: Sequence[tuple[int, int]],
) -> tuple[KeeperUse, ...]:
    counts, sizes = Counter[int](), Counter[int]()
    for use, one in zip(versions, held, strict=True):
        counts[one.by.number] += 1
        sizes[one.by.number] += use.size
    return tuple(
        KeeperUse(kind, name, counts[number], sizes[number], *sums[number])
        for number, (kind, name) in enumerate(keepers.all)
    )


# -------------------------------------------------------------------- forms


def _forms(
    store: Store, objects: Objects, ranking: Ranking
) -> tuple[tuple[FormUse, ...], int, bool]:
    """Shares of forms, bytes of distinct chunks, and whether the former are told by a sample."""
    raw, stored = Counter[str](), Counter[str]()
    for place, owner in enumerate(ranking.first):
        if owner < 0:
            continue
        chunk = objects.kind[place] == Kind.CHUNK
        form = "lists" if not chunk else "whole" if objects.base[place] < 0 else "difference"
        raw[form] += objects.raw[place]
        stored[form] += objects.stored[place]
    distinct = raw["whole"] + raw["difference"]
    raw_whole, stored_whole = raw.pop("whole", 0), stored.pop("whole", 0)
    shares, sampled = _sampled(store, objects, ranking)
    raw_sum, stored_sum = (sum(pair[i] for pair in shares.values()) for i in (0, 1))
    for form, (raw_part, stored_part) in shares.items():
        raw[form] = raw_whole * raw_part // raw_sum
        stored[form] = stored_whole * stored_part // stored_sum
    found = [FormUse(form, raw[form], stored[form]) for form in stored]
    return tuple(sorted(found, key=lambda f: -f.stored)), distinct, sampled


def _sampled(
    store: Store, objects: Objects, ranking: Ranking
) -> tuple[Mapping[str, tuple[int, int]], bool]:
    """Raw and stored bytes of the sampled chunks that are needed, by form; whether others were left out."""
    codecs = store.codecs([id for id in objects.sample if ranking.first[objects.find(id)] >= 0])
    found: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for id, codec in codecs.items():
        place = objects.find(id)
        raw, stored = found[form_of(codec)]
        found[form_of(codec)] = raw + objects.raw[place], stored + objects.stored[place]
    return found, objects.step > 1


def form_of(codec: Codec) -> str:
    return "planes" if codec.name.startswith("PLANES") else codec.name.lower()


# -------------------------------------------------------------------- paths


class _Places:
    """What lies directly in a directory, numbered as it is met; 0: file lists, 1: what lies elsewhere."""

    def __init__(self, below: str) -> None:
        self._below = below
        self._prefix = "" if below == "." else below + "/"
        self._names: dict[str, Owner] = {}

    @property
    def known(self) -> bool:
        return bool(self._names)

    @property
    def count(self) -> int:
        return len(self._names) + 2

    def owner(self, path: str) -> Owner:
        if path == self._below:
            name = path
        elif path.startswith(self._prefix):
            first, slash, _ = path[len(self._prefix) :].partition("/")
            name = self._prefix + first + slash
        else:
            return _ELSEWHERE
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = Owner(self.count)
        return found

    def uses(
        self, store: Store, held: Sequence[KeptVersion], ranking: Ranking, objects: Objects
    ) -> tuple[PathUse, ...]:
        roots = Counter(
            root for one in held for c in Component if (root := one.version.root(c)) is not None
        )
        sizes = sizes_of_files(store, roots, self.owner)
        sums = _sums(ranking, objects, self.count)
        return tuple(
            PathUse(name, sizes[owner.number], *sums[owner.number])
            for name, owner in self._names.items()
        )


def sizes_of_files(store: Store, roots: Mapping[NodeId, int], placing: Placing) -> Counter[int]:
    """Bytes of files by owner, where each manifest counts as often as `roots` says. Each node is opened once or
    twice: those of a level hand on to those below how often they count."""
    levels: dict[int, Counter[NodeId]] = defaultdict(Counter)
    sizes = Counter[int]()
    for root, times in roots.items():
        node = _node(store, root)
        if node is not None:
            levels[node.level][root] += times
    while levels:
        for id, times in levels.pop(max(levels)).items():
            node = _node(store, id)
            if node is None:
                continue
            for entry in node.items:
                sizes[placing(entry.path).number] += times * entry.size
            for child in node.children:
                levels[child.level][child.node] += times
    return sizes


def _node(store: Store, id: NodeId) -> Node[Entry] | None:
    """None for a node that is not here."""
    try:
        opened = open_object(Kind.NODE, store.get(id))
    except MissingObject:
        return None
    assert isinstance(opened, Node)
    return opened  # type: ignore[return-value]  # a component's root is of entries
