"""The part of `Repository` that is about other workspaces on its store (workspaces.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvcd.repo.core.core import Core
from mvcd.repo.records.results import Context

if TYPE_CHECKING:
    from mvcd.repo.records.results import CheckoutResult, WorkspaceInfo


class WorkspaceVerbs:
    """Methods of a class that has a core."""

    _core: Core

    def workspaces(self) -> tuple[WorkspaceInfo, ...]:
        """All on this store, this one first."""
        from mvcd.repo.share import workspaces  # late: start-up

        return workspaces.workspaces(self._core)

    def add_workspace(
        self, directory: str, rev: str | None = None, *, branch: str | None = None, context: Context
    ) -> tuple[str, CheckoutResult]:
        """A new workspace in an empty or new directory; its root, and what was written."""
        from mvcd.repo.share import workspaces  # late: start-up

        return workspaces.add(self._core, directory, rev, branch, context)

    def remove_workspace(
        self, directory: str, *, keep_files: bool = False, context: Context
    ) -> str:
        """Removes another workspace, with its files unless they are to stay; answers its root."""
        from mvcd.repo.share import workspaces  # late: start-up

        return workspaces.remove(self._core, directory, context, keep_files=keep_files)
