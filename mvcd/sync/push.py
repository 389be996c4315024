"""Sending what a peer lacks: chunks first, then what names them, then the refs in one update.

Which objects may be lacking follows from refs alone (walk.py); which really are, the peer is asked in
batches. So a push that was cut short goes on where it was: what arrived is not sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from mvcd.errors import MissingObject
from mvcd.ids import Digest, Kind, VersionId
from mvcd.monitor import Monitor
from mvcd.objects.ancestry import between
from mvcd.objects.version import Version
from mvcd.store.api import ObjectReader
from mvcd.store.peer import Peer
from mvcd.sync.walk import difference
from mvcd.sync.window import MOST, Window

HAS_BATCH = 16 << 10
RECORD_BATCH = 4 << 10


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
) -> Sent:
    """Sends everything below `heads` that the peer may lack, `haves` being what its refs name and we have.

    With `partial`, content absent here is left out (the peer must have it, and will say so if not). Raises
    MissingObject for absent content otherwise, and what the peer raises.
    """

    def version(id: VersionId) -> Version:
        return Version.decode(store.get(id))

    new = list(between(heads, haves, version))
    if not new:
        return Sent()
    parents = {p for id in new for p in version(id).parents} - set(new)
    known = list(dict.fromkeys([*haves, *parents]))
    with _Sender(store, peer, monitor) as sender:
        later: list[Digest] = []
        read = _Reading(store, partial=partial)
        for group in difference(reversed(new), known, read, _Reading(store, partial=True)):
            sender.send([id for id in group if id.kind is Kind.CHUNK])
            later.extend(id for id in group if id.kind is not Kind.CHUNK)
        sender.drain()
        later.reverse()
        sender.send([id for id in later if id.kind is not Kind.VERSION])
        sender.send([id for id in later if id.kind is Kind.VERSION])
        sender.drain()
        sender.sent.versions = len(new)
        return sender.sent


class _Reading:
    def __init__(self, store: ObjectReader, *, partial: bool) -> None:
        self._store = store
        self._partial = partial

    def __call__(self, ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        for id in ids:
            try:
                yield id, self._store.get(id)
            except MissingObject:
                if not self._partial:
                    raise


class _Sender:
    """Asks, reads and sends, with a bounded number of frames in flight."""

    def __init__(self, store: ObjectReader, peer: Peer, monitor: Monitor) -> None:
        self._store = store
        self._peer = peer
        self._monitor = monitor
        self._pool = ThreadPoolExecutor(MOST, "mvc-push")
        self._window = Window()
        self._flying: set[Future[None]] = set()
        self.sent = Sent()

    def __enter__(self) -> _Sender:
        return self

    def __exit__(self, *exc: object) -> None:
        for future in self._flying:
            future.cancel()
        self._pool.shutdown(cancel_futures=True)

    def send(self, ids: list[Digest]) -> None:
        for start in range(0, len(ids), HAS_BATCH):
            self._send_missing(ids[start : start + HAS_BATCH])

    def _send_missing(self, ids: list[Digest]) -> None:
        """Objects stored whole go before those stored as a difference: a base must be there first."""
        whole: list[Digest] = []
        differences: list[Digest] = []
        bases: dict[Digest, None] = {}
        lacking = self._lacking(ids)
        infos = self._store.infos(lacking)
        for id in lacking:
            if id not in infos:
                continue  # absent here by choice; the walk has raised if it was not
            base = infos[id].base
            (whole if base is None else differences).append(id)
            if base is not None:
                bases[base] = None
        sent = set(whole)
        whole.extend(self._lacking([base for base in bases if base not in sent]))
        self._stream(whole)
        if differences:
            self.drain()
            self._stream(differences)

    def _lacking(self, ids: list[Digest]) -> list[Digest]:
        if not ids:
            return []
        self.sent.asked += len(ids)
        there = self._peer.has(ids)
        return [id for id, found in zip(ids, there, strict=True) if not found]

    def _stream(self, ids: list[Digest]) -> None:
        for start in range(0, len(ids), RECORD_BATCH):
            batch = ids[start : start + RECORD_BATCH]
            for frame in self._store.records(batch):
                self._launch(frame)
            self.sent.objects += len(batch)
            self._monitor.advance(items_done=len(batch))

    def _launch(self, frame: bytes) -> None:
        while len(self._flying) >= self._window.size:
            self._collect(wait(self._flying, return_when=FIRST_COMPLETED).done)
        self._flying.add(self._pool.submit(self._put, frame))
        self.sent.bytes += len(frame)
        self._monitor.advance(bytes_done=len(frame))

    def _put(self, frame: bytes) -> None:
        self._peer.put(frame)
        self._window.landed(len(frame))

    def drain(self) -> None:
        """Waits until everything sent was acknowledged. Raises what the peer raised."""
        self._collect(wait(self._flying).done)

    def _collect(self, done: Iterable[Future[None]]) -> None:
        for future in list(done):
            self._flying.discard(future)
            future.result()
