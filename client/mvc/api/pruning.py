"""Values that pruning returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mvc.api.public import made_from

__all__ = ["PruneResult", "PrunedVersion"]


@made_from(version="id")
@dataclass(frozen=True, slots=True)
class PrunedVersion:
    """A version whose content goes. `size` is that of its files."""

    version: str
    number: int
    time: datetime
    message: str
    size: int


@dataclass(frozen=True, slots=True)
class PruneResult:
    """Result of applying the rules. `versions` went or, with `dry_run`, would go; `unsafe` would, but too few
    remotes have them: why, by id. `kept` counts automatic versions that stay, by the first rule that keeps
    them; `freed` bytes can be collected from `until` on. `operation` is the number for `undo`; None if nothing
    was done."""

    rules: str
    versions: tuple[PrunedVersion, ...]
    unsafe: Mapping[str, str]
    kept: Mapping[str, int]
    freed: int
    until: datetime
    dry_run: bool
    operation: int | None = None
