"""The results of verbs that take over what single versions did, and put work aside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mvc.api.commits import CommitResult
from mvc.api.public import made_from
from mvc.api.results import CheckoutResult
from mvcd.repo.joining.threeway import Clash


@dataclass(frozen=True, slots=True)
class Picked:
    """Result of a cherry-pick or a revert: the version that was made. `resolved`: conflicts and whose side was
    taken, "ours" or "theirs"."""

    commit: CommitResult
    resolved: tuple[tuple[Clash, str], ...]


@made_from("version", version="id")
@dataclass(frozen=True, slots=True)
class Stash:
    """Unsaved work that was put aside. `version` holds it, and `base` is the version that it was done on."""

    number: int
    version: str
    base: str
    message: str
    author: str
    time: datetime


@made_from(stash="stashed")
@dataclass(frozen=True, slots=True)
class StashResult:
    """A stash that was made, taken up or dropped, and what became of the files."""

    stash: Stash
    checkout: CheckoutResult | None
