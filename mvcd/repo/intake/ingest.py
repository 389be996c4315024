"""Files into objects: read once, cut, digest, encode what the store lacks, and write down recipes.

Theory of operation. The calling thread walks the files in path order. Large files it reads itself, 2 MiB
at a time, and cuts: tensors every 256 KiB from their start, all else by the rolling hash. Each buffer with
its pieces goes to a worker, which digests all pieces, asks the store which are known, encodes the rest and
makes records of them: put as a whole, a GiB takes 0.1 of 1.2 s less than piece by piece.
Small files are read, digested, encoded and made into records in groups by a worker, which gives the
interpreter's lock up for a group and not for each file: of 40,000 files of 2.5 KB it takes two fifths of the
CPU time beside this thread, where a call of zstd for each took a third more of it. What it made is put as a
whole. Results are received in order (pipeline.py), put into the target, and collected into recipes. Memory:
one buffer per queued task, whatever the size of the files.

A file is stored only if its stats are equal before and after reading; otherwise it is read again, up to
five times, and then reported as unstable. Its chunks may stay in the store: they are found again next time.

What must not live here: which files are read (scan.py) and what becomes of recipes (snapshot.py).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING

from mvcd.chunking.chunker import StreamCutter
from mvcd.chunking.params import TENSOR_PIECE_BYTES
from mvcd.errors import MissingObject
from mvcd.ids import ChunkId, Digest
from mvcd.inspect.kinds import UNKNOWN, ContentKind, kind_of
from mvcd.inspect.spans import Layout
from mvcd.monitor import Monitor
from mvcd.repo.contents.digests import DigestAlgorithm, RunningDigests
from mvcd.repo.contents.drafts import Done, Draft, DraftPiece, digested, shape_of
from mvcd.repo.contents.pipeline import Pipeline
from mvcd.repo.intake.loading import (
    Bases,
    Ingested,
    LoadedFile,
    Source,
    digest_file,
    no_bases,
    open_regular,
    read_by,
)
from mvcd.repo.intake.pieceencoder import PieceEncoder
from mvcd.repo.intake.smallfiles import (
    ReadFile,
    SmallFile,
    are_few,
    is_small,
    make_ready,
    small_files,
)
from mvcd.repo.intake.targets import Ready, Target
from mvcd.repo.ondisk.reading import MAX_ATTEMPTS, Unread, read_group, unread, unstable
from mvcd.repo.ondisk.statcache import FileStat, stat_matches

if TYPE_CHECKING:
    from mvcd.store.readymade import ReadyRecords

BATCH_BYTES = 2 << 20
"""Bytes read and handed to a worker at once: 8 tensor pieces, about 32 plain chunks."""

SMALL_FILE_BYTES = 1 << 20
"""Bytes up to which a worker reads a whole file; groups of them fill one task."""

_GROUP_FILES = 512

_MAX_WHOLE_BYTES = 64 << 20
"""Bytes a file may grow to between the scan and its reading as a small one; beyond it counts as unstable."""


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
        digests: Collection[DigestAlgorithm] = (),
    ) -> None:
        """`unread` takes the files that cannot be read, and why; without it they raise. `digests` come back
        with each result; the workers compute them of the bytes that they have at hand."""
        self._root = root
        self._digests = digests
        self._unread = unread
        self._target = target
        self._monitor = monitor
        self._bases = bases
        self._pipeline = Pipeline(workers=workers)
        self._encoder = PieceEncoder(bases)
        self._buffers: list[bytearray] = []
        self._results: list[Ingested] = []
        self._several = False  # large files: one may be the base of another
        self.bytes_new = 0  # raw bytes of chunks the target did not have
        self.bytes_stored = 0  # bytes the target added for them, their nodes and recipes

    def __enter__(self) -> Ingest:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pipeline.__exit__(None, None, None)

    def run(self, sources: Iterable[Source], *, several: bool = False) -> Iterator[Ingested]:
        """Results in the order of the sources; none for what goes to `unread`. `several`: more than one of them
        is larger than SMALL_FILE_BYTES. Raises Failure of the kinds that `read_group` has."""
        self._several = several
        group: list[Source] = []
        group_bytes = 0
        for source in sources:
            if source.stat.is_symlink or source.stat.size <= SMALL_FILE_BYTES or source.data:
                group.append(source)
                group_bytes += source.stat.size
                if len(group) >= _GROUP_FILES or group_bytes >= BATCH_BYTES:
                    self._submit_group(group)
                    group, group_bytes = [], 0
            else:
                self._submit_group(group)
                group, group_bytes = [], 0
                self._stream(source)
            if self._results:
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
        if are_few(group):
            self._pipeline.drain()  # what was submitted before comes first
            self._receive_group(self._load_group(group))
        else:
            self._pipeline.submit(functools.partial(self._load_group, group), self._receive_group)

    def _load_group(self, group: Sequence[Source]) -> tuple[list[ReadFile], Ready]:
        """Reads and digests all files, asks once which chunks are known, encodes the others."""
        results = self._digest_group(group)
        return results, make_ready(results, self._target, self._encoder.plain.alone)

    def _digest_group(self, group: Sequence[Source]) -> list[ReadFile]:
        """Reads and digests all files, the small ones in one call; encodes what is new of the others."""
        results: list[ReadFile] = []
        small: list[tuple[Source, FileStat, bytes]] = []
        places: list[int] = []
        loaded: list[LoadedFile] = []
        for source, read in zip(group, self._read_group(group), strict=True):
            if isinstance(read, Unread):
                results.append(read)
            elif not self._digests and is_small(source, *read):
                places.append(len(results))
                small.append((source, *read))
                results.append(_TO_COME)
            else:
                loaded.append(digest_file(source, *read, self._digests))
                results.append(loaded[-1])
        for at, file in zip(places, small_files(small), strict=True):
            results[at] = file
        chunks = [d.id for f in loaded for d in f.done if d.id is not None]
        known = iter(self._target.known(chunks))
        for one in loaded:
            self._encoder.encode(one.result.path, one.layout, one.done, known, 0)
        return results

    def _read_group(self, group: Sequence[Source]) -> Iterator[tuple[FileStat, bytes] | Unread]:
        places = [(s.at or s.path, s.stat.is_symlink) for s in group if s.data is None]
        read = iter(read_group(self._root, places, _MAX_WHOLE_BYTES))
        for source in group:
            yield next(read) if source.data is None else (source.stat, source.data)

    def _receive_group(self, group: tuple[list[ReadFile], Ready]) -> None:
        """Puts all that is ready, and asks the target once about the rest of the group."""
        results, ready = group
        files: list[Ingested] = []
        pieces: list[tuple[ChunkId, SmallFile | tuple[LoadedFile, Done]]] = []
        objects: list[tuple[Digest, bytes]] = []
        for one in results:
            if isinstance(one, Ingested):
                files.append(one)
            elif isinstance(one, Unread):
                self._pass_over(one)
            elif isinstance(one, SmallFile):
                files.append(one.result)
                if one.chunk is not None:
                    pieces.append((one.chunk, one))
            else:
                files.append(one.result)
                pieces += [(d.id, (one, d)) for d in one.done if d.id is not None]
                objects += one.objects
        stored, new = self._target.put_ready(ready)
        ids: list[Digest] = [id for id, _ in pieces]
        absent = iter(self._target.absent([*ids, *(id for id, _ in objects)]))
        new += sum([self._put_piece(*piece) for piece in pieces if next(absent)])
        self._put_objects([o for o in objects if next(absent)])
        self.bytes_stored += stored
        self.bytes_new += new
        self._monitor.advance(
            bytes_done=sum([f.size for f in files]), items_done=len(files), bytes_new=new
        )
        self._results += files

    def _put_piece(self, id: ChunkId, what: SmallFile | tuple[LoadedFile, Done]) -> int:
        """Puts an absent piece; raw bytes that were new."""
        if not isinstance(what, SmallFile):
            file, piece = what
            return self._put(file.result.path, file.layout, piece)
        stored = self._target.put_chunk(id, self._encoder.plain.alone.encode_small(what.data))
        self.bytes_stored += stored
        return len(what.data) if stored else 0

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
            fd = open_regular(path, source.path)
            try:
                before = FileStat.of(os.fstat(fd))
                digests = RunningDigests(self._digests, before.size)
                draft, kind = self._stream_once(fd, before.size, source, digests)
                told = read_by(source, fd, before.size)
                if stat_matches(fd, before) and stat_matches(path, before):
                    self._pipeline.submit(
                        _nothing,
                        functools.partial(
                            self._finish_stream, source.path, draft, before, told, kind, digests
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

    def _stream_once(
        self, fd: int, size: int, source: Source, digests: RunningDigests
    ) -> tuple[Draft, ContentKind]:
        def read_at(offset: int, length: int) -> bytes:
            return os.pread(fd, length, offset)

        shape = shape_of(read_at, size)
        kind = kind_of(read_at, size, shape) if source.wants_kind else UNKNOWN
        finder = self._bases(source.path) if shape.format else None
        if finder is not None and finder.begin(
            os.path.join(self._root, source.at or source.path), shape
        ):
            self._pipeline.drain()
        draft = Draft(shape)
        cutter = StreamCutter(lambda view: os.readv(fd, [view]), shape.spans)
        span = index = offset = 0
        turns = count()
        while chunks := cutter.fill(buffer := self._take_buffer()):
            pieces = []
            for chunk in chunks:
                span, index = (span, index + 1) if chunk.span == span else (chunk.span, 0)
                pieces.append(DraftPiece(span, index, chunk.data))
            size = sum(len(piece.data) for piece in pieces)
            bring = functools.partial(digests.bring, next(turns), memoryview(buffer)[:size])
            self._pipeline.submit(
                functools.partial(self._encode, source.path, shape, pieces, offset, bring),
                functools.partial(self._receive_batch, source.path, draft, buffer),
            )
            offset += size
        return draft, kind

    def _receive_batch(
        self,
        path: str,
        draft: Draft,
        buffer: bytearray,
        batch: tuple[list[Done], list[ReadyRecords]],
    ) -> None:
        done, lots = batch
        chunks = [(d, d.id) for d in done if d.id is not None]
        bases = (d.encoded.base for d in done if d.encoded is not None)
        # with their bases, which `put` would ask for one by one
        ids = [*(id for _, id in chunks), *(base for base in bases if base is not None)]
        absent = self._target.absent(ids)
        left = [(d, id) for (d, id), a in zip(chunks, absent, strict=False) if a]
        new = self._put_absent(path, draft.layout, left, lots)
        draft.accept(done)
        self._put_objects(draft.take_objects())
        self.bytes_new += new
        self._monitor.advance(bytes_done=sum([len(d.piece.data) for d in done]), bytes_new=new)
        self._buffers.append(buffer)

    def _finish_stream(
        self,
        path: str,
        draft: Draft,
        now: FileStat,
        told: object,
        kind: ContentKind,
        digests: RunningDigests,
        _: None,
    ) -> None:
        recipe = draft.finish()
        self._put_objects(draft.take_objects())
        self._monitor.advance(items_done=1)
        found = digests.finish()
        self._results.append(Ingested(path, recipe, draft.size, now.mode, now, told, kind, found))

    def _take_buffer(self) -> bytearray:
        return self._buffers.pop() if self._buffers else bytearray(BATCH_BYTES)

    # ---------------------------------------------------------------- in the workers

    def _encode(
        self,
        path: str,
        shape: Layout,
        pieces: Sequence[DraftPiece],
        start: int,
        bring: Callable[[], None],
    ) -> tuple[list[Done], list[ReadyRecords]]:
        """The pieces, encoded unless known; and the records of those in lots, ready to be put."""
        done = [digested(piece, shape) for piece in pieces]
        known = self._target.known([item.id for item in done if item.id is not None])
        lots = self._encoder.encode(path, shape, done, iter(known), start)
        if self._digests:
            bring()
        ready = [self._target.sealed(lot.chunks(), lot.data) for lot in lots]
        return done, [one for one in ready if one is not None]

    # ---------------------------------------------------------------- in the receiving thread

    def _put_absent(
        self,
        path: str,
        shape: Layout,
        items: Sequence[tuple[Done, Digest]],
        lots: Sequence[ReadyRecords],
    ) -> int:
        """Puts pieces in order, a lot as a whole if all of it is among them; raw bytes that were new."""
        there = {id for _, id in items}
        whole = {lot.ids[0]: lot for lot in lots if there.issuperset(lot.ids)}
        put: set[Digest] = set()
        new = 0
        for item, id in items:
            if (lot := whole.get(id)) is not None and id not in put:
                stored, raw = self._target.put_lot(lot)
                put.update(lot.ids)
                self.bytes_stored += stored
                new += raw
            if id not in put:
                new += self._put(path, shape, item)
            elif self._several and shape.format:
                self._tell(path, shape, item, None)
        return new

    def _put(self, path: str, shape: Layout, item: Done) -> int:
        """Raw bytes that were new: none if another file of this run brought the chunk."""
        assert item.id is not None
        encoded = item.encoded or self._encoder.encode_one(path, shape, item)
        try:
            stored = self._target.put_chunk(item.id, encoded)
        except (
            MissingObject
        ):  # a base that another file held, which was written over before it was put
            encoded = self._encoder.plain.encode(item.piece.data)
            stored = self._target.put_chunk(item.id, encoded)
        self.bytes_stored += stored
        if stored and self._several and shape.format:
            self._tell(path, shape, item, encoded.base)
        return len(item.piece.data) if stored else 0

    def _tell(self, path: str, shape: Layout, item: Done, base: ChunkId | None) -> None:
        span = shape.spans[item.piece.span]
        if span.tensor is not None and item.id is not None:
            finder = self._bases(path)
            if finder is not None:
                offset = span.offset + item.piece.index * TENSOR_PIECE_BYTES
                finder.put(item.id, base, offset, len(item.piece.data))

    def _put_objects(self, objects: Sequence[tuple[Digest, bytes]]) -> None:
        self.bytes_stored += self._target.put_objects(objects)


_TO_COME = Unread("", 0)  # keeps the place of a small file until its group is digested


def _nothing() -> None:
    """The work of a task that only marks a place in the order of results."""
