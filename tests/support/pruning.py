"""Content taken from a store as retention and a partial clone leave it out: records stay, all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from mvcd.ids import Digest
from mvcd.objects.version import Component
from mvcd.repo.care.gc import reach
from mvcd.repo.history.walk import ancestors
from mvcd.repo.records.refs import EMPTY_ID
from mvcd.store.api import GetMany
from tests.support.engine import Repository


def prune(repo: Repository, rev: str, components: Collection[Component] = tuple(Component)) -> int:
    """Takes away what `components` of one version alone consist of; how many objects."""
    core = repo._core
    pruned = repo.resolve(rev)
    history = [core.version(v.id) for v in ancestors(core, [core.head().version])]
    ids = {v.id for v in ancestors(core, [core.head().version])} - {EMPTY_ID}

    def live(
        refs: Mapping[str, bytes],
        operations: Iterable[bytes],
        leased: Iterable[Digest],
        read: GetMany,
    ) -> set[Digest]:
        roots = [
            part.root
            for version in history
            for component, part in version.components.items()
            if part.root is not None
            and not (version == core.version(pruned) and component in components)
        ]
        return {*ids, *reach(roots, read)}

    return core.store.collect(live).objects
