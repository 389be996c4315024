"""What an automatic version records about its making: host, time zone, the git commit around the workspace."""

from __future__ import annotations

import os
import subprocess
import time

from mvcd.repo.records.committed import Context

_GIT_SECONDS = 5.0
SAFE_GIT = (
    "git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.bareRepository=explicit",
)  # fmt: skip
"""git where it runs nothing of the workspace's: no file monitor, no hook, and no repository made of plain files
(`HEAD`, `objects`, `config`), which a version may hold. `.git` it may not (objects/reserved.py)."""


def context(
    root: str,
    author: str,
    *,
    command: tuple[str, ...] = (),
    python: str = "",
    directory: str = "",
) -> Context:
    """`command` and `python` are the training program's own, told by its checkpoint block or seen in /proc.

    `directory` is where the program stands: the git repository around it has the program's source, which need
    not lie in the workspace. Where there is none, the repository around `root` counts.
    """
    now_ns = time.time_ns()
    commit, dirty = _git_state(directory if directory and _in_git(directory) else root)
    return Context(
        author=author,
        time_us=now_ns // 1000,
        utc_offset_minutes=time.localtime(now_ns // 1_000_000_000).tm_gmtoff // 60,
        command=command,
        host=os.uname().nodename,
        python=python,
        git_commit=commit,
        git_dirty=dirty,
    )


def _in_git(directory: str) -> bool:
    if not os.path.isdir(directory):
        return False
    while not os.path.exists(os.path.join(directory, ".git")):
        if directory == os.path.dirname(directory):
            return False
        directory = os.path.dirname(directory)
    return True


def _git_state(root: str) -> tuple[str, bool]:
    """(commit, whether tracked files differ from it); "" outside of git, and before the first commit."""
    if not _in_git(root):
        return "", False
    commit = (_git(root, "rev-parse", "--verify", "--quiet", "HEAD") or "").strip()
    if not commit:
        return "", False
    return commit, bool(_git(root, "status", "--porcelain", "--untracked-files=no"))


def _git(root: str, *arguments: str) -> str | None:
    """Takes no lock, so that it never stands in a person's way; None if git is absent, slow or fails."""
    try:
        done = subprocess.run(
            [*SAFE_GIT, *arguments],
            cwd=root, env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_GIT_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
