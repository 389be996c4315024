"""The LMDB environment of a store: one for each process and directory, with map growth and forks.

LMDB's rules that shape this module (lmdb.h, section Caveats):

* The same environment must not be open twice in a process: a registry shares one, counted.
* An environment must not be used across fork: the child gets its own at the next use, provided that
  no transaction was open at the moment of the fork (closing it would clear the parent's reader slot).
* The map is replaced to grow, when no transaction of the process is open (`ReadersWriterLock`). It starts small
  and doubles, because a huge map fails under address-space limits (ulimit -v, some containers).
* nosync and writemap are never used. If a commit fails, what the disk holds is unknown: the
  environment is closed for good and every later use fails.

Transactions are functions, because one that meets a full map is run again on a larger one.
"""

from __future__ import annotations

import errno
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar, NoReturn, TypeVar

import lmdb

from mvcd.disk.refusals import DISK_FULL, unwritten
from mvcd.errors import Busy, Failure, MvcError, UsageError
from mvcd.store.beside import DataLock, still_whole
from mvcd.store.opening import may_only_be_read, not_opened, open_lmdb
from mvcd.store.rwlock import ReadersWriterLock
from mvcd.store.trouble import damaged, errno_of, file_size, identity, refusal, trouble

T = TypeVar("T")
Transaction = Any  # only py-lmdb's newest versions bring types

INITIAL_MAP_BYTES = 256 << 20
MAX_READERS = 512
KEPT_PAGES = 1 << 14
"""Pages of a file, 64 MiB, up to which its map stays."""
NO_SPACE_BYTES = 1 << 20
"""Bytes; with less space left a failed write is put down to the full disk."""


class Index:
    """Tables, read and write transactions. Made by `acquire`; each holder calls `release` once."""

    _open: ClassVar[weakref.WeakValueDictionary[tuple[int, int], Index]] = (
        weakref.WeakValueDictionary()
    )
    _opening: ClassVar[dict[str, threading.RLock]] = {}
    _registry = threading.RLock()

    def __init__(self, path: str, *, create: bool, map_size: int) -> None:
        self.path = path
        self.read_only = False
        self._holders = 0
        self._failure: MvcError | None = None
        self._forked_in_use = False
        self._map_lock = ReadersWriterLock()
        self._writer: int | None = None
        self._env: Any = None
        self.audit: Any = None
        self._data_lock: DataLock | None = None
        self._unseen = False  # read without a place in the lock file (beside.py)
        self._creating = create
        self._open_environment(map_size)
        self._creating = False

    @classmethod
    def acquire(
        cls, path: str, *, create: bool = False, map_size: int = INITIAL_MAP_BYTES
    ) -> Index:
        """The process's index of the store directory `path`.

        Raises IntegrityError when it is absent or damaged, Failure when it cannot be opened.
        """
        with cls._registry:
            opening = cls._opening.setdefault(os.path.realpath(path), threading.RLock())
        with opening:  # a store whose lock is held for long, or whose disk is slow, stalls no other
            with cls._registry:
                index = cls._open.get(identity(path))
                if index is not None and index._forked_in_use:
                    index._environment()
                if index is not None and index._failure is None:
                    index._holders += 1
                    return index
            if not create and not file_size(path):
                raise damaged(f"{path}/data.mdb is absent or empty")
            index = cls(path, create=create, map_size=map_size)
            with cls._registry:
                cls._open[identity(path)] = index
                index._holders += 1
            return index

    def release(self) -> None:
        with self._registry:
            self._holders -= 1
            if not self._holders:
                self._shut(Failure("the store is closed", kind="closed"))

    # ------------------------------------------------------------------ transactions

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A read transaction. Keep it short: it pins pages that writers freed meanwhile."""
        txn = self._begin_read()
        try:
            yield txn
            self._require_whole(txn)
        except lmdb.Error as error:
            self._require_whole(txn)
            raise trouble(error, self.path) from error
        finally:
            self._end_read(txn)

    def lookup(self, key: bytes) -> bytes | None:
        """One row of the objects table; `read` without the price of a context manager."""
        txn = self._begin_read()
        try:
            row: bytes | None = txn.get(key, db=self.objects)
            if self._unseen:
                self._require_whole(txn)
            return row
        except lmdb.Error as error:
            self._require_whole(txn)
            raise trouble(error, self.path) from error
        finally:
            self._end_read(txn)

    def rows(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Rows of the objects table, by those of `keys` that it has."""
        if not keys:
            return {}
        with self.read() as txn, txn.cursor(db=self.objects) as cursor:
            return dict(cursor.getmulti(keys))

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Runs `work` in a write transaction and commits it durably; an exception aborts it.

        `work` may run more than once. It may read, but not write, through other transactions. Raises
        Failure when the commit fails; the store is unusable then.
        """
        self.require_writable()
        if self.writing:
            raise UsageError("this thread is already writing to the store")
        while True:
            try:
                return self._write_once(work)
            except lmdb.MapFullError:
                self._resize(grow=True)
            except lmdb.MapResizedError:
                self._resize(grow=False)
            except lmdb.Error as error:
                self.fail("the index could not be written", error)

    def require_writable(self) -> None:
        """Raises NotPermitted where the store may only be read."""
        if not self.read_only:
            return
        raise may_only_be_read(self.path)

    @property
    def writing(self) -> bool:
        """Whether this very thread is inside `write`."""
        return self._writer == threading.get_ident()

    def fail(self, message: str, error: Exception) -> NoReturn:
        """Closes the environment for good and raises: nothing may be acknowledged any more."""
        full = errno_of(error) in DISK_FULL or self._disk_is_full()
        failure = unwritten(error, message, full=full, kind="store-failed", help="mvc verify")
        refused = None if full else refusal(error, self.path)
        if refused is not None and refused.kind in ("out-of-memory", "too-many-files"):
            failure = Failure(message, kind=refused.kind, cause=str(error), help=refused.help)
        self._shut(failure)
        raise failure from error

    def find_audit(self) -> bool:
        """Whether there is an audit table; stores made before it have none until it is needed."""
        if self.audit is None:
            if self.read_only:
                return False
            self._open_audit(create=False)
        return self.audit is not None

    def require_audit(self) -> None:
        """Makes the audit table unless it is there; call it outside of a transaction."""
        if self.audit is None:
            self._open_audit(create=True)

    def _open_audit(self, *, create: bool) -> None:
        def work(txn: Transaction) -> Any:
            try:
                return self._env.open_db(b"audit", txn=txn, create=create)
            except lmdb.NotFoundError:
                return None

        self.audit = self.write(work)

    def copy(self, file: int) -> None:
        """Writes the environment, as one transaction sees it, into an open, empty file. Writers go on.

        Raises OSError, IntegrityError.
        """
        self._map_lock.enter()
        try:
            self._environment().copyfd(file)
        except lmdb.Error as error:
            if errno_of(error):
                raise OSError(errno_of(error), str(error)) from error
            raise trouble(error, self.path) from error
        finally:
            self._map_lock.leave()

    def clear_stale_readers(self) -> int:
        """Frees reader slots of processes that died; how many."""
        self._map_lock.enter()
        try:
            return int(self._environment().reader_check())
        finally:
            self._map_lock.leave()

    def let_go(self) -> None:
        """Makes the map anew where it is large and no transaction of this process is open.

        Pages that were read count as this process's memory until then, 16 for each: 460 MB at a million files.
        Call it where this thread might write.
        """
        with self._map_lock.alone_now() as alone:
            env = self._env if alone and self._failure is None else None
            if env is not None:
                info = env.info()
                if info["last_pgno"] >= KEPT_PAGES:
                    self._map(env, info["map_size"])

    def used_bytes(self) -> int:
        """Bytes of pages that hold rows, free pages not counted."""
        with self.read() as txn:
            total = 0
            tables = [self.objects, self.packs, self.refs, self.operations, self.cache]
            for table in tables if self.audit is None else [*tables, self.audit]:
                stat = txn.stat(table)
                pages = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
                total += pages * stat["psize"]
            return int(total)

    # ------------------------------------------------------------------ inside

    def _begin_read(self) -> Transaction:
        """Enters the lock of the map and begins; the caller aborts and leaves."""
        checked = False
        while True:
            self._map_lock.enter()
            try:
                env = self._environment()
                if self._unseen and self._data_lock is not None:
                    self._data_lock.enter()
                    try:
                        return env.begin()
                    except BaseException:
                        self._data_lock.leave()
                        raise
                return env.begin()
            except BaseException as error:
                self._map_lock.leave()
                if isinstance(error, lmdb.MapResizedError):
                    self._resize(grow=False)
                elif isinstance(error, lmdb.ReadersFullError) and not checked:
                    checked = True
                    self.clear_stale_readers()
                elif isinstance(error, lmdb.ReadersFullError):
                    raise Busy(
                        "too many processes read this store", cause=f"limit {MAX_READERS}"
                    ) from error
                elif isinstance(error, lmdb.Error):
                    raise trouble(error, self.path) from error
                else:
                    raise

    def _end_read(self, txn: Transaction) -> None:
        txn.abort()
        if self._unseen and self._data_lock is not None:
            self._data_lock.leave()
        self._map_lock.leave()

    def _require_whole(self, txn: Transaction) -> None:
        """Raises Busy when writers who cannot see us may have used pages again that `txn` read."""
        if self._unseen and not still_whole(txn.id(), self._environment().info()["last_txnid"]):
            raise Busy(
                "the repository was written while it was read",
                kind="changed",
                cause=f"{self.path} may only be read, so its writers cannot wait for readers",
                help="run the command again",
            )

    def _write_once(self, work: Callable[[Transaction], T]) -> T:
        self._map_lock.enter()
        try:
            txn = self._environment().begin(write=True)
            self._writer = threading.get_ident()
            try:
                with self._data_alone():
                    with self._map_lock.hosting():
                        result = work(txn)
                    self._commit(txn)
                return result
            except BaseException:
                txn.abort()
                raise
            finally:
                self._writer = None
        finally:
            self._map_lock.leave()

    def _data_alone(self) -> AbstractContextManager[None]:
        return nullcontext() if self._data_lock is None else self._data_lock.alone()

    def _commit(self, txn: Transaction) -> None:
        txn.commit()

    def _resize(self, *, grow: bool) -> None:
        """Doubles the map, or adopts the size that another process gave it."""
        with self._map_lock.alone():
            env = self._environment()
            self._map(env, 2 * env.info()["map_size"] if grow else 0)

    def _map(self, env: Any, size: int) -> None:
        try:
            env.set_mapsize(size)
        except lmdb.Error as error:
            failure = Failure(
                "the index cannot grow", cause=str(error), help="raise the limit: ulimit -v"
            )
            self._failure = failure
            raise failure from error

    def _environment(self) -> Any:
        if self._failure is not None:
            raise self._failure
        if self._env is None:  # a forked child
            with self._registry:
                if self._env is None:
                    self._open_environment(INITIAL_MAP_BYTES)
        return self._env

    def _open_environment(self, map_size: int) -> None:
        while True:
            try:
                env = self._open_lmdb(map_size)
                try:
                    self._open_tables(env)
                except BaseException:
                    env.close()
                    raise
                break
            except lmdb.Error as error:
                if errno_of(error) != errno.EINTR:  # LMDB opens and reads without trying again
                    raise not_opened(self.path, error) from error
        self._env = env
        if not self._unseen:
            env.reader_check()

    def _open_lmdb(self, map_size: int) -> Any:
        opened = open_lmdb(self.path, map_size, MAX_READERS)
        self.read_only, self._unseen, self._data_lock = (
            opened.read_only,
            opened.unseen,
            opened.data_lock,
        )
        return opened.env

    def _open_tables(self, env: Any) -> None:
        def table(name: bytes, txn: Transaction) -> Any:
            try:
                return env.open_db(name, txn=txn, create=self._creating)
            except lmdb.NotFoundError:
                raise damaged(f"it has no table {name.decode()!r}") from None

        def all_tables(txn: Transaction) -> None:
            self.objects = table(b"objects", txn)
            self.packs = table(b"packs", txn)
            self.refs = table(b"refs", txn)
            self.operations = table(b"operations", txn)
            self.cache = table(b"cache", txn)
            self.meta = table(b"meta", txn)
            try:
                self.audit = env.open_db(b"audit", txn=txn, create=self._creating)
            except lmdb.NotFoundError:
                self.audit = None  # the store is older than the table

        if self.read_only:
            all_tables(None)
            return
        # py-lmdb keeps handles only when a write transaction opened them, so opening waits for a
        # commit in progress; it changes nothing, so it costs no fsync.
        with env.begin(write=True) as txn:
            all_tables(txn)

    def _disk_is_full(self) -> bool:
        """LMDB reports a write that was cut short, as on a full disk, as an I/O error."""
        try:
            disk = os.statvfs(self.path)
        except OSError:
            return False
        return disk.f_bavail * disk.f_frsize < NO_SPACE_BYTES

    def _shut(self, failure: MvcError) -> None:
        self._failure = self._failure or failure
        with self._map_lock.alone():
            env, self._env = self._env, None
            if env is not None:
                env.close()
            if self._data_lock is not None:
                self._data_lock.close()
                self._data_lock = None

    def _forked(self) -> None:
        """In a child, before anything else runs there."""
        self._forked_in_use = bool(self._map_lock.inside)
        self._map_lock = ReadersWriterLock()
        self._writer = None
        if self._data_lock is not None:
            self._data_lock.close()  # the parent's lock stays: its descriptor does
            self._data_lock = None
        if self._forked_in_use:
            _abandoned.append(self._env)  # never to be closed, not even by the garbage collector
            self._failure = Failure(
                "the store cannot be used in this process",
                kind="forked",
                cause="it was forked while another thread used the store",
                help="start workers with the 'spawn' method",
            )
        elif self._env is not None:
            self._env.close()
        self._env = None


_abandoned: list[Any] = []


def _after_fork_in_child() -> None:
    Index._registry = threading.RLock()
    Index._opening = {}
    for index in list(Index._open.values()):
        index._forked()


os.register_at_fork(after_in_child=_after_fork_in_child)
