"""Taking complete states out of a training program's reach, before anything is read.

Two steps. A set that is complete by its rule is *held* at once: its files get second names (or reflinks, or
copies) in `.mvc/captures`, for a few system calls each. When it is ready to be a version (quiet, or because a
block ended), what is held is *queued* together with what goes along, and a reader makes a version of it in its
own time. A set that is deleted or replaced while it is held, as rotation does, is queued as it was held.

What was taken no longer counts as changed: `less` takes it out of what a scan shows. Bounded:
MAX_QUEUED_CAPTURES captures, and bytes up to half of what the disk has free; one capture is always allowed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mvcd.daemon.ledger import Ledger
from mvcd.daemon.sets import Found
from mvcd.ids import VersionId
from mvcd.repo.change.captures import Capture, Captures, Changed, Kept, Maker, Taken, TakenSet
from mvcd.repo.ondisk.keeping import alike
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.records.refs import HeadValue
from mvcd.repo.workspace.scan import Scan

MAX_QUEUED_CAPTURES = 64
MAX_HELD_SETS = 256
"""Sets that are complete and not quiet yet: a tree of arrays that is copied in has thousands."""

_FEW_FILES = 256
"""Files that no rule calls complete up to which they are taken too, rather than read where they lie: a first
version of 100,000 files would make as many copies, and has no trainer that deletes them."""

LINGER_LIMIT_SECONDS = 5.0
"""Seconds for which deletions that go on can put off the reading of a capture."""

_REMEMBERED_PATHS = 4096
"""Paths of which it is remembered which file they were, to know those that are rewritten in place."""


class Full(Exception):
    """Raised when no more can be taken now; the message says why."""


@dataclass(frozen=True, slots=True)
class Stand:
    """What a capture goes on from."""

    head: HeadValue
    base: VersionId
    author: str
    maker: Maker = field(default_factory=Maker)


@dataclass(slots=True)
class _Held:
    """A set that was complete, in its capture of one set; `since` by the keeper's clock. `why_not` says why
    it could not be held, and is only remembered."""

    capture: Capture
    signature: int
    since: float
    why_not: str = ""

    @property
    def taken(self) -> TakenSet:
        return self.capture.sets[0]


@dataclass(slots=True)
class _Queued:
    """`due`: when it may be read, by the keeper's clock; until then deletions are added to it. That is never
    put off beyond `latest`."""

    capture: Capture
    due: float
    latest: float
    handed: bool = False


class Taking:
    """For the keeper's thread."""

    def __init__(self, root: str, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._root = root
        self._ledger = ledger
        self._clock = clock
        self.captures = Captures(root)
        self._held: dict[str, _Held] = {}
        self._queued: list[_Queued] = []
        self._past: dict[str, FileStat] = {}
        self._inodes: dict[str, tuple[int, int]] = {}
        self._loaded = False

    def load(self) -> None:
        """What a daemon before took; it is due at once. Called before anything else; does nothing once it has
        succeeded. Raises OSError."""
        if self._loaded:
            return
        now = self._clock()
        self._queued = [_Queued(capture, now, now) for capture in self.captures.queued()]
        for capture in self.captures.held():
            if len(capture.sets) == 1:
                self._held[capture.sets[0].name] = _Held(capture, 0, now)
        numbers = [q.capture.number for q in self._queued]
        self._ledger.forget([*numbers, *(h.capture.number for h in self._held.values())])
        self._loaded = True

    # ---------------------------------------------------------------- what shows

    def less(self, scan: Scan, gone: Sequence[str]) -> Iterator[tuple[str, FileStat | None]]:
        """The changes that a scan shows, without those that were taken; and what was taken and is gone."""
        taken: dict[str, FileStat | None] = {}
        for queued in self._queued:
            taken.update(dict.fromkeys(queued.capture.gone))
            taken.update((file.path, file.stat) for file in queued.capture.files)
        shown: set[str] = set()
        for candidate in scan.candidates:
            path, stat = candidate.path, candidate.stat
            shown.add(path)
            was = taken.get(path)
            if (was is None or not alike(was, stat)) and self._past.get(path) != stat:
                yield path, stat
        self._past = {p: s for p, s in self._past.items() if p in shown}
        vanished = set(gone)
        yield from ((path, None) for path in gone if path not in taken or taken[path])
        for path, was in taken.items():
            unseen = was is not None and path not in shown and path not in vanished
            if unseen and FileStat.at(os.path.join(self._root, path)) is None:
                yield path, None

    # ---------------------------------------------------------------- holding

    def hold(self, found: Found, stand: Stand) -> bool:
        """Takes a complete set out of reach, if it is not yet; whether its stats changed by that."""
        held = self._held.get(found.name)
        if self.holds(found) or found.name.endswith("*") or not found.stats:
            return False
        full = len(self._held) >= MAX_HELD_SETS and held is None
        if full or not self._room(found.stats.values()):
            why = f"{len(self._held)} others are held" if full else self._why_full()
            self._remember(found, stand, why)
            return False
        try:
            capture = self._take(stand, [found], [], copying=False)
        except (Changed, OSError):
            return False  # it is looked at again
        if held is not None:
            self._let_go(held)
            capture = self._restat(capture)
        self._learn([found], capture)
        self._held[found.name] = _Held(capture, found.signature, self._clock())
        return True

    def broken_up(self, sets: Mapping[str, Found]) -> list[str]:
        """Held sets that were deleted or replaced before they were ready, and are whole where they are held.

        Those that are not whole any more, because they were rewritten in place, are missed; those that are as
        they were, in a set that nothing is waited for, were saved by somebody else and are let go.
        """
        lost = []
        for name, held in list(self._held.items()):
            found = sets.get(name)
            if found is not None and found.signature == held.signature:
                continue
            if self._in_place(held):
                if found is None:
                    self._let_go(held)
                    del self._held[name]
                continue
            if self._intact(held):
                lost.append(name)
                continue
            age = self._clock() - held.since
            del self._held[name]
            self._let_go(held)
            how = "overwritten or deleted" if held.why_not else "rewritten in place"
            why = f": {held.why_not}" if held.why_not else ""
            self._ledger.missed(name, f"{how} {age:.0f} s after it was complete{why}")
        return lost

    def holds(self, found: Found) -> bool:
        """Whether a set is held as it is now."""
        held = self._held.get(found.name)
        return held is not None and held.signature == found.signature and not held.why_not

    def _remember(self, found: Found, stand: Stand, why_not: str) -> None:
        """A complete set that cannot be held: if it is lost, that is a miss."""
        held = self._held.get(found.name)
        if held is not None and held.signature == found.signature:
            return
        if held is not None:
            self._let_go(held)
        elif len(self._held) >= _REMEMBERED_PATHS:
            return
        files = tuple(Taken(path, stat, Kept.NONE) for path, stat in found.stats.items())
        taken = TakenSet(found.name, files, sure=True)
        capture = Capture(0, 0, stand.head, stand.base, (taken,))
        self._held[found.name] = _Held(capture, found.signature, self._clock(), why_not)

    def _in_place(self, held: _Held) -> bool:
        """Whether its files are all still at their paths, as they were."""
        for file in held.taken.files:
            now = FileStat.at(os.path.join(self._root, file.path))
            if now is None or not alike(now, file.stat):
                return False
        return True

    def _intact(self, held: _Held) -> bool:
        """Whether what is held is what was taken."""
        place = self.captures.place(held.capture, held=True)
        for file in held.taken.files:
            if file.kept is Kept.NONE:
                return False
            if file.kept is Kept.LINK:
                now = FileStat.at(os.path.join(place, file.at))
                if now is None or not alike(now, file.stat):
                    return False
        return True

    def _let_go(self, held: _Held) -> None:
        if not held.why_not:
            self.captures.drop(held.capture, held=True)

    def maker_of(self, name: str) -> Maker | None:
        """Who wrote a held set, as it was found then."""
        held = self._held.get(name)
        return None if held is None or not held.capture.maker.command else held.capture.maker

    # ---------------------------------------------------------------- queueing

    def queue(
        self, sets: Sequence[Found], gone: Iterable[str], stand: Stand, due: float
    ) -> Capture:
        """Queues sets that are ready, with what went away. Raises Full, and Changed when one moved."""
        stats = [s for found in sets for s in found.stats.values()]
        if not self._room(stats):
            raise Full(self._why_full())
        capture = self._take(stand, sets, gone, copying=True)
        let_go = [self._held.pop(found.name) for found in sets if found.name in self._held]
        for held in let_go:
            self._let_go(held)
        if let_go:
            capture = self._restat(capture)
        self._learn(sets, capture)
        self.captures.queue(capture)
        self._queued.append(_Queued(capture, due, due + LINGER_LIMIT_SECONDS))
        return capture

    def queue_held(self, name: str, stand: Stand, due: float) -> Capture:
        """Queues a set as it was when it was held."""
        held = self._held.pop(name)
        capture = replace(
            held.capture, head=stand.head, base=stand.base, ahead=len(self._queued),
            author=stand.author,
        )  # fmt: skip
        self.captures.queue(capture)
        self._queued.append(_Queued(capture, due, due))
        return capture

    def amend(self, gone: Collection[str]) -> bool:
        """Adds what went away to the newest capture, unless it is being read; whether it was added."""
        if not gone or not self._queued or self._queued[-1].handed:
            return False
        last = self._queued[-1]
        there = {file.path for file in last.capture.files}.union(last.capture.gone)
        more = tuple(sorted(set(gone) - there))
        if more:
            last.capture = replace(last.capture, sets=(*last.capture.sets, TakenSet("", gone=more)))
            self.captures.rewrite(last.capture)
        return bool(more)

    def linger(self, until: float) -> None:
        """Something is being removed: what is not read yet waits for the rest of it, within bounds."""
        for queued in self._queued:
            if not queued.handed:
                queued.due = max(queued.due, min(until, queued.latest))

    def hand_over(self, now: float) -> list[Capture]:
        """Captures that are due; from now on they are the reader's."""
        due = [q for q in self._queued if not q.handed and q.due <= now]
        for queued in due:
            queued.handed = True
        return [queued.capture for queued in due]

    def hurry(self, number: int) -> None:
        """Somebody waits for a capture, and for those before it."""
        for queued in self._queued:
            if queued.capture.number <= number:
                queued.due = queued.latest = float("-inf")

    @property
    def next_due(self) -> float:
        return min((q.due for q in self._queued if not q.handed), default=float("inf"))

    @property
    def queued(self) -> list[Capture]:
        return [queued.capture for queued in self._queued]

    # ---------------------------------------------------------------- what the reader tells

    def saved(self, number: int) -> None:
        """A capture is a version now. What scans may still show of it, for stamps too young to prove
        anything, is not taken again."""
        for queued in [q for q in self._queued if q.capture.number == number]:
            self._queued.remove(queued)
            self._past.update(
                (file.path, file.stat)
                for file in queued.capture.files
                if file.kept is not Kept.LINK
            )

    def broken(self, number: int, names: Collection[str], *, dropped: bool) -> None:
        """Sets of a capture changed before they were read; what shows of them is new. `dropped`: nothing is
        left of it."""
        for queued in [q for q in self._queued if q.capture.number == number]:
            queued.capture = queued.capture.without(names)
            if dropped:
                self._queued.remove(queued)

    # ---------------------------------------------------------------- parts

    def _take(
        self, stand: Stand, sets: Sequence[Found], gone: Iterable[str], *, copying: bool
    ) -> Capture:
        """`copying`: files that are rewritten in place are copied; not worth it for a set that may be
        rewritten before it is ready."""
        number = self._ledger.last + 1
        self._ledger.forget([number])
        capture = Capture(
            number, time.time_ns() // 1000, stand.head, stand.base, (), stand.author, stand.maker,
            len(self._queued),
        )  # fmt: skip
        plain = [path for found in sets if not found.precious for path in found.stats]
        in_place = plain if len(plain) > _FEW_FILES else []
        stats = [item for found in sets for item in found.stats.items()]
        rewritten = [path for path, stat in stats if copying and self._is_rewritten(path, stat)]
        words = [
            (TakenSet(f.name, (), f.vanished, f.precious, f.log, f.words), f.stats) for f in sets
        ]
        capture = self.captures.hold(capture, words, rewritten=rewritten, in_place=in_place)
        if more := tuple(gone):
            capture = replace(capture, sets=(*capture.sets, TakenSet("", gone=more)))
        return capture

    def _restat(self, capture: Capture) -> Capture:
        """After other links to the same files were removed, which moved their change times."""
        place = self.captures.place(capture, held=True)
        sets = []
        for found in capture.sets:
            files = []
            for file in found.files:
                if file.kept is Kept.LINK and (now := FileStat.at(os.path.join(place, file.at))):
                    file = replace(file, stat=now) if alike(now, file.stat) else file  # noqa: PLW2901
                files.append(file)
            sets.append(replace(found, files=tuple(files)))
        capture = replace(capture, sets=tuple(sets))
        self.captures.rewrite(capture, held=True)
        return capture

    def _learn(self, sets: Iterable[Found], capture: Capture) -> None:
        """The sets' stats as they are after links were made; and which file is at their paths."""
        taken = {file.path: file.stat for file in capture.files}
        for found in sets:
            for path in found.stats.keys() & taken.keys():
                found.files[path] = stat = taken[path]
                self._inodes[path] = stat.inode, stat.mtime_ns
        while len(self._inodes) > _REMEMBERED_PATHS:
            del self._inodes[next(iter(self._inodes))]

    def _is_rewritten(self, path: str, stat: FileStat) -> bool:
        before = self._inodes.get(path)
        return before is not None and before[0] == stat.inode and before[1] != stat.mtime_ns

    def _room(self, stats: Iterable[FileStat]) -> bool:
        if not self._queued:
            return True
        if len(self._queued) >= MAX_QUEUED_CAPTURES:
            return False
        wanted = sum(s.size for s in stats) + sum(q.capture.bytes for q in self._queued)
        return wanted <= shutil.disk_usage(self._root).free // 2

    def _why_full(self) -> str:
        waiting = sum(q.capture.bytes for q in self._queued)
        return f"{len(self._queued)} captures of {waiting >> 20} MiB wait to be read"
