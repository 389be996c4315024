"""`Repo`: a repository as Python sees it, one method a verb."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self, overload

from mvc.api.audit import AuditVerbs
from mvc.api.components import component_of, components_of
from mvc.api.context import context_of
from mvc.api.public import public
from mvc.api.release_verbs import ReleaseVerbs
from mvc.api.remote_verbs import RemoteVerbs, secret
from mvc.api.results import (
    Branch,
    Check,
    CheckoutResult,
    CollectReport,
    CommitResult,
    Head,
    IgnoreMatch,
    Listed,
    Operation,
    Status,
    StoreStats,
    Tag,
    VerifyReport,
    Version,
)
from mvc.api.run_verbs import RunVerbs
from mvc.api.search_verbs import SearchVerbs
from mvc.api.signing import SignatureVerbs, signer_for
from mvc.api.workspace_verbs import WorkspaceVerbs
from mvcd.errors import NoRepository
from mvcd.repo.repository import Repository
from mvcd.repo.workspace.workspace import relative

if TYPE_CHECKING:
    from mvc.api.diff import Diff
    from mvcd.monitor import Monitor
    from mvcd.repo.core.config import Config
    from mvcd.repo.records.results import Context

Path = str | os.PathLike[str]


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
        engine = Repository.open(os.fspath(path), monitor=monitor, lock_timeout=lock_timeout)
        return self._owner._around(engine, author)


class _OpenFile:
    def __init__(self, repo: Repo) -> None:
        self._repo = repo

    def __call__(self, path: Path, rev: str = "HEAD") -> io.RawIOBase:
        """A file of a version: seekable, read-only, binary; reads only the chunks it is asked for.

        Raises Failure when the version has no such file, IntegrityError when its bytes are damaged.
        """
        return self._repo._engine.open_file(self._repo._inside(path), rev)


class Repo(
    SignatureVerbs, ReleaseVerbs, SearchVerbs, RunVerbs, AuditVerbs, RemoteVerbs, WorkspaceVerbs
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
    _engine: Repository

    def __init__(
        self,
        path: Path = ".",
        *,
        author: str | None = None,
        monitor: Monitor | None = None,
        lock_timeout: float = 60.0,
    ) -> None:
        self._author = author
        self._held: list[AbstractContextManager[None]] = []
        where = os.fspath(path)
        try:
            self._engine = Repository.open(where, monitor=monitor, lock_timeout=lock_timeout)
        except NoRepository:
            context = context_of(where, None, author=author, full=False)
            self._engine = Repository.create(where, context=context, monitor=monitor)
        self._engine.know_secrets(secret)

    @classmethod
    def _around(cls, engine: Repository, author: str | None) -> Self:
        self = cls.__new__(cls)
        self._author, self._held, self._engine = author, [], engine
        engine.know_secrets(secret)
        return self

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
        where = os.fspath(path)
        engine = Repository.create(
            where,
            store=None if store is None else os.fspath(store),
            context=context_of(where, None, author=author, full=False),
            monitor=monitor,
            group=shared,
        )
        return cls._around(engine, author)

    def __repr__(self) -> str:
        return f"mvc.Repo({self.root!r})"

    def __enter__(self) -> Self:
        lock = self._engine.lock()
        lock.__enter__()
        self._held.append(lock)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.pop().__exit__(kind, error, trace)

    def close(self) -> None:
        """Releases the store. The object cannot be used afterwards."""
        self._engine.close()

    @property
    def root(self) -> str:
        """The root directory of the workspace; of a repository without one, its own directory."""
        return self._engine.root

    @property
    def store_path(self) -> str:
        """The directory of the store."""
        return self._engine.store_path

    @property
    def config(self) -> Config:
        """The repository's settings: `get(key)`, `set(key, value)`, `unset(key)`, `items()`."""
        return self._engine.config

    @property
    def head(self) -> Head:
        """The position of HEAD: branch, version and number."""
        return public(Head, self._engine.head)

    # ---------------------------------------------------------------- saving

    def add(self, *paths: Path) -> tuple[str, ...]:
        """Starts tracking files or directories; returns those that were not tracked yet."""
        return self._engine.add(self._absolute(paths), context=self._context())

    def untrack(self, *paths: Path) -> tuple[str, ...]:
        """Stops tracking paths. The files stay, and so do the versions that have them."""
        return self._engine.untrack(self._absolute(paths), context=self._context())

    def status(self) -> Status:
        """Compares the workspace with its version."""
        return public(Status, self._engine.status())

    def commit(
        self,
        message: str,
        *,
        author: str | None = None,
        allow_empty: bool = False,
        sign: bool | None = None,
    ) -> CommitResult:
        """Saves all that is tracked as a new version, signed if `sign`, or (None) as `commit.sign` says.

        Raises Failure: kind "nothing-tracked", "nothing-to-commit", or "unstable-file" when a file kept
        changing while it was read; AuthError when it cannot be signed: then there is no version.
        """
        self._settle_captures()
        result = self._engine.commit(
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

            reader.settle(self._engine, wait=not self._held)

    # ---------------------------------------------------------------- looking

    def log(
        self,
        rev: str = "HEAD",
        *,
        limit: int | None = None,
        component: str | None = None,
        all_refs: bool = False,
        first_parent: bool = False,
    ) -> Iterator[Version]:
        """Yields the versions that `rev` grew from, newest first; with `component`, those that changed it."""
        only = None if component is None else component_of(component)
        found = self._engine.history(
            rev, limit=limit, component=only, all_refs=all_refs, first_parent=first_parent
        )
        return (public(Version, entry) for entry in found)

    def show(self, rev: str = "HEAD") -> Version:
        """Returns one version."""
        return public(Version, self._engine.show(rev))

    def resolve(self, rev: str) -> str:
        """Returns the id of a revision. Raises Failure: kind "unknown-revision" or "ambiguous-revision"."""
        return self._engine.resolve(rev).hex()

    def diff(
        self,
        a: str | None = None,
        b: str | None = None,
        *,
        components: Iterable[str] | None = None,
    ) -> Diff:
        """Compares `a` (None: HEAD) with `b` (None: the workspace): the five differences."""
        from mvc.api.diff import difference  # late: start-up

        return difference(self._engine, self._engine.sides(a, b), components_of(components))

    def patch(self, diff: Diff) -> Iterator[str]:
        """Yields the lines of a unified diff of the text files that differ, without line ends."""
        from mvcd.repo.compare.diff import patch  # late: start-up

        return patch(diff._sides, diff.components)

    def ls(
        self, rev: str = "HEAD", path: Path | None = None, *, component: str | None = None
    ) -> Iterator[Listed]:
        """Yields the files of a version, by component and path."""
        inside = None if path is None else self._inside(path)
        only = None if component is None else component_of(component)
        return self._engine.ls(rev, inside, component=only)

    def read(self, path: Path, rev: str = "HEAD") -> bytes:
        """Returns the bytes of a file of a version."""
        return self._engine.read(self._inside(path), rev)

    # ---------------------------------------------------------------- moving

    def checkout(
        self, rev: str, *, force: bool = False, components: Iterable[str] | None = None
    ) -> CheckoutResult:
        """Moves HEAD and the files to a version; with `components`, brings just these back (HEAD stays).

        Raises Conflict when unsaved work would be overwritten; `force` keeps it aside for `undo` instead.
        """
        result = self._engine.checkout(
            rev, context=self._context(), force=force, components=components_of(components)
        )
        return public(CheckoutResult, result)

    def restore(
        self, rev: str, *paths: Path, components: Iterable[str] | None = None
    ) -> CheckoutResult:
        """Restores paths or components as a version has them. `undo` brings their content before back."""
        result = self._engine.restore(
            rev,
            self._absolute(paths),
            context=self._context(),
            components=components_of(components),
        )
        return public(CheckoutResult, result)

    def rollback(
        self,
        rev: str,
        *,
        message: str | None = None,
        author: str | None = None,
        force: bool = False,
        sign: bool | None = None,
    ) -> CommitResult:
        """Commits an old version's content as a new version, and brings the files to it."""
        context = self._context(author, full=True)
        result = self._engine.rollback(
            rev, context=context, message=message, force=force, signer=signer_for(self, sign)
        )
        return public(CommitResult, result)

    def switch(
        self, name: str, *, create: bool = False, start: str = "HEAD", force: bool = False
    ) -> CheckoutResult:
        """Moves to a branch; `create` makes it first, at `start`."""
        result = self._engine.switch(
            name, context=self._context(), create=create, start=start, force=force
        )
        return public(CheckoutResult, result)

    def undo(self, number: int | None = None) -> Operation:
        """Undoes the last operation (or operation `number`); returns the operation that did so."""
        return public(Operation, self._engine.undo(number, context=self._context()))

    def operations(self, *, limit: int | None = None) -> Iterator[Operation]:
        """Yields the entries of the operation log, newest first."""
        return (public(Operation, o) for o in self._engine.operations(limit))

    # ---------------------------------------------------------------- names

    def branches(self) -> tuple[Branch, ...]:
        """Lists the branches."""
        return tuple(public(Branch, b) for b in self._engine.branches())

    def branch(self, name: str, rev: str = "HEAD") -> Branch:
        """Makes a branch at `rev`, without switching to it."""
        return public(Branch, self._engine.create_branch(name, rev, context=self._context()))

    def delete_branch(self, name: str, *, force: bool = False) -> Branch:
        """Deletes a branch. Raises Conflict if only it has its versions, unless forced."""
        return public(
            Branch, self._engine.delete_branch(name, context=self._context(), force=force)
        )

    def rename_branch(self, old: str, new: str) -> Branch:
        """Renames a branch."""
        return public(Branch, self._engine.rename_branch(old, new, context=self._context()))

    def tags(self) -> tuple[Tag, ...]:
        """Lists the tags."""
        return tuple(public(Tag, t) for t in self._engine.tags())

    def tag(self, name: str, rev: str = "HEAD", *, message: str = "", sign: bool = False) -> Tag:
        """Makes a tag, which never moves; Failure if it exists. `sign` signs its name, version and message."""
        tag = self._engine.create_tag(
            name, rev, context=self._context(), message=message, signer=signer_for(self, sign)
        )
        return public(Tag, tag)

    def delete_tag(self, name: str) -> Tag:
        """Deletes a tag."""
        return public(Tag, self._engine.delete_tag(name, context=self._context()))

    # ---------------------------------------------------------------- care

    def verify(self, *, read_data: bool = True) -> VerifyReport:
        """Re-hashes every object (unless told not to) and follows every link, in a process of its own, since a
        damaged index may end the process that reads it."""
        from mvc.api.care import verify  # late: start-up

        return verify(self.root, read_data=read_data, monitor=self._engine.monitor)

    def gc(
        self, *, dry_run: bool = False, expire_operations: timedelta | None = None
    ) -> CollectReport:
        """Frees content that no ref and no operation younger than `expire_operations` (30 days) reaches."""
        if expire_operations is None:
            return self._engine.gc(context=self._context(), dry_run=dry_run)
        age_us = expire_operations // timedelta(microseconds=1)
        return self._engine.gc(context=self._context(), dry_run=dry_run, keep_operations_us=age_us)

    def check_ignore(self, *paths: Path) -> tuple[tuple[str, IgnoreMatch | None], ...]:
        """Finds for each path the rule that leaves it out of versions, if any."""
        found = self._engine.check_ignore(self._absolute(paths))
        return tuple((os.fspath(p), m) for p, (_, m) in zip(paths, found, strict=True))

    def doctor(self) -> tuple[Check, ...]:
        """Checks what the repository stands on: store, file system, free space, kernels."""
        return self._engine.doctor()

    def stats(self) -> StoreStats:
        """Counts what the store holds."""
        return self._engine.stats()

    # ---------------------------------------------------------------- shared

    def _context(self, author: str | None = None, *, full: bool = False) -> Context:
        return context_of(self.root, self.config, author=author or self._author, full=full)

    def _absolute(self, paths: Iterable[Path]) -> Sequence[str]:
        return [os.path.join(self.root, path) for path in paths]

    def _inside(self, path: Path) -> str:
        """A path in a version, which need not exist in the workspace."""
        return relative(self.root, os.path.join(self.root, path))
