"""What lies below objects, before it is asked for: a clone over a long line would wait once for each level of
its trees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from mvcd.ids import Bytes, Digest, Kind
from mvcd.objects.closure import children
from mvcd.store.api import Store
from mvcd.store.rows import typed_id

MOST_BYTES = 8 << 20
"""Bytes of records after which no further level is begun. More would keep chunks waiting that could be asked
for by then."""


def records_below(store: Store, ids: Sequence[Digest], most: int) -> Iterator[Bytes]:
    """Frames with the records of `ids`, which are here, then of the nodes and recipes below that are here too,
    level by level, `most` objects in all."""
    level = [typed_id(id, info.kind) for id, info in store.infos(ids).items()]
    seen = set(level)
    sent, left = 0, most - len(level)
    while level:
        for frame in store.records(level):
            sent += len(frame)
            yield frame
        if sent >= MOST_BYTES:
            return
        level = list(store.infos(list(islice(_below(store, level, seen), left))))
        left -= len(level)


def _below(store: Store, level: Sequence[Digest], seen: set[Digest]) -> Iterator[Digest]:
    """Each node and recipe once. Opens no more than is taken: a manifest may name a million."""
    for id in level:
        if id.kind is Kind.CHUNK:
            continue
        for child in children(id.kind, store.get(id)):
            if child.kind is not Kind.CHUNK and child not in seen:
                seen.add(child)
                yield child
