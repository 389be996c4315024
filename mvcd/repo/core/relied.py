"""Versions that a ref may come to reach: collection leaves them, and they are whole.

All that refs reach is here; of what they do not reach that cannot be said. Versions come first in a fetch, so
one that was cut short leaves records whose content never came, and by its id each of them can be named.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from mvcd.errors import MissingObject
from mvcd.ids import Digest, Kind, VersionId
from mvcd.objects.ancestry import Descendant, between
from mvcd.objects.version import Version
from mvcd.repo.records.pruned import marked_by
from mvcd.repo.records.refs import EMPTY_ID, PRUNED, version_named
from mvcd.store.api import Session, Store
from mvcd.sync.walk import difference


def hold(
    store: Store,
    session: Session,
    versions: Collection[VersionId],
    read: Callable[[VersionId], Version],
) -> None:
    """Puts versions, and all they reach, under the session's lease. Raises MissingObject."""
    ids = [id for id in versions if id != EMPTY_ID]
    for id, missing in zip(ids, session.missing(ids), strict=True):
        if missing:
            raise MissingObject(f"version {id.short()} is not in the store", help="mvc verify")
    pruned = marked_by(store.refs(PRUNED)).keys()
    for id in pruned & set(ids):  # else nothing holds its content
        parts = read(id).components.values()
        session.missing([part.root for part in parts if part.root is not None])


def require_whole(
    store: Store, ids: Collection[VersionId], read: Callable[[VersionId], Descendant]
) -> None:
    """Raises MissingObject for a version that no ref reaches, where something that it, or a version before it,
    consists of is not here. Asks nothing of what cannot be read yet: who has just put it has put all of it.

    The walk costs the distance from the refs in versions, and what is new to them in objects.
    """
    refs = store.refs()
    reached = {version_named(name, value) for name, value in refs.items()} - {None}
    asked = [id for id in ids if id not in reached]
    asked = [id for id, stored in zip(asked, store.has(asked), strict=True) if stored]
    if not asked:
        return
    try:
        new = list(between(asked, [id for id in reached if id is not None], read))
        parents = {parent for id in new for parent in read(id).parents}.difference(new)
        hollow = marked_by({n: v for n, v in refs.items() if n.startswith(PRUNED)}).keys()
        _walk(store, [id for id in new if id not in hollow], list(parents - hollow))
    except MissingObject as error:
        raise MissingObject(
            f"version {asked[0].short()} is not whole: something that it consists of is not here",
            cause="no branch or tag reaches it, and a fetch of it was cut short",
            help="mvc fetch  (brings the rest)",
        ) from error


def _walk(store: Store, new: Sequence[Digest], known: Sequence[Digest]) -> None:
    def all_of(ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        _require(store, ids)
        return iter(store.get_many(ids))

    for group in difference(new, known, all_of, store.get_many):
        _require(store, [id for id in group if id.kind is Kind.CHUNK])


def _require(store: Store, ids: Sequence[Digest]) -> None:
    for id, here in zip(ids, store.has(ids), strict=True):
        if not here:
            raise MissingObject(f"{id.short()} is not here")
