"""What made a version, and what was made from it: records only, no content is read.

A component comes from the oldest version, back along first parents, that has had the same root ever since: so
"the data is as of v3" is a comparison of digests. What was made from a version are its children in any ref's
history, and the names that hold it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from mvcd.errors import Failure, IntegrityError
from mvcd.ids import Digest, VersionId
from mvcd.objects.version import EMPTY, Component, Provenance, Version
from mvcd.repo.core.core import Core
from mvcd.repo.history.history import heads, names_by_version
from mvcd.repo.history.runs import RunRecord, record_of
from mvcd.repo.history.walk import ancestors, once


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a component's content comes from."""

    component: Component
    root: Digest
    files: int
    size: int  # bytes
    since: VersionId
    since_number: int


@dataclass(frozen=True, slots=True)
class Kin:
    """Another version: a parent or a child."""

    id: VersionId
    number: int
    message: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lineage:
    id: VersionId
    version: Version
    names: tuple[str, ...]
    origins: tuple[Origin, ...]  # of the components that have files
    parents: tuple[Kin, ...]
    children: tuple[Kin, ...]  # oldest first
    parent_weights: tuple[
        Digest, ...
    ]  # roots of the parents' weights that are not this version's own
    run: RunRecord | None

    @property
    def provenance(self) -> Provenance:
        return self.version.provenance


def lineage(core: Core, rev: str = "HEAD") -> Lineage:
    """Finds what made a version, and what was made from it. Raises Failure for v0, which nothing made."""
    id = core.resolve(rev)
    if id == EMPTY.id:
        raise Failure(f"{rev} is the empty version v0", kind="no-versions", help="mvc log")
    version = core.version(id)
    names, descent = names_by_version(core), once(core, _Descent)
    weights = version.components[Component.WEIGHTS].root
    parents = [core.version(p) for p in version.parents]
    return Lineage(
        id=id,
        version=version,
        names=tuple(names.get(id, ())),
        origins=tuple(descent.origins(id, version)),
        parents=tuple(_kin(core, p, names.get(p, ())) for p in version.parents),
        children=tuple(
            _kin(core, child, names.get(child, ()))
            for child in descent.children(id, version.generation)
        ),
        parent_weights=tuple(
            dict.fromkeys(
                root
                for p in parents
                if (root := p.components[Component.WEIGHTS].root) is not None and root != weights
            )
        ),
        run=_run(core, id),
    )


class _Descent:
    """Children and origins of versions, for which history is walked no further than it was asked for. Whoever
    asks about the newest first walks it once for all."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._way = ancestors(core, heads(core, all_refs=True))
        self._lowest: float = float("inf")  # number of the last one seen
        self._children = defaultdict[VersionId, list[VersionId]](list)
        self._since: dict[VersionId, dict[Component, tuple[VersionId, int]]] = {}

    def children(self, id: VersionId, number: int) -> Iterator[VersionId]:
        """Oldest first. They are among versions of greater numbers, which the walk comes to first."""
        while self._lowest > number and (version := next(self._way, None)) is not None:
            self._lowest = version.generation
            for parent in version.parents:
                self._children[parent].append(version.id)
        return reversed(self._children.get(id, []))

    def origins(self, id: VersionId, version: Version) -> Iterator[Origin]:
        """Of the components that have files. What a parent shares with the version goes back as far as for the
        version itself: it is kept for when the parent is asked for."""
        parts, core = version.components, self._core
        since = self._since.pop(id, {})
        open_ = {c for c in Component if parts[c].root is not None} - since.keys()
        since |= dict.fromkeys(open_, (id, version.generation))
        parents = version.parents
        while open_ and parents:
            parent_id = parents[0]
            current = core.glance(parent_id)
            parents = current.parents
            open_ = {c for c in open_ if current.root(c) == parts[c].root}
            since |= dict.fromkeys(open_, (parent_id, current.generation))
        if version.parents:
            parent = core.glance(version.parents[0])
            shared = {c: found for c, found in since.items() if parent.root(c) == parts[c].root}
            self._since[parent.id] = shared
        for component in (c for c in Component if c in since):
            part = parts[component]
            assert part.root is not None
            yield Origin(component, part.root, part.files, part.size, *since[component])


def _kin(core: Core, id: VersionId, names: object) -> Kin:
    version = core.version(id)
    assert isinstance(names, list | tuple)
    return Kin(id, version.generation, version.message, tuple(names))


def _run(core: Core, id: VersionId) -> RunRecord | None:
    """The record of the run that made this very version: a later commit still holds the file."""
    mine = _record(core, id)
    inherited = any(_record(core, parent) == mine for parent in core.version(id).parents)
    return None if inherited else mine


def _record(core: Core, id: VersionId) -> RunRecord | None:
    try:
        return record_of(core, id)
    except (Failure, IntegrityError):
        return None  # no run, or its content is not here
