"""The right of a caller to one repository, as a word that stands in an address or a header of its own.

Clients of LFS upload without their token, as they do to addresses that were signed; Xet's calls name no
repository. So a pass stands for a token and a repository. It is kept in memory alone, and the token that it
stands for is looked at again whenever it is used: one that was revoked lets nobody in, passes or not.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from mvcd.team.roles import unauthenticated
from mvcd.wire.host import Caller

PASS_SECONDS = 3600.0
"""Seconds that a pass holds. One that has more than half of them left is given again."""
MAX_PASS_ENTRIES = 10_000
"""Passes at once; beyond it the oldest ends."""


@dataclass(frozen=True, slots=True)
class Pass:
    """`word` is the secret; `repo` the team's name of the repository; `until` by the clock of `Passes`."""

    word: str
    caller: Caller
    repo: str
    until: float


class Passes:
    """All passes of a server. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells seconds since 1970."""
        self._clock = clock
        self._lock = threading.Lock()
        self._by_word: OrderedDict[str, Pass] = OrderedDict()
        self._given: dict[tuple[str | None, tuple[str, ...], str], str] = {}

    def give(self, caller: Caller, repo: str) -> Pass:
        """A pass for who may enter the repository, which was found out before."""
        key = (caller.token, caller.certificate, repo)
        with self._lock:
            now = self._clock()
            known = self._by_word.get(self._given.get(key, ""))
            if known is not None and known.until - now > PASS_SECONDS / 2:
                return known
            made = Pass(secrets.token_urlsafe(32), caller, repo, now + PASS_SECONDS)
            self._by_word[made.word] = made
            self._given[key] = made.word
            while len(self._by_word) > MAX_PASS_ENTRIES:
                self._end(next(iter(self._by_word)))
            return made

    def find(self, word: str) -> Pass:
        """Raises AuthError(kind="unauthenticated") for a word that is no pass, or is one no more."""
        with self._lock:
            found = self._by_word.get(word)
            if found is not None and self._clock() < found.until:
                return found
            if found is not None:
                self._end(word)
        raise unauthenticated("this address has expired")

    def _end(self, word: str) -> None:
        gone = self._by_word.pop(word)
        key = (gone.caller.token, gone.caller.certificate, gone.repo)
        if self._given.get(key) == word:
            del self._given[key]
