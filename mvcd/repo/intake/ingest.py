"""Files into objects: read once, cut, digest, encode what the store lacks, and write down recipes.

Theory of operation. The calling thread walks the files in path order. Large files it reads itself, 2 MiB
at a time, and cuts: tensors every 256 KiB from their start, all else by the rolling hash. Each buffer with
its pieces goes to a worker, which digests all pieces, asks the store which are known and encodes the rest.
Small files are read, digested and encoded in groups, by a worker unless they are so small that handing them
over costs more than it gains. Results are received in order (pipeline.py), put into the target, and collected
into recipes. Memory: one buffer per queued task, whatever the size of the files.

A file is stored only if its stats are equal before and after reading; otherwise it is read again, up to
five times, and then reported as unstable. Its chunks may stay in the store: they are found again next time.

What must not live here: which files are read (scan.py) and what becomes of recipes (snapshot.py).
"""

from __future__ import annotations

import errno
import functools
import io
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from mvcd.chunking.chunker import StreamCutter
from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Encoded
from mvcd.ids import ChunkId, Digest, RecipeId
from mvcd.inspect.kinds import UNKNOWN, ContentKind, kind_of
from mvcd.inspect.layout import Layout, ReadAt, TensorInfo
from mvcd.monitor import Monitor
from mvcd.objects.entry import Mode
from mvcd.repo.contents.drafts import (
    Done,
    Draft,
    DraftPiece,
    cut_in_memory,
    digested,
    plain,
    shape_of,
)
from mvcd.repo.contents.pipeline import Pipeline
from mvcd.repo.ondisk.reading import MAX_ATTEMPTS, Unread, read_group, unread, unstable
from mvcd.repo.ondisk.statcache import FileStat, stat_matches

BATCH_BYTES = 2 << 20
"""Bytes read and handed to a worker at once: 8 tensor pieces, about 32 plain chunks."""

SMALL_FILE_BYTES = 1 << 20
"""Bytes up to which a worker reads a whole file; groups of them fill one task."""

_GROUP_FILES = 128
_THREADS_PAY_BYTES = 16 << 10
"""Mean bytes of a group's files from which a worker is worth it. Below, the work is Python's, one thread at a
time whoever does it, and handing it over costs a quarter more CPU (40,000 files of 2.5 KB: 5.9, not 4.4 s)."""

_MAX_WHOLE_BYTES = 64 << 20
"""Bytes a file may grow to between the scan and its reading as a small one; beyond it counts as unstable."""


class Target(Protocol):
    """Where objects go: a store's session, or nowhere (status, diff against the workspace)."""

    def known(self, ids: Sequence[ChunkId]) -> list[bool]:
        """From any thread; may be out of date."""

    def absent(self, ids: Sequence[Digest]) -> list[bool]:
        """From the receiving thread; the truth. What is absent is put next."""

    def put_chunk(self, id: ChunkId, encoded: Encoded) -> int:
        """Stored bytes added, 0 if it was known."""

    def put_object(self, id: Digest, data: bytes) -> int:
        """A node or recipe, raw; stored bytes added."""

    def recent(self, id: Digest) -> bytes | None:
        """A node or recipe that was put here and perhaps cannot be fetched yet."""


class BaseFinder(Protocol):
    """Proposes a base chunk for the piece at `index` of a tensor, for delta encoding."""

    def base(self, tensor: TensorInfo, index: int) -> tuple[ChunkId, bytes] | None: ...

    def taken(self, tensor: TensorInfo, *, paid: bool) -> None:
        """Hears whether the difference to the base was worth it."""


Bases = Callable[[str], BaseFinder | None]
"""The finder for a path, if that file has a predecessor with tensors."""


def no_bases(_path: str) -> None:
    """For those who store nothing, or nothing as a difference."""


Reader = Callable[[BinaryIO, int], object]
"""Reads a file of so many bytes from its start. It runs between the two looks at the file's stats, so it has
seen what is stored, if it is."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read: path relative to the root, and its stat as the scan saw it."""

    path: str
    stat: FileStat
    reader: Reader | None = None  # what it makes of the content comes back with the result
    wants_kind: bool = False  # what its content says of the part it is comes back too
    at: str = ""  # where its bytes lie, relative to the root, if not at its path


@dataclass(frozen=True, slots=True)
class Ingested:
    path: str
    recipe: RecipeId
    size: int
    mode: Mode
    stat: FileStat  # as it was read: differs from the scan's if the file changed in between
    told: object = None  # by the source's reader
    kind: ContentKind = UNKNOWN


@dataclass(slots=True)
class _Loaded:
    """A small file as its worker leaves it: pieces to put, then nodes and the recipe."""

    result: Ingested
    layout: Layout
    done: list[Done]
    objects: list[tuple[Digest, bytes]]


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
        unread: dict[str, str] | None = None,
    ) -> None:
        """`unread` takes the files that cannot be read, and why; without it they raise."""
        self._root = root
        self._unread = unread
        self._target = target
        self._monitor = monitor
        self._bases = bases
        self._pipeline = Pipeline(workers=workers)
        self._local = threading.local()
        self._buffers: list[bytearray] = []
        self._results: list[Ingested] = []
        self.bytes_new = 0  # raw bytes of chunks the target did not have
        self.bytes_stored = 0  # bytes the target added for them, their nodes and recipes

    def __enter__(self) -> Ingest:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pipeline.__exit__(None, None, None)

    def run(self, sources: Iterable[Source]) -> Iterator[Ingested]:
        """Results in the order of the sources; none for what goes to `unread`. Raises Failure of the kinds that
        `read_group` has."""
        group: list[Source] = []
        group_bytes = 0
        for source in sources:
            if source.stat.is_symlink or source.stat.size <= SMALL_FILE_BYTES:
                group.append(source)
                group_bytes += source.stat.size
                if len(group) >= _GROUP_FILES or group_bytes >= BATCH_BYTES:
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
        if not group:
            return
        if sum(source.stat.size for source in group) < _THREADS_PAY_BYTES * len(group):
            self._pipeline.drain()  # what was submitted before comes first
            self._receive_group(self._load_group(group))
        else:
            self._pipeline.submit(functools.partial(self._load_group, group), self._receive_group)

    def _load_group(self, group: Sequence[Source]) -> list[_Loaded | Unread]:
        """Reads and digests all files, asks once which chunks are known, encodes the others."""
        places = [(s.at or s.path, s.stat.is_symlink) for s in group]
        contents = read_group(self._root, places, _MAX_WHOLE_BYTES)
        results = [
            read if isinstance(read, Unread) else _digest_file(source, *read)
            for source, read in zip(group, contents, strict=True)
        ]
        loaded = [file for file in results if isinstance(file, _Loaded)]
        chunks = [(f, d) for f in loaded for d in f.done if d.id is not None]
        known = self._target.known([d.id for _, d in chunks if d.id is not None])
        for (file, item), have in zip(chunks, known, strict=True):
            if not have:
                item.encoded = self.encode_piece(file.result.path, file.layout, item.piece)
        return results

    def _receive_group(self, results: list[_Loaded | Unread]) -> None:
        """One question to the target for the whole group: 128 files cost little more than one."""
        files = [file for file in results if isinstance(file, _Loaded)]
        for problem in results:
            if isinstance(problem, Unread):
                self._pass_over(problem)
        pieces = [(f, d) for f in files for d in f.done if d.id is not None]
        objects = [o for f in files for o in f.objects]
        ids: list[Digest] = [d.id for _, d in pieces if d.id is not None]
        absent = iter(self._target.absent([*ids, *(id for id, _ in objects)]))
        new = sum(self._put(f.result.path, f.layout, d) for f, d in pieces if next(absent))
        self._put_objects([o for o in objects if next(absent)])
        self.bytes_new += new
        self._monitor.advance(
            bytes_done=sum(f.result.size for f in files), items_done=len(files), bytes_new=new
        )
        self._results += [f.result for f in files]

    def _pass_over(self, problem: Unread) -> None:
        if self._unread is None:
            raise problem
        self._unread[problem.path] = problem.reason
        self._monitor.advance(items_done=1)

    # ---------------------------------------------------------------- large files

    def _stream(self, source: Source) -> None:
        try:
            self._read_stream(source)
        except Unread as problem:
            self._pass_over(problem)

    def _read_stream(self, source: Source) -> None:
        path = os.path.join(self._root, source.at or source.path)
        for _ in range(MAX_ATTEMPTS):
            fd = _open(path, source.path)
            try:
                before = FileStat.of(os.fstat(fd))
                draft, kind = self._stream_once(fd, before.size, source)
                told = _read_by(source, fd, before.size)
                if stat_matches(fd, before) and stat_matches(path, before):
                    self._pipeline.submit(
                        _nothing,
                        functools.partial(
                            self._finish_stream, source.path, draft, before, told, kind
                        ),
                    )
                    return
            except EOFError:  # shorter than its stat said
                continue
            except OSError as error:
                raise unread(source.path, error.errno or 0) from error
            finally:
                os.close(fd)
        raise unstable(source.path)

    def _stream_once(self, fd: int, size: int, source: Source) -> tuple[Draft, ContentKind]:
        def read_at(offset: int, length: int) -> bytes:
            return os.pread(fd, length, offset)

        shape = shape_of(read_at, size)
        kind = kind_of(read_at, size, shape) if source.wants_kind else UNKNOWN
        draft = Draft(shape)
        cutter = StreamCutter(lambda view: os.readv(fd, [view]), shape.spans)
        span = index = 0
        while chunks := cutter.fill(buffer := self._take_buffer()):
            pieces = []
            for chunk in chunks:
                span, index = (span, index + 1) if chunk.span == span else (chunk.span, 0)
                pieces.append(DraftPiece(span, index, chunk.data))
            self._pipeline.submit(
                functools.partial(self._encode, source.path, shape, pieces),
                functools.partial(self._receive_batch, source.path, draft, buffer),
            )
        return draft, kind

    def _receive_batch(self, path: str, draft: Draft, buffer: bytearray, done: list[Done]) -> None:
        chunks = [d for d in done if d.id is not None]
        absent = self._target.absent([d.id for d in chunks if d.id is not None])
        new = sum(
            self._put(path, draft.layout, d) for d, a in zip(chunks, absent, strict=True) if a
        )
        draft.accept(done)
        self._put_objects(draft.take_objects())
        self.bytes_new += new
        self._monitor.advance(bytes_done=sum(len(d.piece.data) for d in done), bytes_new=new)
        self._buffers.append(buffer)

    def _finish_stream(
        self, path: str, draft: Draft, now: FileStat, told: object, kind: ContentKind, _: None
    ) -> None:
        recipe = draft.finish()
        self._put_objects(draft.take_objects())
        self._monitor.advance(items_done=1)
        self._results.append(Ingested(path, recipe, draft.size, now.mode, now, told, kind))

    def _take_buffer(self) -> bytearray:
        return self._buffers.pop() if self._buffers else bytearray(BATCH_BYTES)

    # ---------------------------------------------------------------- in the workers

    @property
    def _encoder(self) -> Encoder:
        encoder: Encoder | None = getattr(self._local, "encoder", None)
        if encoder is None:
            encoder = self._local.encoder = Encoder()
        return encoder

    def _encode(self, path: str, shape: Layout, pieces: Sequence[DraftPiece]) -> list[Done]:
        done = [digested(piece, shape) for piece in pieces]
        chunks = [item for item in done if item.id is not None]
        known = self._target.known([item.id for item in chunks if item.id is not None])
        for item, have in zip(chunks, known, strict=True):
            if not have:
                item.encoded = self.encode_piece(path, shape, item.piece)
        return done

    def encode_piece(self, path: str, shape: Layout, piece: DraftPiece) -> Encoded:
        tensor = shape.spans[piece.span].tensor
        if tensor is None:
            return self._encoder.encode(piece.data)
        finder = self._bases(path)
        base = None if finder is None else finder.base(tensor, piece.index)
        encoded = self._encoder.encode(
            piece.data, element_size=tensor.element_size, dtype=tensor.dtype, base=base
        )
        if finder is not None and base is not None:
            finder.taken(tensor, paid=encoded.base is not None)
        return encoded

    # ---------------------------------------------------------------- in the receiving thread

    def _put(self, path: str, shape: Layout, item: Done) -> int:
        """Raw bytes that were new: none if another file of this run brought the chunk."""
        assert item.id is not None
        encoded = item.encoded or self.encode_piece(path, shape, item.piece)
        stored = self._target.put_chunk(item.id, encoded)
        self.bytes_stored += stored
        return len(item.piece.data) if stored else 0

    def _put_objects(self, objects: Iterable[tuple[Digest, bytes]]) -> None:
        for id, data in objects:
            self.bytes_stored += self._target.put_object(id, data)


def _digest_file(source: Source, now: FileStat, data: bytes) -> _Loaded:
    shape = plain(len(data)) if now.is_symlink else shape_of(_reader(data), len(data))
    done = [digested(p, shape) for p in cut_in_memory(memoryview(data), shape)]
    draft = Draft(shape)
    draft.accept(done)
    recipe = draft.finish()
    told = None
    if source.reader is not None and not now.is_symlink:
        told = source.reader(io.BytesIO(data), len(data))
    looked = source.wants_kind and not now.is_symlink
    kind = kind_of(_reader(data), len(data), shape) if looked else UNKNOWN
    result = Ingested(source.path, recipe, len(data), now.mode, now, told, kind)
    return _Loaded(result, shape, done, draft.take_objects())


def _read_by(source: Source, fd: int, size: int) -> object:
    if source.reader is None:
        return None
    with os.fdopen(os.dup(fd), "rb") as file:
        file.seek(0)
        return source.reader(file, size)


def _open(path: str, name: str) -> int:
    """Does not wait for the other end should the file be a pipe by now."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise unread(name, error.errno or 0) from error
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise unread(name, errno.EISDIR)


def _nothing() -> None:
    """The work of a task that only marks a place in the order of results."""


def _reader(data: bytes) -> ReadAt:
    return lambda offset, length: data[offset : offset + length]
