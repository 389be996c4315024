"""History: versions in the order people read them, newest first."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator

from mvcd.ids import VersionId
from mvcd.objects.version import EMPTY, Component, Version
from mvcd.repo.core.core import Core
from mvcd.repo.records.refs import EMPTY_ID, HEADS, REMOTES, STAGES, TAGS, target_of
from mvcd.repo.records.results import HistoryEntry


def history(
    core: Core,
    start: str = "HEAD",
    *,
    limit: int | None = None,
    component: Component | None = None,
    all_refs: bool = False,
    first_parent: bool = False,
) -> Iterator[HistoryEntry]:
    """Yields ancestors of `start` (or of every ref), a child always before its parents, then newest first.

    With `component`, only versions that changed it against their first parent.
    """
    names = names_by_version(core)
    starts = {core.resolve(start)}
    if all_refs:
        starts |= set(names)
    count = 0
    for id, version in _walk(core, starts, first_parent=first_parent):
        if limit is not None and count >= limit:
            return
        if component is not None and not _touches(core, version, component):
            continue
        count += 1
        yield HistoryEntry(id, version, tuple(names.get(id, ())))


def show(core: Core, rev: str = "HEAD") -> HistoryEntry:
    """Finds one version, with the names that point to it."""
    id = core.resolve(rev)
    return HistoryEntry(id, core.version(id), tuple(names_by_version(core).get(id, ())))


def names_by_version(core: Core) -> dict[VersionId, list[str]]:
    """Branch, tag and stage names by the version they point to; the current branch is marked "HEAD -> "."""
    head = core.head_value()
    found: dict[VersionId, list[str]] = defaultdict(list)
    if head.version is not None and head.version != EMPTY_ID:
        found[head.version].append("HEAD")
    for ref, value in sorted(core.store.refs(HEADS).items()):
        name = ref.removeprefix(HEADS)
        found[target_of(value)].append(f"HEAD -> {name}" if name == head.branch else name)
    for ref, value in sorted(core.store.refs(TAGS).items()):
        found[target_of(value)].append(f"tag: {ref.removeprefix(TAGS)}")
    for ref, value in sorted(core.store.refs(REMOTES).items()):
        remote, space, name = ref.removeprefix(REMOTES).split("/", 2)
        if f"{space}/" != TAGS:
            found[target_of(value)].append(f"{remote}/{name}")
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
