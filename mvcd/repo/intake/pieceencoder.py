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
from mvcd.lateclasses import NamedTuple
from mvcd.repo.bases.chains import Base, TensorPiece
from mvcd.repo.contents.drafts import Done, DraftPiece
from mvcd.repo.intake.loading import Bases
from mvcd.repo.intake.smallfiles import EDITED_BYTES
from mvcd.store.record import PLAIN_OVERHEAD_BYTES

_TOGETHER_CHUNKS = 8
"""Pieces whose bases are read together: 2 MiB of a large tensor. Only then is it known whether differences to
them pay, and of small tensors more come in one batch."""


class FreshLot(NamedTuple):
    """Pieces without bases, whose bodies lie in `data` one after another, each behind room for a head."""

    items: list[Done]
    data: memoryview

    def chunks(self) -> list[tuple[ChunkId, Encoded]]:
        return [(i.id, i.encoded) for i in self.items if i.id is not None and i.encoded is not None]


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
    ) -> list[FreshLot]:
        """Encodes those of a file's consecutive pieces, from offset `start` on, that are not known. Returns the
        lots that the bodies of most tensors' pieces lie in."""
        chunks = [(item, item.id, next(known)) for item in done if item.id is not None]
        absent = [item for item, _, have in chunks if not have]
        lots: list[FreshLot] = []
        if not absent:
            return lots
        if shape.format:
            for at in range(0, len(absent), _TOGETHER_CHUNKS):
                lots += self._encode_tensors(path, shape, absent[at : at + _TOGETHER_CHUNKS])
            return lots
        sizes = [(id, len(item.piece.data)) for item, id, _ in chunks]
        # a base is read when it is asked for: the one before may have been the last that is tried
        for (item, _, have), base in zip(chunks, self._edited(path, sizes, start), strict=False):
            if not have:
                item.encoded = self._encoded(path, shape, item.piece, base)
        return lots

    def encode_one(self, path: str, shape: Layout, item: Done) -> Encoded:
        """A piece that was known, and is not any more."""
        (base,) = self._for_tensors(path, shape, [item])
        return self._encoded(path, shape, item.piece, base)

    def _encode_tensors(self, path: str, shape: Layout, items: Sequence[Done]) -> list[FreshLot]:
        lots: list[FreshLot] = []
        pairs = zip(items, self._for_tensors(path, shape, items), strict=True)
        for (kind, fresh), group in groupby(pairs, lambda pair: _kind(shape, *pair)):
            if kind is None:
                for item, base in group:
                    item.encoded = self._encoded(path, shape, item.piece, base)
            elif fresh:
                lots += self._encode_fresh(kind, [item for item, _ in group])
            else:
                self._encode_deltas(path, kind, list(group))
        return lots

    def _encode_fresh(self, kind: tuple[int, str], items: Sequence[Done]) -> list[FreshLot]:
        """Pieces of tensors of one kind without bases."""
        size, dtype = kind
        found, lots = self.plain.encode_lots(
            [item.piece.data for item in items],
            element_size=size, dtype=dtype, room=PLAIN_OVERHEAD_BYTES,
        )  # fmt: skip
        for item, encoded in zip(items, found, strict=True):
            item.encoded = encoded
        return [FreshLot([*items[lot.start : lot.stop]], lot.data) for lot in lots]

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


def _kind(shape: Layout, item: Done, base: Base | None) -> tuple[tuple[int, str] | None, bool]:
    """Bytes of an element and dtype of a tensor's piece, unless it has a base of another kind; and whether it
    has none."""
    tensor = shape.spans[item.piece.span].tensor
    if tensor is None or (base is not None and base.widen is not None):
        return None, base is None
    return (tensor.element_size, tensor.dtype), base is None
