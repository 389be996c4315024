"""Walks over history at a glance, for questions that look at every version; and what is kept for many of them.

Names, numbers and children of versions are functions of all refs, and each question works them out anew, for a
ref may have moved since the last one. A report asks about each version: of 1,000, more than half of its
processor time were walks down the same line. So it asks in a block of `steady`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.objects.glance import Glance
from mvcd.repo.core.core import Core
from mvcd.repo.records.annotations import texts_by_version
from mvcd.repo.records.refs import EMPTY_ID, HEADS, NOTES, TAGS, target_of

RANGE = ".."

T = TypeVar("T")


def ancestors(
    core: Core, starts: Iterable[VersionId], *, first_parent: bool = False
) -> Iterator[Glance]:
    """The versions themselves and all before them, a child always before its parents, then newest first."""
    queue: list[tuple[int, int, VersionId, Glance]] = []
    seen = {EMPTY_ID}

    def put(ids: Iterable[VersionId]) -> None:
        for id in ids:
            if id not in seen:
                seen.add(id)
                found = core.glance(id)
                heapq.heappush(queue, (-found.generation, -found.time_us, id, found))

    put(starts)
    while queue:
        version = heapq.heappop(queue)[3]
        yield version
        put(version.parents[:1] if first_parent else version.parents)


def selected(
    core: Core, revs: Sequence[str], *, branches: Sequence[str] = (), all_refs: bool = False
) -> Iterator[Glance]:
    """Versions by name, `A..B` for those that B has and A has not, whole branches, everything; each once."""
    seen: set[VersionId] = set()
    starts = {_tip(core, branch) for branch in branches}
    if all_refs:
        refs = {**core.store.refs(HEADS), **core.store.refs(TAGS)}
        starts |= {target_of(value) for value in refs.values()} | {core.head().version}
    for version in _chain(core, revs, starts):
        if version.id not in seen and version.generation:
            seen.add(version.id)
            yield version


def _chain(core: Core, revs: Sequence[str], starts: set[VersionId]) -> Iterator[Glance]:
    for rev in revs:
        old, found, new = rev.partition(RANGE)
        if found:
            yield from between(core, core.resolve(old or "HEAD"), core.resolve(new or "HEAD"))
        else:
            yield core.glance(core.resolve(rev))
    yield from ancestors(core, starts)


def between(core: Core, old: VersionId, new: VersionId) -> Iterator[Glance]:
    """What `new` reaches and `old` does not, newest first."""
    before = {version.id for version in ancestors(core, [old])}
    return (version for version in ancestors(core, [new]) if version.id not in before)


def _tip(core: Core, branch: str) -> VersionId:
    value = core.store.ref(HEADS + branch)
    if value is None:
        raise Failure(f"there is no branch {branch!r}", kind="unknown-branch", help="mvc branch")
    return target_of(value)


class RefNames:
    """What branches, tags, stages and annotations say of versions; worked out when it is first asked for."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def branches(self, version: Glance) -> Sequence[str]:
        return self._branches.get(version.id, ())

    def tags(self, version: Glance) -> Sequence[str]:
        return self._tags.get(version.id, ())

    def stages(self, version: Glance) -> Sequence[str]:
        return self._stages.get(version.id, ())

    def annotations(self, version: Glance) -> Mapping[str, str]:
        return self._annotations.get(version.id, {})

    @cached_property
    def _annotations(self) -> Mapping[VersionId, Mapping[str, str]]:
        return texts_by_version(self._core.store.refs(NOTES))

    @cached_property
    def _branches(self) -> Mapping[VersionId, Sequence[str]]:
        """A version with children passes on what reaches them: one walk for all branches."""
        reached: dict[VersionId, tuple[str, ...]] = {}
        for ref, value in sorted(self._core.store.refs(HEADS).items()):
            id = target_of(value)
            reached[id] = (*reached.get(id, ()), ref.removeprefix(HEADS))
        for version in ancestors(self._core, list(reached)):
            mine = reached[version.id]
            for parent in version.parents:
                theirs = reached.get(parent)
                if theirs is None:
                    reached[parent] = mine
                elif theirs != mine:
                    reached[parent] = tuple(sorted({*theirs, *mine}))
        return reached

    @cached_property
    def _tags(self) -> Mapping[VersionId, Sequence[str]]:
        found: dict[VersionId, tuple[str, ...]] = {}
        for ref, value in sorted(self._core.store.refs(TAGS).items()):
            id = target_of(value)
            found[id] = (*found.get(id, ()), ref.removeprefix(TAGS))
        return found

    @cached_property
    def _stages(self) -> Mapping[VersionId, Sequence[str]]:
        from mvcd.repo.records.stages import holders  # late: start-up

        found: dict[VersionId, tuple[str, ...]] = {}
        for stage, id in holders(self._core.store).items():
            found[id] = (*found.get(id, ()), stage)
        return found


# ---------------------------------------------------------------- for many questions

_kept: WeakKeyDictionary[Core, dict[Callable[[Core], Any], Any]] = WeakKeyDictionary()


@contextmanager
def steady(core: Core) -> Iterator[None]:
    """Lets `once` keep what it finds, until the outermost block ends: what others change meanwhile is not seen.
    For one thread."""
    if core in _kept:
        yield
        return
    _kept[core] = {}
    try:
        yield
    finally:
        del _kept[core]


def once(core: Core, find: Callable[[Core], T]) -> T:
    """What `find` finds, which nobody may change; in a block of `steady`, what it found there first."""
    kept = _kept.get(core)
    if kept is None:
        return find(core)
    if find not in kept:
        kept[find] = find(core)
    found: T = kept[find]
    return found
