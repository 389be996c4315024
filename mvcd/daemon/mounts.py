"""Directories of a workspace that other file systems are mounted on: one that went away has deleted nothing.

A disk that is unmounted, or not mounted after a restart, leaves an empty directory, one with a placeholder, or
none. To a scan its files are gone; here it is remembered that they were on a mount. While a mount is *away*
(not mounted, and nothing of what it had at its top is there) the daemon saves nothing below it, and versions
keep what they have. Files of the same names on the root's own disk mean that they were moved there; a version
without them, that somebody committed, means that they were to go: in both cases the mount is forgotten.

The memory is `.mvc/mounts.json`, so that it survives restarts: {"data/big": ["a", "b"], ...}, by directory the
first names in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice

from mvcd.disk.replace import replace_file
from mvcd.repo.core.location import Location
from mvcd.repo.workspace.scan import Scan

_TABLE = "/proc/self/mountinfo"
_MAX_NAMES = 64
_MAX_BYTES = 1 << 20
_ESCAPE = re.compile(r"\\([0-7]{3})")

Mounted = dict[str, str]
"""By directory (path from the root): what is mounted there, equal while it is the same mount."""


def mounted_below(root: str) -> Mounted:
    """What is mounted below a directory (a real path), from the kernel's table (proc_pid_mountinfo(5)).

    Systems without that table are asked for the directories at the two top levels. A mount that autofs only
    promises is none.
    """
    try:
        with open(_TABLE, encoding="utf-8", errors="surrogateescape") as file:
            return dict(_of_table(file, os.path.join(root, "")))
    except OSError:
        return {path: "" for path in _tops(root) if os.path.ismount(os.path.join(root, path))}


def _of_table(lines: Iterator[str], prefix: str) -> Iterator[tuple[str, str]]:
    for line in lines:
        fields, _, kind = line.partition(" - ")
        number, _, device, _, where = fields.split(" ", 5)[:5]
        path = _ESCAPE.sub(lambda m: chr(int(m[1], 8)), where)
        if path.startswith(prefix) and not kind.startswith("autofs "):
            yield path.removeprefix(prefix), f"{number} {device}"


def _tops(root: str) -> Iterator[str]:
    for name in _directories(root):
        yield name
        yield from (f"{name}/{below}" for below in _directories(os.path.join(root, name)))


def _directories(path: str) -> list[str]:
    with contextlib.suppress(OSError), os.scandir(path) as entries:
        return [e.name for e in entries if e.is_dir(follow_symlinks=False)]
    return []


class Mounts:
    """What is remembered of one workspace's mounts. For the keeper's thread."""

    def __init__(self, root: str, mounted: Callable[[str], Mounted] | None = None) -> None:
        self._root = root
        self._mounted = mounted or mounted_below
        self._path = os.path.join(Location(root).directory, "mounts.json")
        self._known: dict[str, list[str]] | None = None

    def now(self) -> Mounted:
        return self._mounted(self._root)

    def away(self) -> Sequence[str]:
        """Directories whose mount is gone, as of this moment."""
        known = self._load()
        if not known:
            return ()
        mounted = self.now()
        return [
            path for path, names in known.items() if path not in mounted and self._bare(path, names)
        ]

    def remember(self, scan: Scan, away_before: Collection[str]) -> None:
        """After a scan: learns what is mounted now, and forgets what has no meaning any more.

        `away_before` was away when the scan began: of what went during it, the scan tells nothing.
        """
        before = self._load()
        after = {path: names for path in self.now() if (names := self._top(path))}
        for path in self.away():
            missed = any(gone.startswith(path + "/") for gone in scan.vanished)
            if missed or scan.fresh or path not in away_before:
                after[path] = before[path]
        if after != before:
            self._known = after
            self._store(after)

    def _bare(self, path: str, names: Sequence[str]) -> bool:
        return not any(os.path.lexists(os.path.join(self._root, path, name)) for name in names)

    def _top(self, path: str) -> list[str]:
        with contextlib.suppress(OSError), os.scandir(os.path.join(self._root, path)) as entries:
            return sorted(entry.name for entry in islice(entries, _MAX_NAMES))
        return []

    def _load(self) -> dict[str, list[str]]:
        if self._known is None:
            self._known = {}
            with (
                contextlib.suppress(OSError, ValueError),
                open(self._path, encoding="utf-8") as file,
            ):
                found = json.loads(file.read(_MAX_BYTES))
                if isinstance(found, dict):
                    self._known = {p: n for p, n in found.items() if isinstance(n, list)}
        return self._known

    def _store(self, known: dict[str, list[str]]) -> None:
        if not known and not os.path.exists(self._path):
            return
        with contextlib.suppress(OSError):  # it is learnt again at the next look
            replace_file(self._path, json.dumps(known).encode(), durable=False)
