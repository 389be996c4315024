"""Several workspaces on one store, like git's worktrees: each with a HEAD, paths under care and a stat cache.

All that belongs to one workspace is under its id in the store (refs.py), so that branches, tags, history and
every byte are shared and nothing else is. A branch is checked out in one of them at most: a commit in one would
move it away under the files of the other. Collection keeps what any of them stands on, and `undo` takes back
what was done in this one.

Where each lies is the ref `workspaces/ID/root`, which follows a directory that was moved at the next operation
there. One that is no longer there keeps its HEAD alive until it is removed, but holds no branch.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from mvcd.errors import Conflict, Failure, MvcError
from mvcd.repo.change import moves, rewriting
from mvcd.repo.contents.files import VersionFiles
from mvcd.repo.core import location
from mvcd.repo.core.core import Core, open_at
from mvcd.repo.core.location import Location
from mvcd.repo.ondisk.below import paths_below
from mvcd.repo.ondisk.paths import directories_above
from mvcd.repo.ondisk.statcache import prefix
from mvcd.repo.records.committed import Context
from mvcd.repo.records.names import new_name, ref_meant, written
from mvcd.repo.records.refs import (
    EMPTY_ID,
    HEADS,
    HeadValue,
    head_name,
    known_workspaces,
    root_name,
    target_of,
)
from mvcd.repo.records.results import CheckoutResult, WorkspaceInfo
from mvcd.repo.records.standing import Head
from mvcd.repo.restore.planning import some
from mvcd.repo.workspace.status import status
from mvcd.store.api import RefUpdate

_NOT_COPIED = ("workspace.id", "store.path", "clone.unfinished")
"""Settings that a new workspace does not take over from the one that it was added from."""


def workspaces(core: Core) -> tuple[WorkspaceInfo, ...]:
    """All on this store, this one first."""
    core.require_workspace()
    refs = core.store.refs("workspaces/")
    found = [_info(core, id, refs) for id in known_workspaces(refs)]
    return tuple(sorted(found, key=lambda info: (not info.current, info.root or "", info.id)))


def _info(core: Core, id: str, refs: dict[str, bytes]) -> WorkspaceInfo:
    value = HeadValue.decode(refs[head_name(id)])
    version = value.version
    if version is None:
        tip = core.store.ref(f"{HEADS}{value.branch}")
        version = EMPTY_ID if tip is None else target_of(tip)
    current = id == core.workspace
    root = core.root if current else core.others.root_of(id)
    head = Head(value.branch, version, core.version(version).generation)
    return WorkspaceInfo(id, root, head, current, current or core.others.is_there(id))


def add(
    core: Core,
    directory: str,
    rev: str | None = None,
    *,
    branch: str | None = None,
    context: Context,
) -> tuple[str, CheckoutResult]:
    """A new workspace in `directory`, and what was written there; its root.

    At `rev`: attached if that is a branch, else detached. `branch` is made there for it; without either, one
    called after the directory. Raises Failure (kind "not-empty", "inside", "branch-exists", "checked-out").
    """
    core.require_workspace()
    root = os.path.realpath(directory)
    _require_place(root, core)
    branch, rev = _branch(core, root, rev, branch)
    made = not os.path.isdir(root)
    os.makedirs(root, exist_ok=True)
    with core.lock.hold():
        place = location.prepare(root)
        id = _register(core, place)
    try:
        with contextlib.closing(_opened(core, root)) as other:
            if branch is not None:
                done = moves.switch(other, branch, context=context, create=True, start=rev)
            else:
                done = moves.checkout(other, rev, context=context)
            return root, done
    except BaseException:
        if not set(os.listdir(root)) - {location.DIRECTORY}:  # no file was written
            _forget(core, id)
            shutil.rmtree(place.directory, ignore_errors=True)
            if made:
                with contextlib.suppress(OSError):
                    os.rmdir(root)
        raise


def _require_place(root: str, core: Core) -> None:
    if os.path.lexists(root) and (not os.path.isdir(root) or os.listdir(root)):
        raise Failure(
            f"{root} is not empty", kind="not-empty", help="mvc workspace add ANOTHER-DIRECTORY"
        )
    try:
        above = location.find(os.path.dirname(root))
    except MvcError:
        return
    raise Failure(
        f"{root} is inside the workspace {above.root}",
        kind="inside",
        cause="its files would be under care of both",
        help=f"mvc workspace add {os.path.join(os.path.dirname(core.root), os.path.basename(root))}",
    )


def _branch(core: Core, root: str, rev: str | None, branch: str | None) -> tuple[str | None, str]:
    """The branch that is to be made (None: none), and the revision."""
    if branch is None and rev is None:
        name = os.path.basename(root)
        if core.store.ref(HEADS + name) is not None:
            rev = written(HEADS + name)
        else:
            branch = name
    if branch is not None:
        branch = new_name(branch, HEADS)
        if core.store.ref(HEADS + branch) is not None:
            raise Failure(
                f"branch {branch!r} exists",
                kind="branch-exists",
                help=f"mvc workspace add {root} {written(HEADS + branch)}",
            )
    rev = rev or "HEAD"
    meant = ref_meant(rev, core.revisions.has) or ""
    if meant.startswith(HEADS) and branch is None:
        core.others.require_free(meant.removeprefix(HEADS))
        return None, rev
    return branch, core.resolve(rev).hex()


def _register(core: Core, place: Location) -> str:
    """Its HEAD and its place among the refs, then its settings, which make it a workspace."""
    own = core.store.ref(root_name(core.workspace))
    settings, _ = location.new_settings(place, core.place.store_path(core.config))
    id = settings["workspace.id"]
    assert id is not None
    mine = os.fsencode(core.root)
    updates = [
        RefUpdate(head_name(id), core.store.ref(head_name(id)), HeadValue(None, EMPTY_ID).encode()),
        RefUpdate(root_name(id), core.store.ref(root_name(id)), os.fsencode(place.root)),
    ]
    if own != mine:
        updates.append(RefUpdate(root_name(core.workspace), own, mine))
    core.store.update_refs(updates)
    copied = {key: value for key, value in core.config.items() if key not in _NOT_COPIED}
    place.config().write({**copied, **settings})
    os.unlink(place.beginning)
    return id


def remove(core: Core, directory: str, *, context: Context, keep_files: bool = False) -> str:
    """Removes another workspace, with its files; answers its root.

    Raises Conflict where a file there is in no version as it is, unless the files are to stay; Failure (kind
    "unknown-workspace", "current-workspace", "holds-store").
    """
    id, root = _named(core, directory)
    if not core.others.is_there(id):
        _forget(core, id)
        return root
    with contextlib.closing(_opened(core, root)) as other, other.lock.hold():
        _require_expendable(core, other.place)
        rewriting.settle_interrupted(other, context)
        paths = {
            p.entry.path
            for p in VersionFiles(other.version(other.head().version), other.fetch).all()
        }
        if not keep_files:
            _require_saved(other, paths)
        _forget(core, id)
        os.unlink(other.place.config_path)
        if not keep_files:
            _remove_files(root, paths)
    shutil.rmtree(os.path.join(root, location.DIRECTORY), ignore_errors=True)
    if not keep_files:
        with contextlib.suppress(OSError):
            os.rmdir(root)
    return root


def _named(core: Core, directory: str) -> tuple[str, str]:
    root = os.path.realpath(directory)
    for id in known_workspaces(core.store.refs("workspaces/")):
        if id == core.workspace and root == core.root:
            raise Failure(
                f"{root} is the workspace that you are in",
                kind="current-workspace",
                help=f"mvc -C ANOTHER-WORKSPACE workspace remove {root}",
            )
        if id != core.workspace and (id == directory or core.others.root_of(id) == root):
            return id, core.others.root_of(id) or root
    raise Failure(
        f"{root} is no workspace on this store", kind="unknown-workspace", help="mvc workspace list"
    )


def _require_expendable(core: Core, place: Location) -> None:
    store = os.path.realpath(core.place.store_path(core.config))
    if store.startswith(os.path.join(os.path.realpath(place.directory), "")):
        raise Failure(
            f"{place.root} holds the store of all its workspaces",
            kind="holds-store",
            cause=f"it is in {store}",
        )


def _require_saved(other: Core, paths: set[str]) -> None:
    found = status(other)
    unsaved = [c.path for c in (*found.added, *found.modified)]
    unsaved += [renamed.new for renamed in found.renamed]
    strange = [p for p in _files(other.root) if p not in paths and p not in unsaved]
    if unsaved or strange:
        raise Conflict(
            f"{some([*unsaved, *strange])} would be lost",
            kind="would-overwrite",
            cause="no version has it so",
            help=f"commit there, or keep the files: mvc workspace remove --keep-files {other.root}",
        )


def _files(root: str) -> Iterator[str]:
    inside = location.DIRECTORY + "/"
    return (path for path in paths_below(root) if not path.startswith(inside))


def _remove_files(root: str, paths: set[str]) -> None:
    above: set[str] = set()
    for path in paths:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(os.path.join(root, path))
        above.update(directories_above(path))
    for directory in sorted(above, key=len, reverse=True):
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(root, directory))


def _forget(core: Core, id: str) -> None:
    """Its refs, and its rows of the stat cache."""
    gone = {**core.store.refs(f"workspaces/{id}/"), **core.store.refs(f"saved/{id}")}
    core.store.update_refs([RefUpdate(name, value, None) for name, value in gone.items()])
    rows = (key for key, _ in core.store.cache_scan(prefix(id.encode())))
    core.store.cache_put(dict.fromkeys([*rows, b"known/" + id.encode()]))


def _opened(core: Core, root: str) -> Core:
    return open_at(root, monitor=core.monitor, lock_timeout=core.lock.timeout, clock=core.clock)
