"""Sending what a peer lacks: chunks first, then what names them, then the refs in one update.

Which objects may be lacking follows from refs alone (walk.py); which really are, the peer is asked in
batches, of which the next is asked while one is sent. So a push that was cut short goes on where it was: what
arrived is not sent again. Over a long line each wait for an answer is dear, so there are three in all: for the
first question, for the last frame, for the update.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field

from mvcd.errors import IntegrityError
from mvcd.ids import Bytes, ChunkId, Digest, Kind, VersionId
from mvcd.monitor import Monitor
from mvcd.objects.ancestry import between
from mvcd.objects.version import Version
from mvcd.store.api import ObjectInfo, ObjectReader
from mvcd.store.frames import CROWDED_FRAME_BYTES, smaller
from mvcd.store.older import readable
from mvcd.store.peer import CallLimits, Peer
from mvcd.store.record import record_size
from mvcd.sync.walk import difference
from mvcd.sync.window import MOST_FRAMES, Window

HAS_BATCH_IDS = CallLimits().has_ids
RECORD_BATCH_OBJECTS = 4 << 10


@dataclass(frozen=True, slots=True)
class _Question:
    """Objects, and for each whether the peer has it."""

    infos: Mapping[Digest, ObjectInfo]
    there: Future[list[bool]]


@dataclass(slots=True)
class _Batch:
    """Objects that were sent after one question."""

    ids: set[Digest]
    frames: list[Future[None]] = field(default_factory=list)

    @property
    def landed(self) -> bool:
        """Whether the peer has acknowledged them, so that an answer to what it is asked from now on knows."""
        return all(frame.done() for frame in self.frames)


@dataclass(slots=True)
class Sent:
    """What a push moved."""

    versions: int = 0
    objects: int = 0
    bytes: int = 0  # of records, as they travelled
    asked: int = 0  # objects the peer was asked about


def push(
    store: ObjectReader,
    peer: Peer,
    heads: Sequence[VersionId],
    haves: Sequence[VersionId],
    *,
    monitor: Monitor,
    partial: bool = False,
    leave: frozenset[Digest] = frozenset(),
    lacks: frozenset[VersionId] = frozenset(),
) -> Sent:
    """Sends everything below `heads` that the peer may lack, `haves` being what its refs name and we have, but
    for what only objects in `leave` reach. Of versions that it `lacks` it has the records alone.

    With `partial`, content absent here is left out (the peer must have it, and will say so if not). Raises
    MissingObject for absent content otherwise, and what the peer raises.
    """

    def version(id: VersionId) -> Version:
        return Version.decode(store.get(id))

    new = list(between(heads, haves, version))
    if not new:
        return Sent()
    parents = {p for id in new for p in version(id).parents} - set(new)
    known = [id for id in dict.fromkeys([*haves, *parents]) if id not in lacks]
    with _Sender(store, peer, monitor) as sender:
        later: list[Digest] = []
        read = _Reading(store, partial=partial)
        for group in difference(
            reversed(new), known, read, _Reading(store, partial=True), leave=leave
        ):
            sender.send([id for id in group if id.kind is Kind.CHUNK])
            later.extend(id for id in group if id.kind is not Kind.CHUNK)
        later.reverse()
        sender.send(later)
        sender.finish()
        sender.sent.versions = len(new)
        return sender.sent


def heal(store: ObjectReader, peer: Peer, heads: Sequence[VersionId], *, monitor: Monitor) -> Sent:
    """Sends what the peer lacks of all that `heads` reach, though its refs may reach it too: what is known to
    be damaged there counts as absent. What cannot be read here is left out. Raises what the peer raises."""
    found: dict[Digest, None] = {}
    for group in _reachable(store, heads):
        found |= dict.fromkeys(group)
    lacking: list[Digest] = []
    asked = list(found)
    for start in range(0, len(asked), HAS_BATCH_IDS):
        batch = asked[start : start + HAS_BATCH_IDS]
        there = peer.has(batch)
        lacking += [id for id, has in zip(batch, there, strict=True) if not has]
    readable = [id for id, _ in _read_what_can_be(store, lacking)]
    with _Sender(store, peer, monitor) as sender:
        sender.send(sorted(readable, key=lambda id: id.kind is not Kind.CHUNK))
        sender.finish()
        sender.sent.asked += len(asked)
        return sender.sent


def send_objects(
    store: ObjectReader, peer: Peer, ids: Sequence[Digest], *, monitor: Monitor
) -> Sent:
    """Sends what the peer lacks of these objects, whatever reaches them, in about this order. Raises
    MissingObject, CorruptObject for what cannot be read here, and what the peer raises."""
    with _Sender(store, peer, monitor) as sender:
        sender.send(ids)
        sender.finish()
        return sender.sent


def _reachable(store: ObjectReader, heads: Sequence[VersionId]) -> Iterator[list[Digest]]:
    """Groups of objects, as far as what names them can be read here."""

    def read(ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        return _read_what_can_be(store, ids)

    versions: dict[Digest, None] = {}
    level: list[Digest] = list(dict.fromkeys(heads))
    while level:
        versions |= dict.fromkeys(level)
        above = [parent for _, data in read(level) for parent in Version.decode(data).parents]
        level = [id for id in dict.fromkeys(above) if id not in versions]
    return difference(versions, (), read, read)


def _read_what_can_be(store: ObjectReader, ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
    """Each verified. One that is damaged keeps back no other."""
    left = dict.fromkeys(ids)
    with suppress(IntegrityError):
        for id, data in store.get_many(ids):
            del left[id]
            yield id, data
    for id in left:
        with suppress(IntegrityError):
            yield id, store.get(id)


class _Reading:
    def __init__(self, store: ObjectReader, *, partial: bool) -> None:
        self._store = store
        self._partial = partial

    def __call__(self, ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        left = set(ids)
        for id, data in self._store.get_many(ids):
            left.discard(id)
            yield id, data
        for id in () if self._partial else left:
            yield id, self._store.get(id)  # raises, unless it has come meanwhile


class _Sender:
    """Asks, reads and sends, with a bounded number of frames in flight."""

    def __init__(self, store: ObjectReader, peer: Peer, monitor: Monitor) -> None:
        self._store = store
        self._peer = peer
        self._monitor = monitor
        self._pool = ThreadPoolExecutor(MOST_FRAMES, "mvc-push")
        self._asking = ThreadPoolExecutor(1, "mvc-push-ask")
        self._window = Window()
        self._flying: set[Future[None]] = set()
        self._waiting: dict[Digest, None] = {}
        self._asked: deque[_Question] = deque()
        self._recent: deque[_Batch] = deque()
        self.sent = Sent()

    def __enter__(self) -> _Sender:
        return self

    def __exit__(self, *exc: object) -> None:
        for future in self._flying:
            future.cancel()
        self._asking.shutdown(cancel_futures=True)
        self._pool.shutdown(cancel_futures=True)

    def send(self, ids: Sequence[Digest]) -> None:
        """Sooner or later, in this order but for differences."""
        for id in ids:
            if not self._on_its_way(id):
                self._waiting[id] = None
                if len(self._waiting) == HAS_BATCH_IDS:
                    self._ask()

    def finish(self) -> None:
        """All that is left. Raises what the peer raised."""
        if self._waiting:
            self._ask()
        while self._asked:
            self._send_missing(self._asked.popleft())
        self._drain()

    def _on_its_way(self, id: Digest) -> bool:
        """Whether it is being asked about, or was sent so lately that an answer need not know of it."""
        for question in self._asked:
            if id in question.infos:
                return True
        for batch in self._recent:  # noqa: SIM110 - any() of a generator takes four times as long
            if id in batch.ids:
                return True
        return False

    def _ask(self) -> None:
        """About what waits and the bases of differences among it; then sends what was asked before. What has no
        info is absent here: by choice, or the walk has raised."""
        infos = self._store.infos(list(self._waiting))
        self._waiting.clear()
        more = list(infos.values())
        while more:
            bases = dict.fromkeys(info.base for info in more if info.base is not None)
            new = [id for id in bases if id not in infos and not self._on_its_way(id)]
            found = self._store.infos(new)
            infos |= found
            more = list(found.values())
        while self._recent and self._recent[0].landed:
            self._recent.popleft()
        self.sent.asked += len(infos)
        there = self._asking.submit(self._peer.has, list(infos))
        self._asked.append(_Question(infos, there))
        if len(self._asked) > 1:
            self._send_missing(self._asked.popleft())

    def _send_missing(self, asked: _Question) -> None:
        """First what stands alone or on what the peer has; what needs an object just sent waits for that."""
        there = asked.there.result()
        lacking = [id for id, found in zip(asked.infos, there, strict=True) if not found]
        base = {id: asked.infos[id].base for id in lacking}
        self._monitor.expect(
            more_bytes=sum(
                record_size(asked.infos[id].stored_size, base[id] is not None) for id in lacking
            ),
            more_items=len(lacking),
        )
        flying = set[Digest]().union(*(one.ids for one in self._recent if not one.landed))
        self._recent.append(_Batch(set(lacking)))
        while lacking:
            left = set(lacking)
            ready = [id for id in lacking if base[id] not in left]
            if any(base[id] in flying for id in ready):
                self._drain()
            self._stream(ready, base)
            flying = set(ready)
            lacking = [id for id in lacking if base[id] in left]

    def _stream(self, ids: list[Digest], base: Mapping[Digest, ChunkId | None]) -> None:
        """`base`: what each rests on, as far as the order was made by that."""
        for start in range(0, len(ids), RECORD_BATCH_OBJECTS):
            batch = ids[start : start + RECORD_BATCH_OBJECTS]
            features = self._peer.told().features
            for frame in readable(self._store.records(batch), features, self._store, base):
                self._launch(frame)
            self.sent.objects += len(batch)
            self._monitor.advance(items_done=len(batch))

    def _launch(self, frame: Bytes) -> None:
        if self._peer.frames != 1 or len(frame) <= CROWDED_FRAME_BYTES:
            self._fly(frame)
            return
        for part in smaller(frame, CROWDED_FRAME_BYTES):
            self._fly(part)

    def _fly(self, frame: Bytes) -> None:
        while len(self._flying) >= min(self._window.size, self._peer.frames or MOST_FRAMES):
            self._collect(wait(self._flying, return_when=FIRST_COMPLETED).done)
        future = self._pool.submit(self._put, frame)
        self._flying.add(future)
        self._recent[-1].frames.append(future)
        self.sent.bytes += len(frame)
        self._monitor.advance(bytes_done=len(frame))

    def _put(self, frame: Bytes) -> None:
        self._peer.put(frame)
        self._window.landed(len(frame))

    def _drain(self) -> None:
        """Waits until everything sent was acknowledged. Raises what the peer raised."""
        self._collect(wait(self._flying).done)

    def _collect(self, done: Iterable[Future[None]]) -> None:
        for future in list(done):
            self._flying.discard(future)
            future.result()
