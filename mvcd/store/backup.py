"""A copy of a store that others go on using: a consistent index, then the bytes that it names.

    1. a shared flock on `packs/`: no collection runs, so no pack is rewritten or unlinked
    2. the index, copied inside one read transaction: refs, operations, audit rows, committed lengths
    3. each pack up to the length that *this* index states; committed bytes never change
    4. a journal made from the copied index
    5. `format`, with the id of the original: only now is the copy a store
    6. every object of the copy is read and its digest checked

Writers are never blocked. What they commit after 2 is not in the copy, whole or in part. A crash before 5
leaves a directory that no program takes for a store.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from mvcd.disk.filesystem import require_local
from mvcd.disk.locks import lock_directory
from mvcd.disk.refusals import is_disk_full, unwritten
from mvcd.disk.sync import sync_directory, sync_file
from mvcd.errors import Busy, Failure, IntegrityError
from mvcd.monitor import Monitor, Silent
from mvcd.store.api import AuditHead
from mvcd.store.index import Index
from mvcd.store.journal import JOURNAL, Journal
from mvcd.store.lmdb_store import LmdbStore, write_format_file
from mvcd.store.pack import pack_name
from mvcd.store.refs import full_changes
from mvcd.store.repack import WAIT_SECONDS
from mvcd.store.writers import PackRow, pack_rows

COPY_STEP_BYTES = 16 << 20
"""Bytes a call: between two of them progress is told."""

_CANNOT_REFLINK = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM)


@dataclass(frozen=True, slots=True)
class Backup:
    """What a copy holds. `bytes` are those of its packs."""

    id: str
    refs: dict[str, bytes]
    audit: AuditHead
    objects: int
    bytes: int


def back_up_at(address: str, target: str, *, monitor: Monitor | None = None) -> Backup:
    """Backs up the store at an address, which stays as it is. Raises what opening it and `back_up` raise."""
    with LmdbStore.open(address) as store:
        return back_up(store, target, monitor=monitor)


def back_up(store: LmdbStore, target: str, *, monitor: Monitor | None = None) -> Backup:
    """Copies a store into `target`, a directory that is absent or empty, and reads all of the copy.

    Raises Failure when `target` is not empty or its disk is full, Busy while a collection runs,
    IntegrityError when the copy is not whole: then the original is damaged too, or a disk fails.
    """
    target = os.path.abspath(target)
    require_local(target)
    require_empty(target)
    monitor = monitor or Silent()
    try:
        collector = _keep_collectors_out(store)
        try:
            _copy(store, target, monitor)
        finally:
            os.close(collector)
        write_format_file(target, store.id)
    except OSError as error:
        raise unwritten(
            error,
            "the store could not be copied",
            full=is_disk_full(error),
            room="free some disk space there",
        ) from error
    return verified(target, monitor=monitor)


def verified(path: str, *, monitor: Monitor | None = None) -> Backup:
    """Reads every object of the store in `path`. Raises IntegrityError at the first damage."""
    with LmdbStore.open(path) as store:
        for damage in store.check(monitor=monitor):
            raise IntegrityError(
                f"the store in {path} is damaged",
                cause=f"{damage.where}: {damage.problem}",
                help="mvc repair",
            )
        stats = store.stats()
        return Backup(store.id, store.refs(), store.audit_head(), stats.objects, stats.pack_bytes)


def require_empty(target: str) -> None:
    """Raises Failure where something is that a copy would mix with."""
    try:
        found = os.listdir(target)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise Failure(f"{target} is not a directory", kind="target-exists") from None
    if found:
        raise Failure(
            f"{target} is not empty",
            kind="target-exists",
            help="name a directory that is not there",
        )


def _keep_collectors_out(store: LmdbStore) -> int:
    """A descriptor with a shared lock on what collectors lock exclusively."""
    directory = lock_directory(store.pack_directory, shared=True, seconds=WAIT_SECONDS)
    if directory is None:
        raise Busy("a collection is running", help="run the command again later")
    return directory


def _copy(store: LmdbStore, target: str, monitor: Monitor) -> None:
    packs = os.path.join(target, "packs")
    for directory in (target, packs, os.path.join(target, "leases")):
        os.makedirs(directory, mode=0o700, exist_ok=True)
    with open(os.path.join(target, "data.mdb"), "xb") as file:
        store.index.copy(file.fileno())
        sync_file(file.fileno())
    index = Index.acquire(target)
    try:
        with index.read() as txn:
            rows = pack_rows(index, txn)
        monitor.begin("back up", total_bytes=sum(row.length for row in rows))
        for row in rows:
            _copy_pack(row, store.pack_directory, packs, monitor)
        sync_directory(packs)
        Journal(os.path.join(target, JOURNAL)).rewrite(full_changes(index))
        monitor.finish()
    finally:
        index.release()


def _copy_pack(row: PackRow, source: str, target: str, monitor: Monitor) -> None:
    name = pack_name(row.number)
    with (
        open(os.path.join(source, name), "rb", buffering=0) as reading,
        open(os.path.join(target, name), "xb", buffering=0) as writing,
    ):
        done = 0
        while done < row.length:
            step = copy_bytes(
                reading.fileno(), writing.fileno(), min(COPY_STEP_BYTES, row.length - done)
            )
            if not step:
                raise IntegrityError(
                    "the store is damaged",
                    cause=f"pack {row.number:08x} is shorter than its {row.length} bytes",
                    help="mvc repair",
                )
            done += step
            monitor.advance(bytes_done=step)
        sync_file(writing.fileno())


def copy_bytes(source: int, target: int, size: int) -> int:
    """At most `size` bytes from one descriptor's place to the other's; 0 at the end. The kernel shares
    the blocks where the file system can. Raises OSError."""
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, size)
        except OSError as error:
            if error.errno not in _CANNOT_REFLINK:
                raise
    data = os.read(source, min(size, 1 << 20))
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(target, rest) :]
    return len(data)
