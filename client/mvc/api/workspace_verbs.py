"""The part of `Repo` that is about other workspaces on its store."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvc.api.public import public
from mvc.api.results import CheckoutResult, Head

if TYPE_CHECKING:
    from mvcd.repo.records.results import Context
    from mvcd.repo.repository import Repository


@dataclass(frozen=True, slots=True)
class Workspace:
    """One of the workspaces on a store.

    `root` is None where its place is not known; `there`: whether the directory still is it.
    """

    id: str
    root: str | None
    head: Head
    current: bool
    there: bool


class WorkspaceVerbs:
    """Methods of `Repo` about other workspaces on its store."""

    _engine: Repository

    if TYPE_CHECKING:

        def _context(self, author: str | None = None, *, full: bool = False) -> Context: ...

    def workspaces(self) -> tuple[Workspace, ...]:
        """Lists all workspaces on this store, this one first."""
        return tuple(public(Workspace, info) for info in self._engine.workspaces())

    def add_workspace(
        self, path: str | os.PathLike[str], rev: str | None = None, *, branch: str | None = None
    ) -> tuple[str, CheckoutResult]:
        """Makes a workspace in the directory `path`, which is empty or created; returns its root, and what was
        written.

        It is at `rev`: on it if it is a branch, which no other workspace may be on, else detached. `branch` is
        made there for it; without either, one called after the directory. It shares history, branches and
        content with this one, takes over its settings, and has HEAD and files of its own. Raises Failure: kind
        "not-empty", "inside", "branch-exists"; Conflict: kind "checked-out".
        """
        root, done = self._engine.add_workspace(
            os.fspath(path), rev, branch=branch, context=self._context()
        )
        return root, public(CheckoutResult, done)

    def remove_workspace(self, path: str | os.PathLike[str], *, keep_files: bool = False) -> str:
        """Removes another workspace and its files, or with `keep_files` all but those; answers its root.

        Raises Conflict where a file there is in no version as it is, Failure: kind "unknown-workspace",
        "current-workspace", "holds-store".
        """
        return self._engine.remove_workspace(
            os.fspath(path), keep_files=keep_files, context=self._context()
        )
