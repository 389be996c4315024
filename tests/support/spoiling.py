"""Damage on the disk that nobody has found yet."""

from __future__ import annotations

import os
from pathlib import Path

from mvcd.ids import Digest, Kind
from mvcd.store.lmdb_store import LmdbStore


def spoil_store(store: LmdbStore, kinds: set[Kind], *, most: int = 1000) -> list[Digest]:
    """Flips a bit in the record of each object of these kinds."""
    found = [id for id, info in store.ids() if info.kind in kinds][:most]
    for id in found:
        place = store.location(id)
        path = Path(store.path) / "packs" / f"{place.pack:08x}.pack"
        with path.open("r+b") as file:
            file.seek(place.offset + place.size - 1)
            (byte,) = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1]))
    return found
