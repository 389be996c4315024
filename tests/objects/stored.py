"""Objects kept in memory, reads and writes counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from mvcd.ids import ChunkId, Digest, RecipeId
from mvcd.objects.entry import PATH_MAP
from mvcd.objects.manifest import ComponentRoot, Entry, ManifestBuilder, Mode
from mvcd.objects.recipe import Segment, SegmentBuilder
from tests.objects.reference import Row, some_id


@contextmanager
def small_nodes() -> Iterator[None]:
    """Manifests with a mean of 4 entries a node: few entries make deep trees."""
    usual = PATH_MAP.mean
    PATH_MAP.mean = 4
    try:
        yield
    finally:
        PATH_MAP.mean = usual


class Objects(dict[Digest, bytes]):
    """`sink` and `fetch` are what the package asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[Digest] = []
        self.writes: list[Digest] = []

    def sink(self, id: Digest, data: bytes) -> None:
        assert type(id).of(data) == id
        self.writes.append(id)
        self[id] = data

    def fetch(self, id: Digest) -> bytes:
        self.reads.append(id)
        return self[id]

    def reads_of(self, work: Callable[[], object]) -> int:
        before = len(self.reads)
        work()
        return len(self.reads) - before


def build_manifest(objects: Objects, entries: Iterable[Entry]) -> ComponentRoot:
    builder = ManifestBuilder(objects.sink)
    for entry in entries:
        builder.add(entry)
    return builder.finish()


def build_segment(objects: Objects, chunks: Iterable[tuple[bytes, int]]) -> Segment:
    builder = SegmentBuilder(objects.sink)
    for chunk_id, size in chunks:
        builder.add(ChunkId(chunk_id), size)
    return builder.finish()


def to_entry(row: Row) -> Entry:
    path, mode, size, recipe = row
    return Entry(path, Mode(mode), size, RecipeId(recipe))


def numbered_rows(count: int) -> list[Row]:
    return [(f"data/{i:06}.bin", i % 3, i * i, some_id(i)) for i in range(count)]


def numbered_chunks(count: int) -> list[tuple[bytes, int]]:
    return [(some_id(i), 1 + i * 7919 % 65536) for i in range(count)]


def numbered_entries(count: int) -> Sequence[Entry]:
    return [to_entry(row) for row in numbered_rows(count)]
