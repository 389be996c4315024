"""The store on a local disk: packs and an LMDB index (FORMAT.md)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from mvcd.disk import group as groups
from mvcd.disk.directories import make_directories
from mvcd.disk.filesystem import require_local
from mvcd.disk.locks import lock_directory, lock_now
from mvcd.disk.replace import place_file, replace_file
from mvcd.disk.room import require_room
from mvcd.disk.sync import sync_directory
from mvcd.errors import Busy, Failure, IntegrityError
from mvcd.monitor import Monitor, Silent
from mvcd.store import cacherows, steps
from mvcd.store.api import (
    AuditHead,
    AuditRow,
    Forms,
    GarbageBound,
    Given,
    Mark,
    MarkNew,
    Recode,
    RefUpdate,
    Stop,
    Store,
    never,
    nothing_given,
)
from mvcd.store.audit import read_head, read_rows
from mvcd.store.index import Index
from mvcd.store.journal import JOURNAL, Journal
from mvcd.store.meta import CHANGES, FORMAT, create_numbers, number
from mvcd.store.pack import OPEN_FILES, pack_name
from mvcd.store.parts import Parts
from mvcd.store.refs import read_operations, read_ref, read_refs

if TYPE_CHECKING:
    from mvcd.store.reports import CollectReport, Damage, OptimizeReport, RebaseReport, StoreStats
    from mvcd.store.session import LmdbSession

FORMAT_NAME = "mvc-store"
FORMAT_VERSION = 1


class LmdbStore(Parts):
    """`api.Store` in a directory; any number of threads and processes may have it open.

    Usable in forked children, unless another thread was inside a transaction at the fork.
    """

    def __init__(
        self,
        path: str,
        index: Index,
        lock: int,
        reached: steps.Reached,
        *,
        cached: bool,
        pack_files: int,
    ) -> None:
        super().__init__(path, index, reached, cached=cached, pack_files=pack_files)
        self._lock = lock
        self._salvaged = False

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        require_local: Callable[[str], None] = require_local,
        reached: steps.Reached = steps.unheard,
        group: bool = False,
        id: str | None = None,
    ) -> LmdbStore:
        """A new, empty store; completes a creation that a crash cut short. With `group`, people of the group
        that its directory belongs to may write it too, whatever their umask. `id` is another store's, which
        this one is to take over; else it gets one of its own.

        Raises Failure when one is there, or on a network file system.
        """
        import secrets  # late: start-up

        path = os.path.abspath(path)
        require_local(path)
        if os.path.exists(os.path.join(path, "format")):
            raise Failure(f"{path} holds a store already", kind="store-exists")
        for directory in (path, os.path.join(path, "packs"), os.path.join(path, "leases")):
            make_directories(directory)
            if group:
                groups.share_directory(directory)
        index = _new_index(path)
        try:
            index.write(lambda txn: create_numbers(index, txn, FORMAT_VERSION))
            Journal(os.path.join(path, JOURNAL)).begin()
            write_format_file(path, id or secrets.token_hex(16))
        finally:
            index.release()
        return cls.open(path, require_local=require_local, reached=reached)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        require_local: Callable[[str], None] = require_local,
        reached: steps.Reached = steps.unheard,
        cached: bool = False,
        pack_files: int = OPEN_FILES,
    ) -> LmdbStore:
        """An existing store; for reading only where it cannot be written. With `cached` the page cache keeps
        what is read (uncached.py). At most `pack_files` descriptors of packs are kept.

        Raises Failure when there is none, it is of a newer format or on a network file system, Busy
        while it is being rebuilt, IntegrityError when its index is damaged.
        """
        path = os.path.abspath(path)
        require_local(path)
        lock = lock_format(path, shared=True)
        try:
            read_format(path)
            index = Index.acquire(path)
        except BaseException:
            os.close(lock)
            raise
        store = cls(path, index, lock, reached, cached=cached, pack_files=pack_files)
        try:
            store._require_format_row()
        except BaseException:
            store.close()
            raise
        return store

    @property
    def read_only(self) -> bool:
        """Whether it can only be read here: by its files' modes, or by its mount."""
        return self.index.read_only

    @property
    def id(self) -> str:
        """32 hex digits, given at creation."""
        return read_format(self.path)

    def session(self) -> LmdbSession:
        from mvcd.store.session import LmdbSession  # late: start-up

        self.salvage()
        return LmdbSession(self)

    def salvage(self) -> None:
        """Makes visible what killed writers left (salvage.py): once, when it opens (stores.py), at the
        latest at its first session. Raises Failure."""
        if self._salvaged or self.index.read_only:
            return
        self._salvaged = True
        from mvcd.store.salvage import mark_lost, salvage  # late: start-up

        salvage(self)
        mark_lost(self)

    # ------------------------------------------------------------------ refs and operations

    def ref(self, name: str) -> bytes | None:
        with self.index.read() as txn:
            return read_ref(self.index, txn, name)

    def refs(self, prefix: str = "") -> dict[str, bytes]:
        with self.index.read() as txn:
            return read_refs(self.index, txn, prefix)

    def changes(self) -> int:
        with self.index.read() as txn:
            return number(self.index, txn, CHANGES)

    def update_refs(self, updates: Sequence[RefUpdate], *, operation: bytes | None = None) -> int:
        with self.session() as session:
            return session.commit(updates, operation=operation)

    def take_over(self, other: Store, refs: Mapping[str, bytes]) -> None:
        from mvcd.store.takenover import take_over  # late: start-up

        take_over(self, other, refs)

    def operations(
        self, *, newest_first: bool = True, start: int | None = None
    ) -> Iterator[tuple[int, bytes]]:
        return read_operations(self.index, newest_first=newest_first, start=start)

    # ------------------------------------------------------------------ audit

    def audit(self, *, start: int = 1) -> Iterator[AuditRow]:
        return read_rows(self.index, start=start)

    def audit_head(self) -> AuditHead:
        with self.index.read() as txn:
            return read_head(self.index, txn)

    # ------------------------------------------------------------------ cache

    def cache_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return cacherows.cache_get(self.index, keys)

    def cache_scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return cacherows.cache_scan(self.index, prefix)

    def cache_put(self, rows: Mapping[bytes, bytes | None]) -> None:
        cacherows.cache_put(self.index, rows)

    # ------------------------------------------------------------------ maintenance

    def check(
        self, *, read_data: bool = True, sample: float = 1.0, monitor: Monitor | None = None
    ) -> Iterator[Damage]:
        from mvcd.store.check import check  # late: start-up

        return check(self, read_data=read_data, monitor=monitor or Silent(), sample=sample)

    def collect(
        self,
        mark: Mark,
        *,
        mark_new: MarkNew | None = None,
        given: Given = nothing_given,
        dry_run: bool = False,
        drop_operations_below: int = 0,
        stop: Stop = never,
        monitor: Monitor | None = None,
    ) -> CollectReport:
        from mvcd.store.collect import Collector  # late: start-up
        from mvcd.store.marking import Marker

        with Collector(self, Marker(self, mark, mark_new, given), monitor or Silent()) as collector:
            return collector.run(
                dry_run=dry_run, drop_operations_below=drop_operations_below, stop=stop
            )

    def garbage_bound(self) -> GarbageBound:
        from mvcd.store.collected import garbage_bound  # late: start-up

        return garbage_bound(self.index)

    def optimize(
        self,
        recode: Recode,
        *,
        dry_run: bool = False,
        edition: int = 0,
        stop: Stop | None = None,
        monitor: Monitor | None = None,
    ) -> OptimizeReport:
        from mvcd.store.optimizer import Optimizer  # late: start-up

        with Optimizer(self, recode, edition, monitor or Silent()) as optimizer:
            return optimizer.run(dry_run=dry_run, stop=stop)

    def rebase(
        self,
        plans: Iterable[Forms],
        *,
        dry_run: bool = False,
        stop: Stop = never,
        monitor: Monitor | None = None,
    ) -> RebaseReport:
        from mvcd.store.rebaser import Rebaser  # late: start-up

        with Rebaser(self, monitor or Silent()) as rebaser:
            return rebaser.run(plans, dry_run=dry_run, stop=stop)

    def stats(self) -> StoreStats:
        from mvcd.store.reports import StoreStats  # late: start-up
        from mvcd.store.writers import pack_rows

        with self.index.read() as txn:
            objects = txn.stat(self.index.objects)["entries"]
            packs = pack_rows(self.index, txn)
        size = 0
        for pack in packs:
            with suppress(FileNotFoundError):
                size += os.stat(os.path.join(self.pack_directory, pack_name(pack.number))).st_size
        return StoreStats(objects, len(packs), size, self.index.used_bytes())

    def require_room(self, size: int, what: str, *, reserve: int = 0) -> None:
        require_room(self.path, size, what, reserve=reserve)

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
            self.packs.close()
            self.index.release()

    def __del__(self) -> None:
        """One that nobody holds any more closes itself (opened.py)."""
        with suppress(Exception):
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _require_format_row(self) -> None:
        with self.index.read() as txn:
            require_version(number(self.index, txn, FORMAT))


def _new_index(path: str) -> Index:
    """The index of a store that is being made. Half of one, which a full disk or a power cut left of a creation
    before, holds nothing: it is made anew. Raises what opening raises."""
    try:
        return Index.acquire(path, create=True)
    except IntegrityError:
        # Two that saw the half must not both take it away.
        directory = lock_directory(path, wait=True)
        assert directory is not None
        try:
            with suppress(IntegrityError):
                return Index.acquire(path, create=True)
            if os.path.exists(os.path.join(path, "format")):
                raise
            os.unlink(os.path.join(path, "data.mdb"))
            return Index.acquire(path, create=True)
        finally:
            os.close(directory)


def write_format_file(path: str, id: str) -> None:
    """The file that makes a directory a store; if two processes create one, the first one's id stays.

    What else the store needs is durable by name before: a power cut may otherwise keep this name and lose the
    index's, since POSIX promises no order between names of one directory.
    """
    place_file(os.path.join(path, "format"), _format_text(id))
    sync_directory(os.path.dirname(path))


def replace_format_file(path: str, id: str) -> None:
    """The same in place of a damaged one."""
    replace_file(os.path.join(path, "format"), _format_text(id))


def _format_text(id: str) -> bytes:
    return f"{FORMAT_NAME} {FORMAT_VERSION}\nid {id}\n".encode("ascii")


def read_format(path: str) -> str:
    """The store's id. Raises Failure when the format is newer, IntegrityError when it is garbage."""
    with open(os.path.join(path, "format"), encoding="ascii", errors="replace") as file:
        name, _, version = file.readline().strip().partition(" ")
        label, _, id = file.readline().strip().partition(" ")
    if name != FORMAT_NAME or not version.isdigit() or label != "id":
        raise IntegrityError(f"{path}/format is damaged", kind="format-damaged", help="mvc repair")
    require_version(int(version))
    return id


def require_version(version: int) -> None:
    """Raises Failure when a format is newer than ours."""
    if version > FORMAT_VERSION:
        raise Failure(
            f"this store has format {version}; this mvc knows up to {FORMAT_VERSION}",
            kind="newer-format",
            help="upgrade mvc",
        )


def lock_format(path: str, *, shared: bool) -> int:
    """A descriptor with a lock on the format file, shared for use or exclusive for rebuilding.

    Raises Failure when there is no store, Busy when it is not to be had.
    """
    try:
        file = os.open(os.path.join(path, "format"), os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise Failure(f"there is no store in {path}", kind="no-store") from None
    if not lock_now(file, shared=shared):
        os.close(file)
        raise Busy(
            "the store is being rebuilt" if shared else "the store is in use",
            help="run the command again later",
        )
    return file
