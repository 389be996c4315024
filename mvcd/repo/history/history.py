"""History: versions in the order people read them, newest first."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterator

from mvcd.ids import VersionId
from mvcd.objects.version import EMPTY, Component, Version
from mvcd.repo.core.core import Core
from mvcd.repo.history.walk import once
from mvcd.repo.history.whereabouts import Whereabouts
from mvcd.repo.records.annotations import Texts, texts_of
from mvcd.repo.records.names import written
from mvcd.repo.records.refs import EMPTY_ID, HEADS, PRUNED, REMOTES, STAGES, TAGS, target_of
from mvcd.repo.records.versionentry import HistoryEntry
from mvcd.repo.versions.numbers import Numbers


def history(
    core: Core,
    start: str = "HEAD",
    *,
    limit: int | None = None,
    component: Component | None = None,
    all_refs: bool = False,
    first_parent: bool = False,
    starts: Collection[VersionId] | None = None,
) -> Iterator[HistoryEntry]:
    """Yields ancestors of `start` (or of every ref, or of `starts`), a child always before its parents, then
    newest first.

    With `component`, only versions that changed it against their first parent.
    """
    names, where, numbers = names_by_version(core), Whereabouts(core), Numbers(core)
    texts = Texts(core.store)
    if starts is None:
        starts = heads(core, start, all_refs=all_refs)
    count = 0
    for id, version in _walk(core, set(starts), first_parent=first_parent):
        if limit is not None and count >= limit:
            return
        if component is not None and not _touches(core, version, component):
            continue
        count += 1
        numbered, refs = numbers.names(id, version.generation), tuple(names.get(id, ()))
        yield HistoryEntry(id, version, refs, where.of(id), texts.of(id), numbered)


def heads(core: Core, start: str = "HEAD", *, all_refs: bool = False) -> set[VersionId]:
    """Finds the versions that a history begins with. Raises Failure(kind="unknown-revision")."""
    return {core.resolve(start), *(names_by_version(core) if all_refs else ())}


def show(core: Core, rev: str = "HEAD") -> HistoryEntry:
    """Finds one version, with the names that point to it."""
    id = core.resolve(rev)
    names, where = names_by_version(core), once(core, Whereabouts)
    texts, version = texts_of(core.store, id), core.version(id)
    numbered = once(core, Numbers).names(id, version.generation)
    return HistoryEntry(id, version, tuple(names.get(id, ())), where.of(id), texts, numbered)


def names_by_version(core: Core) -> dict[VersionId, list[str]]:
    """Branch, tag and stage names by the version they point to; the current branch is marked "HEAD -> "."""
    return once(core, _names_by_version)


def _names_by_version(core: Core) -> dict[VersionId, list[str]]:
    head = core.head_value()
    found: dict[VersionId, list[str]] = defaultdict(list)
    if head.version is not None and head.version != EMPTY_ID:
        found[head.version].append("HEAD")
    for ref, value in sorted(core.store.refs(HEADS).items()):
        shown = written(ref)
        current = ref == f"{HEADS}{head.branch}"
        found[target_of(value)].append(f"HEAD -> {shown}" if current else shown)
    for ref, value in sorted(core.store.refs(TAGS).items()):
        found[target_of(value)].append(f"tag: {written(ref, core.revisions.has)}")
    for ref, value in sorted(core.store.refs(REMOTES).items()):
        remote, space, name = ref.removeprefix(REMOTES).split("/", 2)
        if f"{space}/" not in (TAGS, PRUNED):
            found[target_of(value)].append(f"{remote}/{written(HEADS + name).removeprefix(HEADS)}")
    if core.store.refs(STAGES):
        from mvcd.repo.records.stages import holders  # late: start-up

        for stage, id in holders(core.store).items():
            found[id].append(f"stage: {stage}")
    return dict(found)


def _walk(
    core: Core, starts: set[VersionId], *, first_parent: bool
) -> Iterator[tuple[VersionId, Version]]:
    """By generation, so no child comes after its parent whatever clocks said; ties by time, then id."""
    queue = [_key(core, id) for id in starts if id != EMPTY_ID]
    heapq.heapify(queue)
    seen = set(starts)
    while queue:
        id = heapq.heappop(queue)[2]
        version = core.version(id)
        yield id, version
        for parent in version.parents[: 1 if first_parent else None]:
            if parent not in seen:
                seen.add(parent)
                heapq.heappush(queue, _key(core, parent))


def _key(core: Core, id: VersionId) -> tuple[int, int, VersionId]:
    version = core.version(id)
    return -version.generation, -version.time_us, id


def _touches(core: Core, version: Version, component: Component) -> bool:
    parent = core.version(version.parents[0]) if version.parents else EMPTY
    return version.components[component].root != parent.components[component].root
