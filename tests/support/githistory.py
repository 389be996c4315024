"""Real git repositories, made by git, and what they hold as plain values."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

WHEN = "1700000000 +0200"
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Ann Author",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Carl",
    "GIT_COMMITTER_EMAIL": "carl@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_ALLOW_PROTOCOL": "file",
}


class GitRepo:
    """A repository with a checkout, or a bare one."""

    def __init__(self, path: Path, *, bare: bool = False) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.run("init", "-q", "-b", "main", *["--bare"] * bare)

    def run(self, *words: str, given: bytes | None = None, **variables: str) -> str:
        """Runs git in it; fails the test unless git succeeds."""
        done = subprocess.run(
            ["git", "-C", str(self.path), *words], input=given, capture_output=True, check=False,
            env={**os.environ, **_IDENTITY, **variables},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def commit(
        self, message: str, files: Mapping[str, str | bytes | None] = {}, when: str = WHEN
    ) -> str:
        """Commits the checkout once these files are written (None: removed); returns the commit's id."""
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.run("add", "-A")
        self.run("commit", "-q", "--allow-empty", "-m", message, GIT_AUTHOR_DATE=when)
        return self.run("rev-parse", "HEAD")

    def graph(self) -> dict[str, list[str]]:
        """The parents of every commit that branches and tags reach."""
        rows = self.run("rev-list", "--branches", "--tags", "--parents").splitlines()
        return {row.split()[0]: row.split()[1:] for row in rows}

    def files(self, commit: str) -> dict[str, tuple[str, bytes]]:
        """(mode, content) of the files of a commit, by path; submodules left out."""
        found = {}
        words = ["git", "-C", str(self.path), "ls-tree", "-r", "-z", commit]
        for row in subprocess.run(words, capture_output=True, check=True).stdout.split(b"\0")[:-1]:
            about, _, path = row.partition(b"\t")
            mode, kind, id = about.decode().split()
            if kind == "blob":
                found[path.decode()] = (mode, self.blob(id))
        return found

    def blob(self, id: str) -> bytes:
        words = ["git", "-C", str(self.path), "cat-file", "blob", id]
        return subprocess.run(words, capture_output=True, check=True).stdout


def state_of(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    """Mode, time and content of every file below a directory, to see that nothing changed there."""
    return {
        str(path.relative_to(directory)): (
            path.lstat().st_mode, path.lstat().st_mtime_ns,
            os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes(),
        )
        for path in sorted(directory.rglob("*"))
        if path.is_symlink() or path.is_file()
    }  # fmt: skip
