"""Author, time and place of a change, which the engine is told with each one.

The author is the first of: the caller's `author`, `MVC_AUTHOR`, `user.name` and `user.email` of the
repository's settings, of the person's settings, of git's configuration, and at last login@host. Nothing here
ever fails: what cannot be found out stays empty.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mvc.api.settings import user_setting

if TYPE_CHECKING:
    from mvcd.repo.core.config import Config
    from mvcd.repo.records.results import Context

_GIT_SECONDS = 5.0
_DIST_INFO = r"(?P<name>.+?)-(?P<version>[^-]+)\.dist-info"


def context_of(root: str, config: Config | None, *, author: str | None, full: bool) -> Context:
    """Collects author and time; `full` adds what a version records about its making: command, host, Python,
    packages, git."""
    from mvcd.repo.records.committed import Context  # late: start-up

    now_ns = time.time_ns()
    who = author or author_of(root, config)
    offset = time.localtime(now_ns // 1_000_000_000).tm_gmtoff // 60
    if not full:
        return Context(author=who, time_us=now_ns // 1000, utc_offset_minutes=offset)
    commit, dirty = _git_state(root)
    return Context(
        author=who,
        time_us=now_ns // 1000,
        utc_offset_minutes=offset,
        command=_command(),
        host=os.uname().nodename,
        python=".".join(map(str, sys.version_info[:3])),
        packages_digest=packages_digest(),
        git_commit=commit,
        git_dirty=dirty,
    )


def _command() -> tuple[str, ...]:
    """How this process was started, as text that can be stored."""
    path, *arguments = sys.argv or [""]
    directory, program = os.path.split(path)
    if program == "__main__.py":  # python -m PACKAGE
        program = os.path.basename(directory)
    words = [program, *arguments]
    return tuple(map(as_text, words))


def as_text(word: str) -> str:
    """Returns a word of a command line as text; bytes that are not UTF-8 are escaped, as in `caf\\xe9`."""
    return os.fsencode(word).decode("utf-8", "backslashreplace")


def author_of(root: str, config: Config | None) -> str:
    """Returns the author to record where the caller names none."""
    return named_author(root, config) or f"{_login()}@{os.uname().nodename}"


def named_author(root: str, config: Config | None) -> str | None:
    """Returns whom the environment, the settings or git name as the author; None where nobody is named."""
    if named := os.environ.get("MVC_AUTHOR"):
        return named
    name = (config.get("user.name") if config else None) or user_setting("user.name")
    email = (config.get("user.email") if config else None) or user_setting("user.email")
    if not name and not email:
        name, email = _git_identity(root)
    if name and email:
        return f"{name} <{email}>"
    return name or email or None


def _login() -> str:
    import getpass  # late: start-up

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such user in a container
        return str(os.getuid())


def _git_identity(root: str) -> tuple[str | None, str | None]:
    found = {}
    for line in (_git(root, "config", "--get-regexp", r"^user\.(name|email)$") or "").splitlines():
        key, _, value = line.partition(" ")
        found[key] = value.strip()
    return found.get("user.name"), found.get("user.email")


def git_settings(root: str, *names: str) -> dict[str, str]:
    """Reads git's settings whose names (in small letters) begin with one of these; the last of several
    counts."""
    pattern = "^(" + "|".join(map(re.escape, names)) + ")"
    lines = (_git(root, "config", "--get-regexp", pattern) or "").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(" ") for line in lines)}


def _git_state(root: str) -> tuple[str, bool]:
    """The git commit that the workspace's surroundings are at, and whether tracked files differ from it."""
    if not any(os.path.exists(os.path.join(d, ".git")) for d in _upward(root)):
        return "", False
    commit = (_git(root, "rev-parse", "--verify", "--quiet", "HEAD") or "").strip()
    if not commit:
        return "", False
    return commit, bool(_git(root, "status", "--porcelain", "--untracked-files=no"))


def _upward(path: str) -> Iterator[str]:
    while True:
        yield path
        parent = os.path.dirname(path)
        if parent == path:
            return
        path = parent


def _git(root: str, *arguments: str) -> str | None:
    """Its output, or None if git is absent, slow or fails. Takes no lock and starts no file monitor."""
    import subprocess  # late: start-up

    from mvcd.daemon.surroundings import SAFE_GIT

    try:
        done = subprocess.run(
            [*SAFE_GIT, *arguments],
            cwd=root,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def packages_digest() -> str:
    """Hex SHA-256 over the sorted "name==version" lines of what is installed beside this interpreter."""
    return digest_of(f"{name}=={version}" for name, version in _installed(sys.path))


def digest_of(lines: Iterable[str]) -> str:
    """Hex SHA-256 over "name==version" lines, sorted, each once."""
    from hashlib import sha256  # late: start-up

    return sha256("\n".join(sorted(set(lines))).encode("utf-8", "surrogateescape")).hexdigest()


def installed(path: Iterable[str]) -> dict[str, str]:
    """Lists what is installed in the directories of a `sys.path`: name -> version, of two the one that is
    imported."""
    found: dict[str, str] = {}
    for name, version in _installed(path):
        found.setdefault(name, version)
    return found


def _installed(path: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Read off the names of the `*.dist-info` directories (PyPA's recording specification): a listing costs
    1 ms where importlib.metadata opens a file per package. Names are normalised as PEP 503 says."""
    for directory in dict.fromkeys(path):
        try:
            names = os.listdir(directory or ".")
        except OSError:
            continue
        for entry in names:
            if match := re.fullmatch(_DIST_INFO, entry):
                yield re.sub(r"[-_.]+", "-", match["name"]).lower(), match["version"]
