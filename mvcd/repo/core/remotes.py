"""Remotes: names for other repositories' addresses; connecting.py makes a peer of an address.

    grpc://host:port/repo      a server in plain text: on this machine, or with `remote.NAME.insecure`
    grpcs://host:port/repo     a server over TLS; `remote.NAME.ca` names a file of certificates to trust
    ssh://[user@]host/path     a workspace there, through the system's ssh; `remote.NAME.mvcd` names the
                               program there, where it is not on the PATH
    s3://bucket/path           a bucket, where nothing runs; gs:// and az:// too. `remote.NAME.endpoint` and so
                               on say how it is reached, `remote.NAME.grace` how long a collection waits
    bucket+file:///path        the same in a directory of a network file system
    links:///file              a bucket that is read without its keys, by links that a file has
    file:///path, /path        a repository on this machine: a workspace, or a store without one

Settings are `remote.NAME.url` and so on in `.mvc/config.toml`. Secrets are in neither: whoever opens the
repository says how to find them (`Core.secret`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from mvcd.errors import Failure, UsageError
from mvcd.repo.core.config import Config
from mvcd.wire.address import require_no_secret
from mvcd.wire.schemes import meant_by, scheme_of

DEFAULT = "origin"
_FILES = ("ca", "certificate", "key", "identity")
"""Options that name a file of this machine."""

Secret = Callable[[str], Mapping[str, str]]
"""What is known of an address besides the remote's settings: its `token`, and options like `ca`."""


class Remote(NamedTuple):
    """A named address. `options` are its other settings, as text."""

    name: str
    url: str
    options: Mapping[str, str] = MappingProxyType({})


def remote_at(name: str, url: str, options: Mapping[str, str] | None) -> Remote:
    """A remote as it is written down: what is relative, its address or a file in an option, means the same from
    everywhere. Raises UsageError for what is no address."""
    given = {
        key: os.path.abspath(os.path.expanduser(value)) if key in _FILES and value else value
        for key, value in (options or {}).items()
    }
    return Remote(name, absolute(url), given)


def remotes(config: Config) -> dict[str, Remote]:
    """All remotes by name, in order."""
    settings: dict[str, dict[str, str]] = {}
    for key, value in config.items():
        section, _, rest = key.partition(".")
        name, _, option = rest.partition(".")
        if section == "remote" and option:
            settings.setdefault(name, {})[option] = value
    return {
        name: Remote(name, found.pop("url"), found)
        for name, found in sorted(settings.items())
        if "url" in found
    }


def remote(config: Config, name: str | None = None) -> Remote:
    """The remote of this name; an address stands for itself; None is origin, or the only one there is."""
    known = remotes(config)
    if name is None:
        name = next(iter(known)) if len(known) == 1 else DEFAULT
    if name in known:
        return known[name]
    require_no_secret(name)
    if "/" in name:
        return Remote("", absolute(name))
    raise Failure(
        f"there is no remote {name!r}",
        kind="unknown-remote",
        cause=f"there are: {', '.join(known)}" if known else None,
        help=f"mvc remote add {name} URL",
    )


# -------------------------------------------------------------------- addresses


def absolute(url: str) -> str:
    """An address that means the same from everywhere: a plain path becomes an absolute one."""
    require_no_secret(url)
    scheme = scheme_of(url)
    if scheme.name == "file" and urlsplit(url).netloc not in ("", "localhost"):
        raise UsageError(
            f"{url!r} names no directory", help="file:///DIRECTORY, with three slashes"
        )
    if not scheme.name:
        return os.path.abspath(os.path.expanduser(url)) if url.startswith("~") else _absolute(url)
    return url


def _absolute(path: str) -> str:
    if not path:
        raise UsageError("an empty path is no address")
    meant = meant_by(path)
    if meant is not None and not os.path.exists(path):
        raise UsageError(
            f"{path!r} is no address of a repository",
            cause="there is no such directory here, and an address of a server begins with its scheme",
            help=f"did you mean {meant} ?",
        )
    return os.path.abspath(path)
