"""Checks of what lies around a repository: who commits, git, remotes, and what the kernel allows.

The engine's own checks are in `mvcd.repo.care.doctor`; these read the environment, which the engine does not.
Each is quick and changes nothing: a server is only knocked at, for three seconds at most.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

from mvc.api.context import author_of, named_author
from mvcd.errors import MvcError
from mvcd.repo.core.config import Config
from mvcd.repo.core.location import find_any
from mvcd.repo.core.remotes import Remote, remotes
from mvcd.repo.records.results import Check
from mvcd.wire.schemes import Carrier, scheme_of

_KNOCK_SECONDS = 3.0
_GIT_SECONDS = 5.0
_MAX_DIRECTORIES = 2_000_000
"""Directories that are counted; listing as many takes seconds."""
_ENOUGH_DIRECTORIES = 1_048_576
_PORTS = {"grpc": 7443, "grpcs": 7443, "ssh": 22}
_INOTIFY = "/proc/sys/fs/inotify"


def checks(path: str) -> Iterator[Check]:
    """Checks the surroundings of the repository at or above `path`; nothing where its settings cannot be read,
    which is the engine's to tell."""
    try:
        place = find_any(path)
        config = place.config()
        known = remotes(config)
    except (MvcError, OSError):
        return
    yield _identity(place.root, config)
    yield _git()
    for remote in known.values():
        yield _remote(remote)
    if not known and not place.bare:
        yield Check("remotes", True, "there is none", "mvc remote add origin URL")
    if not place.bare and sys.platform.startswith("linux"):
        yield from _inotify(place.root)


def _identity(root: str, config: Config) -> Check:
    named = named_author(root, config)
    if named is not None:
        return Check("identity", True, f"versions are made by {named}")
    detail = f"nobody is named: versions are made by {author_of(root, config)}"
    return Check("identity", True, detail, "mvc config set --user user.name 'YOUR NAME'")


def _git() -> Check:
    try:
        done = subprocess.run(
            ["git", "--version"], capture_output=True, timeout=_GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        detail = "not found: versions record no git commit, and mvc import git does not work"
        return Check("git", True, detail, "install git")
    return Check("git", True, done.stdout.decode("utf-8", "replace").strip())


# -------------------------------------------------------------------- remotes


def _remote(remote: Remote) -> Check:
    name = f"remote {remote.name}"
    try:
        scheme = scheme_of(remote.url)
    except MvcError as error:
        return Check(name, False, str(error), f"mvc remote set-url {remote.name} URL")
    if scheme.carrier is Carrier.DISK:
        return _directory(name, remote.url)
    parts = urlsplit(remote.url)
    try:
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        host, port = None, 0
    if not host:
        return Check(name, False, f"{remote.url} names no machine", "mvc remote -v")
    if scheme.carrier is Carrier.SSH:
        return Check(name, True, f"{remote.url}, through ssh", f"mvc ls-remote {remote.name}")
    try:
        socket.create_connection((host, port), timeout=_KNOCK_SECONDS).close()
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        detail = f"{remote.url} does not answer: {why}"
        return Check(name, False, detail, f"mvc ls-remote {remote.name}")
    return Check(name, True, f"{remote.url} answers")


def _directory(name: str, url: str) -> Check:
    path = url.removeprefix("file://")
    try:
        there = find_any(path).root == os.path.realpath(path)
    except (MvcError, OSError):
        there = False
    if not there:
        return Check(
            name, False, f"{path} is no repository", f"mvc init --bare {shlex.quote(path)}"
        )
    return Check(name, True, path)


# -------------------------------------------------------------------- the kernel's file events


def _inotify(root: str) -> Iterator[Check]:
    """inotify(7): a watch a directory, and of both so many for all programs of a user."""
    watches, instances = (_limit(f"max_user_{what}") for what in ("watches", "instances"))
    if watches is None or instances is None:
        return
    count = _directories(root, watches)
    told = f"{count:,} directories here, and this user may watch {watches:,}"
    if count > watches:
        told = f"more than {watches:,} directories here, and this user may not watch more"
        wanted = max(_ENOUGH_DIRECTORIES, 2 * watches)
        help = f"sudo sysctl fs.inotify.max_user_watches={wanted}"
        yield Check("file events", False, f"{told}: mvcd polls instead, which is slower", help)
    else:
        yield Check("file events", True, f"{told}, in {instances:,} programs")


def _limit(name: str) -> int | None:
    try:
        with open(f"{_INOTIFY}/{name}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _directories(root: str, limit: int) -> int:
    """Directories below `root`, itself among them; counting ends beyond `limit`."""
    count, pending = 0, [root]
    while pending and count <= min(limit, _MAX_DIRECTORIES):
        count += 1
        try:
            with os.scandir(pending.pop()) as entries:
                pending += [
                    entry.path
                    for entry in entries
                    if entry.name not in (".mvc", ".git") and entry.is_dir(follow_symlinks=False)
                ]
        except OSError:
            continue
    return count
