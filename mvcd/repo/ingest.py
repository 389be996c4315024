"""Files into objects: read once, cut, digest, encode what the store lacks, and write down recipes.

Theory of operation. The calling thread walks the files in path order. Large files it reads itself, 2 MiB
at a time, and cuts: tensors every 256 KiB from their start, all else by the rolling hash. Each buffer with
its pieces goes to a worker, which digests all pieces, asks the store which are known and encodes the rest.
Small files go to workers in groups, names only: the worker reads them too. Results are received in order
(pipeline.py), put into the target, and collected into recipes. Memory: one buffer per queued task, whatever
the size of the files.

A file is stored only if its stats are equal before and after reading; otherwise it is read again, up to
five times, and then reported as unstable. Its chunks may stay in the store: they are found again next time.

What must not live here: which files are read (scan.py) and what becomes of recipes (snapshot.py).
"""

from __future__ import annotations

import functools
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mvcd.chunking.chunker import StreamCutter, cut_points, piece_points
from mvcd.chunking.params import DEFAULT
from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Encoded
from mvcd.errors import Failure
from mvcd.ids import ChunkId, Digest, RecipeId
from mvcd.inspect.layout import Layout, ReadAt, Span, TensorInfo, layout
from mvcd.monitor import Monitor
from mvcd.objects.canonical import MAX_SIZE
from mvcd.objects.entry import Mode
from mvcd.objects.recipe import (
    INLINE_CHUNKS,
    LITERAL_MAX,
    Recipe,
    Segment,
    SegmentBuilder,
    Tensor,
    literal_segment,
)
from mvcd.repo.pipeline import Pipeline
from mvcd.repo.statcache import FileStat, stat_matches

BATCH = 2 << 20
"""Bytes read and handed to a worker at once: 8 tensor pieces, about 32 plain chunks."""

SMALL_FILE = 1 << 20
"""Bytes up to which a worker reads a whole file; groups of them fill one task."""

_GROUP_FILES = 128
_ATTEMPTS = 5


class Target(Protocol):
    """Where objects go: a store's session, or nowhere (status, diff against the workspace)."""

    def known(self, ids: Sequence[ChunkId]) -> list[bool]:
        """From any thread; may be out of date."""

    def absent(self, ids: Sequence[ChunkId]) -> list[bool]:
        """From the receiving thread; the truth."""

    def put_chunk(self, id: ChunkId, encoded: Encoded) -> int:
        """Stored bytes added, 0 if it was known."""

    def put_object(self, id: Digest, data: bytes) -> int:
        """A node or recipe, raw; stored bytes added."""

    def recent(self, id: Digest) -> bytes | None:
        """A node or recipe that was put here and perhaps cannot be fetched yet."""


class BaseFinder(Protocol):
    """Proposes a base chunk for the piece at `index` of a tensor, for delta encoding."""

    def base(self, tensor: TensorInfo, index: int) -> tuple[ChunkId, bytes] | None: ...


Bases = Callable[[str], BaseFinder | None]
"""The finder for a path, if that file has a predecessor with tensors."""


def no_bases(_path: str) -> None:
    """For those who store nothing, or nothing as a difference."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read: path relative to the root, and its stat as the scan saw it."""

    path: str
    stat: FileStat
    wants_data: bool = False  # the raw bytes come back with the result (settings and metrics)


@dataclass(frozen=True, slots=True)
class Ingested:
    path: str
    recipe: RecipeId
    size: int
    mode: Mode
    stat: FileStat  # as it was read: differs from the scan's if the file changed in between
    bytes_new: int
    bytes_stored: int
    data: bytes | None


@dataclass(slots=True)
class _Piece:
    span: int  # position in the file's layout
    index: int  # of the piece in its span
    data: memoryview  # borrowed from the batch's buffer


@dataclass(slots=True)
class _Done:
    """A piece after its worker: a literal, or a chunk with its encoding unless the store has it."""

    piece: _Piece
    id: ChunkId | None
    encoded: Encoded | None
    literal: bytes | None


class _Changed(Exception):
    """The file was not the same before and after reading."""


@dataclass(slots=True)
class _Loaded:
    """A small file as its worker leaves it."""

    source: Source
    stat: FileStat
    data: bytes
    layout: Layout
    done: list[_Done]


class Ingest:
    """One run over many files. Use as `with Ingest(...) as ingest: for result in ingest.run(sources)`."""

    def __init__(
        self,
        root: str,
        target: Target,
        *,
        monitor: Monitor,
        bases: Bases = no_bases,
        workers: int | None = None,
    ) -> None:
        self._root = root
        self._target = target
        self._monitor = monitor
        self._bases = bases
        self._pipeline = Pipeline(workers=workers)
        self._local = threading.local()
        self._buffers: list[bytearray] = []
        self._results: list[Ingested] = []

    def __enter__(self) -> Ingest:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pipeline.__exit__(None, None, None)

    def run(self, sources: Iterable[Source]) -> Iterator[Ingested]:
        """Results in the order of the sources. Raises Failure(kind="unstable-file") and OSError."""
        group: list[Source] = []
        group_bytes = 0
        for source in sources:
            if source.stat.is_symlink or source.wants_data or source.stat.size <= SMALL_FILE:
                group.append(source)
                group_bytes += source.stat.size
                if len(group) >= _GROUP_FILES or group_bytes >= BATCH:
                    self._submit_group(group)
                    group, group_bytes = [], 0
            else:
                self._submit_group(group)
                group, group_bytes = [], 0
                self._stream(source)
            yield from self._take_results()
        self._submit_group(group)
        self._pipeline.drain()
        yield from self._take_results()

    def _take_results(self) -> list[Ingested]:
        results, self._results = self._results, []
        return results

    # ---------------------------------------------------------------- small files

    def _submit_group(self, group: list[Source]) -> None:
        if group:
            self._pipeline.submit(lambda: [self._load(s) for s in group], self._receive_group)

    def _load(self, source: Source) -> _Loaded:
        for _ in range(_ATTEMPTS):
            try:
                now, data = _read_whole(os.path.join(self._root, source.path))
            except _Changed:
                continue
            shape = None if now.is_symlink else _shape(_reader(data), len(data))
            shape = shape or _plain(len(data))
            pieces = list(_cut_in_memory(memoryview(data), shape))
            return _Loaded(source, now, data, shape, self._encode(source.path, shape, pieces))
        raise _unstable(source.path)

    def _receive_group(self, files: list[_Loaded]) -> None:
        for file in files:
            draft = _Draft(file.source, file.layout, self)
            draft.accept(file.done)
            draft.finish(file.stat, file.data if file.source.wants_data else None)

    # ---------------------------------------------------------------- large files

    def _stream(self, source: Source) -> None:
        path = os.path.join(self._root, source.path)
        for _ in range(_ATTEMPTS):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                before = FileStat.of(os.fstat(fd))
                draft = self._stream_once(fd, before.size, source)
                if stat_matches(fd, before) and stat_matches(path, before):
                    self._pipeline.submit(
                        functools.partial(_same, before), functools.partial(draft.finish, data=None)
                    )
                    return
            except EOFError:  # shorter than its stat said
                continue
            finally:
                os.close(fd)
        raise _unstable(source.path)

    def _stream_once(self, fd: int, size: int, source: Source) -> _Draft:
        shape = _shape(lambda offset, length: os.pread(fd, length, offset), size) or _plain(size)
        draft = _Draft(source, shape, self)
        cutter = StreamCutter(lambda view: os.readv(fd, [view]), shape.spans)
        span = index = 0
        while chunks := cutter.fill(buffer := self._take_buffer()):
            pieces = []
            for chunk in chunks:
                span, index = (span, index + 1) if chunk.span == span else (chunk.span, 0)
                pieces.append(_Piece(span, index, chunk.data))
            self._pipeline.submit(
                functools.partial(self._encode, source.path, shape, pieces),
                functools.partial(self._receive_batch, draft, buffer),
            )
        return draft

    def _receive_batch(self, draft: _Draft, buffer: bytearray, done: list[_Done]) -> None:
        draft.accept(done)
        self._buffers.append(buffer)

    def _take_buffer(self) -> bytearray:
        return self._buffers.pop() if self._buffers else bytearray(BATCH)

    # ---------------------------------------------------------------- in the workers

    @property
    def _encoder(self) -> Encoder:
        encoder: Encoder | None = getattr(self._local, "encoder", None)
        if encoder is None:
            encoder = self._local.encoder = Encoder()
        return encoder

    def _encode(self, path: str, shape: Layout, pieces: Sequence[_Piece]) -> list[_Done]:
        done: list[_Done] = []
        ids: list[ChunkId] = []
        for piece in pieces:
            if shape.spans[piece.span].size <= LITERAL_MAX:
                done.append(_Done(piece, None, None, bytes(piece.data)))
            else:
                id = ChunkId.of(piece.data)
                ids.append(id)
                done.append(_Done(piece, id, None, None))
        known = iter(self._target.known(ids))
        for item in done:
            if item.id is not None and not next(known):
                item.encoded = self.encode_piece(path, shape, item.piece)
        return done

    def encode_piece(self, path: str, shape: Layout, piece: _Piece) -> Encoded:
        tensor = shape.spans[piece.span].tensor
        if tensor is None:
            return self._encoder.encode(piece.data)
        finder = self._bases(path)
        base = None if finder is None else finder.base(tensor, piece.index)
        return self._encoder.encode(
            piece.data, element_size=tensor.element_size, dtype=tensor.dtype, base=base
        )

    # ---------------------------------------------------------------- in the receiving thread

    @property
    def target(self) -> Target:
        return self._target

    def finished(self, result: Ingested) -> None:
        self._monitor.advance(items_done=1)
        self._results.append(result)

    def progressed(self, size: int, new: int) -> None:
        self._monitor.advance(bytes_done=size, bytes_new=new)


class _Draft:
    """The recipe of one file while its pieces arrive, in order, in the receiving thread."""

    def __init__(self, source: Source, shape: Layout, ingest: Ingest) -> None:
        self._source = source
        self._layout = shape
        self._ingest = ingest
        self._segments: list[Segment] = []
        self._builder: SegmentBuilder | None = None
        self._span = 0
        self._new = 0
        self._stored = 0

    def accept(self, done: list[_Done]) -> None:
        target = self._ingest.target
        absent = iter(target.absent([d.id for d in done if d.id is not None]))
        size = new = 0
        for item in done:
            self._advance_to(item.piece.span)
            length = len(item.piece.data)
            size += length
            if item.id is None:
                assert item.literal is not None
                self._segments.append(literal_segment(item.literal, self._tensor()))
                self._span += 1
                continue
            if next(absent):
                encoded = item.encoded or self._ingest.encode_piece(
                    self._source.path, self._layout, item.piece
                )
                stored = target.put_chunk(item.id, encoded)
                self._stored += stored
                new += length if stored else 0
            if self._builder is None:
                self._builder = SegmentBuilder(self._sink)
            self._builder.add(item.id, length)
        self._new += new
        self._ingest.progressed(size, new)

    def finish(self, now: FileStat, data: bytes | None) -> None:
        self._advance_to(len(self._layout.spans))
        size = sum(span.size for span in self._layout.spans)
        encoded = self._encode_recipe(size)
        id = RecipeId.of(encoded)
        self._sink(id, encoded)
        mode = Mode.SYMLINK if now.is_symlink else Mode.EXECUTABLE if now.executable else Mode.FILE
        self._ingest.finished(
            Ingested(self._source.path, id, size, mode, now, self._new, self._stored, data)
        )

    def _encode_recipe(self, size: int) -> bytes:
        return Recipe(size, self._layout.format, tuple(self._segments)).encode()

    def _advance_to(self, span: int) -> None:
        """Closes every span before `span`; spans without bytes leave an empty literal."""
        while self._span < span:
            if self._builder is not None:
                self._segments.append(self._builder.finish(self._tensor()))
                self._builder = None
            elif (tensor := self._tensor()) is not None:
                self._segments.append(literal_segment(b"", tensor))
            self._span += 1

    def _tensor(self) -> Tensor | None:
        info = self._layout.spans[self._span].tensor
        return None if info is None else Tensor(info.name, info.dtype, info.shape)

    def _sink(self, id: Digest, data: bytes) -> None:
        self._stored += self._ingest.target.put_object(id, data)


def _cut_in_memory(view: memoryview, shape: Layout) -> Iterator[_Piece]:
    for number, span in enumerate(shape.spans):
        data = view[span.offset : span.offset + span.size]
        tensor = span.tensor is not None
        ends = piece_points(span.size, final=True) if tensor else cut_points(data, final=True)
        start = 0
        for index, end in enumerate(ends):
            yield _Piece(number, index, data[start:end])
            start = end


def _shape(read_at: ReadAt, size: int) -> Layout | None:
    """The file's tensors, unless its recipe could outgrow an object: then it is plain bytes."""
    found = layout(read_at, size)
    return found if found is None or _recipe_bound(found) <= MAX_SIZE else None


def _recipe_bound(shape: Layout) -> int:
    """Upper bound of the encoded recipe, from the layout alone, so that it is a function of content."""
    total = 64
    for span in shape.spans:
        chunks = min(INLINE_CHUNKS, -(-span.size // DEFAULT.min_size))
        total += 32 + (span.size if span.size <= LITERAL_MAX else 36 * chunks + 16)
        if span.tensor is not None:
            total += 24 + len(span.tensor.name.encode()) + 10 * len(span.tensor.shape)
    return total


def _same(value: FileStat) -> FileStat:
    return value


def _plain(size: int) -> Layout:
    return Layout("", (Span(0, size, None),) if size else ())


def _reader(data: bytes) -> ReadAt:
    return lambda offset, length: data[offset : offset + length]


def _read_whole(path: str) -> tuple[FileStat, bytes]:
    """A whole file, or a link's text, with equal stats before and after. Raises _Changed."""
    before = FileStat.of(os.lstat(path))
    if before.is_symlink:
        data = os.fsencode(os.readlink(path))
    else:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise _Changed
            data = os.read(fd, before.size + 1)
            while 0 < len(data) < before.size and (more := os.read(fd, before.size - len(data))):
                data += more
            if not stat_matches(fd, before):
                raise _Changed
        finally:
            os.close(fd)
    if len(data) != before.size or not stat_matches(path, before):
        raise _Changed
    return before, data


def _unstable(path: str) -> Failure:
    return Failure(
        f"{path} changed every time it was read",
        kind="unstable-file",
        cause="another process is writing it",
        help="commit when it is complete, or exclude it in .mvcignore",
    )
