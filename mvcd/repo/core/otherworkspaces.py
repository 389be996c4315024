"""The other workspaces on a store: where each lies, and which branches they hold."""

from __future__ import annotations

import os

from mvcd.errors import Conflict, Failure
from mvcd.repo.core.location import Location
from mvcd.repo.records.refs import HeadValue, head_name, known_workspaces, root_name
from mvcd.store.api import Store


class OtherWorkspaces:
    """Finds those besides `own`, which is None in a repository without a workspace."""

    def __init__(self, store: Store, own: str | None) -> None:
        self._store, self._own = store, own

    def root_of(self, workspace: str) -> str | None:
        """Where another workspace lay when that was last noted."""
        noted = self._store.ref(root_name(workspace))
        return None if noted is None else os.fsdecode(noted)

    def is_there(self, workspace: str) -> bool:
        """Whether its directory still is it; of one whose place is not known, yes."""
        root = self.root_of(workspace)
        if root is None:
            return True
        try:
            return Location(root).config().get("workspace.id") == workspace
        except (Failure, OSError):
            return True  # it cannot be looked into, which does not mean that it is gone

    def require_free(self, branch: str) -> None:
        """Raises Conflict where another workspace has this branch checked out."""
        refs = self._store.refs("workspaces/")
        for id in known_workspaces(refs):
            if id == self._own or HeadValue.decode(refs[head_name(id)]).branch != branch:
                continue
            if self.is_there(id):
                raise Conflict(
                    f"branch {branch!r} is checked out in {self.root_of(id) or 'another workspace'}",
                    kind="checked-out",
                    cause="a commit in one workspace would move it under the files of the other",
                    help=f"mvc switch -c ANOTHER-NAME {branch}",
                )
