"""What a killed writer left behind the committed lengths of its packs: verified, and put again.

The kernel keeps what a process wrote, so a commit or a transfer that was killed finds all but its last MiB here
when it is repeated, however rarely it made rows durable. Nothing is believed: each record is decoded and
re-hashed, and its bytes are written and synced anew, since a failed fsync may have left them in memory only.
A tail is dropped once what it held is durable.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress

from mvcd.disk.locks import try_lock, unlock
from mvcd.errors import MvcError
from mvcd.store.damage import mark
from mvcd.store.frames import gather, parse_frame
from mvcd.store.index import Index
from mvcd.store.pack import pack_name, pack_numbers
from mvcd.store.parts import Parts
from mvcd.store.record import PACK_HEADER, BadRecord, parse_record
from mvcd.store.rows import ObjectLocation
from mvcd.store.writers import pack_row, pack_rows


def salvage(store: Parts) -> None:
    """Tails of writers that live are left to them. Raises Failure (disk full, ...)."""
    with ExitStack() as locks:
        tails = []
        # All are locked before anything is put: what writes would take over a pack without a row.
        for number in _suspects(store.index, store.pack_directory):
            file = try_lock(os.path.join(store.pack_directory, pack_name(number)))
            if file is not None:
                locks.callback(unlock, file)
                tails.append((number, file))
        for number, file in tails:
            start = _committed(store.index, number)
            if start is not None and os.fstat(file).st_size > start:
                _save(store, file, start)
                os.ftruncate(file, start)


def mark_lost(store: Parts) -> None:
    """Marks as damaged what rested in packs that are gone or were cut: one look at each file finds it, before
    anybody counts on it."""
    with store.index.read() as txn:
        rows = pack_rows(store.index, txn)
    left: dict[int, int] = {}
    for row in rows:
        size = 0
        with suppress(FileNotFoundError):
            size = os.stat(os.path.join(store.pack_directory, pack_name(row.number))).st_size
        if size < row.length:
            left[row.number] = size
    if not left:
        return
    lost = {
        id: location.row()
        for id, location in store.locations()
        if isinstance(location, ObjectLocation)
        and location.offset + location.size > left.get(location.pack, 1 << 62)
    }
    mark(store.index, lost, lost)


def _suspects(index: Index, directory: str) -> list[int]:
    """Packs whose files are longer than they should be, as far as one look tells."""
    with index.read() as txn:
        rows = {row.number: row for row in pack_rows(index, txn)}
    found = []
    for number in pack_numbers(directory):
        row = rows.get(number)
        if row is None or not row.sealed:
            with suppress(FileNotFoundError):
                size = os.stat(os.path.join(directory, pack_name(number))).st_size
                if size > (PACK_HEADER.size if row is None else row.length):
                    found.append(number)
    return found


def _committed(index: Index, number: int) -> int | None:
    """As it is now that nobody else can move it; None when it was sealed meanwhile."""
    with index.read() as txn:
        row = pack_row(index, txn, number)
    if row is None:
        return 0
    return None if row.sealed else row.length


def _save(store: Parts, file: int, start: int) -> None:
    """Imports what it needs only here: each command looks for what was left, and hardly ever finds any."""
    import mmap  # late: start-up

    from mvcd.store.arrivals import Arrivals
    from mvcd.store.session import LmdbSession

    with (
        mmap.mmap(file, 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
        LmdbSession(store) as session,
    ):
        arrivals = Arrivals(store, session)
        with suppress(MvcError):  # a record that is damaged, or whose base is gone, ends it
            for frame in gather(_records(view, max(start, PACK_HEADER.size))):
                arrivals.receive(parse_frame(frame))
        session.flush()


def _records(view: memoryview, offset: int) -> Iterator[tuple[bytes, int]]:
    """The whole records from `offset` on, up to the first that is none, each with its raw size: copies, since
    what waits to be written must not hang on the map."""
    while True:
        try:
            record = parse_record(view, offset, check_crc=False)
        except BadRecord:
            return
        size = record.size
        record.body.release()
        yield bytes(view[offset : offset + size]), record.raw_size
        offset += size
