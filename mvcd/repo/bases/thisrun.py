"""Files that were read earlier in the same run: their tensors are bases too, though not in the store yet.

A directory that is tracked for the first time holds all checkpoints of a run; an EMA is saved beside its model.
What was put into a session rests where it can be read after a flush, so the bytes are read from the file again
(it is in the page cache), and count only if their digest is what was put.
"""

from __future__ import annotations

import os
import threading
from typing import Final

from mvcd.chunking.params import TENSOR_PIECE_BYTES
from mvcd.errors import MissingObject
from mvcd.ids import ChunkId
from mvcd.inspect.spans import Layout, Span
from mvcd.lateclasses import NamedTuple, dataclass
from mvcd.repo.bases.namesakes import TensorIndex

MAX_FILES: Final = 64
"""Files, the latest, whose tensors are kept."""
MAX_TENSORS: Final = 1 << 18
"""Tensors of them: 60 MiB."""
MAX_CHUNKS: Final = 1 << 18
"""Chunks of which it is known what they are differences to: 64 GiB of tensors, and 50 MiB of memory."""


class _Put(NamedTuple):
    base: ChunkId | None
    file: str
    offset: int
    size: int


@dataclass(frozen=True)
class EarlierFile:
    """`place`: where its bytes lie."""

    path: str
    place: str
    tensors: TensorIndex[Span]
    count: int

    def piece(self, span: Span, index: int) -> bytes | None:
        """Piece `index` of a tensor as the file has it now; None past its end, or where it cannot be read."""
        start = index * TENSOR_PIECE_BYTES
        size = min(TENSOR_PIECE_BYTES, span.size - start)
        return bytes_at(self.place, span.offset + start, size) if size > 0 else None

    def head(self, span: Span, size: int) -> bytes | None:
        """The first bytes of a tensor, `size` or fewer; None where the file cannot be read."""
        return bytes_at(self.place, span.offset, min(size, span.size))


class ThisRun:
    """What this run has put so far. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: list[EarlierFile] = []
        self._put: dict[ChunkId, _Put] = {}

    def files(self) -> list[EarlierFile]:
        with self._lock:
            return list(self._files)

    def begin(self, path: str, place: str, shape: Layout) -> TensorIndex[Span]:
        """A file is read from now on."""
        spans = [(s.tensor, s) for s in shape.spans if s.tensor is not None]
        index = TensorIndex((t.name, t.dtype, t.shape, span) for t, span in spans)
        with self._lock:
            if len(spans) <= MAX_TENSORS:
                self._files.append(EarlierFile(path, place, index, len(spans)))
            while len(self._files) > MAX_FILES or self._tensors() > MAX_TENSORS:
                self._files.pop(0)
        return index

    def put(self, id: ChunkId, base: ChunkId | None, place: str, offset: int, size: int) -> None:
        with self._lock:
            if len(self._put) < MAX_CHUNKS:
                self._put[id] = _Put(base, place, offset, size)

    def has(self, id: ChunkId) -> bool:
        return id in self._put

    def base(self, id: ChunkId) -> ChunkId | None:
        return self._put[id].base

    def get(self, id: ChunkId) -> bytes:
        """Raises MissingObject where the file does not hold it any more."""
        put = self._put[id]
        data = bytes_at(put.file, put.offset, put.size)
        if data is None or ChunkId.of(data) != id:
            raise MissingObject(f"{put.file} changed since chunk {id.short()} was read from it")
        return data

    def _tensors(self) -> int:
        return sum(file.count for file in self._files)


def bytes_at(place: str, offset: int, size: int) -> bytes | None:
    """Bytes of the file at `place`; None where it has fewer, or cannot be read."""
    try:
        fd = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = os.pread(fd, size, offset)
    except OSError:
        return None
    finally:
        os.close(fd)
    return data if len(data) == size else None
