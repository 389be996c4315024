"""Files in which the tensors of a new file are looked for, and the chunks that are found.

Differences to a file are tried while they pay. Each try reads a chunk, 0.2 ms, and two runs of one network
begin from different random numbers: nothing of one is worth anything to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from itertools import islice

from mvcd.ids import Bytes, ChunkId
from mvcd.inspect.spans import Span, TensorInfo
from mvcd.lateclasses import NamedTuple, dataclass
from mvcd.objects.entry import Entry
from mvcd.objects.recipe import Recipe, Segment, parts
from mvcd.objects.tree import Fetch
from mvcd.repo.bases.likepaths import form_of
from mvcd.repo.bases.namesakes import KindPlace, TensorIndex
from mvcd.repo.bases.sketches import HEAD_BYTES, MOST_TENSORS, Sketch, nearest, sketch
from mvcd.repo.bases.thisrun import EarlierFile

MAX_LIKE_FILES = 64
"""Files with like paths that a tensor is looked for in: the shards of the largest models."""

GIVE_UP_CHUNKS = 16
"""Chunks in a row for which a difference from another file did not pay, until that file is left. Counted by the
last part of a tensor's name: first moments of Adam have no base, and second ones, in the same file, have."""

FOLDED_FILES = 4
"""The likest files, in which names count as the same without their prefixes, too."""

SKETCHED_FILES = 4
"""The likest files in which tensors are found by what they hold, if names tell nothing."""

GIVE_UP_FILES = 3
"""Files left until no other is tried; but for the 2nd, 4th, 8th ... tensor that is looked for, the likest."""

MOST_CHUNKS = 1 << 19
"""Most chunks of a tensor that differences are made to: 32 GiB as we cut, and 60 MiB of memory."""

_KEPT_TENSORS = 8


@dataclass(slots=True)
class Other:
    """A file, not the one before, that bases are taken from while differences to it pay."""

    file: Entry | EarlierFile
    failed: dict[str, int] = field(
        default_factory=dict
    )  # chunks in a row, by the last part of names

    def is_left(self, part: str) -> bool:
        return self.failed.get(part, 0) >= GIVE_UP_CHUNKS

    def taken(self, part: str, *, paid: bool) -> bool:
        """Hears whether a difference was worth it. Returns whether the file is left now."""
        self.failed[part] = 0 if paid else self.failed.get(part, 0) + 1
        return self.is_left(part)


class FoundTensor(NamedTuple):
    """A tensor that is the same as one of the new file, and where: None is the file before."""

    other: Other | None
    tensor: Segment | tuple[EarlierFile, Span]


class Piece(NamedTuple):
    """A chunk of such a tensor."""

    other: Other | None
    chunk: ChunkId


class OtherFiles:
    """Other files than the one before, the likest first, in which tensors are looked for."""

    def __init__(
        self,
        files: Sequence[Entry | EarlierFile],
        tensors_of: Callable[[Entry], TensorIndex[Segment]],
        place_of: Callable[[str], KindPlace | None],
        head_of: Callable[[TensorInfo], Bytes | None] = lambda _: None,
        held: Callable[[Entry, TensorInfo], list[tuple[Sketch, Segment]]] | None = None,
    ) -> None:
        """`place_of` tells of a tensor of the new file its place among those of its kind, `head_of` its first
        bytes, `held` the sketches of a stored file's tensors of that kind."""
        self._head_of = head_of
        self._held = held
        self._others = [Other(file) for file in files[:MAX_LIKE_FILES]]
        self._tensors_of = tensors_of
        self._place_of = place_of
        self._searches = 0

    def search(self, tensor: TensorInfo) -> FoundTensor | None:
        name, kind, part = tensor.name, (tensor.dtype, tensor.shape), last_part(tensor)
        self._searches += 1
        again = self._searches & (self._searches - 1) == 0
        left = 0
        for number, other in enumerate(self._others):
            if other.is_left(part) and not (again and number == 0):
                left += 1
                if left >= GIVE_UP_FILES:
                    return None
                continue
            there = self._look(
                other,
                lambda index: (
                    index.named(name, kind)
                    if number < FOLDED_FILES  # noqa: B023 - called at once
                    else index.exact(name, kind)
                ),
            )
            if there is not None:
                return there
        told, held = self._by_content(tensor)
        if told:
            return held
        place = self._place_of(name)
        if place is None or not self._others or self._others[0].is_left(part):
            return None
        return self._look(self._others[0], lambda index: index.placed(place))

    def _by_content(self, tensor: TensorInfo) -> tuple[bool, FoundTensor | None]:
        """Whether what the likest file holds could be compared, and what was found in that or another."""
        head = None if self._held is None else self._head_of(tensor)
        new = None if head is None else sketch(head, tensor)
        told = False
        for number, other in enumerate(self._others[:SKETCHED_FILES] if new else ()):
            if other.is_left(last_part(tensor)):
                continue
            known = self._sketches(other.file, tensor)
            told = told or (number == 0 and bool(known))
            found = None if new is None else nearest(new, known)
            if isinstance(found, Segment):
                return True, FoundTensor(other, found)
            if isinstance(found, Span) and isinstance(other.file, EarlierFile):
                return True, FoundTensor(other, (other.file, found))
        return told, None

    def _sketches(
        self, file: Entry | EarlierFile, tensor: TensorInfo
    ) -> Sequence[tuple[Sketch, Segment | Span]]:
        if isinstance(file, EarlierFile):
            return list(_sketches_of(file, tensor))
        return self._held(file, tensor) if self._held is not None else ()

    def has_left(self, tensor: TensorInfo) -> bool:
        """Whether differences to one of the files were tried for such a tensor, and did not pay."""
        part = last_part(tensor)
        return any(other.is_left(part) for other in self._others)

    def _look(
        self,
        other: Other,
        search: Callable[[TensorIndex[Span] | TensorIndex[Segment]], Span | Segment | None],
    ) -> FoundTensor | None:
        if isinstance(other.file, EarlierFile):
            span = search(other.file.tensors)
            return FoundTensor(other, (other.file, span)) if isinstance(span, Span) else None
        segment = search(self._tensors_of(other.file))
        return FoundTensor(other, segment) if isinstance(segment, Segment) else None


class Pieces:
    """The chunks of the tensors that `search` finds; what was found for the last ones is kept."""

    def __init__(self, search: Callable[[TensorInfo], FoundTensor | None], fetch: Fetch) -> None:
        self._search = search
        self._fetch = fetch
        self._found: dict[str, FoundTensor | None] = {}
        self._chunks: dict[str, list[ChunkId | None]] = {}

    def at(self, tensor: TensorInfo, index: int) -> Piece | None:
        """Piece `index` of what was found. Raises IntegrityError."""
        found = self._find(tensor)
        chunk = None if found is None else self._chunk(tensor, index, found)
        return None if found is None or chunk is None else Piece(found.other, chunk)

    def forget(self) -> None:
        """Everything is looked for again: a file was left."""
        self._found.clear()

    def _find(self, tensor: TensorInfo) -> FoundTensor | None:
        if tensor.name not in self._found:
            if len(self._found) >= _KEPT_TENSORS:
                self._found.clear()
            self._found[tensor.name] = self._search(tensor)
            self._chunks.pop(tensor.name, None)
        return self._found[tensor.name]

    def _chunk(self, tensor: TensorInfo, index: int, found: FoundTensor) -> ChunkId | None:
        if not isinstance(found.tensor, Segment):
            file, span = found.tensor
            piece = file.piece(span, index)
            return None if piece is None else ChunkId.of(piece)
        if tensor.name not in self._chunks:
            if len(self._chunks) >= _KEPT_TENSORS:
                self._chunks.clear()
            self._chunks[tensor.name] = chunks_of(found.tensor, self._fetch)
        chunks = self._chunks[tensor.name]
        return chunks[index] if index < len(chunks) else None


def chunks_of(segment: Segment, fetch: Fetch) -> list[ChunkId | None]:
    """The chunks of a tensor, None for bytes that a recipe holds itself. Raises IntegrityError."""
    alone = Recipe(segment.size, "", (segment,))
    return [part.chunk for part in islice(parts(alone, fetch), MOST_CHUNKS)]


def _sketches_of(file: EarlierFile, tensor: TensorInfo) -> Iterator[tuple[Sketch, Span]]:
    for span in file.tensors.of_kind((tensor.dtype, tensor.shape))[:MOST_TENSORS]:
        head = file.head(span, HEAD_BYTES)
        if head is not None and (made := sketch(head, tensor)) is not None:
            yield made, span


def last_part(tensor: TensorInfo) -> str:
    """The last part of its name, numbers aside."""
    return form_of(tensor.name.rpartition(".")[2])
