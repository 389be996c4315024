"""The person's own settings: one TOML file, `config.toml` in the system's place for user configuration.

`MVC_CONFIG` names another file; an empty `MVC_CONFIG` means none at all.
"""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mvcd.repo.core.config import Config

__all__ = ["Config", "setting_at", "user_config", "user_config_path", "user_setting"]


def user_config_path() -> str | None:
    """Returns the path of the file of your own settings; None if there is to be none."""
    named = os.environ.get("MVC_CONFIG")
    if named is not None:
        return os.path.expanduser(named) if named else None
    import platformdirs  # late: start-up

    return os.path.join(platformdirs.user_config_dir("mvc", appauthor=False), "config.toml")


def user_config(*, create: bool = False) -> Config:
    """Opens your own settings. Raises Failure if `MVC_CONFIG` is empty; with `create`, makes the directory to
    write into."""
    from mvcd.errors import Failure  # late: start-up
    from mvcd.repo.core.config import Config

    path = user_config_path()
    if path is None:
        raise Failure(
            "there is no settings file for this user",
            kind="no-user-config",
            cause="MVC_CONFIG is empty",
            help="unset MVC_CONFIG",
        )
    if create:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    return Config(path)


def user_setting(key: str) -> str | None:
    """Reads one of your own settings; None also if there is no file, or none that can be read."""
    from mvcd.errors import MvcError  # late: start-up

    try:
        return user_config().get(key)
    except (MvcError, OSError):
        return None


def setting_at(directory: str, key: str) -> str | None:
    """Reads a setting of the repository at or above a directory, else your own; None where neither has it.

    Opens no store, and loads nothing of the engine where there are no settings. Raises Failure where the
    repository's cannot be read.
    """
    above = [directory, *map(str, pathlib.Path(directory).parents)]
    if not any(os.path.exists(os.path.join(place, ".mvc")) for place in above):
        mine = user_config_path()
        return user_setting(key) if mine is not None and os.path.exists(mine) else None
    from mvcd.errors import NoRepository  # late: start-up
    from mvcd.repo.core.location import find

    try:
        found = find(directory).config().get(key)
    except NoRepository:
        found = None
    return user_setting(key) if found is None else found
