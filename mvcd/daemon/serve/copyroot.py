"""A whole root of team servers copied to another place, a directory or a bucket (mvcd/team/COPY.md)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from mvcd.daemon.serve.backup import StoreCopy, copy_files, told
from mvcd.daemon.serve.lock import RootLock
from mvcd.errors import Busy, IntegrityError
from mvcd.monitor import Monitor
from mvcd.store.api import Store
from mvcd.store.backup import Backup
from mvcd.store.stores import is_bucket
from mvcd.sync.copying import copy_store, require_equal
from mvcd.team.bucketroot import BucketRoot
from mvcd.team.draftroot import DraftRoot, look_into, state_of
from mvcd.team.records import HostedRepository
from mvcd.team.root import Root
from mvcd.team.seals import ACCOUNTS


@dataclass(frozen=True, slots=True)
class RootPlace:
    """The address of a root, and how a bucket is reached (`stores.open_bucket`)."""

    address: str
    options: Mapping[str, str]

    @classmethod
    def of(cls, address: str, options: Mapping[str, str]) -> RootPlace:
        """The same in its one spelling."""
        if is_bucket(address):
            return cls(address.rstrip("/"), options)
        return cls(os.path.abspath(address), {})


def copy_root(
    source: RootPlace,
    target: RootPlace,
    *,
    read_data: bool = True,
    dry_run: bool = False,
    monitor: Monitor,
) -> list[StoreCopy]:
    """Copies the root `source` to `target`, where nothing is or what a copy left that was cut short; says of
    each store what the copy holds, with `dry_run` what it would. With `read_data` each object is read back.

    Raises Failure(kind="no-server-root"), Failure(kind="target-exists"), Busy where a server has one of the two
    directories, or where `source` was written meanwhile (kind="changed"); IntegrityError when a store is
    damaged or the copy is not equal; and what reading and writing raise.
    """
    with ExitStack() as stack:
        root = stack.enter_context(_opened(source))
        if dry_run:
            found = look_into(target.address, target.options, root)
            if found is not None:
                found.close()
            return list(_as_they_are(root))
        stack.enter_context(_locked(source))
        before = look_into(target.address, target.options, root)  # makes nothing where it cannot
        if before is not None:
            before.close()
        stack.enter_context(_locked(target))
        draft = stack.enter_context(DraftRoot.open(target.address, target.options, root))
        return _Copying(root, draft, monitor, read_data=read_data).run()


class _Copying:
    """One copy, between two that are open."""

    def __init__(self, root: Root, draft: DraftRoot, monitor: Monitor, *, read_data: bool) -> None:
        self._root = root
        self._draft = draft
        self._monitor = monitor
        self._read_data = read_data
        self._states: dict[str, str] = {}

    def run(self) -> list[StoreCopy]:
        self._root.refresh()
        accounts_state = state_of(self._root.store)
        hosted = self._root.accounts.repositories()
        copies = [self._repository(one) for one in hosted]
        with _said_of("the accounts"):
            self._equal(self._root.store, self._draft.accounts, self._draft.refs(self._root))
        if not is_bucket(self._root.path) and not is_bucket(self._draft.address):
            copy_files(self._root.path, self._draft.address)
        self._require_unchanged(hosted, accounts_state)
        self._draft.finish()
        return [_told(ACCOUNTS, self._draft.accounts), *copies]

    def _repository(self, hosted: HostedRepository) -> StoreCopy:
        with _said_of(hosted.name), closing(self._root.open_repository(hosted.name)) as source:
            state = self._states[hosted.name] = state_of(source)
            note, target = self._draft.begun(hosted)
            with closing(target):
                unread = f"{state} unread"
                if note.equal_to not in ({state} if self._read_data else {state, unread}):
                    self._equal(source, target, source.refs())
                    self._draft.note_equal(hosted, note, state if self._read_data else unread)
                return _told(hosted.name, target)

    def _equal(self, source: Store, target: Store, refs: dict[str, bytes]) -> None:
        self._monitor.begin("copy")
        try:
            copy_store(source, target, refs, self._monitor)
        finally:
            self._monitor.finish()
        require_equal(source, target, refs, self._monitor, read_data=self._read_data)

    def _require_unchanged(self, hosted: list[HostedRepository], accounts_state: str) -> None:
        self._root.refresh()
        if state_of(self._root.store) != accounts_state:
            raise _changed(self._root.path, "the accounts have", self._draft.address)
        for one in hosted:
            with closing(self._root.open_repository(one.name)) as source:
                if state_of(source) != self._states[one.name]:
                    raise _changed(self._root.path, f"{one.name} has", self._draft.address)


def _opened(place: RootPlace) -> Root:
    if is_bucket(place.address):
        return BucketRoot.open(place.address, place.options)
    return Root.open(place.address)


@contextmanager
def _locked(place: RootPlace) -> Iterator[None]:
    """No server has a directory, or takes it meanwhile. A bucket cannot be locked."""
    if is_bucket(place.address):
        yield
        return
    try:
        lock = RootLock(place.address)
    except Busy as error:
        raise Busy(
            str(error), kind=error.kind, cause=error.cause, help="end that server, then copy again"
        ) from None
    with lock:
        yield


@contextmanager
def _said_of(name: str) -> Iterator[None]:
    """Says which store it is that cannot be read, or is not equal."""
    try:
        yield
    except IntegrityError as error:
        raise IntegrityError(
            f"{name}: {error}",
            kind=error.kind,
            cause=error.cause,
            help="mvc admin repo verify NAME --root FROM  (says what is damaged there)",
        ) from error


def _as_they_are(root: Root) -> Iterator[StoreCopy]:
    yield _told(ACCOUNTS, root.store)
    for hosted in root.accounts.repositories():
        with closing(root.open_repository(hosted.name)) as store:
            yield _told(hosted.name, store)


def _told(name: str, store: Store) -> StoreCopy:
    stats = store.stats()
    refs, head = store.refs(), store.audit_head()
    return told(name, Backup(store.id, refs, head, stats.objects, stats.pack_bytes))


def _changed(source: str, who: str, target: str) -> Busy:
    return Busy(
        f"{source} was written while it was copied",
        kind="changed",
        cause=f"{who} changed since",
        help=f"end its servers, then go on: mvc admin copy {source} {target}",
    )
