"""A repository: the face of the engine. One method a verb; the modules beside this one do the work.

What `status` and `commit` do not need is imported by the verb that does: every `mvc` command pays for imports,
and on CPython 3.11 a module of dataclasses costs milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.monitor import Monitor
from mvcd.objects.version import Component, Trigger, Version
from mvcd.repo.change import commit
from mvcd.repo.contents.files import CachingFetch, Placed, VersionFiles
from mvcd.repo.core.config import Config
from mvcd.repo.core.core import Clock, Core, create, open_at
from mvcd.repo.records.refs import SIGNATURES, TAGS
from mvcd.repo.records.results import (
    Branch,
    CheckoutResult,
    CommitResult,
    Context,
    Diff,
    Head,
    History,
    Listed,
    Operation,
    Status,
    Tag,
)
from mvcd.repo.verbs.capture import CaptureVerbs
from mvcd.repo.verbs.care import CareVerbs
from mvcd.repo.verbs.release import ReleaseVerbs
from mvcd.repo.verbs.remote import RemoteVerbs
from mvcd.repo.verbs.run import RunVerbs
from mvcd.repo.verbs.search import SearchVerbs
from mvcd.repo.verbs.workspace import WorkspaceVerbs
from mvcd.repo.workspace import ignore, status
from mvcd.repo.workspace.settings import metric_rules
from mvcd.repo.workspace.workspace import Workspace, relative
from mvcd.store.api import CollectReport, StoreStats

if TYPE_CHECKING:
    from mvcd.repo.change.signing import Signer
    from mvcd.repo.compare.sides import Sides
    from mvcd.repo.compare.weights import Weights
    from mvcd.repo.contents.content import VersionFile
    from mvcd.repo.trust.judging import Trust
    from mvcd.repo.trust.signatures import SignatureStatus
    from mvcd.repo.workspace.ignore import Match

KEEP_OPERATIONS_US = 30 * 24 * 3600 * 1_000_000
"""How long the operation log, and what only it remembers, outlives a collection."""

_NAMED = 5
"""Unreadable paths of which a comparison with the workspace warns."""


class Repository(
    ReleaseVerbs, SearchVerbs, RunVerbs, RemoteVerbs, CaptureVerbs, WorkspaceVerbs, CareVerbs
):
    """An open repository with its workspace. Close it, or use it in `with`.

    Every method may raise what `mvcd.errors` documents; those that change something take a `Context` and
    hold the workspace lock, waiting for others up to `lock_timeout` seconds, then raising Busy.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    @classmethod
    def create(
        cls,
        root: str,
        *,
        store: str | None = None,
        context: Context,
        monitor: Monitor | None = None,
        clock: Clock = time.time_ns,
        group: bool = False,
    ) -> Self:
        """Makes a repository in the directory `root`, its store inside or at `store` (a local disk); with
        `group`, for all people of the directory's group."""
        return cls(create(root, store, context, monitor=monitor, clock=clock, group=group))

    @classmethod
    def open(
        cls,
        path: str = ".",
        *,
        monitor: Monitor | None = None,
        lock_timeout: float = 60.0,
        clock: Clock = time.time_ns,
    ) -> Self:
        """The repository at or above `path`. Raises NoRepository."""
        return cls(open_at(path, monitor=monitor, lock_timeout=lock_timeout, clock=clock))

    @property
    def root(self) -> str:
        return self._core.root

    @property
    def store_path(self) -> str:
        return self._core.place.store_path(self._core.config)

    @property
    def config(self) -> Config:
        return self._core.config

    @property
    def head(self) -> Head:
        return self._core.head()

    @property
    def monitor(self) -> Monitor:
        return self._core.monitor

    def lock(self) -> AbstractContextManager[None]:
        """Holds the workspace lock; re-entrant."""
        return self._core.lock.hold()

    def close(self) -> None:
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---------------------------------------------------------------- saving

    def add(self, paths: Sequence[str], *, context: Context) -> tuple[str, ...]:
        return commit.add(self._core, paths, context)

    def untrack(self, paths: Sequence[str], *, context: Context) -> tuple[str, ...]:
        return commit.untrack(self._core, paths, context)

    def tracked(self) -> tuple[str, ...]:
        return self._core.tracked()

    def status(self) -> Status:
        return status.status(self._core)

    def commit(
        self,
        message: str,
        *,
        context: Context,
        trigger: Trigger = Trigger.MANUAL,
        allow_empty: bool = False,
        signer: Signer | None = None,
    ) -> CommitResult:
        return commit.commit(
            self._core, message, context, trigger=trigger, allow_empty=allow_empty, signer=signer
        )

    def look(self) -> Workspace:
        """The workspace as it is now, compared with what is known of it; reads no file."""
        return Workspace(self._core)

    # ---------------------------------------------------------------- looking

    def resolve(self, rev: str) -> VersionId:
        return self._core.revisions.resolve(rev, now_us=self._core.clock() // 1000)

    def version(self, id: VersionId) -> Version:
        return self._core.version(id)

    def history(
        self,
        start: str = "HEAD",
        *,
        limit: int | None = None,
        component: Component | None = None,
        all_refs: bool = False,
        first_parent: bool = False,
    ) -> Iterator[History]:
        from mvcd.repo.history import history  # late: start-up

        return history.history(
            self._core, start, limit=limit, component=component, all_refs=all_refs,
            first_parent=first_parent,
        )  # fmt: skip

    def show(self, rev: str = "HEAD") -> History:
        from mvcd.repo.history import history  # late: start-up

        id = self.resolve(rev)
        names = history.names_by_version(self._core)
        return History(id, self._core.version(id), tuple(names.get(id, ())))

    def sides(self, old: str | None = None, new: str | None = None) -> Sides:
        """From `old` (None: HEAD) to `new` (None: the workspace, as it is at this moment)."""
        from mvcd.repo.compare.sides import Side, Sides  # late: start-up

        core = self._core
        fetch = CachingFetch(core.fetch)
        old_id = self.resolve(old or "HEAD")
        left = Side(old_id, core.version(old_id), fetch)
        if new is not None:
            new_id = self.resolve(new)
            return Sides(left, Side(new_id, core.version(new_id), fetch), core.monitor)
        workspace = Workspace(core)
        unsaved, through = workspace.unsaved
        for path, why in list(workspace.unreadable.reasons.items())[:_NAMED]:
            core.monitor.warn(f"{path} {why}; compared as HEAD has it (mvc status names all such)")
        return Sides(left, Side(None, unsaved, through, core.root), core.monitor)

    def diff(
        self,
        old: str | None = None,
        new: str | None = None,
        *,
        components: Collection[Component] | None = None,
    ) -> Diff:
        """From `old` (None: HEAD) to `new` (None: the workspace)."""
        return self.compare(self.sides(old, new), components=components)

    def compare(self, sides: Sides, *, components: Collection[Component] | None = None) -> Diff:
        from mvcd.repo.compare.diff import compare  # late: start-up

        return compare(sides, components=components, metrics=metric_rules(self._core.root))

    def weights(self, sides: Sides) -> Weights:
        """Every tensor of two sides by name; reads nothing before it is looked into."""
        from mvcd.repo.compare.weights import weights  # late: start-up

        return weights(self._core, sides)

    def patch(self, diff: Diff) -> Iterator[str]:
        """Unified diff lines of the text files of a diff's components."""
        from mvcd.repo.compare.diff import patch  # late: start-up

        new = None if diff.new is None else diff.new.hex()
        return patch(self.sides(diff.old.hex(), new), diff.components)

    def ls(
        self, rev: str = "HEAD", path: str | None = None, *, component: Component | None = None
    ) -> Iterator[Listed]:
        """Files of a version, by component and path; Failure when `path` names nothing in it."""
        prefix = None if path is None or path == "." else path.rstrip("/")
        files = VersionFiles(self._core.version(self.resolve(rev)), self._core.fetch)
        wanted = None if component is None else (component,)
        empty = True
        for placed in files.all(wanted, prefix):
            empty = False
            yield _listed(placed)
        if empty and prefix is not None:
            raise Failure(f"{rev} has no {path}", kind="no-such-path", help=f"mvc ls {rev}")

    def open_file(self, path: str, rev: str = "HEAD") -> VersionFile:
        """A seekable, read-only file; reads only the chunks it needs."""
        from mvcd.repo.contents.content import VersionFile  # late: start-up

        files = VersionFiles(self._core.version(self.resolve(rev)), self._core.fetch)
        placed = files.find(path)
        if placed is None:
            raise Failure(f"{rev} has no {path}", kind="no-such-path", help=f"mvc ls {rev}")
        promised = self._core.promised
        return VersionFile(placed.entry, self._core.fetch, promised.ahead if promised else None)

    def read(self, path: str, rev: str = "HEAD") -> bytes:
        with self.open_file(path, rev) as file:
            return file.read()

    # ---------------------------------------------------------------- moving

    def checkout(
        self,
        rev: str,
        *,
        context: Context,
        force: bool = False,
        components: Collection[Component] | None = None,
    ) -> CheckoutResult:
        """Moves HEAD and the files; with `components`, brings just these back as `restore` does."""
        from mvcd.repo.change import moves  # late: start-up

        if components is not None:
            return self.restore(rev, context=context, components=components)
        return moves.checkout(self._core, rev, context, force=force)

    def switch(
        self,
        name: str,
        *,
        context: Context,
        create: bool = False,
        start: str = "HEAD",
        force: bool = False,
    ) -> CheckoutResult:
        from mvcd.repo.change import moves  # late: start-up

        return moves.switch(self._core, name, context, create=create, start=start, force=force)

    def restore(
        self,
        rev: str,
        paths: Sequence[str] = (),
        *,
        context: Context,
        components: Collection[Component] | None = None,
    ) -> CheckoutResult:
        from mvcd.repo.change import moves  # late: start-up

        return moves.restore(self._core, rev, paths, context, components=components)

    def rollback(
        self,
        rev: str,
        *,
        context: Context,
        message: str | None = None,
        force: bool = False,
        signer: Signer | None = None,
    ) -> CommitResult:
        from mvcd.repo.change import moves  # late: start-up

        return moves.rollback(self._core, rev, context, message=message, force=force, signer=signer)

    def undo(self, number: int | None = None, *, context: Context) -> Operation:
        from mvcd.repo import undo  # late: start-up

        return undo.undo(self._core, number, context)

    def operations(self, limit: int | None = None) -> Iterator[Operation]:
        """Newest first."""
        return islice(self._core.operations(), limit)

    # ---------------------------------------------------------------- names

    def branches(self) -> tuple[Branch, ...]:
        from mvcd.repo.change import branches  # late: start-up

        return branches.branches(self._core)

    def create_branch(self, name: str, rev: str = "HEAD", *, context: Context) -> Branch:
        from mvcd.repo.change import branches  # late: start-up

        return branches.create_branch(self._core, name, rev, context)

    def delete_branch(self, name: str, *, context: Context, force: bool = False) -> Branch:
        from mvcd.repo.change import branches  # late: start-up

        return branches.delete_branch(self._core, name, context, force=force)

    def rename_branch(self, old: str, new: str, *, context: Context) -> Branch:
        from mvcd.repo.change import branches  # late: start-up

        return branches.rename_branch(self._core, old, new, context)

    def tags(self) -> tuple[Tag, ...]:
        from mvcd.repo.change import branches  # late: start-up

        return branches.tags(self._core)

    def create_tag(
        self,
        name: str,
        rev: str = "HEAD",
        *,
        context: Context,
        message: str = "",
        signer: Signer | None = None,
    ) -> Tag:
        from mvcd.repo.change import branches  # late: start-up

        return branches.create_tag(self._core, name, rev, context, message=message, signer=signer)

    def delete_tag(self, name: str, *, context: Context) -> Tag:
        from mvcd.repo.change import branches  # late: start-up

        return branches.delete_tag(self._core, name, context)

    # ---------------------------------------------------------------- signatures

    def sign(self, rev: str, *, context: Context, signer: Signer) -> tuple[VersionId, str]:
        """Signs a version that is there already; answers its id and the key's fingerprint."""
        from mvcd.repo.change import signing  # late: start-up

        return signing.sign(self._core, rev, context, signer)

    def is_tag(self, name: str) -> bool:
        return self._core.store.ref(TAGS + name) is not None

    def signed(self, id: VersionId, tag: str | None = None) -> bool:
        """Whether there is any signature, good or not, of a version or tag."""
        what = f"tags/{tag}" if tag is not None else f"{id}"
        return bool(self._core.store.refs(f"{SIGNATURES}{what}/"))

    def signature_status(
        self, id: VersionId, trust: Trust, *, tag: str | None = None
    ) -> list[SignatureStatus]:
        """Each signature of a version (or of a tag, by name) and what became of it, good ones first."""
        from mvcd.repo.trust import judging  # late: start-up

        if tag is not None:
            return judging.tag_signature_status(self._core.store, tag, trust)
        return judging.signature_status(self._core.store, id, trust)

    # ---------------------------------------------------------------- care

    def gc(
        self,
        *,
        context: Context,
        dry_run: bool = False,
        keep_operations_us: int = KEEP_OPERATIONS_US,
    ) -> CollectReport:
        """Frees what no ref and no operation younger than `keep_operations_us` reaches."""
        from mvcd.repo.care import gc  # late: start-up

        oldest = context.time_us - keep_operations_us
        return gc.collect(self._core, dry_run=dry_run, oldest_us=oldest)

    def check_ignore(self, paths: Sequence[str]) -> list[tuple[str, Match | None]]:
        """Which rule leaves each path out."""

        root = self._core.root
        return [(p, ignore.check(root, relative(root, p))) for p in paths]

    def stats(self) -> StoreStats:
        return self._core.store.stats()


def _listed(placed: Placed) -> Listed:
    entry = placed.entry
    mode = entry.mode.name.lower()
    return Listed(entry.path, placed.component, entry.size, mode, entry.recipe.hex())
