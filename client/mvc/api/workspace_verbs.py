"""The part of `Repo` that is about other workspaces on its store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mvc.api.opened import Opened
from mvc.api.public import public

if TYPE_CHECKING:
    from mvc.api.results import CheckoutResult
    from mvc.api.workspaces import Workspace


class WorkspaceVerbs(Opened):
    """Methods of `Repo` about other workspaces on its store."""

    def workspaces(self) -> tuple[Workspace, ...]:
        """Lists all workspaces on this store, this one first."""
        from mvc.api.workspaces import Workspace  # late: start-up
        from mvcd.repo.share import workspaces

        return tuple(public(Workspace, info) for info in workspaces.workspaces(self._core))

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
        from mvc.api.results import CheckoutResult  # late: start-up
        from mvcd.repo.share import workspaces

        where, context = os.fspath(path), self._context()
        root, done = workspaces.add(self._core, where, rev, branch=branch, context=context)
        return root, public(CheckoutResult, done)

    def remove_workspace(self, path: str | os.PathLike[str], *, keep_files: bool = False) -> str:
        """Removes another workspace and its files, or with `keep_files` all but those; answers its root.

        Raises Conflict where a file there is in no version as it is, Failure: kind "unknown-workspace",
        "current-workspace", "holds-store".
        """
        from mvcd.repo.share import workspaces  # late: start-up

        where, context = os.fspath(path), self._context()
        return workspaces.remove(self._core, where, keep_files=keep_files, context=context)
