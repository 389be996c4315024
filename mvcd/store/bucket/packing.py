"""Packs that are being filled, and those that are on their way into the bucket."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

from mvcd.ids import Bytes
from mvcd.store.bucket.blobs import Blobs
from mvcd.store.bucket.bucketstate import PACKS
from mvcd.store.bucket.indexrun import NONCE_BYTES, NamedPack, object_name
from mvcd.store.frames import MAX_FRAME_BYTES
from mvcd.store.record import PACK_HEADER, pack_header

SEAL_BYTES = 32 << 20
"""Bytes from which a pack is full. One upload of it costs a request and keeps a bucket busy for a third of a
second; three are in memory at once."""
UPLOADS = 2
"""Uploads at once: with two, an S3 store took 160 MiB/s where one brought 134."""
HEADER_BYTES = PACK_HEADER.size + NONCE_BYTES


KEPT_ROOMS = 3
"""Free ones that one session keeps: as many as are uploaded, and the one that is filled meanwhile."""
_ROOM_BYTES = SEAL_BYTES + MAX_FRAME_BYTES


class Rooms:
    """Memory for packs, of which the system gives the pages that are written to; what is free is used again.

    A new page costs the kernel more than all else that is done to its bytes: of the 5.4 s of CPU time in which
    1 GiB was pushed, new memory for each pack took 1.2 s.
    """

    def __init__(self) -> None:
        self._free: deque[mmap] = deque(maxlen=KEPT_ROOMS)

    def take(self) -> mmap:
        """Memory for a pack that grows to SEAL_BYTES; its bytes are any."""
        with suppress(IndexError):
            return self._free.pop()
        return mmap(-1, _ROOM_BYTES, flags=MAP_PRIVATE | MAP_ANONYMOUS)

    def give(self, room: mmap, used: memoryview) -> None:
        """Takes back a pack's memory, unless somebody may read from it still, as a request does that was given
        up and sent again: then it goes when that ends. To resize tells, and there are systems that cannot."""
        with suppress(BufferError, SystemError):
            used.release()
            room.resize(_ROOM_BYTES)
            self._free.append(room)


class OpenPack:
    """Records in memory. `slot` is the number by which rows name it until it has a hash."""

    def __init__(self, slot: int, room: mmap) -> None:
        self.slot = slot
        self.room = room
        self.end = HEADER_BYTES
        self.room[:HEADER_BYTES] = pack_header(0) + os.urandom(NONCE_BYTES)

    def append(self, record: Bytes) -> int:
        """Adds a whole record; returns its offset."""
        offset = self.end
        self.end += len(record)
        self.room[offset : self.end] = record
        return offset

    def extend(self, other: OpenPack) -> int:
        """Adds the records of another one; returns how much further back they begin here."""
        moved = self.end - HEADER_BYTES
        with memoryview(other.room) as records:
            self.append(records[HEADER_BYTES : other.end])
        return moved

    def bytes(self) -> memoryview:
        """The bytes of the object."""
        return memoryview(self.room)[: self.end]


@dataclass(slots=True)
class _Sent:
    slot: int
    done: Future[NamedPack]


class PackUploads:
    """Packs of one session, in the bucket or on their way. For one thread at a time."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._pool: ThreadPoolExecutor | None = None
        self._sent: list[_Sent] = []
        self._rooms = Rooms()

    def begin(self, slot: int) -> OpenPack:
        """An empty pack."""
        return OpenPack(slot, self._rooms.take())

    def send(self, pack: OpenPack) -> None:
        """Begins to upload a pack; waits while there are enough. Raises what an earlier one raised."""
        self._pool = self._pool or ThreadPoolExecutor(UPLOADS, "mvc-bucket-put")
        flying = [one for one in self._sent if not one.done.done()]
        if len(flying) >= UPLOADS:
            flying[0].done.result()
        self._sent.append(_Sent(pack.slot, self._pool.submit(self._put, pack)))

    def send_now(self, pack: OpenPack) -> None:
        """Uploads a pack and waits for it."""
        done: Future[NamedPack] = Future()
        done.set_result(self._put(pack))
        self._sent.append(_Sent(pack.slot, done))

    def packs(self) -> dict[int, NamedPack]:
        """All packs by slot, once they are in the bucket. Raises what an upload raised."""
        return {one.slot: one.done.result() for one in self._sent}

    def clear(self) -> None:
        """Forgets them: they are in the state of the bucket, or given up."""
        self._sent.clear()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def __iter__(self) -> Iterator[NamedPack]:
        """The packs that have arrived."""
        for one in self._sent:
            if one.done.done() and not one.done.cancelled() and one.done.exception() is None:
                yield one.done.result()

    def _put(self, pack: OpenPack) -> NamedPack:
        data = pack.bytes()
        name = object_name(data)
        self._blobs.put(PACKS + name, data)
        self._rooms.give(pack.room, data)
        return NamedPack(bytes.fromhex(name), pack.end)
