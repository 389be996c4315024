"""One directory, entry by entry: which of its files may differ from the version, and which cannot be versioned.

Here is the slow path of the scan, taken by directories that changed since their row was written. It opens
no file; it reads the text of symbolic links, to see whether they are safe, and asks whether files may be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import field

from blake3 import blake3

from mvcd.ids import RecipeId
from mvcd.lateclasses import NamedTuple, dataclass
from mvcd.objects.reserved import reserved
from mvcd.repo.ondisk.statcache import (
    AS_VERSION,
    OURS,
    RULES_DIGEST_BYTES,
    FileStat,
    Flag,
    Listing,
    StatRow,
)
from mvcd.repo.workspace import ignore
from mvcd.repo.workspace.found import CandidateState, Directory


@dataclass(slots=True)
class TrackedNames:
    """What is tracked from one directory on: all of it, and names that are tracked or lead to what is."""

    whole: bool = False
    names: dict[str, TrackedNames] = field(default_factory=dict)

    @classmethod
    def of(cls, tracked: Iterable[str]) -> TrackedNames:
        top = cls()
        for path in tracked:
            here = top
            for name in path.split("/") if path != "." else ():
                here = here.names.setdefault(name, cls())
            here.whole = True
        return top

    def digest(self, rules: ignore.IgnoreRules) -> bytes:
        """Names all that decides which entries of the directory are under care."""
        if self.whole and not self.names:
            return rules.digest
        names = sorted((name, below.whole) for name, below in self.names.items())
        said = rules.digest + repr((self.whole, names)).encode()
        return blake3(said).digest(length=RULES_DIGEST_BYTES)

    def file(self, name: str, rules: ignore.IgnoreRules) -> bool:
        """Is a file of this name under care?"""
        named = self.names.get(name)
        if named is not None and named.whole:
            return not ignore.is_never(name)
        return self.whole and rules.match(name, directory=False) is None

    def directory(self, name: str, rules: ignore.IgnoreRules) -> TrackedNames | None:
        """What is wanted of a subdirectory; None if it is not entered."""
        named = self.names.get(name)
        if ignore.is_never(name):
            return None
        if named is not None and named.whole:
            return named
        if self.whole and rules.match(name, directory=True) is None:
            return EVERYTHING if named is None else TrackedNames(True, named.names)
        return named


EVERYTHING = TrackedNames(whole=True)


class Visit(NamedTuple):
    """A directory to look at; `trusted`: the row that the cache has for it counts."""

    path: str
    rules: ignore.IgnoreRules  # those from above; its own `.mvcignore` is not known yet
    wanted: TrackedNames
    trusted: bool

    def inside(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def below(
        self, name: str, rules: ignore.IgnoreRules, wanted: TrackedNames, *, trusted: bool
    ) -> Visit:
        return Visit(self.inside(name), rules.inside(name), wanted, trusted)

    def entered(self, names: Iterable[str], rules: ignore.IgnoreRules) -> Iterator[Visit]:
        """The subdirectories that an unchanged row says are entered."""
        for name in names:
            wanted: TrackedNames | None = EVERYTHING
            if self.wanted.names:
                wanted = self.wanted.directory(name, rules)
            if wanted is not None:
                yield self.below(name, rules, wanted, trusted=True)


class ListingComparison:
    """One directory's listing against its old row (None: there is none), entry by entry."""

    def __init__(
        self,
        directory: Directory,
        listing: Listing,
        visit: Visit,
        rules: ignore.IgnoreRules,
        old: StatRow | None,
        problem: Callable[[str, bytes], str | None],
        closed: Callable[[str], str | None],
    ) -> None:
        self._directory = directory
        self._listing = listing
        self._visit = visit
        self._rules = rules
        self._old = old
        self._problem = problem
        self._closed = closed
        self.unreadable: dict[str, str] = {}  # files, and why
        self.vanished = [visit.inside(path) for path in old.missing] if old else []
        self.gone: dict[str, FileStat] = {}  # how files were whose names are gone
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
        for raw in self._listing.directories:
            name = raw.decode(errors="backslashreplace")
            wanted = self._visit.wanted.directory(name, self._rules)
            flag = self._flag_directory(name, raw, wanted)
            if flag == Flag.CLEAN and wanted is not None:
                trusted = name in before
                below.append(self._visit.below(name, self._rules, wanted, trusted=trusted))
                before.discard(name)
            flags.append(flag)
        self.left = sorted(before)
        return below, bytes(flags)

    def _flag_directory(self, name: str, raw: bytes, wanted: TrackedNames | None) -> Flag:
        if wanted is None:
            nested = name == ignore.METADATA and self._visit.path and self._visit.wanted.whole
            if nested:
                return self._skip(name, "metadata of another repository")
            return self._unless_taken_for(name)
        if name.encode() != raw:
            return self._skip(name, "name is not UTF-8")
        reason = self._problem(self._visit.inside(name), b"d")
        return self._skip(name, reason) if reason else Flag.CLEAN

    def _all_new(self) -> bytes:
        names = self._listing.names
        return bytes(self._judge(index, raw, CandidateState.NEW) for index, raw in enumerate(names))

    def _files(self, old: StatRow) -> bytes:
        listing = self._listing
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
                flag = self._judge(index, raw, CandidateState.NEW)
            elif listing.record(index) != old.listing.record(at):
                flag = self._judge(index, raw, CandidateState.TOUCHED)
            elif was == Flag.LOOK:
                flag = self._judge(index, raw, CandidateState.RACY)
            elif was == Flag.KNOWN:
                flag = self._judge(index, raw, CandidateState.KNOWN, old.known[at])
            elif same_rules or self._visit.wanted.file(raw.decode(), self._rules):
                flag = Flag.CLEAN
            else:
                flag = Flag.NOT_OURS
            if flag not in OURS and was in OURS:
                self.vanished.append(self._visit.inside(raw.decode()))
            flags.append(flag)
        gone = (raw.decode() for raw, at in before.items() if old_flags[at] in OURS)
        self.vanished += map(self._visit.inside, gone)
        self.gone = {
            self._visit.inside(raw.decode()): old.listing.stat(at)
            for raw, at in before.items()
            if old_flags[at] in AS_VERSION
        }
        return bytes(flags)

    def _judge(
        self, index: int, raw: bytes, state: CandidateState, recipe: RecipeId | None = None
    ) -> Flag:
        """The flag of a file that is not known to be clean; makes it a candidate if it is ours."""
        name = raw.decode(errors="backslashreplace")
        if not self._visit.wanted.file(name, self._rules):
            return self._unless_taken_for(name)
        if name.encode() != raw:
            return self._skip(name, "name is not UTF-8")
        listing = self._listing
        path = self._visit.inside(name)
        reason = self._problem(path, listing.kind(index))
        if reason:
            return self._skip(name, reason)
        if listing.kind(index) != b"l" and (why := self._closed(path)):
            self.unreadable[path] = why
            return Flag.LOOK
        self._directory.add(index, state, recipe)
        return Flag.LOOK

    def _unless_taken_for(self, name: str) -> Flag:
        """Of what is not ours. A name that is not a repository's own but taken for it is worth a word."""
        if name in ignore.NEVER or not self._visit.wanted.whole or not ignore.is_never(name):
            return Flag.NOT_OURS
        return self._skip(name, f"some file systems take its name for {reserved(name)}")

    def _skip(self, name: str, reason: str) -> Flag:
        self.skipped.append((self._visit.inside(name), reason))
        return Flag.SKIPPED


MAX_LINK_BYTES = 4096
"""Bytes of a link's target, and one more; Linux."""

_OUR_FILES = frozenset({ignore.IGNORE_FILE, "mvc.toml"})


def unfit_link(path: str, target: str) -> str | None:
    """Why a symbolic link may not be versioned, nor made; None if it may.

    One that leads out of the workspace may: it is saved and made as what it is, a link, and no verb reads or
    writes through it. So it may not be one of the files that we ourselves read by name.
    """
    if problem := _no_path(target):
        return problem
    if any(part in ignore.NEVER for part in target.split("/")):
        return "unsafe symlink: its target is a repository's metadata"
    return unsafe_link(path, target) if path.rpartition("/")[2] in _OUR_FILES else None


def _no_path(target: str) -> str | None:
    if (
        not target
        or "\0" in target
        or len(target.encode("utf-8", "surrogateescape")) >= MAX_LINK_BYTES
    ):
        return "unsafe symlink: its target is no path"
    return None


def unsafe_link(path: str, target: str) -> str | None:
    """Why a symbolic link at `path` (relative to the root) may lead out of the workspace; None if it cannot.

    Safe links stay inside the workspace whatever the links below are: `..` may only lead, and no more
    often than `path` is deep. (`a/../x` leaves the workspace if `a` is a link upwards.)
    """
    if problem := _no_path(target):
        return problem
    if target.startswith("/"):
        return "unsafe symlink: its target is absolute"
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = next((i for i, part in enumerate(parts) if part != ".."), len(parts))
    if up > path.count("/"):
        return "unsafe symlink: its target is outside the workspace"
    if ".." in parts[up:]:
        return "unsafe symlink: its target may be outside the workspace"
    if any(map(ignore.is_never, parts)):
        return "unsafe symlink: its target is a repository's metadata"
    return None
