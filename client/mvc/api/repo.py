"""`Repo`: a repository as Python sees it, one method a verb."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Self, overload

from mvc.api.audit_verbs import AuditVerbs
from mvc.api.components import component_of, components_of
from mvc.api.context import context_of
from mvc.api.file_verbs import FileVerbs
from mvc.api.import_verbs import ImportVerbs
from mvc.api.move_verbs import MoveVerbs
from mvc.api.name_verbs import NameVerbs
from mvc.api.note_verbs import NoteVerbs
from mvc.api.opened import Path
from mvc.api.pick_verbs import PickVerbs
from mvc.api.public import public
from mvc.api.release_verbs import ReleaseVerbs
from mvc.api.remote_verbs import RemoteVerbs
from mvc.api.run_verbs import RunVerbs
from mvc.api.search_verbs import SearchVerbs
from mvc.api.signing import signer_for
from mvc.api.workspace_verbs import WorkspaceVerbs
from mvc.api.write_verbs import WriteVerbs
from mvcd.errors import NoRepository
from mvcd.repo.core.core import open_at

if TYPE_CHECKING:
    from mvc.api.commits import CommitResult
    from mvc.api.diff import Diff
    from mvc.api.diskuse import DiskUse
    from mvc.api.log import Log
    from mvc.api.pruning import PruneResult
    from mvc.api.results import (
        Check,
        CollectReport,
        Explained,
        IgnoreMatch,
        OptimizeReport,
        StoreStats,
        VerifyReport,
    )
    from mvc.api.standing import Head, Status
    from mvc.api.versions import Version
    from mvc.api.weights import Weights
    from mvcd.monitor import Monitor


class _Open:
    """`Repo.open(path)` opens a repository; `repo.open(path, rev)` opens a file in one."""

    @overload
    def __get__(self, repo: None, owner: type[Repo]) -> _OpenRepo: ...
    @overload
    def __get__(self, repo: Repo, owner: type[Repo]) -> _OpenFile: ...
    def __get__(self, repo: Repo | None, owner: type[Repo]) -> _OpenRepo | _OpenFile:
        return _OpenRepo(owner) if repo is None else _OpenFile(repo)


class _OpenRepo:
    def __init__(self, owner: type[Repo]) -> None:
        self._owner = owner

    def __call__(
        self,
        path: Path = ".",
        *,
        author: str | None = None,
        monitor: Monitor | None = None,
        lock_timeout: float = 60.0,
    ) -> Repo:
        """The repository at or above `path`. Raises NoRepository."""
        core = open_at(os.fspath(path), monitor=monitor, lock_timeout=lock_timeout)
        return self._owner._around(core, author)


class _OpenFile:
    def __init__(self, repo: Repo) -> None:
        self._repo = repo

    def __call__(self, path: Path, rev: str = "HEAD") -> io.RawIOBase:
        """A file of a version: seekable, read-only, binary; reads only the chunks it is asked for.

        Raises Failure when the version has no such file, IntegrityError when its bytes are damaged.
        """
        from mvcd.repo.history import listing  # late: start-up

        return listing.open_file(self._repo._core, self._repo._inside(path), rev)


class Repo(
    FileVerbs,
    ImportVerbs,
    MoveVerbs,
    NameVerbs,
    NoteVerbs,
    PickVerbs,
    ReleaseVerbs,
    SearchVerbs,
    RunVerbs,
    AuditVerbs,
    RemoteVerbs,
    WorkspaceVerbs,
    WriteVerbs,
):
    """A repository and its workspace.

    `Repo(path)` is the repository at or above `path`; where there is none, one is made at `path`. Paths
    given to methods are relative to the workspace's root (`repo.root`), or absolute. Revisions are `HEAD`,
    `HEAD~2`, a branch, tag or stage, `v12`, the beginning of an id, `main@{2h}`, `production@{2026-11-01}`.

    Every method that changes something holds the workspace lock while it runs. `with repo:` holds it for a
    block, so that other processes wait; it does not close the repository. Raises what `mvc.MvcError` heads:
    Busy after `lock_timeout` seconds of waiting, IntegrityError for damaged content, Failure and Conflict
    for what cannot be done.
    """

    open = _Open()

    def __init__(
        self,
        path: Path = ".",
        *,
        author: str | None = None,
        monitor: Monitor | None = None,
        lock_timeout: float = 60.0,
    ) -> None:
        where = os.fspath(path)
        try:
            core = open_at(where, monitor=monitor, lock_timeout=lock_timeout)
        except NoRepository:
            core = None
        if core is None:  # outside of the handler: what is wrong now has nothing to do with it
            from mvcd.repo.core.creation import create  # late: start-up

            context = context_of(where, None, author=author, full=False)
            core = create(where, context=context, monitor=monitor)
        self._hold(core, author)

    @classmethod
    def init(
        cls,
        path: Path = ".",
        *,
        store: Path | None = None,
        shared: bool = False,
        author: str | None = None,
        monitor: Monitor | None = None,
    ) -> Self:
        """Makes a repository in the directory `path`, its store inside or at `store` (on a local disk). With
        `shared`, people of the directory's group may write it too, whatever their umask.

        Raises Failure when `path` is a repository already or no directory.
        """
        from mvcd.repo.core.creation import create  # late: start-up

        where = os.fspath(path)
        core = create(
            where,
            store=None if store is None else os.fspath(store),
            context=context_of(where, None, author=author, full=False),
            monitor=monitor,
            group=shared,
        )
        return cls._around(core, author)

    def __repr__(self) -> str:
        return f"mvc.Repo({self.root!r})"

    def __reduce__(self) -> tuple[object, ...]:
        """Opens the repository again where the copy arrives: in a process of `spawn`, of Dask or Ray. The copy
        holds no lock and reports to no monitor."""
        return _opened_again, (type(self), self.root, self._author, self._core.lock.timeout)

    @property
    def head(self) -> Head:
        """The position of HEAD: branch, version and number."""
        from mvc.api.standing import Head  # late: start-up

        return public(Head, self._core.head())

    # ---------------------------------------------------------------- saving

    def add(self, *paths: Path) -> tuple[str, ...]:
        """Starts tracking files or directories; returns those that were not tracked yet."""
        from mvcd.repo.change import commit  # late: start-up

        return commit.add(self._core, self._absolute(paths), context=self._context())

    def untrack(self, *paths: Path) -> tuple[str, ...]:
        """Stops tracking paths. The files stay, and so do the versions that have them."""
        from mvcd.repo.change import commit  # late: start-up

        return commit.untrack(self._core, self._absolute(paths), context=self._context())

    def status(self) -> Status:
        """Compares the workspace with its version."""
        from mvc.api.standing import Status  # late: start-up
        from mvcd.repo.workspace import status

        return public(Status, status.status(self._core))

    def commit(
        self,
        message: str,
        *,
        author: str | None = None,
        allow_empty: bool = False,
        sign: bool | None = None,
        only: Iterable[Path] | None = None,
    ) -> CommitResult:
        """Saves all that is tracked as a new version, signed if `sign`, or (None) as `commit.sign` says.

        With `only`, saves just what changed at or below these paths; the other changes stay unsaved.

        Raises Failure: kind "nothing-tracked", "nothing-to-commit", or "unstable-file" when a file kept
        changing while it was read; AuthError when it cannot be signed: then there is no version.
        """
        from mvc.api.commits import CommitResult  # late: start-up
        from mvcd.repo.change import commit

        self._settle_captures()
        if only is not None:
            from mvcd.repo.change import partly  # late: start-up

            some = partly.commit_some(
                self._core,
                message,
                self._absolute(only),
                context=self._context(author, full=True),
                signer=signer_for(self, sign),
            )
            return public(CommitResult, some)
        result = commit.commit(
            self._core,
            message,
            context=self._context(author, full=True),
            allow_empty=allow_empty,
            signer=signer_for(self, sign),
        )
        return public(CommitResult, result)

    def _settle_captures(self) -> None:
        """What mvcd has captured is older than what is about to be saved by hand: its versions come first."""
        if os.path.isdir(os.path.join(self.root, ".mvc", "captures")):
            from mvcd.daemon import reader  # late: start-up

            reader.settle(self._core, wait=not self._held)

    # ---------------------------------------------------------------- looking

    def log(
        self,
        rev: str = "HEAD",
        *,
        limit: int | None = None,
        component: str | None = None,
        all_refs: bool = False,
        first_parent: bool = False,
    ) -> Log:
        """Returns the versions that `rev` grew from, newest first; with `component`, those that changed it.

        They are read as they are asked for, from the versions that are the newest now. Raises Failure: kind
        "unknown-revision".
        """
        from mvc.api.log import Log  # late: start-up
        from mvc.api.versions import Version
        from mvcd.repo.history import history

        core, part = self._core, component_of(component)
        starts = history.heads(core, rev, all_refs=all_refs)

        def read() -> Iterator[Version]:
            found = history.history(
                core, starts=starts, limit=limit, component=part, first_parent=first_parent
            )
            return (public(Version, entry) for entry in found)

        return Log(read)

    def show(self, rev: str = "HEAD") -> Version:
        """Returns one version."""
        from mvc.api.versions import Version  # late: start-up
        from mvcd.repo.history import history

        return public(Version, history.show(self._core, rev))

    def resolve(self, rev: str) -> str:
        """Returns the id of a revision. Raises Failure: kind "unknown-revision" or "ambiguous-revision"."""
        return self._core.resolve(rev).hex()

    def diff(
        self,
        a: str | None = None,
        b: str | None = None,
        *,
        components: Iterable[str] | None = None,
        paths: Iterable[Path] = (),
    ) -> Diff:
        """Compares `a` (None: HEAD) with `b` (None: the workspace): the five differences.

        `REV:PATH` is a directory or file of a version, with its path from the top of the workspace. It is
        compared with that of the other side, or with the same path there: `diff("v3:runs/a", "v3:runs/b")`.
        `paths` leave out all that is none of these and not below one.
        """
        from mvc.api.diff import difference  # late: start-up

        inside = [self._inside(path) for path in paths]
        return difference(self._core, a, b, components_of(components), inside)

    def tensors(self, rev: str = "HEAD") -> Weights:
        """Returns the tensors of a version by name, each as one that was added: `repo.tensors()[name].new` has
        its file, dtype, shape and bytes. Reads no data."""
        from mvc.api.diff import tensors  # late: start-up

        return tensors(self._core, rev)

    def patch(self, diff: Diff) -> Iterator[str]:
        """Yields the lines of a unified diff of the text files that differ, without line ends."""
        from mvcd.repo.compare.diff import patch  # late: start-up

        return patch(diff._sides, diff.components)

    def explain(self, *paths: Path, rev: str | None = None) -> Iterator[Explained]:
        """Yields, for each file at or below `paths` (by default all), which part it is, by which rule, how it
        was read and what was not understood: of the workspace, or of version `rev`.

        Raises Failure: kind "no-such-path" for a path that names nothing.
        """
        from mvcd.repo.workspace import explaining  # late: start-up

        inside = [self._inside(path) for path in paths] or ["."]
        return explaining.explain(self._core, inside, rev)

    # ---------------------------------------------------------------- care

    def verify(self, *, read_data: bool = True, sample: float = 1.0) -> VerifyReport:
        """Re-hashes every object (unless told not to), or a `sample` of them, and follows every link, in a
        process of its own, since a damaged index may end the process that reads it."""
        from mvc.api.care import verify  # late: start-up

        return verify(self.root, read_data=read_data, sample=sample, monitor=self._core.monitor)

    def gc(
        self,
        *,
        dry_run: bool = False,
        expire_operations: timedelta | None = None,
        remote: str | None = None,
    ) -> CollectReport:
        """Frees content that no ref and no operation younger than `expire_operations` (30 days) reaches; with
        `remote`, that of a remote in a bucket or a directory instead.

        Raises Failure: kind "not-supported" for a remote that a server looks after.
        """
        from mvcd.repo.care import gc  # late: start-up

        kept = gc.KEEP_OPERATIONS_US
        if expire_operations is not None:
            kept = expire_operations // timedelta(microseconds=1)
        if remote is not None:
            return gc.gc_there(
                self._core, remote or None, context=self._context(), dry_run=dry_run,
                keep_operations_us=kept,
            )  # fmt: skip
        return gc.gc(self._core, context=self._context(), dry_run=dry_run, keep_operations_us=kept)

    def optimize(self, *, dry_run: bool = False) -> OptimizeReport:
        """Stores what is there in fewer bytes, with the codecs of this release; digests stay."""
        from mvcd.repo.care import optimize  # late: start-up

        return optimize.optimize(self._core, dry_run=dry_run)

    def prune(self, *, dry_run: bool = False) -> PruneResult:
        """Lets go of the content of automatic versions that no rule of `[retention]` in `mvc.toml` keeps; their
        records stay. `undo` takes it back until the time of grace is over, and `gc` frees it then.

        Raises Failure: kind "no-rules" without such a table.
        """
        from mvc.api.pruning import PruneResult  # late: start-up
        from mvcd.repo.care import prune

        done = prune.prune(self._core, context=self._context(), dry_run=dry_run)
        return public(PruneResult, done)

    def disk_use(self, below: Path | None = None) -> DiskUse:
        """Tells what takes which bytes, and what removing it would free: by version, component and branch; with
        `below`, also by what lies directly in that directory, or of that file. Reads all lists and no content.
        """
        from mvc.api.diskuse import DiskUse  # late: start-up
        from mvcd.repo.care import diskuse

        inside = None if below is None else self._inside(below)
        return public(DiskUse, diskuse.disk_use(self._core, context=self._context(), below=inside))

    def check_ignore(self, *paths: Path) -> tuple[tuple[str, IgnoreMatch | None], ...]:
        """Finds for each path the rule that leaves it out of versions, if any."""
        from mvcd.repo.workspace import ignore  # late: start-up
        from mvcd.repo.workspace.settings import load, top_rules

        top = top_rules(load(self.root))
        return tuple((os.fspath(p), ignore.check(self.root, self._inside(p), top)) for p in paths)

    def doctor(self) -> tuple[Check, ...]:
        """Checks what the repository stands on: store, file system, free space, clock, git, remotes, limits."""
        from mvc.api import care  # late: start-up

        return care.doctor(self.root)

    def stats(self) -> StoreStats:
        """Counts what the store holds."""
        return self._core.store.stats()


def _opened_again(kind: type[Repo], root: str, author: str | None, lock_timeout: float) -> Repo:
    return kind._around(open_at(root, lock_timeout=lock_timeout), author)
