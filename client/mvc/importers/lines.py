"""Versions on their way: each is written to a branch that only holds it, until all have their names.

A line is a branch `importing/N`. A version goes on the line that its first parent is the tip of; where
there is none, it begins a line of its own. So at any moment all versions that were made are reachable, and
an import that was interrupted finds them. `Repo.bring_names` gives the branches their names, and lets go of
the lines, in one operation at the end.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mvc.api.commits import CommitResult
from mvc.api.repo import Repo
from mvc.api.version_paths import long_form
from mvc.api.write_verbs import Source

PREFIX = "importing/"


class SaysOfItself(Protocol):
    """Whatever has what a version says of itself."""

    @property
    def author(self) -> str: ...
    @property
    def time(self) -> datetime: ...
    @property
    def message(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """What a version says of itself."""

    author: str
    time: datetime
    message: str


class ImportLines:
    """The lines of one import. `prefix` parts those of imports below different names."""

    def __init__(self, repo: Repo, prefix: str = "") -> None:
        self._repo, self._prefix = repo, PREFIX + prefix
        found = {b.name: b.version for b in repo.branches() if b.name.startswith(self._prefix)}
        self._tips = {version: name for name, version in found.items()}
        self.names = set(found)

    def write(
        self,
        parents: Sequence[str],
        files: Mapping[str, Source],
        record: SaysOfItself,
        *,
        origin: str | None = None,
        whole: bool = False,
    ) -> CommitResult:
        """Makes the version that follows `parents`; `origin` is the git commit that it comes from. It has just
        these `files` if `whole`, else what its first parent has, edited by them."""
        line = next((self._tips[p] for p in parents if p in self._tips), None) or self._new()
        branch = long_form(f"heads/{line}")
        done = self._repo.write(
            branch, files, record.message, parents=parents, replace=whole, author=record.author,
            time=record.time, trigger="import", git_commit=origin, allow_empty=True, sign=False,
        )  # fmt: skip
        for parent in parents:
            if self._tips.get(parent) == line:
                del self._tips[parent]
        self._tips[done.version] = line
        self.names.add(line)
        return done

    def _new(self) -> str:
        free = (f"{self._prefix}{n}" for n in itertools.count(1))
        return next(name for name in free if name not in self.names)
