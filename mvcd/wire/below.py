"""What lies below objects, before it is asked for: a clone over a long line would wait once for each level of
its trees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mvcd.ids import Bytes, Digest, Kind
from mvcd.objects.closure import children
from mvcd.store.api import Store
from mvcd.store.rows import typed_id

MOST_BYTES = 8 << 20
"""Of records, after which no level is begun. More would keep chunks waiting that could be asked for by then."""


def records_below(store: Store, ids: Sequence[Digest], most: int) -> Iterator[Bytes]:
    """Frames with the records of `ids`, which are here, then of the nodes and recipes below that are here too,
    level by level, `most` objects in all."""
    level = [typed_id(id, info.kind) for id, info in store.infos(ids).items()]
    done = set(level)
    sent = 0
    while level:
        for frame in store.records(level):
            sent += len(frame)
            yield frame
        if sent >= MOST_BYTES:
            return
        below = dict.fromkeys(
            child
            for id in level
            for child in children(id.kind, b"" if id.kind is Kind.CHUNK else store.get(id))
            if child.kind is not Kind.CHUNK and child not in done
        )
        level = list(store.infos(list(below)))[: most - len(done)]
        done.update(level)
