"""Values that tell what takes which bytes of a repository."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mvc.api.public import made_from, moment
from mvcd.repo.care.disk import DiskShares
from mvcd.repo.care.diskuse import ComponentUse, FormUse, KeeperUse, PathUse
from mvcd.repo.care.diskuse import DiskUse as EngineDiskUse
from mvcd.repo.care.growth import Growth

__all__ = [
    "ComponentUse",
    "DiskShares",
    "DiskUse",
    "FormUse",
    "Growth",
    "KeeperUse",
    "PathUse",
    "VersionUse",
]


def _lets_go(use: EngineDiskUse) -> datetime | None:
    return None if use.log_until_us is None else moment(use.log_until_us)


@made_from(version="id")
@dataclass(frozen=True, slots=True)
class VersionUse:
    """Bytes of one version. `size` is that of its files; `stored` counts what no version before it needs;
    `unique` is what goes when only its content goes. `keeper`: the branch or other name that has it first."""

    version: str
    number: int
    time: datetime
    message: str
    keeper: str
    files: int
    size: int
    stored: int
    unique: int
    pruned: bool = False


@made_from(log_until=_lets_go)
@dataclass(frozen=True, slots=True)
class DiskUse:
    """Bytes of a repository, by who needs them. `stored` counts each object once, for the first that needs it:
    versions with `records`, and components with them, add up to `disk.needed`. `unique` is what removing one
    frees.

    `size` is that of all files of all versions, `distinct` that of their chunks, each counted once. `forms` say
    how these are stored, by a sample if `sampled`. `absent` counts what is named and not here. `log_until`:
    when the operation log lets go of what it alone holds. `growth` is None with too little history.
    """

    disk: DiskShares
    size: int
    distinct: int
    records: int
    versions: tuple[VersionUse, ...]
    components: tuple[ComponentUse, ...]
    keepers: tuple[KeeperUse, ...]
    paths: tuple[PathUse, ...]
    lists: int
    forms: tuple[FormUse, ...]
    sampled: bool
    absent: int
    growth: Growth | None
    log_until: datetime | None
