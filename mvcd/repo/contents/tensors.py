"""The tensors of a stored file, each under every name it has, and what identifies their content.

The recipe of a format that rules the cutting lists tensors with their content's identity. What a recipe cannot
say (tied weights of torch, axes in another order), and formats that it knows nothing of, are read from the
header; a tensor that is exactly one of the recipe's segments keeps that segment's identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mvcd.chunking.chunker import piece_points
from mvcd.chunking.params import TENSOR_PIECE_BYTES
from mvcd.ids import ChunkId
from mvcd.inspect.spans import TOLD_BY_RECIPES, ReadAt
from mvcd.inspect.tensorfile import Beside, Range, StoredTensor, is_told_beside
from mvcd.objects.entry import Mode
from mvcd.objects.recipe import (
    LITERAL_BYTES,
    Recipe,
    Segment,
    SegmentBuilder,
    parts,
)
from mvcd.objects.tree import Fetch
from mvcd.repo.contents.files import ABSENT, VersionFiles, recipe_of
from mvcd.repo.contents.unpacking import DamagedStream, assembled, unpacked


class Held(NamedTuple):
    """`segment`: the one of the recipe that is this tensor's bytes and no more."""

    tensor: StoredTensor
    segment: Segment | None


class Segments:
    """The tensors of a recipe by where they lie in the file."""

    def __init__(self, recipe: Recipe) -> None:
        self._found: dict[tuple[int, int], Segment] = {}
        offset = 0
        for segment in recipe.segments:
            if segment.tensor is not None:
                self._found[offset, segment.size] = segment
            offset += segment.size

    def of(self, tensor: StoredTensor) -> Segment | None:
        if isinstance(tensor.content, bytes) or len(tensor.content) != 1:
            return None
        (place,) = tensor.content
        plain = not (place.beside or place.literal) and place.unpacked is None
        return self._found.get((place.offset, place.size)) if plain else None


def read_at_of(recipe: Recipe, fetch: Fetch) -> ReadAt:
    """Reads a file's bytes from its chunks; raises what `fetch` raises."""

    def read_at(offset: int, length: int) -> bytes:
        pieces, end = [], min(offset + length, recipe.size)
        for part in parts(recipe, fetch, offset) if offset < end else ():
            if part.offset >= end:
                break
            data = part.literal if part.chunk is None else fetch(part.chunk)
            pieces.append((data or b"")[max(offset - part.offset, 0) : end - part.offset])
        return b"".join(pieces)

    return read_at


def beside_of(files: VersionFiles, fetch: Fetch, path: str) -> Beside:
    """Opens what lies in the directory of a version's file `path`, or below it."""
    directory = path[: path.rfind("/") + 1]

    def opened(name: str) -> tuple[ReadAt, int] | None:
        placed = files.find(directory + name)
        if placed is None or placed.entry.mode is Mode.SYMLINK:
            return None
        return read_at_of(recipe_of(placed.entry, fetch), fetch), placed.entry.size

    return opened


def held(recipe: Recipe, read_at: ReadAt, name: str, beside: Beside | None = None) -> list[Held]:
    """Every tensor of a file called `name`, without directories; none of one whose tensors an index lists.
    `beside` opens files that a format keeps its tensors in.

    Where the header is needed and not here, what the recipe tells; raises what is in ABSENT where that is
    nothing.
    """
    if recipe.format in TOLD_BY_RECIPES:
        return list(_told(recipe))
    if is_told_beside(name):
        return []
    from mvcd.inspect import tensorfiles  # late: start-up

    try:
        found = tensorfiles.read(read_at, recipe.size, name, beside)
    except ABSENT:
        if not recipe.format:
            raise
        found = None
    if found is None:
        return list(_told(recipe))
    segments = Segments(recipe)
    return [Held(tensor, segments.of(tensor)) for tensor in found.tensors.values()]


def _told(recipe: Recipe) -> Iterator[Held]:
    offset = 0
    for segment in recipe.segments:
        if (t := segment.tensor) is not None:
            place = Range(offset, segment.size)
            yield Held(StoredTensor(t.name, t.dtype, t.shape, (place,)), segment)
        offset += segment.size


def alone(tensor: StoredTensor, read_at: ReadAt) -> Segment | None:
    """The segment that the tensor would be if it were stored by itself: equal for equal elements, wherever and
    however compressed they lie; of elements in code it is the code. Reads them. None for what lies in another
    file, and for a damaged stream."""
    if isinstance(tensor.content, bytes):
        source: Iterator[bytes] = iter([tensor.content])
    elif any(part.beside for place in tensor.content for part in place.parts):
        return None
    else:
        source = _pieces(tensor.content, read_at)
    try:
        return _segment(source, tensor.size)
    except DamagedStream:
        return None


def _segment(source: Iterator[bytes], size: int) -> Segment | None:
    if size <= LITERAL_BYTES:
        return Segment(b"".join(source)) if size else None
    builder, rest = SegmentBuilder(lambda _, __: None), b""
    for data in source:
        rest += data
        start = 0
        for end in piece_points(len(rest), final=False):
            builder.add(ChunkId.of(rest[start:end]), end - start)
            start = end
        rest = rest[start:]
    if rest:
        builder.add(ChunkId.of(rest), len(rest))
    return builder.finish()


def _pieces(places: tuple[Range, ...], read_at: ReadAt) -> Iterator[bytes]:
    for place in places:
        if place.tiles:
            held = [(tile, b"".join(_pieces((tile.place,), read_at))) for tile in place.tiles]
            yield assembled(held, place.length)
            continue
        lying: Iterator[bytes] = (
            read_at(place.offset + at, min(TENSOR_PIECE_BYTES, place.size - at))
            for at in range(0, place.size, TENSOR_PIECE_BYTES)
        )
        if place.literal:
            lying = iter([place.literal])
        yield from lying if place.unpacked is None else unpacked(lying, place)
