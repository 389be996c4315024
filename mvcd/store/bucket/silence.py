"""A bucket whose silence is told to who waits: a store that lost its quorum answers nothing and refuses
nothing, and a write to it has no end of its own (objectstore.py)."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from mvcd.ids import Bytes
from mvcd.store.bucket.blobs import BlobInfo, Blobs, Tag

LATE_SECONDS = 10.0
"""Seconds after which a call without an answer is told."""
SLOWEST_BYTES = 64 << 10
"""Bytes a second over the slowest line on which what is sent is not taken for silence."""
_LOOK_SECONDS = 1.0
_DELETE_NAMES = 1000

Tell = Callable[[str], object]


class ToldBlobs:
    """See `mvcd.store.bucket.blobs.Blobs`. Owns the bucket it was given: `close` closes it. A thread of its own
    looks each second while calls are under way; `tell` hears once of each silence."""

    def __init__(
        self, blobs: Blobs, tell: Tell, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.sealed = blobs.sealed
        self.read_only = blobs.read_only
        self._blobs = blobs
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._due: dict[int, float] = {}
        self._calls = 0
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return self._blobs.url

    def get(self, name: str) -> tuple[bytes, Tag]:
        with self._call():
            return self._blobs.get(name)

    def get_changed(self, name: str, tag: Tag) -> tuple[bytes, Tag] | None:
        with self._call():
            return self._blobs.get_changed(name, tag)

    def get_ranges(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        with self._call(sum(end - start for start, end in spans)):
            return self._blobs.get_ranges(name, spans)

    def put(self, name: str, data: Bytes) -> None:
        with self._call(memoryview(data).nbytes):
            self._blobs.put(name, data)

    def create(self, name: str, data: Bytes) -> Tag:
        with self._call(memoryview(data).nbytes):
            return self._blobs.create(name, data)

    def swap(self, name: str, data: Bytes, tag: Tag) -> Tag:
        with self._call(memoryview(data).nbytes):
            return self._blobs.swap(name, data, tag)

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        found = iter(self._blobs.list(prefix))
        while True:
            with self._call():
                one = next(found, None)
            if one is None:
                return
            yield one

    def delete(self, names: Iterable[str]) -> None:
        left = iter(names)
        while batch := list(islice(left, _DELETE_NAMES)):
            with self._call():
                self._blobs.delete(batch)

    def signed(self, names: Sequence[str], seconds: int) -> Sequence[str]:
        return self._blobs.signed(names, seconds)

    def close(self) -> None:
        self._over.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()
        self._blobs.close()

    def look(self) -> None:
        """Tells it where a call is late. All that are under way then count as told."""
        now = self._clock()
        with self._lock:
            if min(self._due.values(), default=math.inf) > now:
                return
            self._due = dict.fromkeys(self._due, math.inf)
        self._tell(
            f"{self.url} has not answered for {LATE_SECONDS:.0f} s; waiting, for a store that stalls goes on "
            "when it is whole again  (Ctrl-C ends this)"
        )

    # ------------------------------------------------------------------ inside

    @contextmanager
    def _call(self, size_bytes: int = 0) -> Iterator[None]:
        due = self._clock() + LATE_SECONDS + size_bytes / SLOWEST_BYTES
        with self._lock:
            self._calls += 1
            number = self._calls
            self._due[number] = due
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="bucket-silence", daemon=True
                )
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._due[number]

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            with self._lock:
                if not self._due:
                    self._thread = None
                    return
            self.look()
