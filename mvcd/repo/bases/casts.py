"""F32 tensors and their BF16 copies, read before in the same run or stored: no upper half is there twice.

A BF16 copy cannot be taken from its F32 master: a chunk has one base, and 256 KiB of BF16 are two chunks of
F32. The other way round one base is enough, and the sum is the same: the copy takes what it takes alone, 0.66
of its size, and the master the 16 bits an element that rounding took away. Where the master was there first,
`mvc optimize` gives it that form later (masters.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from itertools import islice
from typing import Final, Protocol

from mvcd.chunking.params import TENSOR_PIECE_BYTES
from mvcd.codec.likeness import difference_bits
from mvcd.codec.widened import widen
from mvcd.ids import Bytes, ChunkId
from mvcd.inspect.spans import TensorInfo
from mvcd.lateclasses import dataclass
from mvcd.objects.recipe import Segment
from mvcd.objects.tree import Fetch
from mvcd.repo.bases.chains import MOST_LEVELS, Base, chain_of
from mvcd.repo.bases.namesakes import TensorIndex
from mvcd.repo.bases.others import chunks_of
from mvcd.repo.bases.thisrun import EarlierFile

NARROW: Final = "BF16"
WIDE: Final = "F32"
LOST_BITS: Final = 16
"""Bits of an element that rounding takes away."""
MOST_LOST_BITS: Final = LOST_BITS + 1
"""Bits an element up to which one is taken for the other's rounding: truncation, ties."""
TRIED_FILES: Final = 4
"""The likest files with a tensor of the name that are looked at for a copy of it."""
SAMPLE_ELEMENTS: Final = 4096
GIVE_UP_CHUNKS: Final = 4
"""Chunks in a row of which a file of the version before had no copy, until it is left: each is read, 0.2 ms."""


class Copies(Protocol):
    """A file that may hold copies of tensors."""

    def has(self, tensor: TensorInfo) -> bool:
        """Whether it has a BF16 tensor of that name and shape."""

    def piece(self, tensor: TensorInfo, index: int) -> tuple[ChunkId, Bytes] | None:
        """Piece `index` of it. Raises IntegrityError."""


@dataclass(frozen=True)
class EarlierCopies:
    """The copies in a file that this run read before."""

    file: EarlierFile

    def has(self, tensor: TensorInfo) -> bool:
        return self.file.tensors.named(tensor.name, (NARROW, tensor.shape)) is not None

    def piece(self, tensor: TensorInfo, index: int) -> tuple[ChunkId, Bytes] | None:
        span = self.file.tensors.named(tensor.name, (NARROW, tensor.shape))
        data = None if span is None else self.file.piece(span, index)
        return None if data is None else (ChunkId.of(data), data)


@dataclass
class StoredCopies:
    """The copies in a file that the version before has. `get` reads a chunk."""

    tensors: TensorIndex[Segment]
    fetch: Fetch
    get: Callable[[ChunkId], bytes]
    missed: int = 0
    """Chunks in a row of which it has no copy."""
    _chunks: tuple[str, list[ChunkId | None]] = field(default=("", []))

    def has(self, tensor: TensorInfo) -> bool:
        there = self.tensors.named(tensor.name, (NARROW, tensor.shape))
        return there is not None and self.missed < GIVE_UP_CHUNKS

    def piece(self, tensor: TensorInfo, index: int) -> tuple[ChunkId, Bytes] | None:
        segment = self.tensors.named(tensor.name, (NARROW, tensor.shape))
        if segment is None:
            return None
        name, chunks = self._chunks
        if name != tensor.name:
            chunks = chunks_of(segment, self.fetch)
            self._chunks = tensor.name, chunks
        id = chunks[index] if index < len(chunks) else None
        return None if id is None else (id, self.get(id))


class Casts:
    """The copies of one file's tensors. Called from several threads; what they change is advice."""

    def __init__(
        self,
        files: Iterable[EarlierFile],
        base_of: Callable[[ChunkId], ChunkId | None],
        stored: Callable[[], Sequence[Copies]] = lambda: (),
    ) -> None:
        """`files` were read before, those with the likest paths first. `stored`: files of the version before,
        asked for where the file is new and none of these has a copy."""
        self._files: list[Copies] = [EarlierCopies(file) for file in files]
        self._base_of = base_of
        self._stored: Callable[[], Sequence[Copies]] | None = stored

    def any(self, tensor: TensorInfo) -> bool:
        """Whether a tensor that may be its copy was read before in this run."""
        return tensor.dtype == WIDE and any(
            file.has(tensor) for file in self._files if isinstance(file, EarlierCopies)
        )

    def base(
        self, tensor: TensorInfo, index: int, data: Bytes, *, new: bool = False
    ) -> Base | None:
        """The chunk of the copy of `data`, piece `index` of the tensor. `new`: nothing is known that it was
        before, so that the version before is asked for a copy. Raises IntegrityError."""
        if tensor.dtype != WIDE:
            return None
        elements = TENSOR_PIECE_BYTES // 4
        piece, start = index // 2, index % 2 * elements
        for file in self._with(tensor, new=new):
            found = file.piece(tensor, piece)
            is_copy = found is not None and lost_bits(data, found[1], start) <= MOST_LOST_BITS
            if isinstance(file, StoredCopies):
                file.missed = 0 if is_copy else file.missed + 1
            if found is not None and is_copy:
                self._prefer(file)
                id, narrow = found
                # Half a chunk is decoded for it, so that one level more than others have is cheap.
                if len(chain_of(self._base_of, id)) <= MOST_LEVELS + 1:
                    return Base(id, narrow, 1.0, widen=start)
        return None

    def _with(self, tensor: TensorInfo, *, new: bool) -> list[Copies]:
        stored = self._stored
        if new and stored is not None:
            self._stored = None
            self._files = [*self._files, *stored()]
        return list(islice((f for f in self._files if f.has(tensor)), TRIED_FILES))

    def _prefer(self, file: Copies) -> None:
        if self._files[0] is not file:
            self._files = [file, *(other for other in self._files if other is not file)]


def lost_bits(data: Bytes, narrow: Bytes, start: int) -> float:
    """Bits an element that F32 `data` has beyond `narrow`, BF16 elements of which number `start` goes with the
    first; from a sample in the middle."""
    count = min(SAMPLE_ELEMENTS, len(data) // 4)
    first = (len(data) // 4 - count) // 2
    mine = memoryview(data).cast("B")[4 * first : 4 * (first + count)]
    wide = widen(narrow, start + first, 4 * count)
    return difference_bits(mine, wide, element_size=4, dtype=WIDE) / count if count else 0.0
