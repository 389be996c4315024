"""What differs between HEAD's version and the workspace, and what is not under care."""

from __future__ import annotations

import os

from mvcd.repo.core.core import Core
from mvcd.repo.records.results import PathChange, Status
from mvcd.repo.workspace import ignore
from mvcd.repo.workspace.left_out import named
from mvcd.repo.workspace.recording import known_problems
from mvcd.repo.workspace.workspace import ScannedWorkspace


def status(core: Core) -> Status:
    head = core.head()
    workspace = ScannedWorkspace(core)
    added, modified, deleted = [], [], []
    for path, (before, after) in sorted(workspace.quick_differences(head.version).items()):
        if before is None and after is not None:
            added.append(PathChange(path, after.component))
        elif after is None and before is not None:
            deleted.append(PathChange(path, before.component))
        elif after is not None:
            modified.append(PathChange(path, after.component))
    version = core.version(head.version)
    return Status(
        head=head,
        added=tuple(added),
        modified=tuple(modified),
        deleted=tuple(deleted),
        untracked=tuple(_untracked(core.root, workspace.tracked)),
        skipped=workspace.skipped,
        tracked=workspace.tracked,
        left_out=named(version, workspace.left_out),
        unparsed=known_problems(core, version, workspace.left_out),
    )


def _untracked(root: str, tracked: tuple[str, ...]) -> list[str]:
    """Top-level names that nothing under care touches and no rule leaves out; directories end in "/"."""
    if "." in tracked:
        return []
    cared = {path.split("/", 1)[0] for path in tracked}
    found = []
    rules = ignore.IgnoreRules.top().here(ignore.read(root))
    with os.scandir(root) as entries:
        for entry in entries:
            directory = entry.is_dir(follow_symlinks=False)
            if entry.name in cared or rules.match(entry.name, directory=directory):
                continue
            found.append(entry.name + "/" if directory else entry.name)
    return sorted(found)
