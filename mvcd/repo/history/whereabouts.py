"""Pruned versions (records/PRUNED.md): since when, by which rules, and which remotes are known to have them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from mvcd.ids import VersionId
from mvcd.repo.core.core import Core
from mvcd.repo.history.walk import ancestors
from mvcd.repo.records.pruned import Pruning, marked_by
from mvcd.repo.records.refs import PRUNED, REMOTES, version_named

if TYPE_CHECKING:
    from mvcd.repo.records.versionentry import Pruned


class Whereabouts:
    """What is known of pruned versions; worked out when it is first asked for."""

    def __init__(self, core: Core) -> None:
        self._core = core

    @cached_property
    def marked(self) -> Mapping[VersionId, Pruning]:
        """Versions whose content is not kept here."""
        return marked_by(self._core.store.refs(PRUNED))

    def of(self, id: VersionId) -> Pruned | None:
        """What is known of a version; None of one that was not pruned."""
        found = self.marked.get(id)
        if found is None:
            return None
        from mvcd.repo.core.kept_here import seems_here  # late: start-up
        from mvcd.repo.records.versionentry import Pruned

        remembered = self._oldest_us <= found.time_us
        until_us = found.until_us if remembered else found.time_us
        here = seems_here(self._core, id, in_grace=self._core.clock() // 1000 < until_us)
        return Pruned(found.time_us, until_us, found.rule, here, self.remotes(id))

    @cached_property
    def _oldest_us(self) -> float:
        """The time of the oldest operation that is remembered: grace ends with the memory of the pruning."""
        from mvcd.repo.records.operations import decode  # late: start-up

        for number, record in self._core.store.operations(newest_first=False):
            return decode(number, record).time_us
        return float("inf")

    def remotes(self, id: VersionId) -> tuple[str, ...]:
        """Remotes that are known to have its content: their refs reach it, and they have not pruned it."""
        number = self._core.glance(id).generation
        return tuple(sorted(name for name, has in self._remotes.items() if has(id, number)))

    @cached_property
    def _remotes(self) -> Mapping[str, _Known]:
        heads = defaultdict[str, set[VersionId]](set)
        marks = defaultdict[str, dict[str, bytes]](dict)
        for ref, value in self._core.store.refs(REMOTES).items():
            remote, name = ref.removeprefix(REMOTES).split("/", 1)
            if name.startswith(PRUNED):
                marks[remote][name] = value
            elif (id := version_named(ref, value)) is not None:
                heads[remote].add(id)
        return {
            name: _Known(self._core, ids, marked_by(marks[name])) for name, ids in heads.items()
        }


class _Known:
    """What a remote has: what its refs reach, walked from the newest on and no further than was asked for."""

    def __init__(self, core: Core, heads: set[VersionId], pruned: Container[VersionId]) -> None:
        self._pruned = pruned
        self._way = ancestors(core, heads)
        self._seen: set[VersionId] = set()
        self._lowest: float = float("inf")  # number of the last one seen

    def __call__(self, id: VersionId, number: int) -> bool:
        while self._lowest >= number and (version := next(self._way, None)) is not None:
            self._seen.add(version.id)
            self._lowest = version.generation
        return id in self._seen and id not in self._pruned
