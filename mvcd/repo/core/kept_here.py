"""Whether the content of a pruned version (records/PRUNED.md) is here all the same."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from mvcd.errors import Failure
from mvcd.ids import Digest, Kind, VersionId
from mvcd.repo.core.core import Core
from mvcd.repo.records.pruned import Pruning, marked_by
from mvcd.repo.records.refs import PRUNED
from mvcd.store.api import Session
from mvcd.sync.whole import whole


def roots_of(core: Core, id: VersionId) -> list[Digest]:
    """The lists of files of a version."""
    parts = core.version(id).components.values()
    return [part.root for part in parts if part.root is not None]


def is_here(core: Core, id: VersionId) -> bool:
    """Whether all content of a version is here. It is walked down: a list may have been fetched alone."""
    return whole(core.store, roots_of(core, id), Kind.VERSION)


def seems_here(core: Core, id: VersionId, *, in_grace: bool) -> bool:
    """The same at a glance, while the time of grace is not over: collection takes content with its lists."""
    return all(core.store.has(roots_of(core, id))) and (in_grace or is_here(core, id))


def hold(core: Core, session: Session, versions: Iterable[VersionId]) -> None:
    """Puts the content of those that were pruned under a session's lease: nothing else keeps it."""
    marked = marked_by(core.store.refs(PRUNED))
    for id in versions:
        if id in marked:
            session.missing(roots_of(core, id))


def not_to_be_had(core: Core, versions: Iterable[VersionId]) -> dict[VersionId, Pruning]:
    """Finds versions that were pruned, whose content is not here, and that nobody can be asked for."""
    marked = marked_by(core.store.refs(PRUNED))
    if not marked or core.promised is not None:
        return {}
    return {id: marked[id] for id in versions if id in marked and not is_here(core, id)}


def require_here(core: Core, *versions: VersionId) -> None:
    """Raises Failure(kind="pruned") for a version that was pruned, whose content is not here, and that nobody
    can be asked for."""
    for id, pruning in not_to_be_had(core, versions).items():
        day = datetime.fromtimestamp(pruning.time_us / 1e6, UTC)
        raise Failure(
            f"the content of v{core.version(id).generation} {id.short()} was pruned",
            kind="pruned",
            cause=f"on {day:%Y-%m-%d}, since none of these rules keeps it: {pruning.rule}",
            help=core.way_to_absent(),
        )
