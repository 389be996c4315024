"""What clients have put and no ref names yet: one store session for each push.

A put is acknowledged when it is verified, and durable when the refs move, or earlier: what rests quietly is
flushed before anybody asks what is missing, and what a killed server left is salvaged (store/salvage.py), so
that a push cut short finds all but the last MiB of it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from mvcd.errors import Busy, MvcError, UsageError
from mvcd.store.api import Session, Store
from mvcd.store.arrivals import Arrivals, Checks
from mvcd.store.frames import RecordFrame
from mvcd.wire.host import Everywhere
from mvcd.wire.together import Together

QUIET_SECONDS = 0.3
"""Seconds without a put after which an upload counts as interrupted and is flushed for others to see."""
EXPIRE_SECONDS = 3600.0
"""Seconds without progress after which an upload is closed; then a collection takes what no ref reached."""
EXPIRE_SMALL_SECONDS = 600.0
"""The same for one of less than PROGRESS_BYTES, which is soon sent again. A push that was killed has two open
files here until then: of a server whose clients died now and then 38 became 78 in eight minutes. Who goes on
all the same begins it anew, and finds what came unless a collection took it."""
REST_SECONDS = 60.0
"""Seconds without a call after which nothing is kept for bases any longer."""
PROGRESS_BYTES = 16 << 20
"""Bytes of records in that time, below which it was none: whoever sends a little now and then would keep the
rest for ever. The slowest push that a client does not give up sends 230 MiB an hour."""
MAX_FRAMES = 24
"""Frames that clients are told to have in flight, all together: of 2.5 MiB each, and received whether or not
there is a thread for them."""
BUSY_SECONDS = 1.0
"""Seconds since its last call within which an upload has a share of them."""
ANNOUNCED_SECONDS = 5.0
"""Seconds for which a push has one that has asked and not put yet."""
MAX_UPLOADS = 128
"""At once: each holds a pack, a lease and what is remembered for bases. One more closes one at rest, of whoever
has most the one that has rested longest; a client that never comes back costs its owner nothing. Who keeps all
of them at work keeps nobody out who has fewer: one of theirs is closed between two calls, and begun anew by the
next."""
REMEMBERED_BYTES = 32 << 20
"""Raw bytes kept for bases, shared by all uploads."""
MOST_REMEMBERED_BYTES = 2 << 20
"""By one of them: a difference follows its base within a few frames."""

Key = tuple[str, bytes]


@dataclass
class Upload:
    """One client's work. `Arrivals` serialises puts; checking runs outside its lock. `calls` are under way."""

    arrivals: Arrivals
    used: float
    owner: str = ""
    began: float = 0.0  # the hour in which progress is counted
    progress: int = 0  # bytes of records since
    size: int = 0  # bytes of all its records
    calls: int = 0
    dirty: int = 0
    closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._together = Together(self.flush)

    def put(self, frame: RecordFrame, others: Everywhere | None = None) -> tuple[int, int]:
        """(objects stored, objects known). With `others`, every server finds all of them when this returns.
        Raises what `check_frame` does, and then what `flush` does."""
        if others is None:
            return self._put(frame)
        counts = self._together.put(len(frame.data), lambda: self._put(frame))
        others.require_visible([record.id for record, _ in frame.records])
        return counts

    def _put(self, frame: RecordFrame) -> tuple[int, int]:
        stored = self.arrivals.receive(frame)
        with self.lock:
            self.dirty += len(frame.data)
            self.progress += len(frame.data)
            self.size += len(frame.data)
        return stored, len(frame.records) - stored

    def drain(self) -> None:
        """Holds no frame any longer: records that wait to be written are views into theirs."""
        self.arrivals.run(lambda session: session.drain())

    def flush(self) -> None:
        with self.lock:
            self.dirty = 0
        self.arrivals.run(lambda session: session.flush())

    def finish(self) -> None:
        """Makes durable what was put, and closes; nothing is acknowledged in between."""
        self.closed = True
        self.arrivals.run(_finish)

    def close(self) -> None:
        self.closed = True
        self.arrivals.run(lambda session: session.close())


def _finish(session: Session) -> None:
    # A failure to flush is the owner's to find: it sends again what is missing then.
    with session, suppress(MvcError):
        session.flush()


class Uploads:
    """All uploads of a server, by repository and the client's session id."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[Key, Upload] = {}
        self._announced: dict[Key, float] = {}
        self._checks = Checks()
        self._left: set[str] = set()

    @contextmanager
    def using(self, repo: str, session: bytes, store: Store, owner: str = "") -> Iterator[Upload]:
        """The upload of this id, begun if need be, for one call: while it lasts nobody takes the upload for one
        at rest. Raises Busy when there are too many, and when another call of the same push ended it meanwhile:
        the call made again begins it anew."""
        self.expire()
        rested: Upload | None = None
        with self._lock:
            upload = self._open.get((repo, session))
            if upload is None:
                if len(self._open) >= MAX_UPLOADS:
                    dispensable = self._dispensable(owner)
                    rested = self._open.pop(dispensable)
                    self._left.add(dispensable[0])
                arrivals = Arrivals(store, store.session(), checks=self._checks)
                upload = Upload(arrivals, self._clock(), owner, self._clock())
                self._open[repo, session] = upload
            upload.calls += 1
            upload.arrivals.remember(
                min(MOST_REMEMBERED_BYTES, REMEMBERED_BYTES // len(self._open))
            )
        if rested is not None:
            rested.finish()
        with self._call(upload):
            yield upload

    @contextmanager
    def known(self, repo: str, session: bytes) -> Iterator[Upload | None]:
        """The same, but None if it has not begun."""
        with self._lock:
            upload = self._open.get((repo, session))
            if upload is not None:
                upload.calls += 1
        if upload is None:
            yield None
            return
        with self._call(upload):
            yield upload

    @contextmanager
    def _call(self, upload: Upload) -> Iterator[None]:
        """The rest of a call that was counted."""
        try:
            yield
        except UsageError as error:
            if not upload.closed:
                raise
            raise Busy("this push ended meanwhile", help="run the command again") from error
        finally:
            with self._lock:
                upload.calls -= 1
                upload.used = self._clock()

    def announce(self, repo: str, session: bytes) -> int:
        """A push that has only asked so far, as far as is known; and how many frames it may have in flight."""
        with self._lock:
            key = (repo, session)
            if key not in self._open:
                while len(self._announced) >= MAX_UPLOADS:
                    del self._announced[next(iter(self._announced))]
                self._announced[key] = self._clock()
        return self.frames()

    def frames(self) -> int:
        """How many each of the pushes may have in flight."""
        with self._lock:
            now = self._clock()
            for key, since in list(self._announced.items()):
                if key in self._open or since <= now - ANNOUNCED_SECONDS:
                    del self._announced[key]
            busy = sum(
                one.calls > 0 or one.used > now - BUSY_SECONDS for one in self._open.values()
            )
            return max(1, MAX_FRAMES // max(1, busy + len(self._announced)))

    def _dispensable(self, owner: str) -> Key:
        """The one to close for another one of `owner`: at rest and of nobody who has fewer, or between two
        calls of somebody who has more. Raises Busy."""
        counts = Counter(one.owner for one in self._open.values())

        def least(seconds: float, count: int) -> set[Key]:
            resting = self._at_rest(seconds)
            return {key for key in resting if counts[self._open[key].owner] >= count}

        found = least(QUIET_SECONDS, counts[owner]) | least(0.0, counts[owner] + 2)
        if not found:
            raise Busy("too many pushes at once", help="try again in a minute")

        def order(key: Key) -> tuple[int, float]:
            one = self._open[key]
            return -counts[one.owner], one.used

        return min(found, key=order)

    def _at_rest(self, seconds: float) -> list[Key]:
        since = self._clock() - seconds
        return [key for key, one in self._open.items() if not one.calls and one.used <= since]

    def settle(self, repo: str, but: bytes) -> None:
        """Makes visible what interrupted pushes to a repository left. What is wrong with one of them its owner
        finds out, not who asks."""
        with self._lock:
            quiet = [
                (session, self._open[name, session])
                for name, session in self._at_rest(QUIET_SECONDS)
                if name == repo and session != but and self._open[name, session].dirty
            ]
        for session, upload in quiet:
            try:
                upload.flush()
            except MvcError:
                if not upload.closed:
                    self.end(repo, session)

    def end(self, repo: str, session: bytes, *, named: bool = False) -> None:
        """`named`: a ref reaches what was put."""
        with self._lock:
            upload = self._open.pop((repo, session), None)
            if upload is not None and not named:
                self._left.add(repo)
        if upload is not None:
            upload.close()

    def expire(self) -> None:
        """Closes what made no progress for long, and lets the others that rest forget what came."""
        with self._lock:
            small = (
                key
                for key in self._at_rest(EXPIRE_SMALL_SECONDS)
                if self._open[key].size < PROGRESS_BYTES
            )
            keys = {*self._at_rest(EXPIRE_SECONDS), *small, *self._lingering()}
            self._left.update(repo for repo, _ in keys)
            closing = [self._open.pop(key) for key in keys]
            resting = [self._open[key] for key in self._at_rest(REST_SECONDS)]
        for upload in closing:
            upload.finish()
        for upload in resting:
            upload.arrivals.forget()

    def _lingering(self) -> Iterator[Key]:
        """Those that are used, but for nothing. Begins an hour anew for the others whose hour is over."""
        now = self._clock()
        for key, one in self._open.items():
            if one.began > now - EXPIRE_SECONDS:
                continue
            if not one.calls and one.progress < PROGRESS_BYTES:
                yield key
            else:
                one.began, one.progress = now, 0

    def take_left(self) -> set[str]:
        """Repositories that hold what uploads left, each told once; `leave` tells one again."""
        with self._lock:
            left, self._left = self._left, set()
            return left

    def leave(self, repo: str) -> None:
        with self._lock:
            self._left.add(repo)

    def owners(self, repo: str) -> set[str]:
        """Returns the callers whose uploads to a repository are open."""
        with self._lock:
            return {one.owner for (name, _), one in self._open.items() if name == repo}

    def close(self) -> None:
        """Flushes and closes all: a server that stops in peace loses nothing that was sent."""
        with self._lock:
            closing = list(self._open.values())
            self._open.clear()
        for upload in closing:
            upload.finish()
