"""A repository under test: verbs with the boring arguments filled in, and files written by name."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from mvcd.repo.records.results import CommitResult, Context
from tests.support.engine import Repository


@dataclass(frozen=True)
class File:
    """A regular file, where its content alone would not say enough."""

    content: str
    executable: bool = False


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


Tree = dict[str, str | File | Link]
"""A workspace as a value; a plain string is a file that is not executable."""


def files_of(root: Path) -> dict[str, bytes]:
    """All files of a workspace, the repository's own left out."""
    found = {}
    for directory, names, files in os.walk(root):
        if ".mvc" in names:
            names.remove(".mvc")
        for name in files:
            path = Path(directory, name)
            found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found


class Bench:
    """`bench.write(...)`, `bench.commit()`, `bench.repo.<verb>(..., context=bench.context())`."""

    def __init__(self, root: Path, *, store: Path | None = None) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._ticks = 0
        self.repo = Repository.create(
            str(root), store=None if store is None else str(store), context=self.context()
        )

    def context(self, **fields: Any) -> Context:
        """Each call is one minute after the one before, so times are distinct and known."""
        self._ticks += 1
        return Context("Ada Lovelace <ada@example.org>", time_us=self._ticks * 60_000_000, **fields)

    def now_us(self) -> int:
        return self._ticks * 60_000_000

    def reopen(self) -> Repository:
        self.repo.close()
        self.repo = Repository.open(str(self.root))
        return self.repo

    def path(self, name: str) -> str:
        return str(self.root / name)

    def write(self, files: dict[str, bytes | str]) -> None:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def remove(self, *names: str) -> None:
        for name in names:
            (self.root / name).unlink()

    def add(self, *names: str) -> tuple[str, ...]:
        return self.repo.add([self.path(n) for n in names or (".",)], context=self.context())

    def commit(self, message: str = "a version", **options: Any) -> CommitResult:
        return self.repo.commit(message, context=self.context(), **options)

    def save(self, files: dict[str, bytes | str], message: str = "a version") -> CommitResult:
        """Writes files and commits them, tracking everything."""
        self.write(files)
        self.add()
        return self.commit(message)

    def checkout(self, rev: str, **options: Any) -> Any:
        return self.repo.checkout(rev, context=self.context(), **options)

    def files(self) -> dict[str, bytes]:
        return files_of(self.root)

    def tree(self) -> Tree:
        """Everything in the workspace but directories and the repository's own."""
        found: Tree = {}
        for directory, names, files in os.walk(self.root):
            if ".mvc" in names:
                names.remove(".mvc")
            for name in [*files, *names]:
                path = Path(directory, name)
                relative = path.relative_to(self.root).as_posix()
                if path.is_symlink():
                    found[relative] = Link(os.readlink(path))
                elif path.is_file():
                    content = path.read_text()
                    executable = bool(path.stat().st_mode & 0o100)
                    found[relative] = File(content, True) if executable else content
        return found

    def make(self, tree: Tree) -> None:
        """Makes the workspace exactly `tree`; what is right already is not touched."""
        for path, what in self.tree().items():
            if tree.get(path) != what:
                os.unlink(self.path(path))
        self._remove_empty_directories()
        now = self.tree()
        for path, what in tree.items():
            if now.get(path) == what:
                continue
            if isinstance(what, Link):
                Path(self.path(path)).parent.mkdir(parents=True, exist_ok=True)
                os.symlink(what.target, self.path(path))
                continue
            self.write({path: what.content if isinstance(what, File) else what})
            if isinstance(what, File) and what.executable:
                os.chmod(self.path(path), 0o755)

    def _remove_empty_directories(self) -> None:
        for name in os.listdir(self.root):
            top = self.root / name
            if name == ".mvc" or top.is_symlink() or not top.is_dir():
                continue
            for directory, _, _ in os.walk(top, topdown=False):
                if not os.listdir(directory):
                    os.rmdir(directory)

    def age(self) -> None:
        """Makes every file look written long ago, so that the stat cache may trust it at once."""
        past = time.time() - 100
        for name in self.files():
            os.utime(self.root / name, (past, past))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.repo.close()


@contextmanager
def experiment_without_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A workspace with one version, where we are, and no daemon."""
    monkeypatch.setenv("MVC_RUNTIME_DIR", str(tmp_path / "no-daemon"))
    monkeypatch.setenv("MVC_AUTHOR", "Ada <ada@example.org>")
    with Bench(tmp_path / "experiment") as made:
        made.save({"train.py": "pass\n"})
        monkeypatch.chdir(made.root)
        yield made
