"""A directory that a completion rule claims, as it is on disk, and the shape of a rule."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from mvcd.daemon.verdict import Verdict
from mvcd.repo.ondisk.below import entries_below
from mvcd.repo.ondisk.unreadable import SHORTAGE

Names = Collection[str]

_FIRST_STAMP_SECONDS = 631_152_000
"""1990-01-01, in seconds since the epoch: a stamp from before is no clock's."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A claimed directory on disk, and the members of its set, by path from it.

    `changed` names the members that differ from the last version; None where that is not known. `now` is in
    seconds since the epoch.
    """

    path: str
    files: Mapping[str, os.stat_result]
    changed: Collection[str] | None = None
    now: float = field(default_factory=time.time)

    def matching(self, *patterns: str) -> list[str]:
        return [f for f in self.files if any(fnmatchcase(f, p) for p in patterns)]

    def text(self, name: str, limit: int = 64 << 20) -> str:
        with open(os.path.join(self.path, name), encoding="utf-8", errors="replace") as file:
            return file.read(limit)

    def newer(self, marker: str, others: Iterable[str]) -> list[str]:
        """Returns those of `others` that were written after the marker, the first written first.

        Not those that the last version has as they are: then they were vouched for.
        """
        mark = self.files[marker].st_mtime_ns
        found = [o for o in others if self.files[o].st_mtime_ns > mark and self.may_be_new(o)]
        return sorted(found, key=lambda o: self.files[o].st_mtime_ns)

    def is_new(self, *names: str) -> bool:
        """Whether all of these are known to differ from the last version."""
        return self.changed is not None and set(names) <= set(self.changed)

    def may_be_new(self, name: str) -> bool:
        return self.changed is None or name in self.changed

    def quiet(self) -> float:
        """Seconds since a member was written last, by its own stamp.

        What came with a stamp of the future, or from before there was one (a copy of a reproducible archive),
        counts from when its inode changed.
        """
        return min((self.now - self._written(found) for found in self.files.values()), default=0.0)

    def _written(self, found: os.stat_result) -> float:
        stamped = _FIRST_STAMP_SECONDS <= found.st_mtime <= self.now
        return found.st_mtime if stamped else found.st_ctime


@dataclass(frozen=True, slots=True)
class FolderRule:
    name: str
    claims: Callable[[str, Names], bool]
    members: tuple[str, ...]
    check: Callable[[Folder], Verdict]

    def has(self, inside: str) -> bool:
        return any(
            fnmatchcase(inside, pattern)
            for pattern in self.members
            if pattern == "*" or "/" in pattern or "/" not in inside
        )


TEMPORARY = re.compile(
    r"\.tmp.*|tmp-.*|\..*\.(?:tmp|swp|part|incomplete|lock)(?:\..*)?|.*\.(?:tmp|part|incomplete)"
)
"""Names of files and directories that their writers rename when they are complete."""


def temporary(path: str) -> bool:
    return any(TEMPORARY.fullmatch(part) for part in path.split("/"))


def walk(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    """All regular files below a directory, by path from it. Left out is what goes away meanwhile, and what
    cannot be read: of that the scan tells."""
    for path, entry in entries_below(directory, _let_be):
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError as error:
            _let_be(path, error)
            continue
        if stat.S_ISREG(found.st_mode):
            yield path, found


def _let_be(_: str, error: OSError) -> None:
    if error.errno in SHORTAGE:
        raise error


def folder_of(rule: FolderRule, directory: str, changed: Collection[str] | None = None) -> Folder:
    files = {p: s for p, s in walk(directory) if rule.has(p) and not temporary(p)}
    return Folder(directory, files, changed)
