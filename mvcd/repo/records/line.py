"""The version of a number on a line of first parents, in steps of 256 where the way was gone before.

Generations fall along a line: the way down from a branch of 50,000 versions to its third reads 50,000 records,
in 1.5 s. Versions do not change, so where the way leads may be remembered for ever: of each version that begins
a section of STRIDE_VERSIONS generations the cache has the one that begins the next section. Rows that are lost
cost the walk again.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from mvcd.ids import DIGEST_BYTES, VersionId
from mvcd.objects.glance import Glance
from mvcd.repo.records.refs import EMPTY_ID

if TYPE_CHECKING:
    from mvcd.store.api import Store

STRIDE_VERSIONS = 256

_ROW = struct.Struct(f"<Q{DIGEST_BYTES}s")


def on_line(store: Store, tip: VersionId, number: int) -> VersionId | None:
    """The version of that generation, at least 1, on the first-parent line of `tip`; None if it has none.

    Raises MissingObject, CorruptObject.
    """
    learned: dict[bytes, bytes | None] = {}
    found = _walk(store, tip, number, learned)
    if learned:
        store.cache_put(learned)
    return found


def _walk(
    store: Store, tip: VersionId, number: int, learned: dict[bytes, bytes | None]
) -> VersionId | None:
    here, section = tip, -1
    begins: VersionId | None = None
    while here != EMPTY_ID:
        known = _next_section(store, here) if here == begins else None
        if known is not None and known[0] >= number:
            begins = here = known[1]
            section = -1
            continue
        version = Glance(here, store.get(here))
        if version.generation <= number:
            return here if version.generation == number else None
        before, section = section, _section(version.generation)
        if section < before:
            if begins is not None:
                learned[_key(begins)] = _ROW.pack(version.generation, here)
            begins = here
            continue
        here = version.parents[0] if version.parents else EMPTY_ID
    return None


def _section(generation: int) -> int:
    return (generation - 1) // STRIDE_VERSIONS


def _next_section(store: Store, id: VersionId) -> tuple[int, VersionId] | None:
    row = store.cache_get([_key(id)])[0]
    if row is None or len(row) != _ROW.size:
        return None
    generation, below = _ROW.unpack(row)
    return generation, VersionId(below)


def _key(id: VersionId) -> bytes:
    return b"line/" + id
