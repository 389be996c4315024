"""One directory, entry by entry: which of its files may differ from the version, and which cannot be versioned.

Here is the slow path of the scan, taken by directories that changed since their row was written. It opens
no file; it reads the text of symbolic links, to see whether they are safe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from mvcd.ids import RecipeId
from mvcd.repo import ignore
from mvcd.repo.statcache import OURS, FileStat, Flag, Listing, Row


class State(Enum):
    """Why a file must be looked at."""

    NEW = "new"  # the cache has no row for it
    TOUCHED = "touched"  # its stat is not the cached one
    RACY = "racy"  # its stat is the cached one, which proves nothing
    KNOWN = "known"  # its content is known without reading and is not the version's


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file or symbolic link that may differ from the version. `recipe` is given iff `state` is KNOWN."""

    path: str
    stat: FileStat
    state: State
    recipe: RecipeId | None = None


@dataclass(slots=True)
class Directory:
    """A directory that is looked through entry by entry, and whose row may have to be written anew."""

    path: str
    key: bytes
    rules: bytes
    listing: Listing
    old: bytes | None
    flags: bytes = b""
    candidates: list[tuple[int, Candidate]] = field(default_factory=list)


Wanted = dict[str, "Wanted | None"]
"""The tracked names in one directory; None stands for all that is below."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A directory to look at. `wanted` restricts it to some names; `trusted`: its row counts."""

    path: str
    rules: ignore.Rules  # those from above; its own `.mvcignore` is not known yet
    wanted: Wanted | None
    trusted: bool

    def inside(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def below(self, name: str, rules: ignore.Rules, *, trusted: bool) -> Visit:
        wanted = None if self.wanted is None else self.wanted[name]
        return Visit(self.inside(name), rules.inside(name), wanted, trusted)


class Comparison:
    """One directory's listing against its old row (None: there is none), entry by entry."""

    def __init__(
        self,
        directory: Directory,
        visit: Visit,
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

    def run(self) -> list[Visit]:
        below, flags = self._subdirectories()
        self._directory.flags = flags + (self._files(self._old) if self._old else self._all_new())
        return below

    def _subdirectories(self) -> tuple[list[Visit], bytes]:
        old = self._old
        before = set(old.entered()) if old else set()
        below: list[Visit] = []
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
