"""What an automatic version records about its making: host, time zone, the git commit around the workspace."""

from __future__ import annotations

import os
import subprocess
import time

from mvcd.repo.results import Context

_GIT_SECONDS = 5.0
SAFE_GIT = (
    "git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.bareRepository=explicit",
)  # fmt: skip
"""git where it runs nothing of the workspace's: no file monitor, no hook, and no repository made of plain files
(`HEAD`, `objects`, `config`), which a version may hold. `.git` it may not (objects/reserved.py)."""


def context(root: str, author: str, *, command: tuple[str, ...] = (), python: str = "") -> Context:
    """`command` and `python` are the training program's own, told by its checkpoint block."""
    now_ns = time.time_ns()
    commit, dirty = _git_state(root)
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


def _git_state(root: str) -> tuple[str, bool]:
    above = root
    while not os.path.exists(os.path.join(above, ".git")):
        if above == os.path.dirname(above):
            return "", False
        above = os.path.dirname(above)
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
