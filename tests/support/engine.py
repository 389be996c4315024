"""A repository under test as an object: `repo.commit("a version", context=...)` calls the engine's function.

The engine has no such object: its verbs are functions of a `Core`, each in its room. `VERBS` says which of them
a test means by a name; whatever is no verb is asked of the `Core`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import TracebackType
from typing import Any, Self

from mvcd.repo.care.doctor import checks
from mvcd.repo.compare import diff
from mvcd.repo.core.core import Core, open_at
from mvcd.repo.core.creation import create
from mvcd.repo.records import stages
from mvcd.repo.records.results import Check, Diff, Head
from mvcd.repo.records.stages import ChainReport
from mvcd.repo.share import cloning
from mvcd.repo.workspace.workspace import ScannedWorkspace

VERBS = {
    "add": "change.commit:add",
    "annotate": "change.annotating:annotate",
    "add_remote": "share.addresses:add_remote",
    "add_workspace": "share.workspaces:add",
    "bisect_mark": "history.bisect:mark",
    "bisect_metric": "history.bisect:turning",
    "bisect_reset": "history.bisect:reset",
    "bisect_start": "history.bisect:start",
    "bisect_status": "history.bisect:status",
    "blame": "history.blame:blame",
    "branches": "change.branches:branches",
    "cards": "release.card:facts",
    "checkout": "change.moves:checkout",
    "cherry_pick": "joining.picking:cherry_pick",
    "commit": "change.commit:commit",
    "commit_some": "change.partly:commit_some",
    "create_branch": "change.branches:create_branch",
    "create_tag": "change.branches:create_tag",
    "delete_branch": "change.branches:delete_branch",
    "delete_tag": "change.branches:delete_tag",
    "diff": "compare.diff:diff",
    "disk_use": "care.diskuse:disk_use",
    "explain": "workspace.explaining:explain",
    "extents": "history.series:extents",
    "export": "release.export:export",
    "fetch": "share.fetching:fetch",
    "find": "history.search:find",
    "follow": "share.follow:follow",
    "gc": "care.gc:gc",
    "gone": "change.captured:gone",
    "heal_from_remote": "care.healing:heal_from_remote",
    "history": "history.history:history",
    "lineage": "history.lineage:lineage",
    "ls": "history.listing:ls",
    "merge": "joining.merge:merge",
    "open_file": "history.listing:open_file",
    "optimize": "care.optimize:optimize",
    "promote": "release.promotion:promote",
    "prune": "care.prune:prune",
    "pull": "share.fetching:pull_branch",
    "push": "share.pushing:push",
    "read": "history.listing:read",
    "remote_refs": "share.addresses:remote_refs",
    "remove_remote": "share.addresses:remove_remote",
    "remove_workspace": "share.workspaces:remove",
    "rename_branch": "change.branches:rename_branch",
    "restore": "change.moves:restore",
    "revert": "joining.picking:revert",
    "rollback": "change.moves:rollback",
    "save_capture": "change.captured:save",
    "series": "history.series:series",
    "set_remote_url": "share.addresses:set_remote_url",
    "show": "history.history:show",
    "sides": "compare.sides:sides_of",
    "sign": "change.signing:sign",
    "stage_history": "release.holders:stage_history",
    "stage_rollback": "release.promotion:rollback",
    "stage_withdraw": "release.promotion:withdraw",
    "stages": "release.holders:stages",
    "stash": "joining.stash:put_aside",
    "stash_drop": "joining.stash:drop",
    "stashes": "joining.stash:stashes",
    "status": "workspace.status:status",
    "switch": "change.moves:switch",
    "tabulate": "history.comparison:compare_versions",
    "tags": "change.branches:tags",
    "unstash": "joining.stash:take_up",
    "undo": "undo:undo",
    "untrack": "change.commit:untrack",
    "verify": "care.verify:verify",
    "verify_remote": "share.verify_remote:verify_remote",
    "weights": "compare.weights:weights",
    "workspaces": "share.workspaces:workspaces",
}
"""Functions of a `Core`, by what tests call them: the module below mvcd.repo, and the function's name."""


def function_of(verb: str) -> Callable[..., Any]:
    module, _, name = VERBS[verb].partition(":")
    found: Callable[..., Any] = getattr(import_module(f"mvcd.repo.{module}"), name)
    return found


class Repository:
    """An open repository. Close it, or use it in `with`."""

    def __init__(self, core: Core) -> None:
        self._core = core

    @classmethod
    def open(cls, path: str, **options: Any) -> Self:
        return cls(open_at(path, **options))

    @classmethod
    def create(cls, root: str, **options: Any) -> Self:
        return cls(create(root, **options))

    @classmethod
    def clone(cls, url: str, root: str, **options: Any) -> tuple[Self, cloning.CloneResult]:
        core, result = cloning.clone(url, root, **options)
        return cls(core), result

    def __getattr__(self, name: str) -> Any:
        if name in VERBS:
            return partial(function_of(name), self._core)
        return getattr(self._core, name)

    @property
    def head(self) -> Head:
        return self._core.head()

    def doctor(self) -> list[Check]:
        return list(checks(self.root))

    def stage_check(self, stage: str, **options: Any) -> ChainReport:
        return stages.check(self.store, stage, **options)

    def look(self) -> ScannedWorkspace:
        """The workspace as it is now; reads no file."""
        return ScannedWorkspace(self._core)

    def patch(self, found: Diff) -> list[str]:
        """The lines of a diff's text files, its sides taken up again."""
        new = None if found.new is None else found.new.hex()
        return list(diff.patch(self.sides(found.old.hex(), new), found.components))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._core.close()
