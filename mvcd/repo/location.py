"""Where a repository lives: `.mvc/` in the workspace root, and the store, inside it or elsewhere.

.mvc/config.toml   the repository's own settings, with the workspace id and, if elsewhere, the store
.mvc/store/        the store, unless `store.path` names another directory
.mvc/lock          held (flock) by the verb that changes the workspace
.mvc/staging/      files being written by a checkout, renamed into place when they are verified
.mvc/early-*/      files being written by a fetch, for the checkout that follows it
"""

from __future__ import annotations

import errno
import os
import secrets
from dataclasses import dataclass

from mvcd.errors import Failure, NoRepository
from mvcd.repo.config import Config
from mvcd.repo.unreadable import EFFECTIVE_IDS, remedy
from mvcd.store.directories import make_directories

DIRECTORY = ".mvc"


@dataclass(frozen=True, slots=True)
class Location:
    """An existing repository's places. `root` is the workspace's absolute real path."""

    root: str

    @property
    def directory(self) -> str:
        return os.path.join(self.root, DIRECTORY)

    @property
    def config_path(self) -> str:
        return os.path.join(self.directory, "config.toml")

    @property
    def lock_path(self) -> str:
        return os.path.join(self.directory, "lock")

    @property
    def staging(self) -> str:
        return os.path.join(self.directory, "staging")

    def config(self) -> Config:
        return Config(self.config_path)

    def store_path(self, config: Config) -> str:
        return self.store_named(config.get("store.path"))

    def store_named(self, path: str | None) -> str:
        if path is None:
            return os.path.join(self.directory, "store")
        return os.path.normpath(os.path.join(self.root, path))


def find(path: str) -> Location:
    """The repository at or above `path`. Raises NoRepository, and Failure where one cannot be looked into."""
    start = os.path.realpath(path)
    current = start
    while True:
        if os.path.isfile(os.path.join(current, DIRECTORY, "config.toml")):
            return Location(current)
        _refuse_closed(os.path.join(current, DIRECTORY))
        parent = os.path.dirname(current)
        if parent == current:
            raise _nothing_at(start)
        current = parent


def _nothing_at(start: str) -> NoRepository:
    remains = find_remains(start)
    if remains is not None and not _holds_packs(remains.store_named(None)):
        return NoRepository(
            f"{remains.root} is no mvc repository yet",
            cause="it was being made, and that was cut short",
            help="run the mvc init or mvc clone again, or: mvc repair",
        )
    if remains is not None:
        return NoRepository(
            f"the repository in {remains.root} has lost its settings",
            cause=f"{remains.config_path} is missing",
            help="mvc repair",
        )
    return NoRepository(
        f"no mvc repository at {start} or above",
        cause=f"no directory on the way up holds {DIRECTORY}/config.toml",
        help="mvc init",
    )


def _holds_packs(store: str) -> bool:
    """Whether anything was ever saved there; a store elsewhere leaves a workspace without one."""
    try:
        return bool(os.listdir(os.path.join(store, "packs")))
    except OSError:
        return not os.path.isdir(store)


def find_remains(path: str) -> Location | None:
    """The repository at or above `path`, or what is left of one: `.mvc/` with settings, a store or a lock."""
    current = os.path.realpath(path)
    while True:
        inside = os.path.join(current, DIRECTORY)
        if any(os.path.exists(os.path.join(inside, n)) for n in ("config.toml", "store", "lock")):
            return Location(current)
        _refuse_closed(inside)
        if os.path.dirname(current) == current:
            return None
        current = os.path.dirname(current)


def _refuse_closed(directory: str) -> None:
    if os.path.isdir(directory) and not os.access(directory, os.X_OK, effective_ids=EFFECTIVE_IDS):
        raise Failure(
            f"cannot look into {directory}",
            kind="unreadable",
            cause=os.strerror(errno.EACCES),
            help=remedy(directory),
        )


def prepare(root: str) -> Location:
    """Makes `.mvc/` without settings: not a repository yet. Raises Failure when there is one already."""
    location = Location(os.path.realpath(root))
    if os.path.exists(location.config_path):
        raise Failure(
            f"{location.root} is an mvc repository already",
            kind="already-initialised",
            help="mvc status",
        )
    make_directories(location.directory)
    return location


def new_settings(store: str | None) -> dict[str, str | None]:
    """The settings that make a prepared directory a repository."""
    settings: dict[str, str | None] = {"workspace.id": secrets.token_hex(8)}
    if store is not None:
        settings["store.path"] = os.path.realpath(store)
    return settings
