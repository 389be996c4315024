"""A version as history shows it, apart from `results` for the sake of `log`: it loads no other class."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mvcd.ids import VersionId
from mvcd.lateclasses import NamedTuple
from mvcd.objects.version import Version


class Pruned(NamedTuple):
    """A version whose content is not kept here: since when, by which rules, and until when nevertheless, as
    long as the operation is remembered. `here`: it still is. `remotes` are known to have it."""

    time_us: int
    until_us: int
    rule: str
    here: bool
    remotes: tuple[str, ...]


class HistoryEntry(NamedTuple):
    """One version as history shows it."""

    id: VersionId
    version: Version
    refs: tuple[str, ...] = ()  # branch and tag names that point here
    pruned: Pruned | None = None
    annotations: Mapping[str, str] = MappingProxyType({})
    numbered: bool = True  # whether vN, with its generation, names it here
