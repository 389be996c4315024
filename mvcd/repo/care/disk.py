"""The files of a repository, by what they are for. Sizes are lengths of files in bytes."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mvcd.repo.core.core import Core
from mvcd.store.record import PACK_HEADER

_INDEX = ("data.mdb", "lock.mdb")
_JOURNAL = "refs.journal"
_CAPTURES = "captures"


@dataclass(frozen=True, slots=True)
class DiskShares:
    """`needed`, `loose` and `dead` are what packs consist of: records that some version needs, records that
    collection will free, and what is left where records were removed before. `total` is all of it together,
    `free` what the file system has left."""

    needed: int
    loose: int
    dead: int
    index: int
    journal: int
    captures: int
    damaged: int
    other: int
    free: int

    @property
    def total(self) -> int:
        packs = self.needed + self.loose + self.dead
        return packs + self.index + self.journal + self.captures + self.damaged + self.other


def disk_shares(core: Core, indexed: int, needed: int) -> DiskShares:
    """`indexed`: bytes of all records that the index names; `needed`: of those that a version needs."""
    found = Counter[str]()
    store = core.store_path
    for path, size in _files(store):
        found[_purpose(os.path.relpath(path, store))] += size
    inside = os.path.commonpath([store, core.place.directory]) == core.place.directory
    if not core.place.bare:
        captures = os.path.join(core.place.directory, _CAPTURES)
        for _, size in _files(core.place.directory, without=(captures, *([store] * inside))):
            found["other"] += size
        for _, size in _files(captures, alone=True):
            found["captures"] += size
    headers = core.store.stats().packs * PACK_HEADER.size
    room = os.statvfs(store)
    return DiskShares(
        needed=needed,
        loose=max(0, indexed - needed),
        dead=max(0, found["packs"] - headers - max(indexed, needed)),
        index=found["index"],
        journal=found["journal"],
        captures=found["captures"],
        damaged=found["damaged"],
        other=found["other"] + headers,
        free=room.f_bavail * room.f_frsize,
    )


def _purpose(path: str) -> str:
    top = path.split(os.sep, maxsplit=1)[0]
    if ".damaged-" in top:
        return "damaged"
    if top in _INDEX:
        return "index"
    return {"packs": "packs", _JOURNAL: "journal"}.get(top, "other")


def _files(
    directory: str, *, without: Sequence[str] = (), alone: bool = False
) -> Iterator[tuple[str, int]]:
    """Regular files and their lengths; with `alone`, only of those that have no second name elsewhere: a file
    that is captured and still in the workspace takes no room of its own."""
    for at, names, files in os.walk(directory):
        names[:] = [name for name in names if os.path.join(at, name) not in without]
        for name in files:
            path = os.path.join(at, name)
            try:
                found = os.lstat(path)
            except FileNotFoundError:  # a lease, or a temporary file
                continue
            if stat.S_ISREG(found.st_mode) and (found.st_nlink == 1 or not alone):
                yield path, found.st_size
