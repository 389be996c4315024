"""The scan: which files of a workspace may differ from the version that its stat cache stands for.

It walks down from the root, level by level, lists each directory in one call (`_scan`) and compares
the listing with the directory's row (`statcache`). An equal listing whose files were all clean needs
nothing more: no file is opened, no Python runs per file. Otherwise the entries are compared one by one
(`candidates`), and those that are new, touched, racy or known to differ become candidates; the caller reads
what it must and says by `Scan.new_rows` what it found.

A row is believed only if its parent's row says that this directory was entered, from the root down: so
a row left over from a directory that went and came back is never mistaken for the present. If a row that must
be there is not, the scan starts again without any (`fresh`). It then knows nothing of what is gone:
the caller compares with the version's manifest, as on the very first scan.

What cannot be read (unreadable.py) is neither a candidate nor vanished. A directory's rows, from it down, stay
in the cache as they are; one that never had a row is flagged as skipped, and what the version has below it
counts as missing, so that nothing is lost when it can be read again. The same holds for a directory whose
`.mvcignore` cannot be used: its rules may hide what must never be saved.

Symbolic links are recorded, never followed, except that the root itself may be reached through one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import field
from enum import Enum
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING

from mvcd.errors import Failure
from mvcd.ids import RecipeId
from mvcd.lateclasses import dataclass
from mvcd.objects.entry import check_path
from mvcd.repo.ondisk import statcache
from mvcd.repo.ondisk._scan import list_directory
from mvcd.repo.ondisk.folding import is_spelled_so
from mvcd.repo.ondisk.statcache import FileStat, Flag, Listing
from mvcd.repo.ondisk.unreadable import SHORTAGE, Unreadable, closed, reason, remedy
from mvcd.repo.workspace import ignore
from mvcd.repo.workspace.candidates import (
    ListingComparison,
    TrackedNames,
    Visit,
    unfit_link,
    unsafe_link,
)
from mvcd.repo.workspace.found import (
    CacheRows,
    Candidate,
    Candidates,
    CandidateState,
    Directory,
    MakeRow,
)
from mvcd.repo.workspace.linked import Follow, Links

if TYPE_CHECKING:
    from mvcd.repo.ondisk.lister import DirectoryLister

__all__ = [
    "Candidate",
    "CandidateOutcome",
    "CandidateState",
    "Outcomes",
    "Rows",
    "Scan",
    "scan",
    "unsafe_link",
]

MAX_PATH_BYTES = 4000
"""Longest path, relative to the root; Linux opens at most 4095 bytes with the root in front."""

_UNSUPPORTED = {b"p": "a fifo", b"s": "a socket", b"v": "a device"}
_BATCH_DIRECTORIES = 256  # listed before their rows are let go: bounds the memory of wide trees
_PARALLEL_DIRECTORIES = 8  # directories from which a second thread is worth its start
_OPEN_PATH_BYTES = 4095

Rows = Callable[[Sequence[bytes]], Sequence[bytes | None]]
"""Looks up stat-cache rows, one answer per key: `Store.cache_get`."""


class CandidateOutcome(Enum):
    """What the caller found out of a candidate; a RecipeId instead says: this content, not the version's."""

    CLEAN = "clean"  # exactly the version's entry
    UNKNOWN = "unknown"  # not read, or it changed meanwhile: look again next time


Outcomes = Mapping[str, CandidateOutcome | RecipeId] | bytearray
"""What became of candidates: by path, where one that is not in it is UNKNOWN; or a byte for each in their
order, 1 where it is CLEAN and 0 where it is UNKNOWN."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What one scan found. Lists are in ascending order of paths; paths are relative and use `/`."""

    candidates: Collection[Candidate]
    vanished: Sequence[str]
    """Files that were under care and are no longer there. Empty, and meaningless, if `fresh`."""
    skipped: Sequence[tuple[str, str]]
    """(path, reason) of what is under care but cannot be versioned, or not be read."""
    fresh: bool
    """No row was used: every file is a candidate, and what is gone only the manifest can tell."""
    unchanged_directories: int
    now_ns: int
    _directories: Mapping[str, Directory]
    _gone_keys: Sequence[bytes]
    unreadable: Unreadable = field(default_factory=Unreadable)
    """The part of `skipped` that cannot be read: what the version has at or below these paths is to stay."""
    gone: Mapping[str, FileStat] = field(default_factory=dict)
    """How vanished files were when they were last known, unless their content was known not to be the
    version's."""
    _unseen: Sequence[str] = ()  # were missing, and are perhaps there: they cannot be looked at
    _clean_root: tuple[bytes, bytes, bytes, bytes] | None = None  # its key, rules, listing, flags

    @property
    def clean(self) -> bool:
        """Nothing differs from the version. (False does not mean that something does.)"""
        return not (self.candidates or self.vanished or self.fresh)

    def new_rows(self, outcomes: Outcomes, *, missing: Iterable[str]) -> CacheRows:
        """The cache rows to write, for a cache that stands for the version at hand.

        `missing` are all paths that the version has and the workspace has not; the next scan reports
        them as vanished again. Write all rows in one transaction, or none.
        """
        gone: dict[str, list[str]] = {}
        for path in sorted({*missing, *self._unseen}):
            home = self._home(path)
            gone.setdefault(home, []).append(path[len(home) + 1 :] if home else path)
        rows: dict[bytes, bytes | None] = dict.fromkeys(self._gone_keys)
        if self._clean_root is not None and "" in gone:
            key, rules, listing, flags = (
                self._clean_root
            )  # no row at hand lies above what is missing
            rows[key] = statcache.pack(rules, listing, flags, missing=gone[""])
        made: dict[bytes, MakeRow] = {}
        told = self._told(outcomes)
        for directory in self._directories.values():
            make = partial(self._row, directory, told, gone.get(directory.path, ()))
            if directory.old is None:
                made[directory.key] = make
            elif (row := make()) != directory.old:
                rows[directory.key] = row
        return CacheRows(rows, made)

    def _home(self, path: str) -> str:
        """The nearest directory above `path` whose row is at hand."""
        while path:
            path = path.rpartition("/")[0]
            if path in self._directories:
                break
        return path

    def _told(self, outcomes: Outcomes) -> _Told:
        """The outcomes by directory."""
        if not isinstance(outcomes, bytearray):
            unknown, by_path = CandidateOutcome.UNKNOWN, outcomes
            return lambda directory, listing: (
                by_path.get(candidate.path, unknown) for candidate in directory.candidates(listing)
            )
        found: dict[str, bytearray] = {}
        at = 0
        if isinstance(self.candidates, Candidates):
            for directory, _, start, stop in self.candidates.stretches():
                own = outcomes[at : (at := at + stop - start)]
                found.setdefault(directory.path, bytearray()).extend(own)
        either = (CandidateOutcome.UNKNOWN, CandidateOutcome.CLEAN)
        return lambda directory, _: (either[one] for one in found.get(directory.path, b""))

    def _row(self, directory: Directory, told: _Told, missing: Sequence[str]) -> bytes:
        flags, listing = bytearray(directory.flags), Listing(directory.listing)
        first_file = len(listing.directories)
        known = []
        for place, outcome in zip(directory.places, told(directory, listing), strict=True):
            flag = Flag.LOOK
            if outcome is not CandidateOutcome.UNKNOWN and not listing.stat(place).racy(
                self.now_ns
            ):
                flag = Flag.CLEAN
                if not isinstance(outcome, CandidateOutcome):
                    flag = Flag.KNOWN
                    known.append(outcome)
            flags[first_file + place] = flag
        return statcache.pack(directory.rules, directory.listing, flags, known, missing)


_Told = Callable[[Directory, Listing], Iterable[CandidateOutcome | RecipeId]]


def scan(
    root: str,
    *,
    tracked: Sequence[str],
    workspace: bytes,
    rows: Rows,
    now_ns: int,
    fresh: bool = False,
    follow: Follow | None = None,
    top: ignore.IgnoreRules | None = None,
) -> Scan:
    """Compares the files below `root` with the stat cache of `workspace`.

    `tracked` are relative paths of files and directories ("." for everything). What stands below a
    tracked directory is under care unless `.mvcignore` leaves it out; a path that is itself tracked is
    not asked. `now_ns` is the time just before the call, `time.time_ns()`; `fresh` ignores all rows.
    `follow` tells which links to directories count as directories (linked.py). `top` has the rules before any
    file of the workspace is looked at.

    Raises Failure when the root or its `.mvcignore` cannot be read, and OSError when this process is out of
    file descriptors or memory.
    """
    wanted = TrackedNames.of(tracked)
    top = top or ignore.IgnoreRules.top()
    if not fresh:
        try:
            return _Walk(root, workspace, rows, now_ns, follow, top).run(wanted, trusted=True)
        except _RowLost:
            pass
    return _Walk(root, workspace, rows, now_ns, follow, top).run(wanted, trusted=False)


class _RowLost(Exception):
    """A row that another row vouches for is not in the cache."""


class _Walk:
    def __init__(
        self,
        root: str,
        workspace: bytes,
        rows: Rows,
        now_ns: int,
        follow: Follow | None,
        top: ignore.IgnoreRules,
    ) -> None:
        self._top = top
        self._root = os.path.join(root, "")
        self._links = None if follow is None else Links(self._root, follow)
        self._longest = min(MAX_PATH_BYTES, _OPEN_PATH_BYTES - len(os.fsencode(self._root)))
        self._workspace = workspace
        self._rows = rows
        self._now_ns = now_ns
        self._lister: DirectoryLister | None = None
        self._open = ExitStack()
        self._unchanged = 0
        self._directories: dict[str, Directory] = {}
        self._vanished: list[str] = []
        self._gone: dict[str, FileStat] = {}
        self._skipped: list[tuple[str, str]] = []
        self._unreadable: dict[str, str] = {}
        self._gone_keys: list[bytes] = []
        self._clean_root: tuple[bytes, bytes, bytes, bytes] | None = None

    def run(self, wanted: TrackedNames, *, trusted: bool) -> Scan:
        with self._open:
            self._walk_down(wanted, trusted=trusted)
        return self._result(trusted=trusted)

    def _walk_down(self, wanted: TrackedNames, *, trusted: bool) -> None:
        level = [Visit("", self._top, wanted, trusted)]
        while level:
            below: list[Visit] = []
            for start in range(0, len(level), _BATCH_DIRECTORIES):
                batch = level[start : start + _BATCH_DIRECTORIES]
                found = zip(batch, self._fetch(batch), self._listings(batch), strict=True)
                for visit, row, listing in found:
                    below += self._visit(visit, row, listing)
            level = below

    def _result(self, *, trusted: bool) -> Scan:
        candidates = Candidates(self._directories.values())
        vanished = set(self._vanished)
        if vanished:
            vanished.difference_update(candidate.path for candidate in candidates)
        unreadable = Unreadable(self._unreadable)
        unseen = {path for path in vanished if unreadable.above(path)}
        return Scan(
            candidates=candidates,
            vanished=sorted(vanished - unseen),
            gone=self._gone,
            skipped=sorted([*self._skipped, *self._unreadable.items()]),
            unreadable=unreadable,
            fresh=not trusted,
            unchanged_directories=self._unchanged,
            now_ns=self._now_ns,
            _directories=self._directories,
            _gone_keys=self._gone_keys,
            _unseen=sorted(unseen),
            _clean_root=self._clean_root,
        )

    def _listings(self, visits: Sequence[Visit]) -> Iterator[bytes | str]:
        """What `_list` says of the directories, in order."""
        if len(visits) < _PARALLEL_DIRECTORIES:
            yield from map(self._list, visits)
            return
        if self._lister is None:
            from mvcd.repo.ondisk.lister import DirectoryLister  # late: start-up

            self._lister = self._open.enter_context(DirectoryLister())
        whole = [visit.wanted.whole and not self._through(visit) for visit in visits]
        listed = self._lister.each([self._at(visit.path) for visit in compress(visits, whole)])
        yield from map(self._list, visits, (next(listed) if one else None for one in whole))

    def _fetch(self, visits: Sequence[Visit]) -> Iterator[bytes | None]:
        keys = [statcache.key(self._workspace, visit.path) for visit in visits if visit.trusted]
        found = iter(self._rows(keys) if keys else ())
        for visit in visits:
            row = next(found) if visit.trusted else None
            if visit.trusted and row is None:
                raise _RowLost
            yield row

    def _visit(self, visit: Visit, row: bytes | None, listing: bytes | str) -> list[Visit]:
        """Looks at one directory; returns the subdirectories to look at next."""
        if isinstance(listing, str):
            return self._pass_over(visit, listing)
        try:
            rules = self._rules(visit, listing)
        except ignore.UnusableRules as problem:
            if not visit.path:
                raise
            return self._pass_over(visit, f"its {problem.name} {problem.why}")
        digest = visit.wanted.digest(rules)
        flags = None if row is None else statcache.clean_flags(row, digest, listing)
        if flags is not None:
            self._unchanged += 1
            if not visit.path:
                key = statcache.key(self._workspace, "")
                self._clean_root = (key, digest, listing, flags)
            entered = zip(statcache.listed_directories(listing), flags, strict=False)
            names = [name.decode() for name, flag in entered if flag == Flag.CLEAN]
            return list(visit.entered(names, rules))
        old = None if row is None else statcache.parse(row)
        if row is not None and old is None:
            raise _RowLost
        key = statcache.key(self._workspace, visit.path)
        directory = Directory(visit.path, key, digest, listing, row)
        comparison = ListingComparison(
            directory, Listing(listing), visit, rules, old, self._problem,
            lambda path: closed(self._at(path)),
        )  # fmt: skip
        below = comparison.run()
        self._directories[visit.path] = directory
        self._vanished += comparison.vanished
        self._gone |= comparison.gone
        self._skipped += comparison.skipped
        self._unreadable |= comparison.unreadable
        for name in comparison.left:
            self._leave(visit.inside(name))
        return below

    def _rules(self, visit: Visit, listing: bytes) -> ignore.IgnoreRules:
        rules = visit.rules
        for name in rules.names:
            if statcache.lists_file(listing, name.encode()):
                rules = rules.here(ignore.read(self._root + visit.path, name), name)
        return rules

    def _pass_over(self, visit: Visit, why: str) -> list[Visit]:
        """A directory that cannot be looked into. Rows that it has stay; its parent says if it has none."""
        self._unreadable[visit.path] = why
        if not visit.trusted:
            above, _, name = visit.path.rpartition("/")
            self._directories[above].bar(name)
        return []

    def _at(self, path: str) -> bytes:
        return os.fsencode(self._root + path)

    def _through(self, visit: Visit) -> bool:
        """Whether the directory may be reached through a link."""
        return not visit.path or (self._links is not None and visit.path in self._links.followed)

    def _list(self, visit: Visit, listed: bytes | int | None = None) -> bytes | str:
        """The listing, or why the directory cannot be read; `listed` is what was found already."""
        try:
            if listed is None:
                listed = self._list_alone(visit)
            elif isinstance(listed, int):
                raise OSError(listed, os.strerror(listed))
            return listed if self._links is None else self._links.as_directories(visit.path, listed)
        except OSError as error:
            if visit.path and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return statcache.EMPTY_LISTING  # it went after its parent was listed
            if error.errno in SHORTAGE:
                raise
            if visit.path:
                return reason(error.errno or 0)
            raise Failure(
                f"cannot read directory {self._root}",
                cause=error.strerror,
                help=remedy(self._root),
            ) from error

    def _list_alone(self, visit: Visit) -> bytes:
        names = None
        if not visit.wanted.whole:
            home = self._root + visit.path
            named = {name for name in visit.wanted.names if is_spelled_so(home, name)}
            names = b"".join(name.encode() + b"\0" for name in {*named, *visit.rules.names})
        return list_directory(self._at(visit.path), names, self._through(visit))

    def _problem(self, path: str, kind: bytes) -> str | None:
        """Why an entry that is under care cannot be versioned; None if it can."""
        if kind in _UNSUPPORTED:
            return _UNSUPPORTED[kind]
        if problem := self._unfit(path):
            return problem
        if kind != b"l":
            return None
        try:
            target = os.readlink(self._at(path)).decode()
        except UnicodeDecodeError:
            return "unsafe symlink: its target is not UTF-8"
        except OSError:
            return None  # gone or replaced: the caller will notice when it reads it
        return unfit_link(path, target)

    def _unfit(self, path: str) -> str | None:
        """Why no version may have this path."""
        if len(path.encode()) > self._longest:
            return f"path longer than {self._longest} bytes"
        try:
            check_path(path)  # .MVC, where it is not .mvc
        except ValueError as error:
            return str(error)
        return None

    def _leave(self, path: str) -> None:
        """Reports all files below a directory that is gone, or no longer under care."""
        left = [path]
        while left:
            path = left.pop()
            key = statcache.key(self._workspace, path)
            data = self._rows([key])[0]
            row = statcache.parse(data) if data else None
            if row is None:
                raise _RowLost
            self._gone_keys.append(key)
            self._vanished += (f"{path}/{name}" for name in row.files())
            self._gone |= {f"{path}/{name}": stat for name, stat in row.stats().items()}
            left += (f"{path}/{name}" for name in row.entered())
