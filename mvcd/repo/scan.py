"""The scan: which files of a workspace may differ from the version that its stat cache stands for.

It walks down from the root, level by level, lists each directory in one call (`_scan`) and compares
the listing with the directory's row (`statcache`). An equal listing whose files were all clean needs nothing more:
no file is opened, no Python runs per file. Otherwise the entries are compared one by one, and those that are
new, touched, racy or known to differ become candidates; the caller reads what it must and says
by `Scan.new_rows` what it found.

A row is believed only if its parent's row says that this directory was entered, from the root down: so
a row left over from a directory that went and came back is never mistaken for the present. If a row that must
be there is not, the scan starts again without any (`fresh`). It then knows nothing of what is gone:
the caller compares with the version's manifest, as on the very first scan.

Symbolic links are recorded, never followed, except that the root itself may be reached through one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from blake3 import blake3

from mvcd.errors import Failure
from mvcd.ids import RecipeId
from mvcd.repo import ignore, statcache
from mvcd.repo._scan import list_directory
from mvcd.repo.statcache import OURS, FileStat, Flag, Listing, Row

MAX_PATH_BYTES = 4000
"""Longest path, relative to the root; Linux opens at most 4095 bytes with the root in front."""

_BATCH = 256  # directories listed before their rows are let go: bounds the memory of wide trees
_PATH_MAX = 4095

Rows = Callable[[Sequence[bytes]], Sequence[bytes | None]]
"""Looks up stat-cache rows, one answer per key: `Store.cache_get`."""


class State(Enum):
    """Why a file must be looked at."""

    NEW = "new"  # the cache has no row for it
    TOUCHED = "touched"  # its stat is not the cached one
    RACY = "racy"  # its stat is the cached one, which proves nothing
    KNOWN = "known"  # its content is known without reading and is not the version's


class Outcome(Enum):
    """What the caller found out of a candidate; a RecipeId instead says: this content, not the version's."""

    CLEAN = "clean"  # exactly the version's entry
    UNKNOWN = "unknown"  # not read, or it changed meanwhile: look again next time


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file or symbolic link that may differ from the version. `recipe` is given iff `state` is KNOWN."""

    path: str
    stat: FileStat
    state: State
    recipe: RecipeId | None = None


@dataclass(slots=True)
class _Directory:
    """A directory that is looked through entry by entry, and whose row may have to be written anew."""

    path: str
    key: bytes
    rules: bytes
    listing: Listing
    old: bytes | None
    flags: bytes = b""
    candidates: list[tuple[int, Candidate]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scan:
    """What one scan found. Lists are in ascending order of paths; paths are relative and use `/`."""

    candidates: Sequence[Candidate]
    vanished: Sequence[str]
    """Files that were under care and are no longer there. Empty, and meaningless, if `fresh`."""
    skipped: Sequence[tuple[str, str]]
    """(path, reason) of what is under care but cannot be versioned."""
    fresh: bool
    """No row was used: every file is a candidate, and what is gone only the manifest can tell."""
    unchanged_directories: int
    now_ns: int
    _directories: Mapping[str, _Directory]
    _gone_keys: Sequence[bytes]

    @property
    def clean(self) -> bool:
        """Nothing differs from the version. (False does not mean that something does.)"""
        return not (self.candidates or self.vanished or self.fresh)

    def new_rows(
        self, outcomes: Mapping[str, Outcome | RecipeId], *, missing: Iterable[str]
    ) -> dict[bytes, bytes | None]:
        """The cache rows to write (None: delete), for a cache that stands for the version at hand.

        `outcomes` tells by path what became of the candidates; one without an outcome is UNKNOWN.
        `missing` are all paths that the version has and the workspace has not; the next scan reports
        them as vanished again. Write all rows in one transaction, or none.
        """
        gone: dict[str, list[str]] = {}
        for path in sorted(missing):
            home = self._home(path)
            gone.setdefault(home, []).append(path[len(home) + 1 :] if home else path)
        rows: dict[bytes, bytes | None] = dict.fromkeys(self._gone_keys)
        for directory in self._directories.values():
            row = self._row(directory, outcomes, gone.get(directory.path, ()))
            if row != directory.old:
                rows[directory.key] = row
        return rows

    def _home(self, path: str) -> str:
        """The nearest directory above `path` whose row is at hand."""
        while path:
            path = path.rpartition("/")[0]
            if path in self._directories:
                break
        return path

    def _row(
        self,
        directory: _Directory,
        outcomes: Mapping[str, Outcome | RecipeId],
        missing: Sequence[str],
    ) -> bytes:
        flags = bytearray(directory.flags)
        first_file = len(directory.listing.directories)
        known = []
        for index, candidate in directory.candidates:
            outcome = outcomes.get(candidate.path, Outcome.UNKNOWN)
            flag = Flag.LOOK
            if outcome is not Outcome.UNKNOWN and not candidate.stat.racy(self.now_ns):
                flag = Flag.CLEAN
                if not isinstance(outcome, Outcome):
                    flag = Flag.KNOWN
                    known.append(outcome)
            flags[first_file + index] = flag
        return statcache.pack(directory.rules, directory.listing.raw, flags, known, missing)


def scan(
    root: str,
    *,
    tracked: Sequence[str],
    workspace: bytes,
    rows: Rows,
    now_ns: int,
    fresh: bool = False,
) -> Scan:
    """Compares the files below `root` with the stat cache of `workspace`.

    `tracked` are relative paths of files and directories ("." for everything). What stands below a
    tracked directory is under care unless `.mvcignore` leaves it out; a path that is itself tracked is
    not asked. `now_ns` is the time just before the call, `time.time_ns()`; `fresh` ignores all rows.

    Raises Failure when a directory under care cannot be read, or an `.mvcignore` file: to go on would
    record its files as deleted.
    """
    wanted = _tree(tracked)
    if not fresh:
        try:
            return _Walk(root, workspace, rows, now_ns).run(wanted, trusted=True)
        except _RowLost:
            pass
    return _Walk(root, workspace, rows, now_ns).run(wanted, trusted=False)


def unsafe_link(path: str, target: str) -> str | None:
    """Why a symbolic link at `path` (relative to the root) may not be versioned; None if it is safe.

    Safe links stay inside the workspace whatever the links below are: `..` may only lead, and no more
    often than `path` is deep. (`a/../x` leaves the workspace if `a` is a link upwards.)
    """
    if target.startswith("/"):
        return "unsafe symlink: its target is absolute"
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = next((i for i, part in enumerate(parts) if part != ".."), len(parts))
    if up > path.count("/"):
        return "unsafe symlink: its target is outside the workspace"
    if ".." in parts[up:]:
        return "unsafe symlink: its target may be outside the workspace"
    if any(part in ignore.NEVER for part in parts):
        return "unsafe symlink: its target is a repository's metadata"
    return None


_UNSUPPORTED = {b"p": "a fifo", b"s": "a socket", b"v": "a device"}

_Wanted = dict[str, "_Wanted | None"]
"""The tracked names in one directory; None stands for all that is below."""


def _tree(tracked: Iterable[str]) -> _Wanted | None:
    top: _Wanted = {}
    for path in tracked:
        if path == ".":
            return None
        *above, last = path.split("/")
        here: _Wanted | None = top
        for name in above:
            here = here.setdefault(name, {}) if here is not None else None
        if here is not None:
            here[last] = None
    return top


def _digest(rules: ignore.Rules, wanted: _Wanted | None) -> bytes:
    if wanted is None:
        return rules.digest
    said = repr(sorted((name, below is None) for name, below in wanted.items()))
    return blake3(rules.digest + said.encode()).digest(length=statcache.RULES_DIGEST_SIZE)


class _RowLost(Exception):
    """A row that another row vouches for is not in the cache."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """A directory to look at. `wanted` restricts it to some names; `trusted`: its row counts."""

    path: str
    rules: ignore.Rules  # those from above; its own `.mvcignore` is not known yet
    wanted: _Wanted | None
    trusted: bool

    def inside(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def below(self, name: str, rules: ignore.Rules, *, trusted: bool) -> _Visit:
        wanted = None if self.wanted is None else self.wanted[name]
        return _Visit(self.inside(name), rules.inside(name), wanted, trusted)


class _Walk:
    def __init__(self, root: str, workspace: bytes, rows: Rows, now_ns: int) -> None:
        self._root = os.path.join(root, "")
        self._longest = min(MAX_PATH_BYTES, _PATH_MAX - len(os.fsencode(self._root)))
        self._workspace = workspace
        self._rows = rows
        self._now_ns = now_ns
        self._unchanged = 0
        self._directories: dict[str, _Directory] = {}
        self._vanished: list[str] = []
        self._skipped: list[tuple[str, str]] = []
        self._gone_keys: list[bytes] = []

    def run(self, wanted: _Wanted | None, *, trusted: bool) -> Scan:
        level = [_Visit("", ignore.Rules.top(), wanted, trusted)]
        while level:
            below: list[_Visit] = []
            for start in range(0, len(level), _BATCH):
                batch = level[start : start + _BATCH]
                for visit, row in zip(batch, self._fetch(batch), strict=True):
                    below += self._visit(visit, row)
            level = below
        candidates = [c for d in self._directories.values() for _, c in d.candidates]
        candidates.sort(key=lambda candidate: candidate.path)
        vanished = set(self._vanished)
        if vanished:
            vanished.difference_update(candidate.path for candidate in candidates)
        return Scan(
            candidates=candidates,
            vanished=sorted(vanished),
            skipped=sorted(self._skipped),
            fresh=not trusted,
            unchanged_directories=self._unchanged,
            now_ns=self._now_ns,
            _directories=self._directories,
            _gone_keys=self._gone_keys,
        )

    def _fetch(self, visits: Sequence[_Visit]) -> Iterator[bytes | None]:
        keys = [statcache.key(self._workspace, visit.path) for visit in visits if visit.trusted]
        found = iter(self._rows(keys) if keys else ())
        for visit in visits:
            row = next(found) if visit.trusted else None
            if visit.trusted and row is None:
                raise _RowLost
            yield row

    def _visit(self, visit: _Visit, row: bytes | None) -> list[_Visit]:
        """Looks at one directory; returns the subdirectories to look at next."""
        listing = self._list(visit)
        rules = visit.rules
        if statcache.lists_file(listing, ignore.IGNORE_FILE.encode()):
            rules = rules.here(ignore.read(self._root + visit.path))
        digest = _digest(rules, visit.wanted)
        flags = statcache.clean_flags(row, digest, listing) if row else None
        if flags is not None:
            self._unchanged += 1
            entered = zip(statcache.listed_directories(listing), flags, strict=False)
            names = [name.decode() for name, flag in entered if flag == Flag.CLEAN]
            return [visit.below(name, rules, trusted=True) for name in names]
        old = statcache.parse(row) if row else None
        if row and not old:
            raise _RowLost
        key = statcache.key(self._workspace, visit.path)
        directory = _Directory(visit.path, key, digest, Listing(listing), row)
        comparison = _Comparison(directory, visit, rules, old, self._problem)
        below = comparison.run()
        self._directories[visit.path] = directory
        self._vanished += comparison.vanished
        self._skipped += comparison.skipped
        for name in comparison.left:
            self._leave(visit.inside(name))
        return below

    def _list(self, visit: _Visit) -> bytes:
        names = None
        if visit.wanted is not None:
            names = b"".join(name.encode() + b"\0" for name in {*visit.wanted, ignore.IGNORE_FILE})
        try:
            return list_directory(os.fsencode(self._root + visit.path), names, not visit.path)
        except OSError as error:
            if visit.path and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return statcache.EMPTY_LISTING  # it went after its parent was listed
            raise Failure(
                f"cannot read directory {visit.path or self._root}",
                cause=error.strerror,
                help=f"make it readable, or leave it out by a line in {ignore.IGNORE_FILE}",
            ) from error

    def _problem(self, path: str, kind: bytes) -> str | None:
        """Why an entry that is under care cannot be versioned; None if it can."""
        if kind in _UNSUPPORTED:
            return _UNSUPPORTED[kind]
        if len(path.encode()) > self._longest:
            return f"path longer than {self._longest} bytes"
        if kind != b"l":
            return None
        try:
            target = os.readlink(os.fsencode(self._root + path)).decode()
        except UnicodeDecodeError:
            return "unsafe symlink: its target is not UTF-8"
        except OSError:
            return None  # gone or replaced: the caller will notice when it reads it
        return unsafe_link(path, target)

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
            left += (f"{path}/{name}" for name in row.entered())


class _Comparison:
    """One directory's listing against its old row (None: there is none), entry by entry."""

    def __init__(
        self,
        directory: _Directory,
        visit: _Visit,
        rules: ignore.Rules,
        old: Row | None,
        problem: Callable[[str, bytes], str | None],
    ) -> None:
        self._directory = directory
        self._visit = visit
        self._rules = rules
        self._old = old
        self._problem = problem
        self.vanished = [visit.inside(path) for path in old.missing] if old else []
        self.skipped: list[tuple[str, str]] = []
        self.left: list[str] = []  # subdirectories that were entered and are not now

    def run(self) -> list[_Visit]:
        below, flags = self._subdirectories()
        self._directory.flags = flags + (self._files(self._old) if self._old else self._all_new())
        return below

    def _subdirectories(self) -> tuple[list[_Visit], bytes]:
        old = self._old
        before = set(old.entered()) if old else set()
        below: list[_Visit] = []
        flags = bytearray()
        for raw in self._directory.listing.directories:
            name = raw.decode(errors="backslashreplace")
            flag = self._enters(name, raw)
            if flag == Flag.CLEAN:
                below.append(self._visit.below(name, self._rules, trusted=name in before))
                before.discard(name)
            flags.append(flag)
        self.left = sorted(before)
        return below, bytes(flags)

    def _enters(self, name: str, raw: bytes) -> Flag:
        if not self._ours(name, directory=True):
            nested = name == ignore.METADATA and self._visit.path and self._visit.wanted is None
            return self._skip(name, "metadata of another repository") if nested else Flag.NOT_OURS
        if name.encode() != raw:
            return self._skip(name, "name is not UTF-8")
        reason = self._problem(self._visit.inside(name), b"d")
        return self._skip(name, reason) if reason else Flag.CLEAN

    def _all_new(self) -> bytes:
        names = self._directory.listing.names
        return bytes(self._judge(index, raw, State.NEW) for index, raw in enumerate(names))

    def _files(self, old: Row) -> bytes:
        listing = self._directory.listing
        same_rules = old.rules == self._directory.rules
        old_flags = old.file_flags
        flags = bytearray()
        before = {name: index for index, name in enumerate(old.listing.names)}
        for index, raw in enumerate(listing.names):
            at = before.pop(raw, None)
            was = Flag.NOT_OURS if at is None else old_flags[at]
            if same_rules and at is not None and was == Flag.NOT_OURS:
                flag = was
            elif at is None or was not in OURS:
                flag = self._judge(index, raw, State.NEW)
            elif listing.record(index) != old.listing.record(at):
                flag = self._judge(index, raw, State.TOUCHED)
            elif was == Flag.LOOK:
                flag = self._judge(index, raw, State.RACY)
            elif was == Flag.KNOWN:
                flag = self._judge(index, raw, State.KNOWN, old.known[at])
            elif same_rules or self._ours(raw.decode(), directory=False):
                flag = Flag.CLEAN
            else:
                flag = Flag.NOT_OURS
            if flag not in OURS and was in OURS:
                self.vanished.append(self._visit.inside(raw.decode()))
            flags.append(flag)
        gone = (raw.decode() for raw, at in before.items() if old_flags[at] in OURS)
        self.vanished += map(self._visit.inside, gone)
        return bytes(flags)

    def _judge(self, index: int, raw: bytes, state: State, recipe: RecipeId | None = None) -> Flag:
        """The flag of a file that is not known to be clean; makes it a candidate if it is ours."""
        name = raw.decode(errors="backslashreplace")
        if not self._ours(name, directory=False):
            return Flag.NOT_OURS
        if name.encode() != raw:
            return self._skip(name, "name is not UTF-8")
        listing = self._directory.listing
        path = self._visit.inside(name)
        reason = self._problem(path, listing.kind(index))
        if reason:
            return self._skip(name, reason)
        candidate = Candidate(path, listing.stat(index), state, recipe)
        self._directory.candidates.append((index, candidate))
        return Flag.LOOK

    def _ours(self, name: str, *, directory: bool) -> bool:
        if name in ignore.NEVER:
            return False
        wanted = self._visit.wanted
        if wanted is None:
            return self._rules.match(name, directory=directory) is None
        return name in wanted and (directory or wanted[name] is None)

    def _skip(self, name: str, reason: str) -> Flag:
        self.skipped.append((self._visit.inside(name), reason))
        return Flag.SKIPPED
