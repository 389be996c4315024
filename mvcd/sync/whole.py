"""Whether all that some roots reach is in a store.

All that refs reach is there. Of what they do not reach that cannot be said: versions come first in a fetch, so
one that was cut short leaves records whose content never came, and by its id each of them can be named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from mvcd.errors import MissingObject
from mvcd.ids import Digest, Kind, VersionId
from mvcd.objects.ancestry import ReadVersion, between
from mvcd.store.api import ObjectReader
from mvcd.sync.walk import difference


def whole(store: ObjectReader, roots: Sequence[Digest], stop: Kind) -> bool:
    """Whether nothing has to be fetched, objects of kind `stop` and what they reach left out of account: then a
    clone works without its remote."""
    try:
        _require_below(store, roots, (), stop)
    except MissingObject:
        return False
    return True


def require_whole(
    store: ObjectReader,
    versions: Sequence[VersionId],
    reached: Collection[VersionId],
    hollow: Collection[VersionId],
    read: ReadVersion,
) -> None:
    """Raises MissingObject for a version that no ref reaches (refs name those in `reached`), where something
    that it, or a version before it, consists of is not here; `hollow` ones may lack their content. Asks nothing
    of what cannot be read yet: who has just put it has put all of it.

    The walk costs the distance from the refs in versions, and what is new to them in objects.
    """
    asked = [id for id in versions if id not in reached]
    asked = [id for id, stored in zip(asked, store.has(asked), strict=True) if stored]
    if not asked:
        return
    try:
        new = list(between(asked, reached, read))
        parents = {parent for id in new for parent in read(id).parents}.difference(new, hollow)
        _require_below(store, [id for id in new if id not in hollow], parents)
    except MissingObject as error:
        raise MissingObject(
            f"version {asked[0].short()} is not whole: something that it consists of is not here",
            cause="no branch or tag reaches it, and a fetch of it was cut short",
            help="mvc fetch  (brings the rest)",
        ) from error


def _require_below(
    store: ObjectReader,
    roots: Iterable[Digest],
    known: Iterable[Digest],
    stop: Kind | None = None,
) -> None:
    """Raises MissingObject where something that the roots reach, and what is known does not, is not here."""

    def read(ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        wanted = [id for id in ids if id.kind is not stop]
        _require(store, wanted)
        return store.get_many(wanted)

    for group in difference(roots, known, read, store.get_many):
        _require(store, [id for id in group if id.kind is Kind.CHUNK])


def _require(store: ObjectReader, ids: Sequence[Digest]) -> None:
    for id, here in zip(ids, store.has(ids), strict=True):
        if not here:
            raise MissingObject(f"{id.short()} is not here")
