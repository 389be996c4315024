"""Where a repository lives: `.mvc/` in the workspace root, and the store, inside it or elsewhere.

.mvc/config.toml   the repository's own settings, with the workspace id and, if elsewhere, the store
.mvc/store/        the store, unless `store.path` names another directory
.mvc/lock          held (flock) by the verb that changes the workspace
.mvc/staging/      files being written by a checkout, renamed into place when they are verified
.mvc/early-*/      files being written by a fetch, for the checkout that follows it
.mvc/written-*/    files being written in a transaction, for the version that it makes
"""

from __future__ import annotations

import errno
import os
import shlex

from mvcd.disk.directories import make_directories
from mvcd.disk.group import share_directory
from mvcd.disk.replace import replace_file
from mvcd.errors import Failure, NoRepository
from mvcd.lateclasses import NamedTuple
from mvcd.repo.core.config import Config
from mvcd.repo.ondisk.unreadable import EFFECTIVE_IDS, remedy

DIRECTORY = ".mvc"


class Location(NamedTuple):
    """An existing repository's places. `root` is the absolute real path of the workspace; of the store itself
    where there is no workspace (`bare`)."""

    root: str
    bare: bool = False

    @property
    def directory(self) -> str:
        return self.root if self.bare else os.path.join(self.root, DIRECTORY)

    @property
    def config_path(self) -> str:
        return os.path.join(self.directory, "config.toml")

    @property
    def beginning(self) -> str:
        """The settings of a repository that is being made: there while it is none yet."""
        return os.path.join(self.directory, "beginning.toml")

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
            return self.root if self.bare else os.path.join(self.directory, "store")
        return os.path.normpath(os.path.join(self.root, path))


def find(path: str) -> Location:
    """The repository at or above `path`. Raises NoRepository, and Failure where one cannot be looked into."""
    start = os.path.realpath(path)
    if not os.path.lexists(
        start
    ):  # a misspelt directory in a workspace does not mean the workspace
        raise _nothing_at(start)
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
    if not os.path.lexists(start):
        return NoRepository(
            f"there is no directory {start}",
            cause="so no repository is there",
            help=f"mkdir -p {shlex.quote(start)} && mvc init {shlex.quote(start)}",
        )
    remains = find_remains(start)
    if remains is not None and (
        os.path.exists(remains.beginning) or not _holds_packs(remains.store_named(None))
    ):
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


def find_any(path: str) -> Location:
    """The repository at or above `path`, be it one without a workspace. Raises NoRepository."""
    try:
        return find(path)
    except NoRepository:
        current = os.path.realpath(path)
        while not _is_store(current):
            parent = os.path.dirname(current)
            if parent == current:
                raise
            current = parent
        return Location(current, bare=True)


def _is_store(path: str) -> bool:
    return all(os.path.exists(os.path.join(path, name)) for name in ("format", "packs", "data.mdb"))


def prepare(root: str, *, group: bool = False) -> Location:
    """Makes `.mvc/` without settings, the group's or not: no repository yet. Raises Failure where one is, and
    where there is no directory."""
    if not os.path.isdir(root):
        there = os.path.abspath(root)
        said = "is not a directory" if os.path.lexists(root) else "does not exist"
        help = None if os.path.lexists(root) else f"mkdir -p {shlex.quote(there)}"
        raise Failure(f"{there} {said}", kind="no-directory", help=help)
    location = Location(os.path.realpath(root))
    if os.path.exists(location.config_path) or _is_store(location.root):
        raise Failure(
            f"{location.root} is an mvc repository already",
            kind="already-initialised",
            help="mvc status",
        )
    make_directories(location.directory)
    if group:
        share_directory(location.directory)
    # so that git beside us does not save our store as well
    replace_file(os.path.join(location.directory, ".gitignore"), b"*\n", durable=False)
    return location


def new_settings(place: Location, store: str | None) -> tuple[dict[str, str | None], bool]:
    """The settings that make a prepared directory a repository, and whether they are those of a creation that
    was cut short, which knows its store again."""
    import secrets  # late: start-up

    began = Config(place.beginning)
    path = None if store is None else os.path.realpath(store)
    known = began.get("workspace.id")
    again = known is not None and began.get("store.path") == path
    settings: dict[str, str | None] = {"workspace.id": known if again else secrets.token_hex(8)}
    if path is not None:
        settings["store.path"] = path
    began.write({"store.path": None, **settings})
    return settings, again
