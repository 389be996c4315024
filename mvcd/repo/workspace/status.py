"""What differs between HEAD's version and the workspace, and what is not under care."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from mvcd.objects.version import Component, SubPart, Version
from mvcd.repo.contents import problems
from mvcd.repo.contents.files import Change, VersionFiles
from mvcd.repo.core.core import Core
from mvcd.repo.core.upstream import apart
from mvcd.repo.records.standing import PathChange, PathRename, Status
from mvcd.repo.workspace.ignore import IgnoreRules
from mvcd.repo.workspace.left_out import named
from mvcd.repo.workspace.settings import Settings, top_rules
from mvcd.repo.workspace.workspace import ScannedWorkspace


def status(core: Core) -> Status:
    head = core.head()
    workspace = ScannedWorkspace(core)
    added, modified, deleted = [], [], []
    differences = workspace.quick_differences(head.version)
    renamed = _renamed(workspace, differences) if workspace.known.id == head.version else []
    moved = {path for one in renamed for path in (one.old, one.new)}
    for path, (before, after) in sorted(differences.items()):
        if path in moved:
            continue
        if before is None and after is not None:
            added.append(PathChange(path, after.component, after.entry.size))
        elif after is None and before is not None:
            deleted.append(PathChange(path, before.component, before.entry.size))
        elif after is not None:
            modified.append(PathChange(path, after.component, after.entry.size))
    version = core.version(head.version)
    return Status(
        head=head,
        added=tuple(added),
        modified=tuple(modified),
        deleted=tuple(deleted),
        untracked=tuple(_untracked(core.root, workspace.tracked, top_rules(workspace.settings))),
        skipped=workspace.skipped,
        tracked=workspace.tracked,
        left_out=named(version, workspace.left_out),
        unparsed=_known_problems(core, version, workspace.left_out),
        unknown_settings=_unknown_settings(workspace.settings),
        renamed=tuple(renamed),
        apart=tuple(apart(core, head.branch, head.version)) if head.branch and head.number else (),
    )


def _unknown_settings(settings: Settings) -> tuple[str, ...]:
    if not settings:
        return ()
    from mvcd.repo.core.settingskeys import unknown_keys  # late: start-up

    return tuple(unknown_keys(settings))


def _renamed(workspace: ScannedWorkspace, differences: Mapping[str, Change]) -> list[PathRename]:
    """The renames of files that the version has as they are now, as far as names and sizes can tell.

    Content that was changed in place within a rename, its time set back, looks the same; a commit reads it.
    """
    found = []
    for old, new in sorted(workspace.renamed.items()):
        before, gone = differences.get(old, (None, None))
        nothing, after = differences.get(new, (None, None))
        if before is None or gone is not None or nothing is not None or after is None:
            continue
        was, now = before.entry, after.entry
        if (was.size, was.mode) == (now.size, now.mode):
            found.append(PathRename(old, new, after.component))
    return found


def _untracked(root: str, tracked: tuple[str, ...], top: IgnoreRules) -> list[str]:
    """Top-level names that nothing under care touches and no rule leaves out; directories end in "/"."""
    if "." in tracked:
        return []
    cared = {path.split("/", 1)[0] for path in tracked}
    found = []
    rules = top.read(root)
    with os.scandir(root) as entries:
        for entry in entries:
            directory = entry.is_dir(follow_symlinks=False)
            if entry.name in cared or rules.match(entry.name, directory=directory):
                continue
            found.append(entry.name + "/" if directory else entry.name)
    return sorted(found)


def _known_problems(
    core: Core, version: Version, left_out: Collection[Component | SubPart]
) -> tuple[problems.Problem, ...]:
    """What is remembered of a version as not understood: no file is read or fetched to find out.

    The commit that made the version wrote it down as a whole. After a merge, what is remembered of each file is
    gathered, and kept if that is all.
    """
    key = problems.problems_key(version)
    row = None if left_out else core.store.cache_get([key])[0]
    if row is not None:
        return problems.unpack_problems(row)
    from mvcd.repo.contents import flatvalues  # late: start-up

    here = [c for c in problems.COMPONENTS if c not in left_out]
    files = [
        placed for _, placed in flatvalues.carrying(VersionFiles(version, core.fetch).all(here))
    ]
    keys = [flatvalues.cache_key(p.component, p.entry.path, p.entry.recipe) for p in files]
    rows = core.store.cache_get(keys)
    read = zip(files, rows, strict=True)
    told = ((p.entry.path, flatvalues.unpack(row).problem) for p, row in read if row is not None)
    found = tuple(sorted((path, why) for path, why in told if why is not None))
    if not left_out and None not in rows:
        core.store.cache_put({key: problems.pack_problems(found)})
    return found
