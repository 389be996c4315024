"""The open and closed `mvc.checkpoint` blocks of one workspace.

A block is begun and ended over one connection; a connection that breaks in between abandons it, and so does
the end of the process that began it. While it is open its directory is one set that is not saved; closed, the
set is taken at once, and whoever ended the block is told in which capture; abandoned, it is held until its
files change again, for then another writer has taken over.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from mvcd.daemon.processes import Processes, ProcessStat
from mvcd.daemon.sets import Bracket, Claim, Found
from mvcd.repo.change.captures import Maker

_REMEMBERED_CAPTURES = 1000
NOTHING_NEW = 0
"""Stands in place of a capture's number: the block left nothing that was not saved or taken before."""


class Claims:
    """Blocks of one workspace. May be used from any thread; `changed` is called after each change, and told
    whether somebody waits for a look."""

    def __init__(self, changed: Callable[[bool], None]) -> None:
        self._changed = changed
        self._lock = threading.Condition()
        self._claims: dict[int, Claim] = {}
        self._table = Processes()
        self._processes: dict[int, ProcessStat] = {}
        self._abandoned_as: dict[int, int] = {}
        self._taken_in: OrderedDict[int, int] = OrderedDict()
        self._next = 0

    def begin(self, directory: str, maker: Maker, pid: int | None = None) -> int:
        """Returns the block's number. `pid` is the process whose end abandons it."""
        with self._lock:
            self._next += 1
            number = self._next
            self._drop_others(directory)
            self._claims[number] = Claim(number, directory, Bracket.OPEN, maker=maker)
            if pid is not None and (process := self._table.read(pid)) is not None:
                self._processes[number] = process
        self._changed(False)
        return number

    def end(self, number: int, *, also: tuple[str, ...] = (), message: str = "") -> bool:
        """Whether the block was open."""
        return self._turn(number, bracket=Bracket.CLOSED, also=also, message=message)

    def abandon(self, number: int) -> None:
        self._turn(number, bracket=Bracket.ABANDONED)

    def release(self, number: int) -> None:
        """The block is none any more: its files are like any others."""
        with self._lock:
            self._processes.pop(number, None)
            if self._claims.pop(number, None) is not None:
                self._resolve(number, NOTHING_NEW)
        self._changed(False)

    def now(self) -> list[Claim]:
        """Returns the blocks as they are, without the open ones of processes that are gone."""
        for number, process in list(self._processes.items()):
            if not self._table.lives(process):
                self.abandon(number)
        with self._lock:
            return list(self._claims.values())

    def taken(self, sets: Iterable[Found], capture: int) -> None:
        """Closed blocks whose set was taken are over; `capture` is where it is."""
        done = {found.claim for found in sets if found.claim is not None}
        with self._lock:
            for number in [n for n, c in self._claims.items() if c in done]:
                del self._claims[number]
                self._resolve(number, capture)

    def taken_in(self, number: int, timeout: float) -> int | None:
        """Returns the number of the capture that holds an ended block, or NOTHING_NEW; None if it is not taken
        in `timeout` seconds."""
        with self._lock:
            self._lock.wait_for(lambda: number in self._taken_in, timeout)
            return self._taken_in.get(number)

    def forget_settled(self, sets: Mapping[str, Found], seen: Iterable[Claim]) -> None:
        """Blocks without unsaved files are over, and abandoned ones whose files changed again.

        `seen` are the claims that the sets were sorted by: one that turned since is judged next time.
        """
        shown = {f.claim: f.signature for f in sets.values() if f.claim is not None and not f.gone}
        with self._lock:
            for claim in seen:
                if claim.bracket is Bracket.OPEN or self._claims.get(claim.number) != claim:
                    continue
                before = signature = shown.get(claim)
                if claim.bracket is Bracket.ABANDONED and signature is not None:
                    before = self._abandoned_as.setdefault(claim.number, signature)
                if signature is None or signature != before:
                    del self._claims[claim.number]
                    self._resolve(claim.number, NOTHING_NEW)
            self._abandoned_as = {n: s for n, s in self._abandoned_as.items() if n in self._claims}

    def _resolve(self, number: int, capture: int) -> None:
        self._taken_in[number] = capture
        while len(self._taken_in) > _REMEMBERED_CAPTURES:
            self._taken_in.popitem(last=False)
        self._lock.notify_all()

    def _turn(self, number: int, **changes: object) -> bool:
        with self._lock:
            self._processes.pop(number, None)
            claim = self._claims.get(number)
            if claim is None or claim.bracket is not Bracket.OPEN:
                return False
            self._claims[number] = claim = replace(claim, **changes)  # type: ignore[arg-type]
        self._changed(claim.bracket is Bracket.CLOSED)
        return True

    def _drop_others(self, directory: str) -> None:
        """A new block takes over what older, ended ones on the same directory left."""
        for number, claim in list(self._claims.items()):
            if claim.directory == directory and claim.bracket is not Bracket.OPEN:
                del self._claims[number]
                self._resolve(number, NOTHING_NEW)
