"""What lies at paths of a workspace, never looking through a symbolic link.

`lstat("d/f")` follows `d`. A person may have put a link to somewhere else where a version has a directory, so
whoever writes or removes files asks here first: below a link, or below a file, nothing of ours lies. What lies
in a directory that cannot be searched or listed nobody can say: then Failure is raised. And where
`lstat("readme")` finds `README`, since the file system folds names, nothing lies at `readme`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from mvcd.errors import Failure
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.ondisk.unreadable import remedy


class Ground:
    """Remembers which directories it has seen or missed; make a new one when they may have changed."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._seen: dict[str, str | None] = {}
        self._missing: set[str] = set()
        self._listed: dict[str, frozenset[str]] = {}

    def blocker(self, path: str) -> str | None:
        """The topmost parent of `path` that exists and is no directory."""
        parent = path.rpartition("/")[0]
        if not parent:
            return None
        if parent not in self._seen:
            found = self.blocker(parent)
            if found is None:
                status = self.status(parent)
                if status is None:
                    self._missing.add(parent)
                elif not stat.S_ISDIR(status.st_mode):
                    found = parent
            self._seen[parent] = found
        return self._seen[parent]

    def missing(self, path: str) -> str | None:
        """The topmost parent of `path` that does not exist; None if all do, or a file is among them."""
        found, parent = None, path.rpartition("/")[0]
        if self.blocker(path) is None:
            while parent in self._missing:
                found, parent = parent, parent.rpartition("/")[0]
        return found

    def stat(self, path: str) -> FileStat | None:
        """Returns the stat of the file or link at `path`; None if there is none, or a directory."""
        status = self.status(path)
        return None if status is None or stat.S_ISDIR(status.st_mode) else FileStat.of(status)

    def files_below(self, path: str) -> Iterator[str]:
        """All that is not a directory inside the directory `path`; nothing if it is none."""
        status = self.status(path)
        if status is None or not stat.S_ISDIR(status.st_mode):
            return
        for directory, names, files in os.walk(self._at(path), onerror=self._refuse):
            links = [n for n in names if os.path.islink(os.path.join(directory, n))]
            inside = os.path.relpath(directory, self._root).replace(os.sep, "/")
            yield from (f"{inside}/{name}" for name in files + links)

    def status(self, path: str) -> os.stat_result | None:
        if self.blocker(path) or path.rpartition("/")[0] in self._missing:
            return None
        try:
            status = os.lstat(self._at(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise self._hidden(path, error) from error
        return status if self._is_listed(path) else None

    def _is_listed(self, path: str) -> bool:
        """Whether what lies at `path` has that name, and no other that the file system takes for it."""
        parent, _, name = path.rpartition("/")
        if name == ".":
            return True  # the root itself
        if parent not in self._listed:
            try:
                self._listed[parent] = frozenset(os.listdir(self._at(parent)))
            except PermissionError:  # it may be entered and not be listed
                return True
            except (FileNotFoundError, NotADirectoryError):
                return False
        return name in self._listed[parent]

    def _refuse(self, error: OSError) -> None:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            inside = os.path.relpath(error.filename, self._root).replace(os.sep, "/")
            raise self._hidden(inside, error) from error

    def _hidden(self, path: str, error: OSError) -> Failure:
        above = path
        while (parent := above.rpartition("/")[0]) and not os.access(self._at(parent), os.X_OK):
            above = parent
        return Failure(
            f"{path} cannot be looked at",
            kind="unreadable",
            cause=error.strerror,
            help=remedy(above),
        )

    def _at(self, path: str) -> str:
        return os.path.join(self._root, path)
