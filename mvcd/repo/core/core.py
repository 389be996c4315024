"""What every verb stands on: an open store, the workspace's place and HEAD, and how changes are recorded.

Verbs are functions of a `Core` in the rooms above; whoever has one open calls them. The engine reads no
environment: who acts and when comes in as a `Context`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Self

from mvcd.errors import CorruptObject, Failure, MissingObject
from mvcd.ids import Digest, VersionId
from mvcd.monitor import Monitor, Silent
from mvcd.objects.glance import Glance
from mvcd.objects.version import EMPTY, Component, SubPart, Version
from mvcd.process import require_utf8
from mvcd.repo.contents.files import Contents
from mvcd.repo.core.config import Config
from mvcd.repo.core.location import Location, find_any
from mvcd.repo.core.lock import WorkspaceLock
from mvcd.repo.ondisk.folding import FoldedNames
from mvcd.repo.records.pruned import marked_by
from mvcd.repo.records.refs import (
    DEFAULT_BRANCH,
    EMPTY_ID,
    HEADS,
    PRUNED,
    STAGES,
    HeadValue,
    decode_components,
    encode_components,
    head_name,
    left_out_name,
    root_name,
    target_of,
    tracked_name,
    version_named,
    versions_of_refs,
)
from mvcd.repo.records.revisions import Revisions
from mvcd.repo.records.standing import Head
from mvcd.store.api import RefUpdate, Session, Store
from mvcd.store.stores import open_store

if TYPE_CHECKING:
    from mvcd.repo.core.otherworkspaces import OtherWorkspaces
    from mvcd.repo.core.promised import Promised
    from mvcd.repo.core.remotes import Secret
    from mvcd.repo.records.committed import Context
    from mvcd.repo.records.operations import Operation

Clock = Callable[[], int]
"""Nanoseconds since the epoch: `time.time_ns`, or a test's own."""


def no_secret(url: str) -> dict[str, str]:  # noqa: ARG001 - the shape of Secret
    """What is known of how to enter an address, by those who keep nothing of the kind."""
    return {}


class Core:
    """An open repository's parts. Close it, or use it in `with`.

    Threads may read; one verb at a time writes, under `lock.hold()`, which waits up to `lock_timeout` seconds
    for others and then raises Busy.
    """

    def __init__(
        self,
        place: Location,
        store: Store,
        config: Config,
        *,
        monitor: Monitor | None,
        lock_timeout: float,
        clock: Clock,
    ) -> None:
        self.place = place
        self.store = store
        self.config = config
        self.monitor: Monitor = monitor or Silent()
        self.clock = clock
        self.secret: Secret = no_secret
        self.lock = WorkspaceLock(place.lock_path, lock_timeout)
        workspace = config.get("workspace.id")
        if workspace is None and not place.bare:
            raise Failure(
                f"{place.config_path} has no workspace.id",
                kind="bad-config",
                cause="the file was edited or damaged",
                help="mvc repair",
            )
        self._workspace = workspace
        self.version = lru_cache(maxsize=1024)(self._load_version)
        self.glance = lru_cache(maxsize=1024)(self._load_glance)

    @property
    def root(self) -> str:
        return self.place.root

    @property
    def store_path(self) -> str:
        return self.place.store_path(self.config)

    @property
    def workspace(self) -> str:
        """The workspace's id in the names of refs. Raises Failure in a repository that has none."""
        self.require_workspace()
        assert self._workspace is not None
        return self._workspace

    def require_workspace(self) -> None:
        """Raises Failure in a repository without one."""
        if self._workspace is None:
            raise Failure(
                f"{self.root} has no workspace",
                kind="no-workspace",
                cause="it is a bare repository: to push to and to clone from",
                help=f"mvc clone {self.root} DIR",
            )

    def fetch(self, id: Digest) -> bytes:
        """Raw bytes; from the remote that promised them, where this clone left content out."""
        try:
            return self.store.get(id)
        except MissingObject as error:
            if self.promised is None:
                error.help = error.help or self.way_to_absent()
                raise
            return self.promised.get(id)
        except CorruptObject:
            if self.promised is None:
                raise
            return self.promised.get(id)  # what is known to be damaged counts as absent

    def way_to_absent(self) -> str:
        """The exact command by which content that is not here comes."""
        from mvcd.repo.core import wanted  # late: start-up

        return wanted.way_to_absent(self.config, pruned=bool(self.store.refs(PRUNED)))

    def fetch_many(self, ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        """Fetches objects like `fetch`, each of them once, in any order."""
        left = dict.fromkeys(ids)
        for id, data in self.store.get_many(ids):
            del left[id]
            yield id, data
        for id in left:
            yield id, self.fetch(id)

    @property
    def contents(self) -> Contents:
        return Contents(self.fetch, self.fetch_many)

    @cached_property
    def names(self) -> FoldedNames:
        """What counts as one name in the workspace."""
        return FoldedNames(self.place.staging)

    @cached_property
    def promised(self) -> Promised | None:
        """Where content rests that was left out here or pruned; None if nothing was, or nobody can be asked."""
        from mvcd.repo.core import wanted  # late: start-up

        name = wanted.asked(self.config, pruned=bool(self.store.refs(PRUNED)))
        if name is None:
            return None
        from mvcd.repo.core.promised import Promised  # late: start-up

        told = lambda url: self.secret(url)  # noqa: E731, PLW0108 - it may be told later
        return Promised(
            self.store, self.config, name, secret=told, clock=self.clock, monitor=self.monitor
        )

    def _load_version(self, id: VersionId) -> Version:
        return EMPTY if id == EMPTY_ID else Version.decode(self.store.get(id))

    def _load_glance(self, id: VersionId) -> Glance:
        return Glance(id, b"" if id == EMPTY_ID else self.store.get(id))

    @cached_property
    def revisions(self) -> Revisions:
        head = HEADS + self._main() if self._workspace is None else head_name(self._workspace)
        return Revisions(self.store, head, self.version, self.operations, self.monitor)

    def resolve(self, rev: str) -> VersionId:
        """Finds the version that a person means, as of now. Raises Failure(kind="unknown-revision")."""
        return self.revisions.resolve(rev, now_us=self.clock() // 1000)

    def _main(self) -> str:
        """The branch that stands for HEAD where there is no workspace: main, or the first there is."""
        names = [name.removeprefix(HEADS) for name in self.store.refs(HEADS)]
        return DEFAULT_BRANCH if DEFAULT_BRANCH in names else min(names, default=DEFAULT_BRANCH)

    # ---------------------------------------------------------------- HEAD and tracked paths

    def head_value(self) -> HeadValue:
        if self._workspace is None:
            return HeadValue(self._main())
        value = self.store.ref(head_name(self.workspace))
        if value is None:
            raise CorruptObject(
                "this workspace has no HEAD in its store",
                cause=f"{self.place.config_path} names another store, or the store lost its refs",
                help="mvc repair",
            )
        return HeadValue.decode(value)

    def head(self) -> Head:
        value = self.head_value()
        id = value.version
        if id is None:
            tip = self.store.ref(f"{HEADS}{value.branch}")
            id = EMPTY_ID if tip is None else target_of(tip)
        return Head(value.branch, id, self.version(id).generation)

    def move_head(self, new: HeadValue) -> RefUpdate:
        """Raises Conflict for a branch that another workspace has checked out."""
        name = head_name(self.workspace)
        if new.branch is not None and new.branch != self.head_value().branch:
            self.others.require_free(new.branch)
        return RefUpdate(name, self.store.ref(name), new.encode())

    def tracked(self) -> tuple[str, ...]:
        value = self.store.ref(tracked_name(self.workspace))
        return tuple((value or b"").decode().splitlines())

    def move_tracked(self, paths: Sequence[str]) -> RefUpdate | None:
        """The update that makes `paths` the tracked ones; None when they are already."""
        name = tracked_name(self.workspace)
        old, new = self.store.ref(name), "\n".join(sorted(paths)).encode()
        return None if (old or b"") == new else RefUpdate(name, old, new)

    def left_out(self) -> frozenset[Component | SubPart]:
        """Components of HEAD's version that the workspace leaves out (left_out.py)."""
        if self._workspace is None:
            return frozenset()
        value = self.store.ref(left_out_name(self.workspace))
        return decode_components(value)

    def move_left_out(self, components: frozenset[Component | SubPart]) -> RefUpdate | None:
        """The update that leaves `components` out; None when it is so already."""
        name = left_out_name(self.workspace)
        old, new = self.store.ref(name), encode_components(components) or None
        return None if (old or None) == new else RefUpdate(name, old, new)

    @cached_property
    def others(self) -> OtherWorkspaces:
        from mvcd.repo.core.otherworkspaces import OtherWorkspaces  # late: start-up

        return OtherWorkspaces(self.store, self._workspace)

    # ---------------------------------------------------------------- recording

    def operations(self) -> Iterator[Operation]:
        """Newest first."""
        from mvcd.repo.records import operations  # late: start-up

        for number, record in self.store.operations():
            yield operations.decode(number, record)

    def record(
        self,
        context: Context,
        verb: str,
        detail: str,
        updates: Sequence[RefUpdate | None],
        *,
        session: Session | None = None,
        files: bool = False,
        saved: VersionId | None = None,
        undoes: int | None = None,
        cache: Mapping[bytes, bytes | None] | None = None,
    ) -> int:
        """Moves refs and logs the operation in one transaction; returns its number.

        Raises Conflict when the history of a stage would do more than grow, MissingObject when a ref would name
        a version that is not in the store, StaleReuse when a collection took it away at this very moment.
        """
        from mvcd.repo.records import operations  # late: start-up

        moves = [u for u in updates if u is not None]
        if self._workspace is None and self.store.audit_head().sequence:
            raise Failure(
                f"{self.root} belongs to a team server",
                kind="team-repository",
                cause="each change of it is a row of the server's audit log",
                help="push to the server instead",
            )
        if any(u.name.startswith(STAGES) for u in moves):
            from mvcd.repo.records import stages  # late: start-up

            stages.require_appended(self.store, moves)
        record = operations.encode(
            context, verb, detail, moves,
            files=files, saved=saved, undoes=undoes, workspace=self._workspace,
        )  # fmt: skip
        moves += self._moved_root()
        with contextlib.ExitStack() as own:
            if session is None:
                session = own.enter_context(self.store.session())
            named = (version_named(u.name, u.target) for u in moves if u.target is not None)
            self.rely_on(session, {id for id in (saved, *named) if id is not None})
            return session.commit(moves, operation=record, cache=cache)

    def _moved_root(self) -> list[RefUpdate]:
        """The update that notes where this workspace is by now, if that was noted before."""
        if self._workspace is None:
            return []
        name, here = root_name(self._workspace), os.fsencode(self.root)
        noted = self.store.ref(name)
        return [] if noted in (None, here) else [RefUpdate(name, noted, here)]

    def rely_on(self, session: Session, ids: Collection[VersionId], whole: bool = False) -> None:
        """Puts versions, and all they reach, under the session's lease, so that a ref may come to reach them.
        Raises MissingObject for one that is not here, or not `whole`, if that is not known already."""
        ids = [id for id in ids if id != EMPTY_ID]
        for id, missing in zip(ids, session.missing(ids), strict=True):
            if missing:
                raise MissingObject(f"version {id.short()} is not in the store", help="mvc verify")
        pruned = marked_by(self.store.refs(PRUNED)).keys()
        for id in pruned & set(ids):  # else nothing holds its content
            session.missing([p.root for p in self.version(id).components.values() if p.root])
        if not whole and any(self.store.has(ids)):
            from mvcd.repo.core.wanted import is_partial  # late: start-up
            from mvcd.sync.whole import require_whole

            if not is_partial(self.config):
                reached = set(versions_of_refs(self.store.refs()))
                require_whole(self.store, ids, reached, pruned, self.glance)

    def close(self) -> None:
        if "promised" in self.__dict__ and self.promised is not None:
            self.promised.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def open_at(
    path: str = ".",
    *,
    monitor: Monitor | None = None,
    lock_timeout: float = 60.0,
    clock: Clock = time.time_ns,
) -> Core:
    """Opens the repository at or above `path`, with a workspace or without. Raises NoRepository."""
    require_utf8()
    place = find_any(path)
    config = place.config()
    store = open_store(place.store_path(config))
    return Core(place, store, config, monitor=monitor, lock_timeout=lock_timeout, clock=clock)
