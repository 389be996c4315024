"""What looking after a store answers: apart from `api`, since the verbs of every day load none of it."""

from __future__ import annotations

from mvcd.ids import Digest
from mvcd.lateclasses import dataclass


@dataclass(frozen=True, slots=True)
class Damage:
    """One broken invariant found by `check`. `id` is None when damage hits no single object."""

    id: Digest | None
    problem: str  # the invariant's name in FORMAT.md and what was found
    where: str  # "pack 7 at 1234", "index", ...


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What a collection removed (or, on a dry run, would remove)."""

    objects: int
    raw_bytes: int
    freed_bytes: int  # disk bytes, pack files that vanished or shrank
    kept_objects: int
    stopped: bool = False  # before all packs were copied that are worth it


@dataclass(frozen=True, slots=True)
class OptimizeReport:
    """What writing packs anew did (or, on a dry run, would do, estimated from a few records of each)."""

    packs: int
    rewritten: int
    freed_bytes: int
    left: int = 0  # packs not looked into, for it was told to stop
    rebased: int = 0  # chunks that rest on other ones than before, or on none


@dataclass(frozen=True, slots=True)
class RebaseReport:
    """What giving chunks other bases did (or, on a dry run, would do)."""

    chunks: int
    freed_bytes: int


@dataclass(frozen=True, slots=True)
class StoreStats:
    """How much a store holds; `objects` and `packs` are counts."""

    objects: int
    packs: int
    pack_bytes: int  # bytes of pack files
    index_bytes: int  # bytes of the index environment in use
