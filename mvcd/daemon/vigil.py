"""Whether and how one workspace is watched: by events where they are to be had, else by polling.

Only directories that are tracked, or lead to what is, are watched. The watch is made anew when the root is
another directory than before, when other paths are tracked, after a loss, and with the hourly rescan.
"""

from __future__ import annotations

import logging
import os

from mvcd.daemon.mounts import Mounted, Mounts
from mvcd.daemon.watch import Events, Listener, TreeWatch, Unwatchable
from mvcd.disk.filesystem import NETWORK_TYPES, filesystem_type
from mvcd.repo.core.location import Location
from mvcd.repo.workspace import ignore

log = logging.getLogger(__name__)


class Vigil:
    """For the keeper's thread, except `enter`, which the event thread calls."""

    def __init__(self, root: str, events: Events, listener: Listener, mounts: Mounts) -> None:
        self._root = root
        self._events = events
        self._listener = listener
        self._mounts = mounts
        self._mounted: Mounted = {}
        self._tree: TreeWatch | None = None
        self._identity: tuple[int, int] | None = None
        self._tracked: tuple[str, ...] = ()
        self._trace: tuple[object, ...] | None = None
        self._stale = True  # whether the watch must be made anew
        self.why = ""  # it is polled

    @property
    def watching(self) -> bool:
        return self._tree is not None

    @property
    def directories(self) -> int:
        return self._tree.directories if self._tree else 0

    def renew(self) -> None:
        """Events were lost, or may have been: the next `keep` makes the watch anew."""
        self._stale = True

    def keep(self, tracked: tuple[str, ...]) -> None:
        """Before each look: makes sure that what will change after it is told."""
        found = os.stat(self._root)
        identity = (found.st_dev, found.st_ino)
        if identity != self._identity:
            self.end()
            self._identity, self._stale = identity, True
        if tracked != self._tracked:
            self._tracked, self._stale = tracked, True
        mounted = self._mounts.now()
        if mounted != self._mounted:  # what was mounted over a directory is watched by nobody yet
            self._mounted, self._stale = mounted, True
        if self._stale:
            self._watch()
            self._stale = False

    def end(self) -> None:
        if self._tree is not None:
            self._tree.stop()
            self._tree = None
        self._identity = None

    def _watch(self) -> None:
        kind = filesystem_type(self._root)
        if kind in NETWORK_TYPES:
            self.why = f"polled: a network file system ({kind}) tells no events"
            return
        try:
            if self._tree is None:
                self._tree = self._events.watch(self._root, self.enter, self._listener)
            else:
                self._tree.rewatch()
            self.why = ""
        except Unwatchable as problem:
            if self._tree is not None:
                self._tree.stop()
                self._tree = None
            self.why = f"polled: {problem.loss.value}"
            log.warning("%s: %s", self._root, self.why)

    def enter(self, directory: str, name: str) -> bool:
        """What an .mvcignore leaves out of a tracked directory is watched too, at little cost."""
        if ignore.built_in(name, directory=True) is not None:
            return False
        path = f"{directory}/{name}/" if directory else f"{name}/"
        return any(
            t == "." or path.startswith(f"{t}/") or f"{t}/".startswith(path) for t in self._tracked
        )

    # ---------------------------------------------------------------- what no event tells

    def looked(self) -> None:
        """After each look: what happens from now on is new."""
        self._trace = self._now()

    def disturbed(self) -> bool:
        """Whether the root is another or gone, a file system below it came or went, or a verb held the
        workspace lock since the last look."""
        return self._now() != self._trace

    def _now(self) -> tuple[object, ...] | None:
        try:
            root = os.stat(self._root)
            lock = os.stat(Location(self._root).lock_path)
        except OSError:
            return None
        mounted = tuple(self._mounts.now().items())
        return root.st_dev, root.st_ino, lock.st_mtime_ns, mounted
