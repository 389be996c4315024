"""Versions between heads and what is known, by generation: a child is always looked at before its parents."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from mvcd.errors import MissingObject
from mvcd.ids import VersionId
from mvcd.objects.version import EMPTY


class Descendant(Protocol):
    """What the walk asks of a version: a `Version`, or a glance at one."""

    @property
    def generation(self) -> int: ...

    @property
    def parents(self) -> tuple[VersionId, ...]: ...


ReadVersion = Callable[[VersionId], Descendant]


def between(
    heads: Iterable[VersionId], haves: Iterable[VersionId], read: ReadVersion
) -> Iterator[VersionId]:
    """Versions reachable from `heads` and not from `haves`, a child before its parents.

    Walks both from the top and stops as soon as everything left is known, so its cost is the distance between
    the two. Haves that cannot be read are ignored. Raises MissingObject for a head.
    """
    generations: dict[VersionId, Descendant] = {}
    known: set[VersionId] = set()
    queue: list[tuple[int, VersionId]] = []

    def add(id: VersionId) -> None:
        if id not in generations and id != EMPTY.id:
            generations[id] = read(id)
            heapq.heappush(queue, (-generations[id].generation, id))

    for id in haves:
        try:
            add(id)
        except MissingObject:
            continue
        known.add(id)
    open_heads = set()
    for id in heads:
        add(id)
        open_heads.add(id)
    unknown = {id for id in open_heads if id not in known and id != EMPTY.id}
    while queue and unknown:
        id = heapq.heappop(queue)[1]
        for parent in generations.pop(id).parents:
            fresh = parent not in generations
            add(parent)
            if id in known:
                known.add(parent)
                unknown.discard(parent)
            elif fresh and parent not in known and parent != EMPTY.id:
                unknown.add(parent)
        if id in unknown:
            unknown.discard(id)
            yield id
