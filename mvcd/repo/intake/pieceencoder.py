"""The pieces of a file on their way into stored bytes: as a difference where somebody proposes a base.

Every function may be called from any thread; each thread has an encoder of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import groupby, repeat

from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Encoded
from mvcd.ids import ChunkId
from mvcd.inspect.spans import Layout
from mvcd.repo.bases.chains import Base, TensorPiece
from mvcd.repo.contents.drafts import Done, DraftPiece
from mvcd.repo.intake.loading import Bases
from mvcd.repo.intake.smallfiles import EDITED_BYTES

_TOGETHER_CHUNKS = 8
"""Pieces whose bases are read together: 2 MiB of a large tensor. Only then is it known whether differences to
them pay, and of small tensors more come in one batch."""


class PieceEncoder:
    """Encodes pieces against the bases that `bases` finds for their file."""

    def __init__(self, bases: Bases) -> None:
        self._bases = bases
        self._local = threading.local()

    @property
    def plain(self) -> Encoder:
        """This thread's, for what has no base."""
        encoder: Encoder | None = getattr(self._local, "encoder", None)
        if encoder is None:
            encoder = self._local.encoder = Encoder()
        return encoder

    def encode(
        self, path: str, shape: Layout, done: Sequence[Done], known: Iterator[bool], start: int
    ) -> None:
        """Encodes those of a file's consecutive pieces, from offset `start` on, that are not known."""
        chunks = [(item, item.id, next(known)) for item in done if item.id is not None]
        absent = [item for item, _, have in chunks if not have]
        if not absent:
            return
        if shape.format:
            for at in range(0, len(absent), _TOGETHER_CHUNKS):
                self._encode_tensors(path, shape, absent[at : at + _TOGETHER_CHUNKS])
            return
        sizes = [(id, len(item.piece.data)) for item, id, _ in chunks]
        # a base is read when it is asked for: the one before may have been the last that is tried
        for (item, _, have), base in zip(chunks, self._edited(path, sizes, start), strict=False):
            if not have:
                item.encoded = self._encoded(path, shape, item.piece, base)

    def encode_one(self, path: str, shape: Layout, item: Done) -> Encoded:
        """A piece that was known, and is not any more."""
        (base,) = self._for_tensors(path, shape, [item])
        return self._encoded(path, shape, item.piece, base)

    def _encode_tensors(self, path: str, shape: Layout, items: Sequence[Done]) -> None:
        pairs = zip(items, self._for_tensors(path, shape, items), strict=True)
        for kind, group in groupby(pairs, lambda pair: _kind(shape, *pair)):
            if kind is not None:
                self._encode_deltas(path, kind, list(group))
                continue
            for item, base in group:
                item.encoded = self._encoded(path, shape, item.piece, base)

    def _encode_deltas(
        self, path: str, kind: tuple[int, str], pairs: Sequence[tuple[Done, Base | None]]
    ) -> None:
        """Pieces of tensors of one kind, each with a base."""
        offered = [(i.piece.data, b.chunk, b.data, b.pays) for i, b in pairs if b is not None]
        size, dtype = kind
        found = self.plain.encode_deltas(offered, element_size=size, dtype=dtype)
        for (item, base), encoded in zip(pairs, found, strict=True):
            item.encoded = encoded
            self._tell(path, base, encoded)

    def _encoded(self, path: str, shape: Layout, piece: DraftPiece, base: Base | None) -> Encoded:
        tensor = shape.spans[piece.span].tensor
        size, dtype = (1, None) if tensor is None else (tensor.element_size, tensor.dtype)
        if base is None:
            return self.plain.encode(piece.data, element_size=size, dtype=dtype)
        encoded = self.plain.encode(
            piece.data, element_size=size, dtype=dtype,
            base=(base.chunk, base.data), pays=base.pays, widen=base.widen,
        )  # fmt: skip
        self._tell(path, base, encoded)
        return encoded

    def _tell(self, path: str, base: Base | None, encoded: Encoded) -> None:
        """Who proposed a base hears whether the difference to it was worth it."""
        finder = None if base is None else self._bases(path)
        if finder is not None and base is not None:
            finder.taken(base, paid=encoded.base is not None)

    def _edited(
        self, path: str, chunks: Sequence[tuple[ChunkId, int]], start: int
    ) -> Iterator[Base | None]:
        """What chunks (id, size in bytes) of a file without tensors were before."""
        long = sum(size for _, size in chunks) >= EDITED_BYTES
        finder = self._bases(path) if long else None
        return repeat(None) if finder is None else finder.edited(chunks, start)

    def _for_tensors(
        self, path: str, shape: Layout, items: Sequence[Done]
    ) -> Sequence[Base | None]:
        """What pieces of a file with tensors may be stored as a difference from."""
        pieces: dict[int, TensorPiece] = {}
        for number, item in enumerate(items):
            tensor = shape.spans[item.piece.span].tensor
            if tensor is not None:
                pieces[number] = TensorPiece(tensor, item.piece.index, item.piece.data)
        finder = self._bases(path) if pieces else None
        if finder is None:
            return [None] * len(items)
        found = dict(zip(pieces, finder.bases([*pieces.values()]), strict=True))
        return [found.get(number) for number in range(len(items))]


def _kind(shape: Layout, item: Done, base: Base | None) -> tuple[int, str] | None:
    """Bytes of an element and dtype of a tensor's piece that has a base of its own kind."""
    tensor = shape.spans[item.piece.span].tensor
    if tensor is None or base is None or base.widen is not None:
        return None
    return tensor.element_size, tensor.dtype
