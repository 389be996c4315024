"""Packs of a bucket, read by ranges."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.store.bucket.blobpacks import BLOCK_BYTES, MAX_RANGE_BLOCKS, BlobPacks
from mvcd.store.bucket.directory import DirectoryBlobs
from mvcd.store.bucket.indexrun import NamedPack

BORDER_BYTES = BLOCK_BYTES * MAX_RANGE_BLOCKS
SIZES = (3 * BORDER_BYTES - 1000, 700, BLOCK_BYTES)


class Recorded(DirectoryBlobs):
    """Remembers the ranges that were asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), "bucket")
        self.asked: list[tuple[str, int, int]] = []
        self.came = threading.Semaphore(0)

    def get_ranges(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        self.asked += [(name, *span) for span in spans]
        try:
            return super().get_ranges(name, spans)
        finally:
            self.came.release()


@pytest.fixture(scope="module")
def bodies() -> list[bytes]:
    return [random.Random(n).randbytes(size) for n, size in enumerate(SIZES)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]) -> Path:
    path = tmp_path_factory.mktemp("bucket")
    for number, body in enumerate(bodies):
        DirectoryBlobs(str(path), "").put("packs/" + bytes([number] * 32).hex(), body)
    return path


@pytest.fixture
def blobs(place: Path) -> Recorded:
    return Recorded(place)


@pytest.fixture
def packs(blobs: Recorded) -> Iterator[BlobPacks]:
    made = opened(blobs)
    yield made
    made.close()


def opened(blobs: Recorded) -> BlobPacks:
    sizes = (*SIZES, 5000)  # the last one is not there
    return BlobPacks(
        blobs, lambda n: NamedPack(bytes([n] * 32), sizes[n]), lambda _: {}, lambda: None
    )


_stretch = st.integers(0, 2).flatmap(
    lambda pack: st.tuples(
        st.just(pack), st.integers(0, SIZES[pack]), st.integers(0, 2 * BLOCK_BYTES)
    )
)


@given(
    reads=st.lists(st.tuples(st.booleans(), st.lists(_stretch, min_size=1, max_size=4)), max_size=8)
)
def test_what_is_read_is_there_whether_it_was_begun_or_not(place, bodies, reads) -> None:
    blobs = Recorded(place)
    packs = opened(blobs)
    packs.kept_blocks = 24
    for begin, stretches in reads:
        if begin:
            packs.begin(stretches)
        assert packs.read(stretches) == b"".join(bodies[p][at : at + n] for p, at, n in stretches)
    packs.close()
    for name, start, end in blobs.asked:
        assert end - start <= BORDER_BYTES and start // BORDER_BYTES == (end - 1) // BORDER_BYTES, (
            name
        )


def test_what_was_begun_is_not_asked_for_again(blobs: Recorded, packs: BlobPacks) -> None:
    wanted = [(0, 100, BORDER_BYTES)]
    packs.begin(wanted)
    packs.begin(wanted)
    packs.read(wanted)
    packs.read(wanted)
    assert sorted(span[1:] for span in blobs.asked) == [
        (0, BORDER_BYTES), (BORDER_BYTES, BORDER_BYTES + BLOCK_BYTES)
    ]  # fmt: skip


def test_what_is_too_much_is_not_begun(blobs: Recorded, packs: BlobPacks) -> None:
    packs.kept_blocks = 8
    packs.begin([(0, 0, 5 * BLOCK_BYTES)])
    packs.begin([(2, 0, 10)])
    blobs.came.acquire()
    assert [span[0][-2:] for span in blobs.asked] == ["02"]


def test_a_pack_that_is_gone_is_told_to_who_reads_it(blobs: Recorded, packs: BlobPacks) -> None:
    packs.begin([(3, 0, 100)])
    blobs.came.acquire()
    with pytest.raises(FileNotFoundError):
        packs.read([(3, 0, 100)])
    assert packs.read([(1, 0, 10)])
