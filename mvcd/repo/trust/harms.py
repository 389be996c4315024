"""Whom damage hurts: links of versions walked, and each damaged object traced up to the versions and files that
can no longer be read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from mvcd.errors import CorruptObject, MissingObject
from mvcd.ids import Digest, Kind, VersionId
from mvcd.objects.closure import children, parents
from mvcd.objects.manifest import entries
from mvcd.objects.version import Version
from mvcd.repo.records.refs import EMPTY_ID
from mvcd.repo.records.results import Harm
from mvcd.store.api import Store
from mvcd.store.reports import Damage

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

    def __init__(self, store: Store, damaged: Iterable[Damage], *, elsewhere: bool = False) -> None:
        """`elsewhere`: it is in another store that they are damaged, and `store` can read them."""
        self._store = store
        self._elsewhere = elsewhere
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
            whole = self.versions[VersionId(broken)]
            found.append(Harm(VersionId(broken), 0 if whole is None else whole.generation, ""))
        return tuple(found)

    def _paths(self, version: Version, broken: Digest) -> list[str]:
        found: list[str] = []
        for component, root in version.components.items():
            if root.root is None or broken not in self._walk.hurt.get(root.root, ()):
                continue
            try:
                listed = entries(root.root, self._store.get)
                hurt = [entry.path for entry in listed if self._needs(entry.recipe, broken)]
                found += hurt or [f"({component.value}: file list unreadable)"]
            except (MissingObject, CorruptObject):
                found.append(f"({component.value}: file list unreadable)")
        return found

    def _read(self, id: Digest) -> bytes | None:
        """None when the object is broken, which is noted."""
        if id in self._walk.broken and not self._elsewhere:
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
                sets = [self._itself(c) if c.kind is Kind.CHUNK else hurt[c] for c in below]
                hurt[id] = self._itself(id).union(*[s for s in sets if s])
        return hurt[root]

    def _children(self, kind: Kind, content: bytes) -> list[Digest]:
        found = list(children(kind, content))
        chunks = [c for c in found if c.kind is Kind.CHUNK and c not in self._walk.broken]
        for chunk, present in zip(chunks, self._store.has(chunks), strict=True):
            if not present:
                known = chunk in self._known
                self._walk.broken[chunk] = "known to be damaged" if known else "missing"
        return found

    def _needs(self, recipe: Digest, broken: Digest) -> bool:
        return broken == recipe or broken in self._walk.hurt.get(recipe, ())

    def _itself(self, id: Digest) -> frozenset[Digest]:
        return frozenset([id]) if id in self._walk.broken else _NOTHING


_NOTHING: frozenset[Digest] = frozenset()
