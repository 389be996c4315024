"""A repository whose process may die at any moment that matters: before each change of the disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from mvcd.monitor import Silent
from mvcd.repo.core import location
from mvcd.repo.core.core import Core
from mvcd.store.lmdb_store import LmdbStore
from tests.store.children import die
from tests.support.engine import Repository

CHANGES = (
    "write", "pwrite", "writev", "pwritev", "ftruncate", "fsync", "sync", "posix_fallocate",
    "replace", "link", "symlink", "unlink", "rmdir", "mkdir",
)  # fmt: skip
"""Functions of `os` by which the engine changes files; LMDB's own are between two of the store's steps."""


class Moments:
    """Counts the moments of this process and ends it at the n-th, or the first of a name; 0: never."""

    def __init__(self, fatal: int | str, report: Callable[[str], None]) -> None:
        self.count = 0
        self._fatal = fatal
        self._tell = report
        for name in CHANGES:
            self._watch(name)

    def reached(self, name: str) -> None:
        self.count += 1
        if self._fatal in (self.count, name):
            self._tell(f"died {name}")
            die()

    def _watch(self, name: str) -> None:
        real = getattr(os, name)

        def watched(*args: Any, **options: Any) -> Any:
            self.reached(name)
            return real(*args, **options)

        setattr(os, name, watched)


def open_listening(path: str, reached: Callable[[str], None]) -> Repository:
    """Like `Repository.open(path)`, with a store that tells its steps."""
    place = location.find(path)
    config = place.config()
    store = LmdbStore.open(place.store_path(config), reached=reached)
    return Repository(
        Core(place, store, config, monitor=Silent(), lock_timeout=0.0, clock=time.time_ns)
    )
