"""What clients have put and no ref names yet: one store session for each push.

A put is acknowledged when it is verified, and durable when the refs move, or earlier: 64 MiB are flushed at
once, and what rests quietly is flushed before anybody asks what is missing, so that a push cut short finds
nearly all of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from mvcd.errors import Busy, MvcError, UsageError
from mvcd.store.api import Store
from mvcd.store.arrivals import Arrivals
from mvcd.store.frames import check_frame

FLUSH_BYTES = 64 << 20
QUIET = 0.3
"""Seconds without a put after which an upload counts as interrupted and is flushed for others to see."""
EXPIRE = 3600.0
"""Seconds without a call after which an upload is closed. Its objects stay until the next collection."""
MAX_UPLOADS = 128
"""At once. One more closes the one that has rested longest: each holds a pack, a lease and what is remembered
for bases, and a client that never comes back costs its owner nothing."""
REMEMBERED = 2 << 20
"""Raw bytes kept for bases per upload: 64 clients at once make 128 MiB."""

Key = tuple[str, bytes]


@dataclass
class Upload:
    """One client's work. `Arrivals` serialises puts; checking runs outside its lock."""

    arrivals: Arrivals
    used: float
    dirty: int = 0
    closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, frame: bytes, checking: AbstractContextManager[object]) -> tuple[int, int]:
        """(objects stored, objects known). Checks inside `checking`. Raises what `check_frame` does."""
        try:
            with checking:
                checked = check_frame(frame, self.arrivals.read)
            stored = self.arrivals.take(checked)
        except UsageError:
            if self.closed:
                raise Busy("this push rested for too long", help="run the command again") from None
            raise
        with self.lock:
            self.dirty += len(frame)
            full = self.dirty >= FLUSH_BYTES
        if full:
            self.flush()
        return stored, len(checked) - stored

    def flush(self) -> None:
        with self.lock:
            self.dirty = 0
        self.arrivals.run(lambda session: session.flush())

    def finish(self) -> None:
        """Makes durable what was put, and closes."""
        try:
            self.flush()
        except MvcError:
            pass  # the store has failed: it acknowledged nothing of this
        finally:
            self.close()

    def close(self) -> None:
        self.closed = True
        self.arrivals.run(lambda session: session.close())


class Uploads:
    """All uploads of a server, by repository and the client's session id."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[Key, Upload] = {}

    def get(self, repo: str, session: bytes, store: Store) -> Upload:
        """The upload of this id, begun if need be. Raises Busy when there are too many."""
        self.expire()
        rested: Upload | None = None
        with self._lock:
            upload = self._open.get((repo, session))
            if upload is None:
                if len(self._open) >= MAX_UPLOADS:
                    rested = self._open.pop(self._longest_at_rest())
                arrivals = Arrivals(store, store.session(), remembered=REMEMBERED)
                upload = Upload(arrivals, self._clock())
                self._open[repo, session] = upload
            upload.used = self._clock()
        if rested is not None:
            rested.finish()
        return upload

    def known(self, repo: str, session: bytes) -> Upload | None:
        """The upload of this id, if it has begun."""
        with self._lock:
            upload = self._open.get((repo, session))
            if upload is not None:
                upload.used = self._clock()
            return upload

    def _longest_at_rest(self) -> Key:
        key = min(self._open, key=lambda key: self._open[key].used)
        if self._clock() - self._open[key].used < QUIET:
            raise Busy("too many pushes at once", help="try again in a minute")
        return key

    def settle(self, repo: str, but: bytes) -> None:
        """Makes visible what interrupted pushes to a repository left."""
        now = self._clock()
        with self._lock:
            quiet = [
                upload
                for (name, session), upload in self._open.items()
                if name == repo and session != but and upload.dirty and now - upload.used >= QUIET
            ]
        for upload in quiet:
            upload.flush()

    def end(self, repo: str, session: bytes) -> None:
        with self._lock:
            upload = self._open.pop((repo, session), None)
        if upload is not None:
            upload.close()

    def expire(self) -> None:
        """Closes what nobody has used for long."""
        now = self._clock()
        with self._lock:
            old = [key for key, upload in self._open.items() if now - upload.used > EXPIRE]
            closing = [self._open.pop(key) for key in old]
        for upload in closing:
            upload.finish()

    def close(self) -> None:
        """Flushes and closes all: a server that stops in peace loses nothing that was sent."""
        with self._lock:
            closing = list(self._open.values())
            self._open.clear()
        for upload in closing:
            upload.finish()
