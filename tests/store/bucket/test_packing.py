"""Memory of packs: used again when nobody reads from it any more, and only then."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import closing
from mmap import mmap

import pytest

from mvcd.ids import Bytes
from mvcd.store.bucket.blobs import Blobs
from mvcd.store.bucket.bucketstate import PACKS
from mvcd.store.bucket.directory import DirectoryBlobs
from mvcd.store.bucket.packing import HEADER_BYTES, KEPT_ROOMS, PackUploads


class Reading:
    """Blobs of which a request that was given up still reads what was put."""

    def __init__(self, blobs: Blobs, *, views: bool) -> None:
        """With `views` it reads by a view of the memory, else by a buffer that the view exports, as a library
        in C does."""
        self._blobs = blobs
        self._views = views
        self.read: list[memoryview] = []

    def put(self, name: str, data: Bytes) -> None:
        self.read.append(memoryview(data) if self._views else pickle.PickleBuffer(data).raw())
        self._blobs.put(name, data)


@pytest.fixture
def blobs(tmp_path) -> Iterator[DirectoryBlobs]:
    with closing(DirectoryBlobs(tmp_path, f"bucket+file://{tmp_path}")) as found:
        yield found


def uploaded(uploads: PackUploads, slot: int, record: bytes) -> mmap:
    """Uploads a pack of one record; answers which memory it was in."""
    pack = uploads.begin(slot)
    pack.append(record)
    uploads.send_now(pack)
    return pack.room


def test_memory_is_used_again(blobs: DirectoryBlobs) -> None:
    with closing(PackUploads(blobs)) as uploads:
        rooms = [uploaded(uploads, slot, b"%d" % slot * 9) for slot in range(5)]
        assert all(room is rooms[0] for room in rooms)
        packs = uploads.packs()
    for slot, pack in packs.items():
        data, _ = blobs.get(PACKS + pack.hash.hex())
        assert data[HEADER_BYTES:] == b"%d" % slot * 9 and len(data) == pack.size_bytes


@pytest.mark.parametrize("views", [True, False])
def test_memory_that_is_read_from_is_left_alone(blobs: DirectoryBlobs, *, views: bool) -> None:
    reading = Reading(blobs, views=views)
    with closing(PackUploads(reading)) as uploads:  # type: ignore[arg-type]  # it only puts
        for slot in range(4):
            uploaded(uploads, slot, b"%d" % slot * 9)
    assert [bytes(data[HEADER_BYTES:]) for data in reading.read] == [
        b"%d" % slot * 9 for slot in range(4)
    ]


def test_packs_that_are_filled_at_once_have_memory_of_their_own(blobs: DirectoryBlobs) -> None:
    with closing(PackUploads(blobs)) as uploads:
        packs = [uploads.begin(slot) for slot in range(KEPT_ROOMS + 2)]
        assert len({id(pack.room) for pack in packs}) == len(packs)
        for pack in packs:
            uploads.send_now(pack)
        again = [uploads.begin(slot) for slot in range(KEPT_ROOMS + 2)]
        kept = {id(pack.room) for pack in packs} & {id(pack.room) for pack in again}
        assert len(kept) == KEPT_ROOMS
