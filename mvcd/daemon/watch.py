"""The kernel's file events, through watchdog's inotify layer. They are hints: each one says "look there".

Only directories are watched, and of their events only those that can end a write (CLOSE_WRITE, MOVED_TO) or
change the tree: MODIFY would flood the queue while a checkpoint is written. A new directory is watched first
and listed afterwards, so that nothing falls between (inotify(7)). No event is kept: a directory's name goes
into a bounded set, so a storm costs no memory. We take watchdog's `InotifyFD` and not its observers, because
these queue an object per event without limit and hold every rename back for half a second.

What cannot be watched ends in `lost`: the kernel's queue ran over (events are gone), the root was moved or
unmounted, the limit of watches is reached. The listener looks at everything then, or polls.

Here alone is watchdog imported. It must not be assumed to work: on other systems, without inotify, and on
network file systems (which report only this machine's doings) the listener polls.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from mvcd.repo.ondisk.unreadable import EFFECTIVE_IDS

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyEvent, InotifyFD


log = logging.getLogger(__name__)


class Loss(Enum):
    """Why events cannot be relied on."""

    OVERFLOW = "the kernel's event queue ran over"
    ROOT = "the directory was moved, removed or unmounted"
    LIMIT = "the limit of watches is reached (sudo sysctl fs.inotify.max_user_watches=1048576 raises it)"
    UNSUPPORTED = "this system has no inotify"


class Listener(Protocol):
    """Told from the event thread; must be quick."""

    def touched(self, directory: str) -> None:
        """Something changed in a directory (path from the root, "" is the root)."""

    def lost(self, loss: Loss) -> None: ...


Enter = Callable[[str, str], bool]
"""Whether a subdirectory is under care: (directory from the root, name)."""


class Unwatchable(Exception):
    def __init__(self, loss: Loss) -> None:
        super().__init__(loss.value)
        self.loss = loss


class Events:
    """One inotify instance for all workspaces (a user may have 128)."""

    def __init__(self) -> None:
        self._fd: InotifyFD | None = None

    def watch(self, root: str, enter: Enter, listener: Listener) -> TreeWatch:
        """Raises Unwatchable."""
        tree = TreeWatch(self._open(), root, enter, listener)
        tree.start()
        return tree

    def _open(self) -> InotifyFD:
        if self._fd is None:
            if not sys.platform.startswith("linux"):
                raise Unwatchable(Loss.UNSUPPORTED)
            try:
                from watchdog.observers.inotify_c import InotifyFD  # late: start-up

                self._fd = InotifyFD()
            except (ImportError, OSError) as error:
                raise Unwatchable(Loss.UNSUPPORTED) from error
            self._fd.start()
        return self._fd

    def close(self) -> None:
        if self._fd is not None:
            self._fd.stop()
            self._fd = None


class TreeWatch:
    """Watches on the directories of one workspace. Its methods without underscore are watchdog's callback."""

    def __init__(self, fd: InotifyFD, root: str, enter: Enter, listener: Listener) -> None:
        from watchdog.observers import inotify_c  # late: start-up

        flags = inotify_c.InotifyConstants
        self._flags = flags
        self._mask = inotify_c.Mask(
            flags.IN_CREATE | flags.IN_CLOSE_WRITE | flags.IN_MOVED_TO | flags.IN_MOVED_FROM
            | flags.IN_DELETE | flags.IN_DELETE_SELF | flags.IN_MOVE_SELF | flags.IN_ATTRIB
            | flags.IN_ONLYDIR | flags.IN_EXCL_UNLINK
        )  # fmt: skip
        self._id = inotify_c.CallbackId(id(self))
        self._fd = fd
        self._root = root
        self._enter = enter
        self._listener = listener
        self._lock = threading.RLock()
        self._paths: dict[int, str] = {}
        self._identities: dict[int, tuple[int, int]] = {}
        self._watched: dict[tuple[int, int], int] = {}
        """Device and inode of a directory, and its watch: the kernel has one, whatever the name."""
        self._stopped = False

    @property
    def directories(self) -> int:
        return len(self._paths)

    def start(self) -> None:
        try:
            self._add_tree("", tell=False)
        except Unwatchable:
            self.stop()
            raise

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            self._forget(list(self._paths))

    # ---------------------------------------------------------------- watchdog calls these

    def on_event(self, event: InotifyEvent) -> None:
        with self._lock:
            directory = self._paths.get(event.wd)
            if directory is None or self._stopped:
                return
            if event.mask & (self._flags.IN_DELETE_SELF | self._flags.IN_MOVE_SELF):
                if not directory:
                    self._lost(Loss.ROOT)
                return
            if event.mask & self._flags.IN_UNMOUNT:
                self._lost(Loss.ROOT)
                return
            name = os.fsdecode(event.name)
            if name and event.mask & self._flags.IN_ISDIR:  # without one it is the directory itself
                self._directory_event(event, directory, name)
        self._listener.touched(directory)

    def on_watch_deleted(self, wd: int) -> None:
        with self._lock:
            self._drop(wd)

    def on_queue_overflow(self) -> None:
        self._lost(Loss.OVERFLOW)

    def _lost(self, loss: Loss) -> None:
        log.info("%s: %s", self._root, loss.value)
        self._listener.lost(loss)

    # ---------------------------------------------------------------- the tree of watches

    def rewatch(self) -> None:
        """After an overflow: directories may have come and gone unnoticed. Raises Unwatchable."""
        with self._lock:
            self._forget(list(self._paths))
        self._add_tree("", tell=False)

    def _directory_event(self, event: InotifyEvent, directory: str, name: str) -> None:
        path = f"{directory}/{name}" if directory else name
        if event.is_moved_from:
            self._leave(path)
        # Where two directories changed places (renameat2 with RENAME_EXCHANGE) this name still has one.
        new = not event.is_delete and not self._only_attributes(event, path)
        if new and self._enter(directory, name):
            try:
                self._add_tree(path)
            except Unwatchable as problem:
                self._lost(problem.loss)

    def _only_attributes(self, event: InotifyEvent, path: str) -> bool:
        """Whether it is watched already; one that could not be read is, once its rights change."""
        return bool(event.mask & self._flags.IN_ATTRIB) and path in self._paths.values()

    def _leave(self, path: str) -> None:
        """Stops watching a directory that moved and all below it: files vanished there that no event names."""
        inside = path + "/"
        left = {w: p for w, p in self._paths.items() if p == path or p.startswith(inside)}
        self._forget(list(left))
        for gone in left.values():
            self._listener.touched(gone)

    def _add_tree(self, path: str, *, tell: bool = True) -> None:
        pending = [path]
        while pending:
            current = pending.pop()
            if not self._add(current):
                continue
            if tell:
                self._listener.touched(current)
            pending += self._subdirectories(current)

    def _add(self, path: str) -> bool:
        """Whether the directory is there and watched."""
        flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | (os.O_NOFOLLOW if path else 0)
        with self._lock:
            if self._stopped:
                return False
            try:
                directory = os.open(self._absolute(path), flags)
                try:
                    return self._add_open(path, directory)
                finally:
                    os.close(directory)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.ENOMEM, errno.EMFILE, errno.ENFILE):
                    raise Unwatchable(Loss.LIMIT) from error
                return False  # it went away, or became a file

    def _add_open(self, path: str, directory: int) -> bool:
        """By descriptor, so that what is watched is what was asked about, whatever has this name by now."""
        found = os.fstat(directory)
        identity = (found.st_dev, found.st_ino)
        former = self._watched.get(identity)
        if former is not None and self._paths.get(former) == path:
            return True
        here = f"/proc/self/fd/{directory}"
        if not os.access(here, os.R_OK | os.X_OK, effective_ids=EFFECTIVE_IDS):
            return False  # not ours to read: every scan says so
        if former is not None:  # it moved, and the event that says so is still to come
            self._leave(self._paths[former])
        wd = self._fd.add_callback(os.fsencode(here), self._mask, self, self._id)
        if wd < 0:  # watchdog says nothing of one that was closed since
            return False
        self._paths[wd] = path
        self._identities[wd] = identity
        self._watched[identity] = wd
        return True

    def _subdirectories(self, path: str) -> Iterator[str]:
        try:
            with os.scandir(self._absolute(path)) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False) and self._enter(path, entry.name):
                        yield f"{path}/{entry.name}" if path else entry.name
        except OSError:
            return

    def _forget(self, descriptors: list[int]) -> None:
        from watchdog.observers.inotify_c import WatchDescriptor  # late: start-up

        self._fd.remove_callbacks([(WatchDescriptor(w), self._id) for w in descriptors])
        for wd in descriptors:
            self._drop(wd)

    def _drop(self, wd: int) -> None:
        self._paths.pop(wd, None)
        identity = self._identities.pop(wd, None)
        if identity is not None and self._watched.get(identity) == wd:
            del self._watched[identity]

    def _absolute(self, path: str) -> str:
        return os.path.join(self._root, path) if path else self._root
