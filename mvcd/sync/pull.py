"""Fetching what a peer's versions reach and we lack.

Versions come first (records are always complete), then level by level what they name: what rests here already
is read here, the rest comes in batches over several streams at once. Chunks name nothing, so nobody waits for
them: the walk goes on while they come. Everything is checked before it is put; refs move after the caller has
seen it all. A pull that was cut short finds what arrived and asks for the rest.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from mvcd.errors import CorruptObject, Failure, MissingObject, UsageError
from mvcd.ids import ChunkId, Digest, Kind, VersionId
from mvcd.monitor import Monitor
from mvcd.objects.closure import Opened, children, require_allowed
from mvcd.store.api import Session, Store
from mvcd.store.arrivals import Arrivals
from mvcd.store.frames import CheckedRecord, RecordFrame
from mvcd.store.peer import Peer
from mvcd.store.record import MAX_DELTA_LEVELS
from mvcd.sync.walk import PassesOver, difference

BATCH_OBJECTS = 2048
"""Objects of one request at most; what came of it before a cut is not asked again."""
LEAST_OBJECTS = 64
"""Objects of one request at least, where there is enough for every stream."""
WALK_STREAMS = 4
"""Requests at once for what names chunks: small, and one waits for the other's answer."""
CHUNK_STREAMS = 3
"""Requests for chunks at once. Each has a frame in hand (3 MiB, 6 MiB raw at most) and others on their way to
it. To a server they are short (mvcd/wire/portions.py): while one begins, the others keep the line. With two a
fetch of 2 GiB took 2.9 s, with three and four 2.3, and 159, 165 and 190 MiB of memory."""
_LATE_FRAMES = 16
"""Frames whose bases are fetched together: one by one each would cost a line's delay for each level of them."""


@dataclass(slots=True)
class Received:
    """What a pull moved."""

    versions: int = 0
    objects: int = 0
    bytes: int = 0  # of records, as they travelled


class Onlooker(Protocol):
    """Who wants to see what a pull brings."""

    def opened(self, id: Digest, opened: Opened) -> None:
        """An object was opened in whose content others are named. What it names is fetched only after this.
        Called by one thread."""

    def arrived(self, objects: Sequence[CheckedRecord]) -> None:
        """Objects were fetched and checked. Called by any thread."""


Leave = Callable[[Sequence[VersionId], Callable[[Digest], bytes]], frozenset[Digest]]
"""For the new versions (parents first) and what reads their records, the roots that are not wanted."""


def fetch_records(
    session: Session, store: Store, peers: Sequence[Peer], ids: Sequence[Digest], monitor: Monitor
) -> Received:
    """Just these objects, with the bases of differences; those that are here already are not asked for."""
    with _Fetcher(store, session, peers, monitor) as fetcher:
        fetcher.chunks(list(ids))
        return fetcher.finish()


def fetch_below(
    session: Session,
    store: Store,
    peers: Sequence[Peer],
    roots: Sequence[Digest],
    monitor: Monitor,
    *,
    stop: Kind = Kind.CHUNK,
) -> Received:
    """What `roots` reach, as far as it is not here; objects of kind `stop` are neither opened nor fetched,
    unless they are chunks: these are fetched.
    """
    with _Fetcher(store, session, peers, monitor) as fetcher:

        def read(ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
            return fetcher.read([id for id in ids if id.kind is not stop])

        for group in difference(roots, (), read, fetcher.known, look=require_allowed):
            fetcher.chunks([id for id in group if id.kind is Kind.CHUNK])
        return fetcher.finish()


def heal(
    session: Session, store: Store, peers: Sequence[Peer], ids: Sequence[Digest], monitor: Monitor
) -> Received:
    """Fetches those of these objects that a peer has, and that are absent or damaged here. If some of the
    peer's are damaged or gone, the others come all the same."""
    received = Received()
    for peer in peers:
        asked = [id for id, gone in zip(ids, session.missing(ids), strict=True) if gone]
        there = peer.has(asked) if asked else []
        wanted = [id for id, found in zip(asked, there, strict=True) if found]
        _bring_each(session, store, peer, wanted, monitor, received)
    return received


def _bring_each(
    session: Session, store: Store, peer: Peer, ids: list[Digest], monitor: Monitor, to: Received
) -> None:
    """Halves what fails, down to the single objects that cannot come."""
    if not ids:
        return
    try:
        came = fetch_records(session, store, [peer], ids, monitor)
    except (CorruptObject, MissingObject, UsageError):
        if len(ids) > 1:
            middle = len(ids) // 2
            _bring_each(session, store, peer, ids[:middle], monitor, to)
            _bring_each(session, store, peer, ids[middle:], monitor, to)
        return
    to.objects += came.objects
    to.bytes += came.bytes


def pull(
    store: Store,
    session: Session,
    peers: Sequence[Peer],
    heads: Sequence[VersionId],
    haves: Sequence[VersionId],
    *,
    monitor: Monitor,
    leave: Leave | None = None,
    passes_over: PassesOver | None = None,
    complete: bool = True,
    onlooker: Onlooker | None = None,
) -> Received:
    """Puts into `session` everything below `heads` that our refs (`haves`) do not reach. The first peer tells
    the history, all of them give content. What `leave` answers is left out with all that only it reaches;
    records never are. So is what `passes_over` answers of an object that was opened. Unless `complete`, our
    refs may lack content themselves: nothing cancels against them.

    Raises MissingObject when no peer has what a wanted version reaches, CorruptObject for wrong bytes,
    Failure(kind="reserved-path") for a file that no version may hold.
    """
    known = [id for id, here in zip(haves, store.has(haves), strict=True) if here]
    with _Fetcher(store, session, peers, monitor, onlooker) as fetcher:
        fetcher.expect(heads, below=not known and leave is None)
        new = list(peers[0].log(heads, known))
        new.reverse()
        for _ in fetcher.read(new):
            pass
        left = frozenset() if leave is None else leave(new, fetcher.get)
        known = known if complete else []

        def look(id: Digest, opened: Opened) -> None:
            require_allowed(id, opened)
            if onlooker is not None:
                onlooker.opened(id, opened)

        for group in difference(
            new, known, fetcher.read, fetcher.known, leave=left, look=look, passes_over=passes_over
        ):
            fetcher.chunks([id for id in group if id.kind is Kind.CHUNK])
        return fetcher.finish(len(new))


@dataclass(frozen=True, slots=True)
class _Batch:
    """Objects that one request brings, and its end."""

    ids: frozenset[Digest]
    done: Future[None]


Work = Callable[[list[Digest], Sequence[_Batch]], None]
"""What is done with the objects of a batch, and the batches before it that were under way when it was sent."""


class _Lane:
    """Requests side by side, of which each knows those before. With `staggered` the first ones grow, else all
    would end together and leave the line idle."""

    def __init__(self, streams: int, *, staggered: bool) -> None:
        self._streams = streams
        self._small = streams if staggered else 0
        self._pool = ThreadPoolExecutor(streams, "mvc-pull")
        self._flying: deque[_Batch] = deque()

    def send(self, ids: Sequence[Digest], work: Work) -> None:
        """Begins `work` on batches of these; waits while there are enough. Raises what it raised before."""
        size = max(LEAST_OBJECTS, min(BATCH_OBJECTS, len(ids) // (2 * self._streams) + 1))
        start = 0
        while start < len(ids):
            share = size - size * self._small // (self._streams + 1)
            self._small = max(0, self._small - 1)
            batch = list(ids[start : start + share])
            done = self._pool.submit(work, batch, tuple(self._flying))
            self._flying.append(_Batch(frozenset(batch), done))
            start += share
            if len(self._flying) > 2 * self._streams:
                self._flying.popleft().done.result()

    def drain(self) -> None:
        """Waits for all that was begun. Raises what it raised."""
        while self._flying:
            self._flying.popleft().done.result()

    def close(self) -> None:
        for batch in self._flying:
            batch.done.cancel()
        self._pool.shutdown(cancel_futures=True)


class _Fetcher:
    def __init__(
        self,
        store: Store,
        session: Session,
        peers: Sequence[Peer],
        monitor: Monitor,
        onlooker: Onlooker | None = None,
    ) -> None:
        self._store = store
        self._peers = peers
        self._monitor = monitor
        arrived = None if onlooker is None else onlooker.arrived
        self._arrivals = Arrivals(store, session, arrived=arrived)
        self._walk = _Lane(WALK_STREAMS * len(peers), staggered=False)
        self._chunks = _Lane(CHUNK_STREAMS * len(peers), staggered=True)
        self._coming: set[Digest] = set()
        self._lock = threading.Lock()
        self._turn = 0
        self.received = Received()

    def __enter__(self) -> _Fetcher:
        return self

    def __exit__(self, *exc: object) -> None:
        self._walk.close()
        self._chunks.close()

    def expect(self, ids: Sequence[Digest], *, below: bool) -> None:
        """Begins to fetch what will be read; with `below`, also what that names, if the peer sends it."""
        self._begin(self._walk, ids, self._batch_below if below else self._batch)

    def read(self, ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        """Raw bytes of new objects, fetched where they are not here."""
        self._begin(self._walk, ids)
        self._walk.drain()
        return self._arrivals.read_many(ids)

    def get(self, id: Digest) -> bytes:
        return self._arrivals.read(id)

    def known(self, ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        """Nothing of what is absent by choice or damaged: then nothing below cancels."""
        here = [id for id, found in zip(ids, self._store.has(ids), strict=True) if found]
        left = dict.fromkeys(here)
        with suppress(CorruptObject):
            for id, data in self._store.get_many(here):
                del left[id]
                yield id, data
            return
        for id in left:
            with suppress(CorruptObject, MissingObject):
                yield id, self._store.get(id)

    def chunks(self, ids: Sequence[Digest]) -> None:
        """Begins to fetch them; waits only when enough are on their way."""
        self._begin(self._chunks, self._peers[0].arranged(ids))

    def finish(self, versions: int = 0) -> Received:
        """When all is here."""
        self._walk.drain()
        self._chunks.drain()
        self.received.versions = versions
        return self.received

    def _begin(self, lane: _Lane, ids: Sequence[Digest], work: Work | None = None) -> None:
        """What is neither here nor coming, in order: a base before its difference."""
        with self._lock:
            new = [id for id in ids if id not in self._coming]
        lacking = self._arrivals.missing(new)
        with self._lock:
            self._coming.update(lacking)
        self._monitor.expect(more_items=len(lacking))
        lane.send(lacking, work or self._batch)

    def _batch(self, ids: list[Digest], earlier: Sequence[_Batch]) -> None:
        try:
            self._bring(ids, earlier)
        finally:
            with self._lock:
                self._coming.difference_update(ids)

    def _batch_below(self, ids: list[Digest], _: Sequence[_Batch]) -> None:
        """Each object that nobody asked for must be named by one that came before it, or a peer could fill our
        disk. One that is not costs a frame at most, which nothing will reach."""
        asked = frozenset(ids)
        named: set[Digest] = set(ids)
        peer = self._peers[0]
        for frame in peer.below(ids):
            self._monitor.expect(more_items=sum(r.id not in asked for r, _ in frame.records))
            self._take(frame)
            for record, _data in frame.records:
                if record.id not in named:
                    raise Failure(
                        f"{peer.url} sent what it was not asked for",
                        kind="bad-reply",
                        cause=f"nothing before {record.id.short()} names it",
                    )
                below = children(record.id.kind, self._arrivals.read(record.id))
                named.update(id for id in below if id.kind is not Kind.CHUNK)

    def _bring(self, ids: list[Digest], earlier: Sequence[_Batch]) -> None:
        """Differences wait for what brings their bases, if it was sent before: nobody waits in a circle.
        What came as a base of another batch is not asked for again."""
        late: list[RecordFrame] = []
        for frame in self._from_any(self._arrivals.missing(ids)):
            if self._bases_here(frame):
                self._take(frame)
            else:
                late.append(frame)
        if late:
            lacking = self._arrivals.missing(list[Digest](self._bases(late)))
            for batch in earlier:
                if not batch.ids.isdisjoint(lacking):
                    batch.done.result()
            for start in range(0, len(late), _LATE_FRAMES):
                self._take_late(late[start : start + _LATE_FRAMES])

    def _take_late(self, frames: list[RecordFrame], levels: int = MAX_DELTA_LEVELS) -> None:
        """Frames after what they rest on and is not here, which may rest on more: one request a level."""
        lacking = self._arrivals.missing(list[Digest](self._bases(frames)))
        if lacking:
            if not levels:
                raise Failure(
                    f"{self._peers[0].url} sent differences that rest on no whole chunk",
                    kind="bad-reply",
                    cause=f"a chain of them goes on after {MAX_DELTA_LEVELS} steps",
                )
            self._take_late(list(self._from_any(lacking)), levels - 1)
        for frame in frames:
            self._take(frame)

    def _from_any(self, ids: list[Digest]) -> Iterator[RecordFrame]:
        """The records of these from one peer after another, beginning with the next in turn."""
        with self._lock:
            self._turn += 1
            order = [
                self._peers[(self._turn + n) % len(self._peers)] for n in range(len(self._peers))
            ]
        left = ids
        for peer in order[:-1]:
            there = peer.has(left)
            yield from peer.records([id for id, found in zip(left, there, strict=True) if found])
            left = [id for id, found in zip(left, there, strict=True) if not found]
            if not left:
                return
        yield from order[-1].records(left)

    def _bases(self, frames: Sequence[RecordFrame]) -> list[ChunkId]:
        """What their records rest on and no record before brings."""
        brought: set[Digest] = set()
        wanted: dict[ChunkId, None] = {}
        for frame in frames:
            for record, _ in frame.records:
                if record.base is not None and record.base not in brought:
                    wanted[record.base] = None
                brought.add(record.id)
        return list(wanted)

    def _bases_here(self, frame: RecordFrame) -> bool:
        bases = self._bases([frame])
        return not bases or not self._arrivals.missing(list(bases))

    def _take(self, frame: RecordFrame) -> None:
        self._arrivals.receive(frame)
        with self._lock:
            self.received.objects += len(frame.records)
            self.received.bytes += len(frame.data)
        self._monitor.advance(
            items_done=len(frame.records),
            bytes_done=len(frame.data),
            bytes_new=sum(record.raw_size for record, _ in frame.records),
        )
