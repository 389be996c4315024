"""Verification of a whole repository: every stored byte, every link, the chains of stages, and whom
damage hurts.

The store re-hashes its objects and names what is broken; here the links are walked from every version of
the refs and the operation log, so that a missing object is found too, and each damaged object is traced up
to the versions and files that can no longer be read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from mvcd.errors import CorruptObject, IntegrityError, MissingObject, with_cause
from mvcd.ids import Digest, Kind, VersionId
from mvcd.monitor import Monitor
from mvcd.objects.closure import children, parents
from mvcd.objects.manifest import entries
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Version
from mvcd.repo.core.core import Core
from mvcd.repo.core.wanted import is_partial
from mvcd.repo.records import stages
from mvcd.repo.records.operations import decode, versions_named
from mvcd.repo.records.pruned import marked_by
from mvcd.repo.records.refs import EMPTY_ID, REMOTES, SAVED, SHARED, STASH, versions_of_refs
from mvcd.repo.records.results import Harm, VerifyError, VerifyReport
from mvcd.store.apart import apart
from mvcd.store.api import Store
from mvcd.store.repair import survey
from mvcd.store.reports import Damage
from mvcd.store.stores import open_store

SPACES = (*SHARED, SAVED, STASH, REMOTES, "workspaces/")
MAX_HARMS = 1000
"""Files named per damaged object: one lost chunk of a shared base can hurt every version there is."""


@dataclass(slots=True)
class _Walk:
    """What was found below each object, visited once however often it is shared."""

    broken: dict[Digest, str]  # damaged or missing, with the reason
    hurt: dict[Digest, frozenset[Digest]] = field(
        default_factory=dict
    )  # broken objects at or below


class LinkWalker:
    """Walks versions; knows afterwards which broken objects each one reaches."""

    def __init__(self, store: Store, damaged: Iterable[Damage]) -> None:
        self._store = store
        self._walk = _Walk({d.id: d.problem for d in damaged if d.id is not None})
        self._told = frozenset(self._walk.broken)
        self._known = frozenset(store.damaged())
        self.versions: dict[VersionId, Version | None] = {}
        self.let_go: list[Digest] = []  # what pruned versions lack

    def walk(self, roots: Iterable[VersionId], pruned: Collection[VersionId] = ()) -> None:
        """Walks all versions before `roots` too. Of those that were `pruned` the content comes last: what of it
        is missing, and nothing else reaches, counts as left out."""
        stack = [r for r in roots if r != EMPTY_ID]
        later: dict[VersionId, bytes] = {}
        while stack:
            id = stack.pop()
            if id in self.versions:
                continue
            data = self._read(id)
            self.versions[id] = None if data is None else Version.decode(data)
            if data is not None and id in pruned:
                later[id] = data
            else:
                self._below(id, data)
            if data is not None:
                stack.extend(parents(data))
        known = set(self._walk.broken)
        for id, data in later.items():
            self._below(id, data)
        self.let_go = [i for i, _ in self.missing() if i not in known]
        for absent in self.let_go:
            del self._walk.broken[absent]

    def missing(self) -> list[tuple[Digest, str]]:
        """Objects that something names and the store does not have."""
        return [(i, why) for i, why in self._walk.broken.items() if why == "missing"]

    def broken(self) -> list[tuple[Digest, str]]:
        """What was found broken on the way and was not told before, and why."""
        return [(i, why) for i, why in self._walk.broken.items() if i not in self._told]

    def leave_out_content(self) -> int:
        """Counts absent content as no damage, since a remote promised it; records are never left out."""
        absent = [id for id, _ in self.missing() if id.kind is not Kind.VERSION]
        for id in absent:
            del self._walk.broken[id]
        return len(absent)

    def harms(self, broken: Digest) -> tuple[Harm, ...]:
        """Files that cannot be read without `broken`, newest versions first."""
        found: list[Harm] = []
        known = [(v.generation, i, v) for i, v in self.versions.items() if v is not None]
        for number, id, version in sorted(known, key=lambda k: (-k[0], k[1])):
            if broken not in self._walk.hurt.get(id, ()):
                continue
            for path in self._paths(version, broken):
                found.append(Harm(id, number, path))
                if len(found) >= MAX_HARMS:
                    return tuple(found)
        if broken in self.versions:
            found.append(Harm(VersionId(broken), 0, ""))
        return tuple(found)

    def _paths(self, version: Version, broken: Digest) -> list[str]:
        found: list[str] = []
        for component, root in version.components.items():
            if root.root is None or broken not in self._walk.hurt.get(root.root, ()):
                continue
            try:
                for entry in entries(root.root, self._fetch):
                    below = self._walk.hurt.get(entry.recipe, ())
                    if broken in below or broken == entry.recipe:
                        found.append(entry.path)
            except (MissingObject, CorruptObject):
                found.append(f"({component.value}: file list unreadable)")
        return found

    @property
    def _fetch(self) -> Fetch:
        return self._store.get

    def _read(self, id: Digest) -> bytes | None:
        """None when the object is broken, which is noted."""
        if id in self._walk.broken:
            return None
        try:
            return self._store.get(id)
        except MissingObject:
            self._walk.broken[id] = "missing"
        except CorruptObject as error:
            self._walk.broken[id] = str(error)
        return None

    def _below(self, root: Digest, data: bytes | None) -> frozenset[Digest]:
        """Broken objects at or below one object; iterative, for trees may be deep and recipes many."""
        hurt = self._walk.hurt
        pending: list[tuple[Digest, list[Digest] | None]] = [(root, None)]
        first: bytes | None = data
        while pending:
            id, below = pending.pop()
            if id in hurt:
                continue
            if below is None:
                content = first if id == root else self._read(id)
                if content is None:
                    hurt[id] = frozenset([id])
                    continue
                below = self._children(id.kind, content)
                pending.append((id, below))
                pending.extend(
                    (c, None) for c in below if c.kind is not Kind.CHUNK and c not in hurt
                )
            else:
                sets = [self._chunk(c) if c.kind is Kind.CHUNK else hurt[c] for c in below]
                hurt[id] = frozenset().union(*[s for s in sets if s])
        return hurt[root]

    def _children(self, kind: Kind, content: bytes) -> list[Digest]:
        found = list(children(kind, content))
        chunks = [c for c in found if c.kind is Kind.CHUNK and c not in self._walk.broken]
        for chunk, present in zip(chunks, self._store.has(chunks), strict=True):
            if not present:
                known = chunk in self._known
                self._walk.broken[chunk] = "known to be damaged" if known else "missing"
        return found

    def _chunk(self, id: Digest) -> frozenset[Digest]:
        return frozenset([id]) if id in self._walk.broken else _NOTHING


_NOTHING: frozenset[Digest] = frozenset()


def verify(core: Core, *, read_data: bool = True, sample: float = 1.0) -> VerifyReport:
    """Re-hashes every stored object, if `read_data`, or a share of them chosen anew each time, then walks every
    link from refs and the operation log."""
    partial = is_partial(core.config)
    return verify_store(
        core.store, read_data=read_data, sample=sample, monitor=core.monitor, partial=partial
    )


def verify_store(
    store: Store,
    *,
    read_data: bool,
    monitor: Monitor,
    partial: bool = False,
    sample: float = 1.0,
) -> VerifyReport:
    """The same of a store without a workspace, as servers have them. `partial`: content may be absent by
    choice."""
    damage = list(store.check(read_data=read_data, sample=sample, monitor=monitor))
    walker = LinkWalker(store, damage)
    apart_from: list[VerifyError] = []  # parts that cannot be read at all
    roots: set[VersionId] = set()
    pruned: set[VersionId] = set()
    for name, value in _good_refs(store).items():
        with _told(apart_from, f"ref {name}"):
            roots.update(versions_of_refs({name: value}))
            pruned.update(marked_by({name: value}))
    with _told(apart_from, "operations"):
        for number, data in store.operations():
            roots |= versions_named(decode(number, data))
    with _told(apart_from, "links"):
        walker.walk(roots, pruned)
    objects = size = 0
    with _told(apart_from, "objects"):
        for _, info in store.ids():
            objects += 1
            size += info.raw_size
    absent = len(walker.let_go) + (walker.leave_out_content() if partial else 0)
    found = [*errors(damage, walker), *apart_from]
    with _told(found, "stages"):
        found += _broken_histories(store)
    return VerifyReport(objects, size, len(walker.versions), tuple(found), absent)


def _good_refs(store: Store) -> dict[str, bytes]:
    """All refs; where one is damaged, which the store has told, those of each namespace that can be read."""
    try:
        return store.refs()
    except IntegrityError:
        refs: dict[str, bytes] = {}
        for space in SPACES:
            with suppress(IntegrityError):
                refs |= store.refs(space)
        return refs


@contextmanager
def _told(found: list[VerifyError], where: str) -> Iterator[None]:
    """What cannot be read is one finding; the other parts are looked at all the same."""
    try:
        yield
    except IntegrityError as error:
        found.append(VerifyError(with_cause(error), where, None))


def verify_apart(
    path: str, *, read_data: bool, monitor: Monitor, partial: bool, sample: float = 1.0
) -> VerifyReport:
    """The same of the store in a directory, by a child process: a damaged page of the index ends who reads it,
    and is one finding more.

    Raises Failure, what opening a store raises for other reasons than damage (no permission, no memory).
    """
    problem: VerifyError
    try:
        report: VerifyReport = apart(
            __name__, "verify_at", path, read_data, partial, sample, monitor=monitor
        )
        return report
    except IntegrityError as error:
        problem = VerifyError(with_cause(error), "index", None)
    found = [
        VerifyError(f"{finding.part}: {finding.problem}", "store", None)
        for finding in survey(path).findings
        if finding.part != "index"
    ]
    return VerifyReport(0, 0, 0, (problem, *found))


def verify_at(
    monitor: Monitor, path: str, read_data: bool, partial: bool, sample: float
) -> VerifyReport:
    """In the child."""
    with open_store(path, as_it_is=True) as store:
        return verify_store(
            store, read_data=read_data, sample=sample, monitor=monitor, partial=partial
        )


def _broken_histories(store: Store) -> Iterator[VerifyError]:
    """Stages whose chain of records does not hold."""
    for stage in stages.names(store):
        for problem in stages.check(store, stage).problems:
            yield VerifyError(f"broken history: {problem}", f"stage {stage}", None)


def errors(damage: Iterable[Damage], walker: LinkWalker) -> list[VerifyError]:
    """One line per broken thing, with whom it hurts."""
    found = [
        VerifyError(
            d.problem, d.where, None if d.id is None else _name(d.id),
            () if d.id is None else walker.harms(d.id),
        )
        for d in damage
    ]  # fmt: skip
    found.extend(
        VerifyError(
            "missing object" if why == "missing" else f"damaged object: {why}",
            "index",
            _name(id),
            walker.harms(id),
        )
        for id, why in walker.broken()
    )
    return found


def _name(id: Digest) -> str:
    return f"{id.kind.name.lower()} {id.hex()}"
