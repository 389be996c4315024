"""Names in a repository, for completion and prompts: those of refs are read in some 10 ms, without opening it.

Nothing is locked and nothing written. Whatever cannot be read is taken for absent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mvcd.repo.core.core import Core

__all__ = ["Glimpse"]

_ID_CHARACTERS = 10
"""Hex digits of an id, as on every screen."""


class Glimpse:
    """The repository at or above a directory; an empty one where there is none."""

    def __init__(self, directory: str = ".") -> None:
        self._start = os.path.realpath(directory)

    @cached_property
    def root(self) -> str | None:
        """The directory of the workspace, None where there is none."""
        place = self._start
        while not os.path.isfile(os.path.join(place, ".mvc", "config.toml")):
            above = os.path.dirname(place)
            if above == place:
                return None
            place = above
        return place

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The tables of the repository's settings."""
        return {} if self.root is None else _tables(_config(self.root))

    @cached_property
    def own_settings(self) -> Mapping[str, Any]:
        """The tables of the person's settings."""
        from mvc.api.settings import user_config_path  # late: start-up

        path = user_config_path()
        return {} if path is None else _tables(path)

    def head(self) -> str | None:
        """The branch of HEAD, or the beginning of the version's id where HEAD is on none; None where there is
        no workspace."""
        workspace = _table(self.settings, "workspace").get("id")
        if self.root is None or not isinstance(workspace, str):
            return None
        from mvcd.store.refnames import ref_value  # late: start-up

        kind, _, at = (
            ref_value(self._store(self.root), f"workspaces/{workspace}/head") or b""
        ).partition(b" ")
        if kind == b"branch":
            return at.decode("utf-8", "replace")
        return at.hex()[:_ID_CHARACTERS] if kind == b"version" else None

    def branches(self) -> list[str]:
        return self._names("heads/")

    def tags(self) -> list[str]:
        return self._names("tags/")

    def stages(self) -> list[str]:
        return sorted({name.rpartition("/")[0] for name in self._names("stages/")})

    def fetched(self) -> list[str]:
        """Branches of remotes as they are named here: origin/main."""
        names = (name.partition("/heads/") for name in self._names("remotes/"))
        return [f"{remote}/{branch}" for remote, _, branch in names if branch]

    def remotes(self) -> list[str]:
        return sorted(_table(self.settings, "remote"))

    def aliases(self) -> dict[str, str]:
        """The verbs of one's own, and the words that each stands for."""
        tables = (self.own_settings, self.settings)
        return {
            name: str(words) for said in tables for name, words in _table(said, "alias").items()
        }

    def metrics(self) -> list[str]:
        """Metrics of HEAD's version."""
        return self._ask(lambda core: list(core.version(core.head().version).metrics))

    def hyperparameters(self) -> list[str]:
        """Hyperparameters of HEAD's version."""
        return self._ask(lambda core: list(core.version(core.head().version).hyperparameters))

    def numbers(self) -> list[str]:
        """Versions of HEAD's line as v12, the newest first; no more than 1,000."""
        return self._ask(lambda core: [f"v{n}" for n in _last(core.head().number, 1000)])

    def paths(self, rev: str) -> list[str]:
        """Paths of the files of a version."""
        return self._ask(lambda core: _paths(core, rev))

    def _names(self, prefix: str) -> list[str]:
        if self.root is None:
            return []
        from mvcd.store.refnames import ref_names  # late: start-up

        return [name.removeprefix(prefix) for name in ref_names(self._store(self.root), [prefix])]

    def _store(self, root: str) -> str:
        inside = os.path.join(root, ".mvc", "store")
        if not _mentions(_config(root), b"path"):
            return inside  # most often; a parser for TOML takes 4 ms to load
        elsewhere = _table(self.settings, "store").get("path")
        return inside if elsewhere is None else os.path.join(root, str(elsewhere))

    def _ask(self, question: Callable[[Core], list[str]]) -> list[str]:
        """Asks the engine, since all that `Repo` can do besides takes time to load."""
        if self.root is None:
            return []
        from mvc.api.opened import secret  # late: start-up
        from mvcd.errors import MvcError
        from mvcd.repo.core.core import open_at

        try:
            with open_at(self.root) as core:
                core.secret = secret
                return question(core)
        except (MvcError, OSError):
            return []


def _paths(core: Core, rev: str) -> list[str]:
    from mvcd.repo.history import listing  # late: start-up

    return [entry.path for entry in listing.ls(core, rev)]


def setting_keys() -> Iterator[tuple[str, str, bool]]:
    """Lists the settings that people set: key, meaning, and whether it is true or false."""
    from mvcd.repo.core.configkeys import KEYS  # late: start-up

    return ((key.name, key.help, key.flag) for key in KEYS if not key.internal)


def _last(number: int, most: int) -> range:
    return range(number, max(0, number - most), -1)


def _config(root: str) -> str:
    return os.path.join(root, ".mvc", "config.toml")


def _mentions(path: str, word: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return word in file.read()
    except OSError:
        return False


def _tables(path: str) -> Mapping[str, Any]:
    import tomllib  # late: start-up

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError):
        return {}


def _table(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = settings.get(name)
    return found if isinstance(found, dict) else {}
