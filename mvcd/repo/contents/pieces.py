"""The bytes of tensors as pieces of chunks: named without reading, loaded by any thread, paired by elements.

Two sides of a comparison are cut at different places (other files, other formats, another dtype). `windows`
walks both in step and hands out runs of pieces with equally many elements, so that each can be compared by
itself; runs of the same chunks need not be read to be known as equal.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice

from mvcd.errors import CorruptObject, Failure, IntegrityError
from mvcd.ids import Bytes, ChunkId, Digest, RecipeId
from mvcd.inspect.tensorfile import Range
from mvcd.objects.entry import Entry
from mvcd.objects.recipe import Part, Segment, parts, segment_parts
from mvcd.objects.tree import Fetch
from mvcd.repo.contents.files import recipe_of
from mvcd.repo.contents.unpacking import DamagedStream, assembled, unpacked
from mvcd.store.api import ObjectReader

_WINDOW_ELEMENTS = 256 << 10
"""Elements of the longest run: 2 MiB of F64. Runs end earlier where both sides have a cut point."""

_AHEAD_PARTS = 256
"""Parts of a file kept after a walk: a node's."""

_PIECE_BYTES = 256 << 10
"""Bytes of rows that are taken as one piece."""

_KEPT_FILES = 64
"""Files whose recipes and parts are kept."""

_KEPT_CHUNKS = 4
"""Chunks that are kept after reading them one by one: of small tensors several lie in one."""


class UnreadableContent(Exception):
    """Content that was stored whole is no tensor: its text says why. Never leaves this package."""

    LARGE = "large, not read"
    """To tell whether it changed it would have to be read, and that was too much."""


@dataclass(frozen=True, slots=True)
class ContentPiece:
    """Bytes `start` to `stop` of a part of a file; equal `key`, equal bytes."""

    path: str
    part: Part
    start: int
    stop: int

    @property
    def key(self) -> tuple[ChunkId | bytes | None, int, int]:
        return self.part.chunk or self.part.literal, self.start, self.stop

    def cut(self, size: int) -> tuple[ContentPiece, ContentPiece]:
        middle = self.start + size
        return (
            ContentPiece(self.path, self.part, self.start, middle),
            ContentPiece(self.path, self.part, middle, self.stop),
        )


class Content:
    """What one side's files hold. With `place`, which says where a file lies, chunks are read from the
    workspace, since they are stored nowhere, and checked against the digests they had when it was looked at."""

    def __init__(
        self, fetch: Fetch, store: ObjectReader | None, place: Callable[[str], str] | None
    ) -> None:
        self.fetch = fetch
        self._store = store
        self._place = place
        self._ahead: dict[RecipeId, list[Part]] = {}
        self._recipe = lru_cache(maxsize=_KEPT_FILES)(partial(recipe_of, fetch=fetch))
        self._chunk = lru_cache(maxsize=_KEPT_CHUNKS)(fetch)

    def stored(
        self, ids: Sequence[Digest], known: Mapping[Digest, Bytes] = {}
    ) -> dict[Digest, bytes]:
        """Reads many objects together, in a third of the time: those that the store has, or none where one is
        damaged. Of the rest `fetch` tells. What is `known` they may rest on, and it is not read again."""
        try:
            return {} if self._store is None else dict(self._store.get_many(ids, known=known))
        except CorruptObject:
            return {}

    def chunks(
        self, runs: Iterable[Run], known: Mapping[Digest, Bytes] = {}
    ) -> Mapping[Digest, Bytes]:
        """Reads chunks of many runs together, for `join`."""
        if self._place is not None:
            return {}
        ids = {piece.part.chunk: None for run in runs for piece in run}
        return self.stored([id for id in ids if id is not None], known)

    def load(self, piece: ContentPiece, held: Mapping[Digest, Bytes] = {}) -> Bytes:
        """Verified. Raises what the store raises, and Failure when a workspace file is not what it was. A chunk
        that is `held` is not read."""
        part = piece.part
        if part.chunk is None:
            data: Bytes = part.literal or b""
        elif self._place is not None:
            data = self._from_workspace(self._place(piece.path), piece.path, part.chunk, part)
        else:
            data = held[part.chunk] if part.chunk in held else self._chunk(part.chunk)
        if len(data) != part.size:
            raise CorruptObject(f"the recipe of {piece.path} does not fit its chunks")
        whole = piece.start == 0 and piece.stop == part.size
        return data if whole else memoryview(data)[piece.start : piece.stop]

    def join(self, run: Run, held: Mapping[Digest, Bytes] = {}) -> Bytes:
        """The bytes of a run, of which some chunks are `held`."""
        if len(run) == 1:
            return self.load(run[0], held)
        return b"".join([self.load(piece, held) for piece in run])

    def segment(self, path: str, segment: Segment, offset: int) -> Iterator[ContentPiece]:
        """The pieces of one segment of a file's recipe."""
        for part in segment_parts(segment, self.fetch, offset, offset):
            yield ContentPiece(path, part, 0, part.size)

    def range(self, entry: Entry, place: Range, *, inflate: bool = True) -> Iterator[ContentPiece]:
        """The pieces of a range of a file: of what it says, or with `inflate` off of what is stored there.

        Raises Unreadable where a compressed range breaks off or is damaged.
        """
        pieces = (
            self.literal(entry.path, place.literal)
            if place.literal
            else self._plain(entry, place.offset, place.size)
        )
        return self._unpacked(pieces, place) if inflate and place.unpacked is not None else pieces

    def placed(
        self, entries: Sequence[Entry], place: Range, *, inflate: bool = True
    ) -> Iterator[ContentPiece]:
        """The same of a range in several places, whose files are `entries`."""
        parts = list(zip(entries, place.parts, strict=True))
        if not place.tiles or not inflate:
            for entry, part in parts:
                yield from self.range(entry, part, inflate=inflate)
            return
        held = [self.join(list(self.range(entry, part))) for entry, part in parts]
        try:
            rows = assembled(list(zip(place.tiles, held, strict=True)), place.length)
        except DamagedStream as error:
            raise UnreadableContent(str(error)) from error
        for at in range(0, len(rows), _PIECE_BYTES):
            yield from self.literal(entries[0].path, rows[at : at + _PIECE_BYTES])

    def literal(self, path: str, data: bytes) -> Iterator[ContentPiece]:
        """Bytes that a header holds itself."""
        yield ContentPiece(path, Part(0, len(data), None, data), 0, len(data))

    def read_at(self, entry: Entry, offset: int, size: int) -> bytes:
        """`size` bytes of a file, fewer only where it ends."""
        size = max(0, min(size, entry.size - offset))
        return b"".join([self.load(piece) for piece in self._plain(entry, offset, size)])

    def _plain(self, entry: Entry, offset: int, size: int) -> Iterator[ContentPiece]:
        end = offset + size
        for part in self._parts(entry, offset) if size else ():
            if part.offset >= end:
                return
            start = max(offset - part.offset, 0)
            yield ContentPiece(entry.path, part, start, min(end - part.offset, part.size))

    def _parts(self, entry: Entry, offset: int) -> Iterator[Part]:
        """From the one that contains byte `offset`. Some are kept: headers list thousands of small tensors in
        order, and walking down the recipe's tree for each costs more than comparing it."""
        while True:
            ahead = self._ahead.get(entry.recipe)
            if ahead is None or not ahead[0].offset <= offset < ahead[-1].offset + ahead[-1].size:
                walk = parts(self._recipe(entry), self.fetch, offset)
                ahead = list(islice(walk, _AHEAD_PARTS))
                if not ahead:
                    return
                if len(self._ahead) >= _KEPT_FILES:
                    self._ahead.clear()
                self._ahead[entry.recipe] = ahead
            start = bisect_right(ahead, offset, key=lambda part: part.offset) - 1
            yield from ahead[start:]
            offset = ahead[-1].offset + ahead[-1].size

    def _unpacked(self, pieces: Iterator[ContentPiece], place: Range) -> Iterator[ContentPiece]:
        path = ""

        def loaded() -> Iterator[Bytes]:
            nonlocal path
            for piece in pieces:
                path = piece.path
                yield self.load(piece)

        try:
            for data in unpacked(loaded(), place):
                yield from self.literal(path, data)
        except DamagedStream as error:
            raise UnreadableContent(str(error)) from error

    @staticmethod
    def _from_workspace(place: str, path: str, id: ChunkId, part: Part) -> bytes:
        try:
            with open(place, "rb", buffering=0) as file:
                data = os.pread(file.fileno(), part.size, part.offset)
        except OSError as error:
            raise _moved(path) from error
        if ChunkId.of(data) != id:
            raise _moved(path)
        return data


def _moved(path: str) -> Failure:
    return Failure(
        f"{path} changed while it was compared",
        kind="unstable-file",
        cause="another process is writing it",
        help="run the command again, or commit first",
    )


Run = list[ContentPiece]


@contextmanager
def blaming(path: str) -> Iterator[None]:
    """Names the file in whatever says that its content is damaged or absent."""
    try:
        yield
    except IntegrityError as error:
        raise type(error)(
            f"{path} cannot be read", kind=error.kind, cause=f"{error}: {error.cause or 'damaged'}",
            help=error.help,
        ) from error  # fmt: skip


class _Queue:
    """Pieces taken from one side and not handed out yet; `width` in bytes per unit."""

    def __init__(self, source: Iterator[ContentPiece], width: int) -> None:
        self._source = source
        self._pieces: Run = []
        self.width = width
        self.size = 0

    def pull(self) -> bool:
        piece = next(self._source, None)
        if piece is None:
            return False
        self._pieces.append(piece)
        self.size += piece.stop - piece.start
        return True

    def take(self, units: int) -> Run:
        wanted = units * self.width
        if wanted == self.size:
            taken, self._pieces, self.size = self._pieces, [], 0
            return taken
        self.size -= wanted
        taken = []
        while wanted:
            piece = self._pieces.pop(0)
            size = piece.stop - piece.start
            if size > wanted:
                piece, rest = piece.cut(wanted)
                self._pieces.insert(0, rest)
                size = wanted
            taken.append(piece)
            wanted -= size
        return taken


def windows(
    old: Iterator[ContentPiece],
    old_width: int,
    new: Iterator[ContentPiece],
    new_width: int,
    elements: int = 1,
) -> Iterator[tuple[Run, Run]]:
    """Runs of equally many whole units in order; widths in bytes per unit, which is so many `elements`.

    Ends with the shorter side; what is left of the other is not handed out.
    """
    longest = max(_WINDOW_ELEMENTS // elements, 1)
    a, b = _Queue(old, old_width), _Queue(new, new_width)
    while True:
        behind = a if a.size * new_width <= b.size * old_width else b
        ready = min(a.size // old_width, b.size // new_width)
        level = a.size * new_width == b.size * old_width and not a.size % old_width
        if ready and (level or ready >= longest or not behind.pull()):
            yield a.take(ready), b.take(ready)
        elif not ready and not behind.pull():
            return


def same(old: Run, new: Run) -> bool:
    """Whether two runs are equal for certain, without reading them."""
    return [piece.key for piece in old] == [piece.key for piece in new]
