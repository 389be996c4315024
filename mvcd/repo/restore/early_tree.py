"""The small files of a version, made while its content is fetched, at their paths in a tree of their own.

Making a file takes the kernel 40 us, as long as fetching it takes Python, and on another core. A checkout then
moves directories that are new to the workspace as a whole. Only files of a single chunk, or of a literal, come
here: they are complete when it has come.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from mvcd.ids import Digest
from mvcd.objects.entry import Entry
from mvcd.objects.recipe import ChunkRun, Recipe
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.ondisk.writing import GROUP_FILES, LONG_PATH_CHARACTERS, TINY_BYTES, make_files
from mvcd.store.frames import CheckedRecord

MOST_FILES = 1 << 17
"""What is remembered of them takes about 100 MiB."""
_WAITING_FRAMES = 8
"""Frames whose files wait to be made, of up to 6 MiB raw each; then whoever fetches waits too."""

Content = tuple[Entry, bytes]


class EarlyTree:
    """One thread calls `wants` and `opened`, any may call `arrived`, none after `end`."""

    def __init__(self, place: Callable[[], str]) -> None:
        """`place` answers the directory to begin the tree in. Raises OSError."""
        self._place = place
        self._room = MOST_FILES
        self._waiting: dict[Digest, list[Entry]] = {}
        self._turns = threading.BoundedSemaphore(_WAITING_FRAMES)
        self._thread = ThreadPoolExecutor(1, "mvc-early")
        self._literals: list[Content] = []
        self._directories: set[str] = set()
        self.root = ""
        self.made: dict[Entry, FileStat] = {}
        self.failed = False

    def wants(self, entry: Entry) -> bool:
        """Whether a file, which is no link, is wanted."""
        if not (
            0 < entry.size <= TINY_BYTES and len(entry.path) <= LONG_PATH_CHARACTERS and self._room
        ):
            return False
        self._room -= 1
        return True

    def opened(self, recipe: Recipe, entries: Iterable[Entry]) -> None:
        """What `entries`, which were wanted, hold."""
        if len(recipe.segments) != 1:
            return
        (segment,) = recipe.segments
        here = [entry for entry in entries if entry.size == segment.size]
        if isinstance(segment.content, bytes):
            self._literals.extend((entry, segment.content) for entry in here)
            if len(self._literals) >= GROUP_FILES:
                self._make_literals()
        elif isinstance(segment.content, ChunkRun) and len(segment.content.ids) == 1:
            self._waiting.setdefault(segment.content.ids[0], []).extend(here)

    def arrived(self, objects: Iterable[CheckedRecord]) -> None:
        self._make(
            [
                (entry, one.raw)
                for one in objects
                for entry in self._waiting.pop(one.record.id, ())
                if entry.size == len(one.raw)
            ]
        )

    def end(self) -> None:
        """When the last of them is made."""
        self._make_literals()
        self._thread.shutdown()
        self._waiting.clear()

    # ------------------------------------------------------------------ inside

    def _make_literals(self) -> None:
        files, self._literals = self._literals, []
        self._make(files)

    def _make(self, files: Sequence[Content]) -> None:
        if files and not self.failed:
            self._turns.acquire()
            self._thread.submit(self._write, files)

    def _write(self, files: Sequence[Content]) -> None:
        done = False
        try:
            if not self.failed:
                self._write_all(files)
            done = True
        except OSError:
            pass  # the checkout meets it again and says what it is
        finally:
            self.failed = self.failed or not done
            self._turns.release()

    def _write_all(self, files: Sequence[Content]) -> None:
        self.root = self.root or os.path.join(self._place(), "tree", "")
        for directory in {entry.path.rpartition("/")[0] for entry, _ in files} - self._directories:
            os.makedirs(self.root + directory, exist_ok=True)
            self._directories.add(directory)
        stats = make_files((self.root + entry.path, entry.mode, data) for entry, data in files)
        self.made.update(zip((entry for entry, _ in files), stats, strict=True))
