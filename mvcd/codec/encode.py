"""Raw bytes -> stored bytes: which codec, by a cheap sample of each chunk.

Everything here is advice: any body that CODEC.md allows decodes, so choices may change without a change
of format. The figures behind each constant are in CODEC.md, section "Choices".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from math import gcd
from typing import Final

from zstandard import (
    STRATEGY_FAST,
    STRATEGY_LAZY,
    ZstdCompressionParameters,
    ZstdCompressor,
)

from mvcd.codec import _planes, _rans, widened
from mvcd.codec.decode import (
    DELTA_WIDTH,
    FLAG_FLOATS,
    HEADERS,
    PLANE_FILL,
    PLANE_RAW,
    PLANE_TIERS,
    PLANE_ZSTD,
    PLANES_WIDTH,
    RANS_WIDTH,
    as_prefix,
    fit,
)
from mvcd.codec.encoded import MAX_RAW_BYTES, Codec, Encoded
from mvcd.ids import Bytes, ChunkId

EXPONENT_SHIFT: Final = {"F64": 52, "F32": 23, "F16": 10, "BF16": 7}
"""dtypes (safetensors' names) of sign, exponent and mantissa, and the bits of the mantissa."""

TINY_BYTES: Final = 64
"""Bytes up to which nothing is tried: a frame's header eats the gain."""
SMALL_BYTES: Final = 4096
"""Bytes up to which zstd itself is the cheapest probe."""
SMALL_LEVEL: Final = 3
"""zstd fits a level's tables to the input: on 2 KiB of CSV half the time of THOROUGH, and 3 % smaller."""
FLAT_MILLIBITS: Final = 7850
"""Millibits per byte from which entropy coding gains less than 2 %."""
FEW_REPEATS_PER_MILLE: Final = 20
"""Per mille of repeated 8-byte strings below which searching for matches is a waste."""
LANE_GAIN_MILLIBITS: Final = 150
"""Millibits per byte that splitting must promise before plain bytes count as elements."""
QUICK_PAYS_SHARE: Final = 0.95
"""Match search in planes must make them this much smaller than entropy coding does."""
THOROUGH_PAYS_SHARE: Final = 0.93
"""Thorough search has to make whole chunks this much smaller than quick search does."""
TIERS_PAY_PER_CENT: Final = 108
"""Per cent of the probe's entropy up to which tiers are taken. They need 103 to 104 for weights, zstd's Huffman
coding 105 at a twentieth of the speed, and the probe itself errs by 2."""
TRIAL_EVERY_CHUNKS: Final = 16
"""Chunks between two trials of what may be quicker or shorter."""
DELTA_SAVES_SHARE: Final = 0.03
"""A delta costs the reader a second chunk, about 0.6 CPU-seconds a GB of raw bytes. It is taken where it saves
at least this share of them, so that a GB less on disk costs 20 CPU-seconds at most each time all is read."""
WIDENED_PAYS_SHARE: Final = 0.7
"""Share of F32 elements up to which what their BF16 copy lacks is stored. It is half, as a rule."""
RANS_FIXED_BYTES: Final = 450
"""Bytes of a body in classes that do not grow with it: states and tables."""
TRIAL_BYTES: Final = 16384
"""Bytes of a chunk that two ways are tried on when statistics cannot decide."""

BODY_CHOICES: Final = (TINY_BYTES, FLAT_MILLIBITS, FEW_REPEATS_PER_MILLE, TIERS_PAY_PER_CENT)
"""What decides for each plane whether zstd is needed (`_planes.encode_body`)."""

PLANES_CODEC: Final = {width: codec for codec, width in PLANES_WIDTH.items()}
DELTA_CODEC: Final = {width: codec for codec, width in DELTA_WIDTH.items()}
RANS_CODEC: Final = {width: codec for codec, width in RANS_WIDTH.items()}


def _parameters(strategy: int, **settings: int) -> ZstdCompressionParameters:
    return ZstdCompressionParameters(
        strategy=strategy, window_log=18, write_content_size=True, **settings
    )


ENTROPY: Final = _parameters(STRATEGY_FAST, min_match=7, hash_log=6, chain_log=6, search_log=1)
"""Parameters for exponents and the like: nearly no match search, so that all becomes Huffman-coded literals."""
QUICK: Final = _parameters(STRATEGY_FAST, min_match=6, hash_log=14, chain_log=14, search_log=1)
"""Parameters for structure that is plain to see: about level 1."""
THOROUGH: Final = _parameters(
    STRATEGY_LAZY, min_match=5, hash_log=16, chain_log=15, search_log=3, target_length=8
)
"""Parameters for text: about level 6, which wins back what cutting loses, at a quarter of the speed."""
PATCH: Final = ZstdCompressionParameters(
    strategy=STRATEGY_FAST, min_match=6, hash_log=17, chain_log=16, search_log=1, window_log=21,
    write_content_size=True, write_dict_id=False,
)  # fmt: skip
"""Parameters for what was there before but for edits: long matches, and a table that holds all of a base."""


class Encoder:
    """Encodes chunks one at a time. One per thread: it holds zstd contexts and scratch space."""

    def __init__(self) -> None:
        self._entropy = ZstdCompressor(compression_params=ENTROPY)
        self._quick = ZstdCompressor(compression_params=QUICK)
        self._thorough = ZstdCompressor(compression_params=THOROUGH)
        self._small = ZstdCompressor(level=SMALL_LEVEL)
        self._liked = self._thorough
        self._liked_for = (0, 0)
        self._until_trial = 0
        self._until_body = 0
        self._scratch = bytearray()
        self._tier_scratch = bytearray()
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
        view = memoryview(data).cast("B")
        size = len(view)
        if size > MAX_RAW_BYTES:
            raise ValueError(f"{size} bytes; an object has at most {MAX_RAW_BYTES}")
        if size <= TINY_BYTES:
            return Encoded(Codec.RAW, size, view)
        if period := _planes.period(view):
            return Encoded(Codec.FILL, size, bytes(view[:period]))
        width = gcd(element_size, 8)
        shift = min(EXPONENT_SHIFT.get(dtype or "", 0), 8 * width - 1) if width > 1 else 0
        if base is not None and widen is not None:
            wide = memoryview(widened.widen(base[1], widen, size))
            body = widened.START.pack(widen) + self._planes(view, 4, True, wide)
            if len(body) < WIDENED_PAYS_SHARE * size:
                return Encoded(Codec.WIDENED4, size, body, base[0])
        elif base is not None:
            plain = width == 1 and dtype is None
            delta = self._delta(
                view, memoryview(base[1]).cast("B"), width, shift, pays, plain=plain
            )
            if delta is not None:
                return Encoded(delta[0], size, delta[1], base[0])
        codec, stored = self._alone(view, width, shift > 0)
        return Encoded(codec, size, stored)

    def encode_small(self, data: bytes) -> Encoded:
        """`encode` of up to SMALL_BYTES bytes of which nothing is known, in 60 % of its time."""
        size = len(data)
        if not TINY_BYTES < size <= SMALL_BYTES or _planes.period(data):
            return self.encode(data)
        body = self._small.compress(data)
        if len(body) < size - size // 64:
            return Encoded(Codec.ZSTD, size, body)
        return Encoded(Codec.RAW, size, data)

    def encode_each(self, contents: Sequence[bytes]) -> list[Encoded]:
        """`encode_small` of each. Those that zstd is tried on go to it in one call without the interpreter's
        lock: one call for each gives the lock up and has to win it back, from threads that do the same."""
        tried = [
            TINY_BYTES < len(data) <= SMALL_BYTES and not _planes.period(data) for data in contents
        ]
        together = getattr(self._small, "multi_compress_to_buffer", None)  # zstandard's C edition
        if together is None or sum(tried) < 2:
            return [self.encode_small(data) for data in contents]
        frames = iter(together([*compress(contents, tried)]))
        found = []
        for data, small in zip(contents, tried, strict=True):
            size, frame = len(data), next(frames) if small else None
            if frame is None:
                found.append(self.encode(data))
            elif len(frame) < size - size // 64:
                found.append(Encoded(Codec.ZSTD, size, frame.tobytes()))
            else:
                found.append(Encoded(Codec.RAW, size, data))
        return found

    def _alone(self, data: memoryview, width: int, floats: bool) -> tuple[Codec, Bytes]:
        """Without a base, as elements of `width` bytes. Raw unless at least 1/64 is saved."""
        codec, body = (
            (PLANES_CODEC[width], self._planes(data, width, floats, None))
            if width > 1
            else self._plain(data)
        )
        return (codec, body) if _pays(body, data) else (Codec.RAW, data)

    def _plain(self, data: memoryview) -> tuple[Codec, Bytes]:
        """Bytes of unknown kind."""
        if len(data) <= SMALL_BYTES:
            return Codec.ZSTD, self._small.compress(data)
        bits, repeats = _planes.probe(data)
        if bits >= FLAT_MILLIBITS and repeats < FEW_REPEATS_PER_MILLE:
            return Codec.RAW, data
        if (width := self._element_size(data, repeats)) > 1:
            return PLANES_CODEC[width], self._planes(data, width, False, None)
        return Codec.ZSTD, self._zstd(data, bits, repeats)

    def _zstd(self, data: memoryview, bits: int, repeats: int) -> bytes:
        """Neighbouring chunks are mostly of one kind: what won on one is used for the next, until the
        statistics differ or its time is up."""
        if len(data) <= TRIAL_BYTES:
            return self._thorough.compress(data)
        before_bits, before_repeats = self._liked_for
        same_kind = abs(bits - before_bits) < 500 and abs(repeats - before_repeats) < 100
        if same_kind and self._until_trial:
            self._until_trial -= 1
            return self._liked.compress(data)
        self._until_trial, self._liked_for = TRIAL_EVERY_CHUNKS - 1, (bits, repeats)
        coded, quick = self._entropy.compress(data), self._quick.compress(data)
        thorough = self._thorough.compress(data)
        shortest = min(coded, quick, thorough, key=len)
        if len(thorough) < THOROUGH_PAYS_SHARE * min(len(coded), len(quick)):
            self._liked = self._thorough
        else:
            self._liked = self._entropy if len(coded) <= len(quick) else self._quick
        return shortest

    def _planes(self, data: memoryview, width: int, floats: bool, base: memoryview | None) -> bytes:
        size = len(data)
        if len(self._scratch) < (needed := _planes.body_scratch(size)):
            self._scratch = bytearray(needed)
        if base is None and width > 1 and (body := self._without_zstd(data, width, floats)):
            return body
        split = memoryview(self._scratch)[:size]
        _planes.split(split, data, width, floats, base)
        n = size // width
        fields: list[int] = []
        parts: list[Bytes] = [b""]
        for k in range(width):
            kind, stored = self._plane(split[k * n : (k + 1) * n], base is not None)
            fields.append(kind | len(stored) << 8)
            parts.append(stored)
        parts[0] = HEADERS[width].pack(FLAG_FLOATS if floats and width > 1 else 0, *fields)
        parts.append(split[n * width :])
        return b"".join(parts)

    def _without_zstd(self, data: memoryview, width: int, floats: bool) -> bytes | None:
        """What `_planes` returns, in one call without the interpreter's lock where it took eight: a commit of
        1 GiB in BF16 takes 0.92 of the time. None where a plane needs zstd: then its neighbours mostly do,
        and are not tried for a while."""
        if self._until_body:
            self._until_body -= 1
            return None
        body = _planes.encode_body(data, width, floats, BODY_CHOICES, self._scratch)
        if body is None:
            self._until_body = TRIAL_EVERY_CHUNKS - 1
        return body

    def _plane(self, plane: memoryview, is_delta: bool) -> tuple[int, Bytes]:
        if _planes.period(plane) == 1:
            return PLANE_FILL, plane[:1]
        if len(plane) > TINY_BYTES:
            bits, repeats = _planes.probe(plane)
            if (
                repeats < FEW_REPEATS_PER_MILLE
                and bits < FLAT_MILLIBITS
                and (tiers := self._tiers(plane, bits)) is not None
            ):
                return PLANE_TIERS, tiers
            if bits < FLAT_MILLIBITS or repeats >= FEW_REPEATS_PER_MILLE:
                coder = self._entropy
                if repeats >= FEW_REPEATS_PER_MILLE and not is_delta:
                    coder = self._better(plane)
                frame = coder.compress(plane)
                if _pays(frame, plane):
                    return PLANE_ZSTD, frame
        return PLANE_RAW, plane

    def _tiers(self, plane: memoryview, bits: int) -> bytes | None:
        """The plane in tiers if they come close to its entropy."""
        size = len(plane)
        needed = _planes.tiers_scratch(size)
        if len(self._tier_scratch) < needed:
            self._tier_scratch = bytearray(needed)
        limit = min(size - size // 64, size * bits * TIERS_PAY_PER_CENT // 800_000)
        return _planes.tiers(plane, limit, self._tier_scratch)

    def _better(self, plane: memoryview) -> ZstdCompressor:
        """Repeats may be structure, or mere chance where few symbols are likely; a trial knows."""
        middle = len(plane) // 2
        sample = plane[max(0, middle - TRIAL_BYTES // 4) : middle + TRIAL_BYTES // 4]
        matched, coded = len(self._quick.compress(sample)), len(self._entropy.compress(sample))
        return self._quick if matched < QUICK_PAYS_SHARE * coded else self._entropy

    def _element_size(self, data: memoryview, repeats: int) -> int:
        """What the bytes themselves show: arrays in pickles, NumPy files, databases."""
        lanes = _planes.lanes(data)
        best = min(lanes)
        if lanes[0] - best < LANE_GAIN_MILLIBITS:
            return 1
        width = next(
            w
            for w, b in zip((1, 2, 4, 8), lanes, strict=True)
            if b - best < LANE_GAIN_MILLIBITS // 3
        )
        if repeats < FEW_REPEATS_PER_MILLE:
            return width
        sample = _sample(data)
        as_planes = len(self._planes(sample, width, False, None))
        return width if as_planes < len(self._quick.compress(sample)) else 1

    def _delta(
        self,
        data: memoryview,
        offered: memoryview,
        width: int,
        shift: int,
        pays: float,
        *,
        plain: bool,
    ) -> tuple[Codec, Bytes] | None:
        """The smallest delta, if it pays, by a sample. Of floats, classes always are it: steps without change
        cost them nothing. Bytes of unknown kind are patched as a whole: edits move what follows them."""
        sample, part = _sample(data), min(1.0, TRIAL_BYTES / len(data))
        patch: Bytes = b""
        if plain and offered:
            patch = self._patch(data, offered)
            rough = len(self._quick.compress(sample))
            if 4 * len(patch) * part < rough and _delta_pays(
                len(patch) * part, rough, sample, pays
            ):
                return Codec.PATCH, patch
        base = memoryview(fit(offered, len(data)))
        codec, size = self._best_by_element(sample, _sample(base), width, shift, part)
        if patch and len(patch) * part < size:
            codec, size = Codec.PATCH, len(patch) * part
        alone: float = len(self._alone(sample, width, shift > 0)[1])
        if codec is Codec.PATCH:  # text repeats itself over more than a sample
            alone = min(alone, len(self._alone(data, 1, False)[1]) * part)
        if not _delta_pays(size, alone, sample, pays):
            return None
        if codec in RANS_WIDTH:
            body: Bytes = self._classes(data, base, width, shift)
        else:
            body = patch if codec is Codec.PATCH else self._planes(data, width, False, base)
        return (codec, body) if _pays(body, data) else None

    def _best_by_element(
        self, sample: memoryview, base: memoryview, width: int, shift: int, part: float
    ) -> tuple[Codec, float]:
        """The better delta of elements, and its bytes for this `part` of a chunk."""
        classes = len(self._classes(sample, base, width, shift)) - RANS_FIXED_BYTES * (1 - part)
        planes = classes if shift else len(self._planes(sample, width, False, base))
        return (DELTA_CODEC[width], planes) if planes < classes else (RANS_CODEC[width], classes)

    def _patch(self, data: memoryview, base: memoryview) -> bytes:
        zstd = ZstdCompressor(dict_data=as_prefix(base), compression_params=PATCH)
        return zstd.compress(data)

    def _classes(self, data: memoryview, base: memoryview, width: int, shift: int) -> bytes:
        needed = _rans.scratch(len(data), width)
        if len(self._class_scratch) < needed:
            self._class_scratch = bytearray(needed)
        return _rans.encode(data, base, width, shift > 0, shift, self._class_scratch)


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


def _pays(body: Bytes, data: memoryview) -> bool:
    return len(body) < len(data) - len(data) // 64


def _sample(data: memoryview) -> memoryview:
    """TRIAL bytes in four evenly spread blocks, each at a multiple of 8."""
    if len(data) <= TRIAL_BYTES:
        return data
    size = TRIAL_BYTES // 4
    starts = (((len(data) - size) * i // 3) & ~7 for i in range(4))
    return memoryview(b"".join(data[start : start + size] for start in starts))
