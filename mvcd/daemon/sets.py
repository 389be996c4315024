"""What a scan found, sorted into sets: what becomes one version together, or not at all.

A set is a directory between the two ends of `mvc.checkpoint`, a directory that a completion rule claims, or a
single file that belongs to none. When one directory has very many single files they form one set, so that
a storm of files costs memory by directories (Syncthing's limit, and its reason).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase

from mvcd.amounts import size
from mvcd.daemon import openfiles
from mvcd.daemon.formats import PROVEN, UNKNOWN, SaveState, Verdict, check_file, incomplete
from mvcd.daemon.limits import DaemonLimits
from mvcd.daemon.openfiles import Writer
from mvcd.daemon.rules import LOG_SUFFIXES, RULES, FolderRule, by_marker, folder_of, temporary
from mvcd.inspect.components import ComponentRules
from mvcd.objects.version import Component
from mvcd.repo.change.captures import Maker
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.ondisk.unreadable import Unreadable

NOT_MOUNTED = "it is not mounted now, versions keep its files (if they are to go: mvc commit)"

NOTHING_UNREADABLE = Unreadable()

MANY_FILES = 512
"""Changed single files of one directory from which they are one set."""


class Bracket(Enum):
    """Where a `with mvc.checkpoint(...)` stands."""

    OPEN = "open"
    CLOSED = "closed"
    ABANDONED = "abandoned"  # the program ended, or an exception did, before the block was through


@dataclass(frozen=True, slots=True)
class Claim:
    """A bracket's hold on a directory (path from the root, "" is the root itself) and further files."""

    number: int
    directory: str
    bracket: Bracket
    also: tuple[str, ...] = ()
    message: str = ""
    maker: Maker = field(default_factory=Maker)

    def has(self, path: str) -> bool:
        inside = not self.directory or path.startswith(self.directory + "/")
        return inside or path in self.also


@dataclass(slots=True)
class Found:
    """One set as one scan shows it: its changed and vanished files, and whether it is fit to be saved."""

    name: str  # a directory's ends in "/"; the root's is "./"
    root: str
    rule: FolderRule | None = None
    claim: Claim | None = None
    log: bool = False
    refused: str | None = None  # why it is never saved by itself
    closed: str | None = None  # what of it cannot be read, and why: a version would tear it
    files: dict[str, FileStat | None] = field(default_factory=dict)  # None: vanished
    complete: bool = False  # its last verdict: by its rule or format all is there

    @property
    def precious(self) -> bool:
        """Whether to lose it is to miss a state that was complete for certain."""
        return self.complete or self.claim is not None

    @property
    def words(self) -> str:
        return self.claim.message if self.claim is not None else ""

    @property
    def signature(self) -> int:
        """Equal for equal states of the changed files."""
        return hash(tuple(self.files.items()))

    @property
    def gone(self) -> bool:
        """Nothing is left of it that changed: only files that vanished."""
        return not any(self.files.values())

    @property
    def partly(self) -> bool:
        """Whether other files of it are there still."""
        if self.rule is None:
            return False
        return bool(folder_of(self.rule, os.path.join(self.root, self.name)).files)

    @property
    def still_for(self) -> float:
        """Seconds since one of its files changed, by their change times, which nobody can set back; 0 where
        something vanished, or a clock is wrong."""
        newest = max((s.ctime_ns if s else 1 << 63) for s in self.files.values())
        return max(0.0, time.time() - newest / 1e9)

    @property
    def stats(self) -> dict[str, FileStat]:
        """Returns the stats of its files that are there."""
        return {path: stat for path, stat in self.files.items() if stat is not None}

    @property
    def vanished(self) -> tuple[str, ...]:
        return tuple(path for path, stat in self.files.items() if stat is None)

    def verdict(self) -> Verdict:
        """Whether the files are complete, by rule and format. Reads headers and marker files."""
        verdict = self._verdict()
        self.complete = verdict.state in (SaveState.PROVEN, SaveState.COMPLETE)
        return verdict

    def _verdict(self) -> Verdict:
        if self.closed is not None:
            return incomplete(self.closed)
        return self._by_format() if self.rule is None else self._by_rule(self.rule)

    def _by_rule(self, rule: FolderRule) -> Verdict:
        directory = os.path.join(self.root, self.name)
        if not os.path.isdir(directory):
            return PROVEN  # all of it was removed
        try:
            inside = self.name.removeprefix("./")
            changed = frozenset(path.removeprefix(inside) for path in self.files)
            return rule.check(folder_of(rule, directory, changed))
        except (OSError, ValueError) as error:
            return incomplete(str(error))

    def _by_format(self) -> Verdict:
        verdict = PROVEN if len(self.files) == 1 and not self.claim else UNKNOWN
        for path, stat in self.files.items():
            if stat is None or stat.is_symlink:
                verdict = UNKNOWN
                continue
            try:
                one = check_file(os.path.join(self.root, path), stat.size)
            except OSError as error:
                return incomplete(f"{path}: {error.strerror}")
            if one.state is SaveState.INCOMPLETE:
                return incomplete(one.reason if len(self.files) == 1 else f"{path}: {one.reason}")
            if one.state is not SaveState.PROVEN:
                verdict = UNKNOWN
        return verdict

    def writer(self) -> str | None:
        """A file of the set that a process holds open for writing, or that is gone since the scan."""
        for path in self._all_files():
            answer = openfiles.probe(os.path.join(self.root, path))
            if answer is Writer.OPEN:
                return f"{path} is open for writing"
            if answer is Writer.GONE and self.files.get(path) is not None:
                return f"{path} is being replaced"
        return None

    def _all_files(self) -> Iterable[str]:
        if self.rule is None:
            return (path for path, stat in self.files.items() if stat is not None)
        directory = os.path.join(self.root, self.name)
        inside = self.name.removeprefix("./")
        return {inside + path for path in folder_of(self.rule, directory).files} | {
            path for path, stat in self.files.items() if stat is not None
        }


class Sorter:
    """Sorts scans into sets, by claims and limits as they were when it was made. For one scan."""

    def __init__(
        self,
        root: str,
        limits: DaemonLimits,
        components: ComponentRules,
        claims: Sequence[Claim],
        away: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._root = root
        self._limits = limits
        self._components = components
        self.claims = sorted(claims, key=lambda claim: len(claim.directory))
        self.away = away  # directories whose mount is gone
        self._away: Sequence[str] = ()
        self._own = [(directory, by_marker(directory, m)) for directory, m in limits.sets]
        self._names: dict[str, frozenset[str]] = {}
        self._claimed: dict[str, FolderRule | None] = {}

    def sort(
        self,
        changes: Iterable[tuple[str, FileStat | None]],
        unreadable: Unreadable = NOTHING_UNREADABLE,
    ) -> dict[str, Found]:
        """`changes` are paths with their stats as a scan shows them, None for what vanished."""
        self._away = self.away()  # after the scan: what went during it is away too
        sets: dict[str, Found] = {}
        for path, stat in changes:
            found = self._place(path, stat)
            known = sets.setdefault(found.name, found)
            known.files[path] = stat
        for path, reason in unreadable.reasons.items():
            for inside in (path, f"{path}/x"):  # a file, or a directory with nobody knows what
                found = self._place(inside, None)
                whole = found.rule is not None or found.claim is not None
                if whole and found.refused is None and found.name in sets:
                    sets[found.name].closed = f"{path} {reason}"
        return _gathered(sets, self._root)

    def _place(self, path: str, stat: FileStat | None) -> Found:
        for directory in self._away:
            if path.startswith(directory + "/"):
                return Found(f"{directory}/", self._root, refused=NOT_MOUNTED)
        refused = self._refused(path, stat)
        if refused is not None:
            return Found(path, self._root, refused=refused)
        if self._is_log(path):
            return Found(path, self._root, log=True)
        for claim in self.claims:
            if claim.has(path):
                name = claim.directory + "/" if claim.directory else "./"
                return Found(name, self._root, claim=claim)
        parts = path.split("/")
        for depth in range(len(parts)):
            directory = "/".join(parts[:depth])
            rule = self._rule_of(directory)
            if rule is not None and rule.has("/".join(parts[depth:])):
                return Found(f"{directory}/" if directory else "./", self._root, rule=rule)
        return Found(path, self._root)

    def _refused(self, path: str, stat: FileStat | None) -> str | None:
        if temporary(path):
            return "a temporary name"
        cap = self._limits.max_size
        if cap is not None and stat is not None and stat.size > cap:
            return f"{size(stat.size)}, more than max_size = {size(cap)} in mvc.toml"
        return self._limits.left_alone(path)

    def _is_log(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        if not (name.endswith(LOG_SUFFIXES) or name.startswith("events.out.tfevents")):
            return False
        return self._components.component_of(path) is Component.RESULTS

    def _rule_of(self, directory: str) -> FolderRule | None:
        if directory not in self._claimed:
            self._claimed[directory] = self._find_rule(directory)
        return self._claimed[directory]

    def _find_rule(self, directory: str) -> FolderRule | None:
        for glob, rule in self._own:
            if (
                directory
                and directory.count("/") == glob.count("/")
                and fnmatchcase(directory, glob)
            ):
                return rule
        name = directory.rpartition("/")[2]
        names = self._listed(directory)
        return next((rule for rule in RULES if rule.claims(name, names)), None)

    def _listed(self, directory: str) -> Collection[str]:
        try:
            return frozenset(os.listdir(os.path.join(self._root, directory)))
        except OSError:
            return frozenset()


def _gathered(sets: dict[str, Found], root: str) -> dict[str, Found]:
    """Where a directory has MANY_FILES single files, they become one set."""
    single: dict[str, list[Found]] = {}
    for found in sets.values():
        plain = found.rule is None and found.claim is None and not found.log
        if plain and found.refused is None:
            single.setdefault(found.name.rpartition("/")[0], []).append(found)
    for directory, group in single.items():
        if len(group) < MANY_FILES:
            continue
        name = f"{directory}/*" if directory else "*"
        together = Found(name, root)
        for found in group:
            together.files |= found.files
            del sets[found.name]
        sets[name] = together
    return sets
