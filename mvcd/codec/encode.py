"""Raw bytes -> stored bytes: as a delta where a base is offered and it pays by a sample, or alone.

Everything here is advice: any body that CODEC.md allows decodes, so choices may change without a change
of format. The figures behind each constant are in CODEC.md, section "Choices".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from math import gcd
from typing import Final

from zstandard import STRATEGY_FAST, ZstdCompressionParameters, ZstdCompressor

from mvcd.codec import _rans, widened
from mvcd.codec.alone import (
    TRIAL_BYTES,
    TRIAL_EVERY_CHUNKS,
    AloneEncoder,
    Lot,
    is_usual,
    pays_off,
    sample_of,
)
from mvcd.codec.decode import DELTA_WIDTH, FLAG_FLOATS, RANS_WIDTH, as_prefix, fit
from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import Bytes, ChunkId

EXPONENT_SHIFT: Final = {"F64": 52, "F32": 23, "F16": 10, "BF16": 7}
"""dtypes (safetensors' names) of sign, exponent and mantissa, and the bits of the mantissa."""

DELTA_SAVES_SHARE: Final = 0.03
"""A delta costs the reader a second chunk, about 0.6 CPU-seconds a GB of raw bytes. It is taken where it saves
at least this share of them, so that a GB less on disk costs 20 CPU-seconds at most each time all is read."""
WIDENED_PAYS_SHARE: Final = 0.7
"""Share of F32 elements up to which what their BF16 copy lacks is stored. It is half, as a rule."""
RANS_FIXED_BYTES: Final = 450
"""Bytes of a body in classes that do not grow with it: states and tables."""
DELTA_CODEC: Final = {width: codec for codec, width in DELTA_WIDTH.items()}
RANS_CODEC: Final = {width: codec for codec, width in RANS_WIDTH.items()}


PATCH: Final = ZstdCompressionParameters(
    strategy=STRATEGY_FAST, min_match=6, hash_log=17, chain_log=16, search_log=1, window_log=21,
    write_content_size=True, write_dict_id=False,
)  # fmt: skip
"""Parameters for what was there before but for edits: long matches, and a table that holds all of a base."""


Offered = tuple[Bytes, ChunkId, Bytes, float]
"""A piece, a base with its raw bytes, and what a delta has to stay below (`pays` of `Encoder.encode`)."""


class Encoder:
    """Encodes chunks one at a time. One per thread: it holds zstd contexts and scratch space."""

    def __init__(self) -> None:
        self.alone = AloneEncoder()
        """For what is offered no base."""
        self._until_delta = 0
        self._delta_liked_for = (0, 0)
        self._alone_share = 1.0  # bytes of a body without base, per raw byte, in the last trial
        self._class_scratch = bytearray()

    def encode(
        self,
        data: Bytes,
        *,
        element_size: int = 1,
        dtype: str | None = None,
        base: tuple[ChunkId, Bytes] | None = None,
        pays: float = 1.0,
        widen: int | None = None,
    ) -> Encoded:
        """The stored form of `data`, at most MAX_RAW_BYTES bytes (else ValueError).

        `element_size` (bytes) and `dtype` (safetensors' name) describe a tensor's elements, which start
        at byte 0; 1 and None let the content decide. `base` is offered for a delta, and taken if that
        takes less than `pays` of what the chunk takes alone. With `widen` the base holds BF16, `data` F32
        elements: the first goes with element number `widen` of the base.
        The body may be `data` itself: it is valid as long as `data` does not change.
        """
        width = gcd(element_size, 8)
        shift = _shift(width, dtype)
        if base is not None:
            view = memoryview(data).cast("B")
            if is_usual(view):
                if widen is not None:
                    delta = self._widened(view, *base, widen)
                else:
                    plain = width == 1 and dtype is None
                    delta = self._delta((view, *base, pays), width, shift, plain=plain)
                if delta is not None:
                    return delta
        return self.alone.encode(data, width, shift > 0)

    def _widened(self, data: memoryview, id: ChunkId, base: Bytes, first: int) -> Encoded | None:
        """F32 elements beside BF16 ones, the first beside number `first`. None where too little is saved."""
        wide = memoryview(widened.widen(base, first, len(data)))
        body = widened.START.pack(first) + self.alone.planes(data, 4, True, wide)
        if len(body) >= WIDENED_PAYS_SHARE * len(data):
            return None
        return Encoded(Codec.WIDENED4, len(data), body, id)

    def encode_lots(
        self, contents: Sequence[Bytes], *, element_size: int, dtype: str | None, room: int
    ) -> tuple[list[Encoded], list[Lot]]:
        """`encode` of each, all of one kind and offered no base; see `AloneEncoder.encode_lots`."""
        width = gcd(element_size, 8)
        return self.alone.encode_lots(contents, width, _shift(width, dtype) > 0, room)

    def encode_deltas(
        self, pieces: Sequence[Offered], *, element_size: int, dtype: str | None
    ) -> list[Encoded]:
        """`encode` of each piece, all of one kind, with the base that it is offered. The GIL is released once
        for all those that are like one before."""
        width = gcd(element_size, 8)
        shift = _shift(width, dtype)
        found: list[Encoded] = []
        while len(found) < len(pieces):
            known = self._as_before(pieces[len(found) :], width, shift)
            if not known:
                data, id, base, pays = pieces[len(found)]
                known = [
                    self.encode(
                        data, element_size=element_size, dtype=dtype, base=(id, base), pays=pays
                    )
                ]
            found += known
        return found

    def _as_before(self, pieces: Sequence[Offered], width: int, shift: int) -> list[Encoded]:
        """Deltas of floats in classes, of those first pieces for which they pay by what the last trial found of
        a neighbour: a trial for each took a tenth of the time of a commit. Empty where a trial is due."""
        if not shift or (width, shift) != self._delta_liked_for:
            return []
        some = list(takewhile(_is_usual, pieces[: self._until_delta]))
        if not some:
            return []
        self._until_delta -= len(some)
        scratch = self._scratch_for(max(len(data) for data, _, _, _ in some), width)
        data, ids, bases, pays = zip(*some, strict=True)
        bodies = _rans.encode_each([*data], [*bases], width, True, shift, scratch)
        found = []
        for one, id, share, body in zip(data, ids, pays, bodies, strict=True):
            if not _delta_pays(len(body), self._alone_share * len(one), one, share):
                self._until_delta = 0
                break
            found.append(Encoded(RANS_CODEC[width], len(one), body, id))
        return found

    def _delta(self, piece: Offered, width: int, shift: int, *, plain: bool) -> Encoded | None:
        """The smallest delta, if it pays, by a sample. Of floats, classes always are it: steps without change
        cost them nothing. Bytes of unknown kind are patched as a whole: edits move what follows them."""
        if known := self._as_before([piece], width, shift):
            return known[0]
        data, offered = memoryview(piece[0]), memoryview(piece[2]).cast("B")
        _, id, _, pays = piece
        sample, part = sample_of(data), min(1.0, TRIAL_BYTES / len(data))
        patch: Bytes = b""
        if plain and offered:
            patch = self._patch(data, offered)
            rough = len(self.alone.quick.compress(sample))
            if 4 * len(patch) * part < rough and _delta_pays(
                len(patch) * part, rough, sample, pays
            ):
                return Encoded(Codec.PATCH, len(data), patch, id)
        base = memoryview(fit(offered, len(data)))
        codec, size = self._best_by_element(sample, sample_of(base), width, shift, part)
        if patch and len(patch) * part < size:
            codec, size = Codec.PATCH, len(patch) * part
        alone: float = len(self.alone.body(sample, width, shift > 0)[1])
        if codec is Codec.PATCH:  # text repeats itself over more than a sample
            alone = min(alone, len(self.alone.body(data, 1, False)[1]) * part)
        if not _delta_pays(size, alone, sample, pays):
            return None
        if codec is Codec.PATCH:
            body: Bytes = patch
        elif codec in RANS_WIDTH:
            body = self._classes(data, base, width, shift)
            self._until_delta, self._delta_liked_for = TRIAL_EVERY_CHUNKS - 1, (width, shift)
            self._alone_share = alone / len(sample)
        else:
            body = self.alone.planes(data, width, False, base)
        return Encoded(codec, len(data), body, id) if pays_off(body, data) else None

    def _best_by_element(
        self, sample: memoryview, base: memoryview, width: int, shift: int, part: float
    ) -> tuple[Codec, float]:
        """The better delta of elements, and its bytes for this `part` of a chunk."""
        classes = len(self._classes(sample, base, width, shift)) - RANS_FIXED_BYTES * (1 - part)
        planes = classes if shift else len(self.alone.planes(sample, width, False, base))
        return (DELTA_CODEC[width], planes) if planes < classes else (RANS_CODEC[width], classes)

    def _patch(self, data: memoryview, base: memoryview) -> bytes:
        zstd = ZstdCompressor(dict_data=as_prefix(base), compression_params=PATCH)
        return zstd.compress(data)

    def _classes(self, data: memoryview, base: Bytes, width: int, shift: int) -> bytes:
        scratch = self._scratch_for(len(data), width)
        return _rans.encode(data, base, width, shift > 0, shift, scratch)

    def _scratch_for(self, size: int, width: int) -> bytearray:
        """For classes of so many bytes."""
        needed = _rans.scratch(size, width)
        if len(self._class_scratch) < needed:
            self._class_scratch = bytearray(needed)
        return self._class_scratch


def _shift(width: int, dtype: str | None) -> int:
    """Bits of the mantissa below the exponent, of floats; 0 of other elements."""
    return min(EXPONENT_SHIFT.get(dtype or "", 0), 8 * width - 1) if width > 1 else 0


def _is_usual(piece: Offered) -> bool:
    """Whether a delta in classes may be what is best: it is neither short nor a fill."""
    data, _, base, _ = piece
    return len(data) == len(base) and is_usual(data)


def elements_of(encoded: Encoded) -> tuple[int, str | None]:
    """What the body of a later delta tells of its elements: their size in bytes, and a dtype of floats that
    have their exponent in the same place."""
    if encoded.codec is Codec.WIDENED4:
        return 4, "F32"
    if encoded.codec not in RANS_WIDTH:
        return 1, None
    width, (flags, shift) = RANS_WIDTH[encoded.codec], bytes(encoded.body[:2])
    dtypes = (
        (d for d, s in EXPONENT_SHIFT.items() if s == shift) if flags & FLAG_FLOATS else iter(())
    )
    return width, next(dtypes, None)


def _delta_pays(size: float, alone: float, data: Bytes, pays: float) -> bool:
    return size <= min(pays * alone, alone - DELTA_SAVES_SHARE * len(data))
