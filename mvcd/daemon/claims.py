"""The open and closed `mvc.checkpoint` blocks of one workspace.

A block is begun and ended over one connection; a connection that breaks in between abandons it. While it is
open its directory is one set that is not saved; closed, the set is saved at once; abandoned, it is held until
its files change again, for then another writer has taken over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from mvcd.daemon.sets import Bracket, Claim, Found


@dataclass(frozen=True, slots=True)
class Words:
    """What the training program says about itself."""

    command: tuple[str, ...] = ()
    python: str = ""


class Claims:
    """For any thread; `changed` is called after each change."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._claims: dict[int, Claim] = {}
        self._abandoned_as: dict[int, int] = {}
        self._words = Words()
        self._next = 0

    def begin(self, directory: str, words: Words) -> int:
        """Returns the block's number."""
        with self._lock:
            self._next += 1
            self._drop_others(directory)
            self._claims[self._next] = Claim(self._next, directory, Bracket.OPEN)
            self._words = words
            number = self._next
        self._changed()
        return number

    def end(self, number: int, *, also: tuple[str, ...] = (), message: str = "") -> bool:
        """Whether the block was open."""
        return self._turn(number, bracket=Bracket.CLOSED, also=also, message=message)

    def abandon(self, number: int) -> None:
        self._turn(number, bracket=Bracket.ABANDONED)

    def now(self) -> list[Claim]:
        with self._lock:
            return list(self._claims.values())

    def words(self) -> Words:
        with self._lock:
            return self._words if self._claims else Words()

    def saved(self, sets: Iterable[Found]) -> None:
        """Closed blocks whose set was saved are over."""
        done = {found.claim for found in sets if found.claim is not None}
        with self._lock:
            self._claims = {n: c for n, c in self._claims.items() if c not in done}

    def forget_settled(self, sets: Mapping[str, Found], seen: Iterable[Claim]) -> None:
        """Blocks without unsaved files are over, and abandoned ones whose files changed again.

        `seen` are the claims that the sets were sorted by: one that turned since is judged next time.
        """
        shown = {f.claim: f.signature for f in sets.values() if f.claim is not None}
        with self._lock:
            for claim in seen:
                if claim.bracket is Bracket.OPEN or self._claims.get(claim.number) != claim:
                    continue
                before = signature = shown.get(claim)
                if claim.bracket is Bracket.ABANDONED and signature is not None:
                    before = self._abandoned_as.setdefault(claim.number, signature)
                if signature is None or signature != before:
                    del self._claims[claim.number]
            self._abandoned_as = {n: s for n, s in self._abandoned_as.items() if n in self._claims}

    def _turn(self, number: int, **changes: object) -> bool:
        with self._lock:
            claim = self._claims.get(number)
            if claim is None or claim.bracket is not Bracket.OPEN:
                return False
            self._claims[number] = replace(claim, **changes)  # type: ignore[arg-type]
        self._changed()
        return True

    def _drop_others(self, directory: str) -> None:
        """A new block takes over what older, ended ones on the same directory left."""
        self._claims = {
            n: c
            for n, c in self._claims.items()
            if c.directory != directory or c.bracket is Bracket.OPEN
        }
