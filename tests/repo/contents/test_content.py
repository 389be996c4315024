"""A versioned file behaves like the file it was, and reads no more than it must."""

from __future__ import annotations

import io
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.errors import CorruptObject, Failure
from mvcd.ids import ChunkId, Digest, Kind, RecipeId
from mvcd.objects.entry import Entry, Mode
from mvcd.objects.recipe import Recipe, SegmentBuilder, literal_segment
from mvcd.repo.contents.content import VersionFile
from tests.support.workspace import Bench


class Shelf:
    """Objects in memory, and what was asked for."""

    def __init__(self) -> None:
        self.objects: dict[Digest, bytes] = {}
        self.asked: list[Digest] = []

    def __call__(self, id: Digest) -> bytes:
        self.asked.append(id)
        return self.objects[id]

    def put(self, id: Digest, data: bytes) -> None:
        self.objects[id] = data

    def chunks_asked(self) -> int:
        return sum(id.kind is Kind.CHUNK for id in self.asked)

    def file(self, pieces: list[list[bytes]]) -> Entry:
        """One segment for each list of chunks; a list of one short piece becomes a literal."""
        segments = []
        for chunks in pieces:
            if len(chunks) == 1 and len(chunks[0]) <= 128:
                segments.append(literal_segment(chunks[0]))
                continue
            builder = SegmentBuilder(self.put)
            for chunk in chunks:
                self.put(ChunkId.of(chunk), chunk)
                builder.add(ChunkId.of(chunk), len(chunk))
            segments.append(builder.finish(None))
        size = sum(len(c) for chunks in pieces for c in chunks)
        data = Recipe(size, "", tuple(segments)).encode()
        self.put(RecipeId.of(data), data)
        return Entry("f", Mode.FILE, size, RecipeId.of(data))


PIECES = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=128).map(lambda data: [data]),
        st.lists(st.binary(min_size=129, max_size=300), min_size=1, max_size=40),
    ),
    max_size=4,
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["read", "readinto", "seek", "seek end", "seek by"]),
        st.integers(-700, 15_000),
    ),
    max_size=12,
)


@given(pieces=PIECES, steps=STEPS)
@settings(max_examples=150, deadline=None)
def test_reads_and_seeks_as_a_file_does(
    pieces: list[list[bytes]], steps: list[tuple[str, int]]
) -> None:
    content = b"".join(c for chunks in pieces for c in chunks)
    shelf = Shelf()
    file, model = VersionFile(shelf.file(pieces), shelf), io.BytesIO(content)
    assert file.size == len(content)
    for verb, number in steps:
        match verb:
            case "read":
                size = number if number >= 0 else -1
                assert file.read(size) == model.read(size)
            case "readinto":
                ours, theirs = bytearray(abs(number)), bytearray(abs(number))
                assert file.readinto(ours) == model.readinto(theirs)
                assert ours == theirs
            case _:
                whence = {"seek": os.SEEK_SET, "seek by": os.SEEK_CUR, "seek end": os.SEEK_END}[
                    verb
                ]
                offset = {os.SEEK_SET: 0, os.SEEK_CUR: model.tell(), os.SEEK_END: len(content)}[
                    whence
                ]
                if offset + number < 0:
                    with pytest.raises(ValueError, match="negative"):
                        file.seek(number, whence)
                    continue
                assert file.seek(number, whence) == model.seek(offset + number)
        assert file.tell() == model.tell()


@given(st.integers(0, 4999), st.integers(1, 600))
@settings(max_examples=100, deadline=None)
def test_only_chunks_that_hold_what_was_asked_are_fetched(at: int, size: int) -> None:
    chunks = [random.Random(n).randbytes(250) for n in range(20)]
    shelf = Shelf()
    file = VersionFile(shelf.file([chunks]), shelf)
    assert shelf.chunks_asked() == 0
    file.seek(at)
    data = file.read(size)
    assert data == b"".join(chunks)[at : at + size]
    assert shelf.chunks_asked() == (at + len(data) - 1) // 250 - at // 250 + 1


def test_reading_on_fetches_each_chunk_once() -> None:
    chunks = [random.Random(n).randbytes(250) for n in range(300)]  # a tree, not an inline list
    shelf = Shelf()
    file = VersionFile(shelf.file([chunks]), shelf)
    while file.read(17):
        pass
    assert shelf.chunks_asked() == 300
    assert len(set(shelf.asked)) == len(shelf.asked)


def test_chunks_that_do_not_fit_the_recipe_are_refused() -> None:
    shelf = Shelf()
    chunk = b"x" * 300
    entry = shelf.file([[chunk]])
    shelf.objects[ChunkId.of(chunk)] = b"x" * 299
    with pytest.raises(CorruptObject):
        VersionFile(entry, shelf).read()


def test_the_file_of_a_version(bench: Bench) -> None:
    content = random.Random(1).randbytes(400_000)
    bench.save({"model.pt": content, "empty": b"", "lines.txt": "a\nb\n"})
    bench.save({"model.pt": b"now"})
    with bench.repo.open_file("model.pt", "v1") as file:
        assert (file.name, file.size) == ("model.pt", 400_000)
        assert file.readable() and file.seekable() and not file.writable()
        buffered = io.BufferedReader(file)
        buffered.seek(-10, os.SEEK_END)
        assert buffered.read() == content[-10:]
    with pytest.raises(ValueError, match="closed"):
        file.read(1)
    assert bench.repo.read("empty") == b""
    assert list(bench.repo.open_file("lines.txt")) == [b"a\n", b"b\n"]
    for path in ("nope", "lines.txt/x", ""):
        with pytest.raises(Failure) as caught:
            bench.repo.read(path)
        assert caught.value.kind == "no-such-path"


def test_what_is_read_in_order_is_announced_ever_further_ahead() -> None:
    shelf = Shelf()
    chunks = [random.Random(n).randbytes(200) for n in range(300)]
    entry = shelf.file([chunks])
    told: list[list[ChunkId]] = []
    file = VersionFile(entry, shelf, lambda ids: told.append(list(ids)))
    assert file.read(10) == chunks[0][:10]
    file.seek(-10, os.SEEK_END)
    assert file.readall() == chunks[-1][-10:]
    assert told == []
    file.seek(0)
    assert file.readall() == b"".join(chunks)
    assert [id for ids in told for id in ids] == [ChunkId.of(chunk) for chunk in chunks[1:]]
    assert [len(ids) for ids in told] == [2, 4, 8, 16, 32, 64, 64, 64, 45]
