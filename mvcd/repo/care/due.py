"""When a collection is worth it, told without walking anything (docs/guide/space.md, Getting space back)."""

from __future__ import annotations

from typing import Final

from mvcd.errors import IntegrityError
from mvcd.objects.glance import Glance
from mvcd.repo.care.gc import KEEP_OPERATIONS_US, first_kept
from mvcd.repo.records.operations import RefMove, decode
from mvcd.repo.records.pruned import marked_by
from mvcd.repo.records.refs import PRUNED, version_named
from mvcd.store.api import Store

LEAST_BYTES: Final = 256 << 20
"""Bytes that may be garbage, below which nobody looks: what a few minutes of training write."""
SHARE: Final = 0.25
"""Share of what the last collection kept that may be garbage. To look at what came takes 0.06 CPU-ms a chunk
(0.25 CPU-s a GiB of tensors), whatever there was before."""
MOST_LOG_ENTRIES: Final = 1000
"""Operations, older than they are kept, that are read. Where there are more the log itself is worth cutting."""


def collection_due(store: Store, *, last_us: int, now_us: int) -> str:
    """Why one is worth it; "" where it is not. `last_us`: when the last one was."""
    bound = store.garbage_bound()
    suspect = bound.came_bytes + bound.dead_bytes
    if suspect >= max(LEAST_BYTES, SHARE * bound.kept_bytes):
        return f"up to {suspect / (1 << 20):,.0f} MiB may be needed by nothing"
    marked = marked_by(store.refs(PRUNED)).values()
    if any(last_us < pruning.until_us <= now_us for pruning in marked):
        return "the time of grace of pruned versions is over"
    if _forgets(store, now_us - KEEP_OPERATIONS_US):
        return "the operation log need not remember all of it any more"
    return ""


def _forgets(store: Store, oldest_us: int) -> bool:
    """Whether operations before that time are the last to know of some version, by what each of them says."""
    first = first_kept(store, oldest_us)
    for count, (number, data) in enumerate(store.operations(newest_first=False)):
        if number >= first:
            return False
        operation = decode(number, data)
        if count >= MOST_LOG_ENTRIES or operation.saved is not None:
            return True
        if any(_lets_go(store, move) for move in operation.moves):
            return True
    return False


def _lets_go(store: Store, move: RefMove) -> bool:
    """Whether a ref went elsewhere than to a child of the version that it pointed to. A step over several at
    once counts as well: then a collection finds nothing, which costs little."""
    old = None if move.old is None else version_named(move.name, move.old)
    new = None if move.new is None else version_named(move.name, move.new)
    if old is None or old == new:
        return False
    if new is None:
        return True
    try:
        return old not in Glance(new, store.get(new)).parents
    except IntegrityError:
        return True
