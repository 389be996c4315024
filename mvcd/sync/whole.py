"""Whether all that some roots reach is in a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mvcd.errors import MissingObject
from mvcd.ids import Digest, Kind
from mvcd.store.api import ObjectReader
from mvcd.sync.walk import difference


def whole(store: ObjectReader, roots: Sequence[Digest], stop: Kind) -> bool:
    """Whether nothing has to be fetched, objects of kind `stop` and what they reach left out of account: then a
    clone works without its remote."""

    def read(ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        wanted = [id for id in ids if id.kind is not stop]
        if not all(store.has(wanted)):
            raise MissingObject("some of it is not here")
        return store.get_many(wanted)

    try:
        for group in difference(roots, (), read, read):
            if not all(store.has([id for id in group if id.kind is Kind.CHUNK])):
                return False
    except MissingObject:
        return False
    return True
