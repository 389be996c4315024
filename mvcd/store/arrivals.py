"""Checked objects on their way into a session: bases are found though what was put is not readable yet."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mvcd.errors import CorruptObject, MissingObject
from mvcd.ids import Digest
from mvcd.store.api import ObjectReader, Session
from mvcd.store.frames import CheckedRecord, RecordFrame, check_frame
from mvcd.store.readymade import Added, ReadyRecords

FLUSH_EACH_BYTES = 256 << 20
"""Bytes of records after which a transfer is made durable: what a power cut costs at most. Puts wait for it:
with 64 MiB a push of 1 GiB took 2.7 s, with this 2.2 s."""
REMEMBERED_BYTES = 32 << 20
"""Raw bytes of objects that just came: a difference usually follows its base within a few MiB, and what names
chunks is opened soon after it came."""
OVERHEAD_BYTES = 256
"""Bytes that a remembered object takes besides its own."""


class Checks:
    """How many frames are checked at once: as many as there are cores, since more would only hold their raw
    bytes while they wait; and one of small objects (Frame.small)."""

    def __init__(self) -> None:
        self._any = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))
        self._small = threading.BoundedSemaphore(1)

    @contextmanager
    def turn(self, frame: RecordFrame) -> Iterator[None]:
        with self._small if frame.small else self._any:
            yield


class Arrivals:
    """A session shared by threads that check frames. Only the putting is done one at a time."""

    def __init__(
        self,
        store: ObjectReader,
        session: Session,
        *,
        remembered: int = REMEMBERED_BYTES,
        checks: Checks | None = None,
        arrived: Callable[[Sequence[CheckedRecord]], None] | None = None,
    ) -> None:
        """`checks` is given where several take turns; `arrived` is told in the same thread what was checked."""
        self._arrived = arrived
        self._store = store
        self._limit = remembered
        self._session = session
        self._lock = threading.Lock()
        self._recent: OrderedDict[Digest, bytes] = OrderedDict()
        self._size = 0
        self._checks = checks or Checks()
        self._waiting = 0
        self.objects = 0
        self.raw_bytes = 0

    def remember(self, most: int) -> None:
        """Keeps so many raw bytes for bases from now on."""
        self._limit = most

    def forget(self) -> None:
        """Keeps nothing of what came so far; it is read from the store then."""
        with self._lock:
            self._recent.clear()
            self._size = 0

    def receive(self, frame: RecordFrame) -> int:
        """Checks a frame and puts its records; returns how many were new. Raises what `check_frame` does."""
        with self._checks.turn(frame):
            checked = check_frame(frame, self.read)
        if self._arrived is not None:
            self._arrived(checked)
        return self._take(frame, checked)

    def _take(self, frame: RecordFrame, checked: list[CheckedRecord]) -> int:
        with self._lock:
            added = self._put(frame, checked)
            self.objects += added.objects
            self.raw_bytes += added.raw_bytes
            self._waiting += added.stored_bytes
            for one in checked:
                self._remember(one.record.id, one.raw)
            if self._waiting >= FLUSH_EACH_BYTES:
                self._session.flush()
                self._waiting = 0
            return added.objects

    def _put(self, frame: RecordFrame, checked: list[CheckedRecord]) -> Added:
        """As a whole where it may be: record by record a server took a twentieth more of CPU time."""
        ids = [one.record.id for one in checked]
        alone = len(checked) == len(frame.records) and frame.small
        if alone and all(one.record.base is None for one in checked):
            raw_size = sum([len(one.raw) for one in checked])
            return self._session.put_ready(ReadyRecords(ids, raw_size, frame.data))
        self._session.missing(ids)  # one look-up for all
        added = self._session.put_records([(one.record, one.data) for one in checked])
        return Added.of((len(one.raw) for one in checked), added)

    def read(self, id: Digest) -> bytes:
        """Raw bytes of an object that is stored or came by. Raises MissingObject."""
        with self._lock:
            if (raw := self._recent.get(id)) is not None:
                return raw
        try:
            return self._store.get(id)
        except (MissingObject, CorruptObject):  # or it was stored anew, and is not readable yet
            with self._lock:
                self._session.flush()
            return self._store.get(id)

    def read_many(self, ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        """Reads objects like `read`, in any order: what came by first."""
        with self._lock:
            recent = {id: raw for id in ids if (raw := self._recent.get(id)) is not None}
        yield from recent.items()
        left = dict.fromkeys(id for id in ids if id not in recent)
        asked = list(left)
        for id, raw in self._store.get_many(
            [id for id, here in zip(asked, self._store.has(asked), strict=True) if here]
        ):
            del left[id]
            yield id, raw
        if left:
            with self._lock:
                self._session.flush()
            for id in left:
                yield id, self._store.get(id)

    def missing(self, ids: list[Digest]) -> list[Digest]:
        """Returns the objects that neither rest here nor came by; the others are under the session's lease."""
        with self._lock:
            absent = self._session.missing(ids)
        return [id for id, gone in zip(ids, absent, strict=True) if gone]

    def run(self, work: Callable[[Session], object]) -> None:
        """`work` with the session for itself."""
        with self._lock:
            work(self._session)

    def _remember(self, id: Digest, raw: bytes) -> None:
        if id in self._recent:
            return
        self._recent[id] = raw
        self._size += len(raw) + OVERHEAD_BYTES
        while self._size > self._limit:
            self._size -= len(self._recent.popitem(last=False)[1]) + OVERHEAD_BYTES
