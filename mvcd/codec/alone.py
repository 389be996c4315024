"""Raw bytes -> stored bytes without a base: which codec, by a cheap sample of each chunk.

The figures behind each constant are in CODEC.md, section "Choices".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress, takewhile
from typing import Final

from zstandard import (
    STRATEGY_FAST,
    STRATEGY_LAZY,
    ZstdCompressionParameters,
    ZstdCompressor,
)

from mvcd.codec import _planes
from mvcd.codec.decode import (
    FLAG_FLOATS,
    HEADERS,
    PLANE_FILL,
    PLANE_RAW,
    PLANE_TIERS,
    PLANE_ZSTD,
    PLANES_WIDTH,
)
from mvcd.codec.encoded import MAX_RAW_BYTES, Codec, Encoded
from mvcd.ids import Bytes
from mvcd.lateclasses import NamedTuple

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
TRIAL_BYTES: Final = 16384
"""Bytes of a chunk that two ways are tried on when statistics cannot decide."""

BODY_CHOICES: Final = (TINY_BYTES, FLAT_MILLIBITS, FEW_REPEATS_PER_MILLE, TIERS_PAY_PER_CENT)
"""What decides for each plane whether zstd is needed (`_planes.encode_bodies`)."""

PLANES_CODEC: Final = {width: codec for codec, width in PLANES_WIDTH.items()}


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


class Lot(NamedTuple):
    """Bodies that lie in `data` one after another, each behind room for who stores them: those of numbers
    `start` to `stop` of what was encoded together."""

    start: int
    stop: int
    data: memoryview


class AloneEncoder:
    """Encodes chunks that rest on no other. One per thread: it holds zstd contexts and scratch space."""

    def __init__(self) -> None:
        self._entropy = ZstdCompressor(compression_params=ENTROPY)
        self.quick = ZstdCompressor(compression_params=QUICK)
        self._thorough = ZstdCompressor(compression_params=THOROUGH)
        self._small = ZstdCompressor(level=SMALL_LEVEL)
        self._liked = self._thorough
        self._liked_for = (0, 0)
        self._until_trial = 0
        self._until_body = 0
        self._needed_zstd = False  # the last that was tried without
        self._scratch = bytearray()
        self._tier_scratch = bytearray()

    def encode(self, data: Bytes, width: int, floats: bool) -> Encoded:
        """The stored form of `data`, as elements of `width` bytes; 1 lets the content decide. Raises ValueError
        for more than MAX_RAW_BYTES bytes."""
        view = memoryview(data).cast("B")
        size = len(view)
        if size > MAX_RAW_BYTES:
            raise ValueError(f"{size} bytes; an object has at most {MAX_RAW_BYTES}")
        if size <= TINY_BYTES:
            return Encoded(Codec.RAW, size, view)
        if period := _planes.period(view):
            return Encoded(Codec.FILL, size, bytes(view[:period]))
        codec, body = self.body(view, width, floats)
        return Encoded(codec, size, body)

    def encode_lots(
        self, contents: Sequence[Bytes], width: int, floats: bool, room: int
    ) -> tuple[list[Encoded], list[Lot]]:
        """`encode` of each, and the lots that most bodies of planes lie in, behind `room` bytes each. For these
        the GIL is released once, and nothing is copied: 8 pieces of 256 KiB in BF16 take 0.28 ms and not 0.51.
        """
        found: list[Encoded] = []
        lots: list[Lot] = []
        while len(found) < len(contents):
            start, rest = len(found), contents[len(found) :]
            some = [] if width == 1 or self._until_body else [*takewhile(is_usual, rest)]
            if not some:
                found.append(self.encode(rest[0], width, floats))
                continue
            encoded, there = self._together(some, width, floats, room)
            found += encoded
            lots += [Lot(start + lot.start, start + lot.stop, lot.data) for lot in there]
        return found, lots

    def _together(
        self, some: list[Bytes], width: int, floats: bool, room: int
    ) -> tuple[list[Encoded], list[Lot]]:
        """`encode_lots` of those before the first one that needs zstd."""
        scratch = self._scratch_for(max(map(len, some)))
        bodies, lengths = _planes.encode_bodies(some, width, floats, BODY_CHOICES, room, scratch)
        if lengths:
            self._needed_zstd = False
        if len(lengths) < len(some):
            self._wait_for_body()
            self._until_body += 1  # that one
        found: list[Encoded] = []
        lots: list[Lot] = []
        view, codec, end = memoryview(bodies), PLANES_CODEC[width], 0
        start = begin = 0  # of the lot
        for number, (data, length) in enumerate(zip(some, lengths, strict=False)):
            at, end = end + room, end + room + length
            if pays_off(body := view[at:end], data):
                found.append(Encoded(codec, len(data), body))
                continue
            found.append(Encoded(Codec.RAW, len(data), data))
            lots.append(Lot(start, number, view[begin : at - room]))
            start, begin = number + 1, end
        lots.append(Lot(start, len(found), view[begin:end]))
        return found, [lot for lot in lots if lot.stop > lot.start]

    def encode_small(self, data: bytes) -> Encoded:
        """`encode` of up to SMALL_BYTES bytes of which nothing is known, in 60 % of its time."""
        size = len(data)
        if not TINY_BYTES < size <= SMALL_BYTES or _planes.period(data):
            return self.encode(data, 1, False)
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
                found.append(self.encode(data, 1, False))
            elif len(frame) < size - size // 64:
                found.append(Encoded(Codec.ZSTD, size, frame.tobytes()))
            else:
                found.append(Encoded(Codec.RAW, size, data))
        return found

    def body(self, data: memoryview, width: int, floats: bool) -> tuple[Codec, Bytes]:
        """Codec and body as elements of `width` bytes. Raw unless at least 1/64 is saved."""
        codec, body = (
            (PLANES_CODEC[width], self.planes(data, width, floats, None))
            if width > 1
            else self._plain(data)
        )
        return (codec, body) if pays_off(body, data) else (Codec.RAW, data)

    def _plain(self, data: memoryview) -> tuple[Codec, Bytes]:
        """Bytes of unknown kind."""
        if len(data) <= SMALL_BYTES:
            return Codec.ZSTD, self._small.compress(data)
        bits, repeats = _planes.probe(data)
        if bits >= FLAT_MILLIBITS and repeats < FEW_REPEATS_PER_MILLE:
            return Codec.RAW, data
        if (width := self._element_size(data, repeats)) > 1:
            return PLANES_CODEC[width], self.planes(data, width, False, None)
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
        coded, quick = self._entropy.compress(data), self.quick.compress(data)
        thorough = self._thorough.compress(data)
        shortest = min(coded, quick, thorough, key=len)
        if len(thorough) < THOROUGH_PAYS_SHARE * min(len(coded), len(quick)):
            self._liked = self._thorough
        else:
            self._liked = self._entropy if len(coded) <= len(quick) else self.quick
        return shortest

    def planes(self, data: memoryview, width: int, floats: bool, base: memoryview | None) -> bytes:
        size = len(data)
        if base is None and width > 1 and (body := self._without_zstd(data, width, floats)):
            return body
        split = memoryview(self._scratch_for(size))[:size]
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
        1 GiB in BF16 takes 0.92 of the time. None where a plane needs zstd, and at times after that."""
        if self._until_body:
            self._until_body -= 1
            return None
        scratch = self._scratch_for(len(data))
        body, lengths = _planes.encode_bodies([data], width, floats, BODY_CHOICES, 0, scratch)
        if lengths:
            self._needed_zstd = False
            return bytes(memoryview(body)[: lengths[0]])
        self._wait_for_body()
        return None

    def _wait_for_body(self) -> None:
        """Called after one that needs zstd. Where two do, their neighbours mostly do too, and are not tried for
        a while. One alone is chance: samples of noise seem to hold a pattern in 44 of the 4096 pieces of a GiB
        in F32."""
        self._until_body = TRIAL_EVERY_CHUNKS - 1 if self._needed_zstd else 0
        self._needed_zstd = True

    def _scratch_for(self, size: int) -> bytearray:
        """For the planes of so many bytes."""
        if len(self._scratch) < (needed := _planes.body_scratch(size)):
            self._scratch = bytearray(needed)
        return self._scratch

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
                if pays_off(frame, plane):
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
        matched, coded = len(self.quick.compress(sample)), len(self._entropy.compress(sample))
        return self.quick if matched < QUICK_PAYS_SHARE * coded else self._entropy

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
        sample = sample_of(data)
        as_planes = len(self.planes(sample, width, False, None))
        return width if as_planes < len(self.quick.compress(sample)) else 1


def is_usual(data: Bytes) -> bool:
    """Whether it is neither short, too long, nor a fill."""
    return TINY_BYTES < len(data) <= MAX_RAW_BYTES and not _planes.period(data)


def pays_off(body: Bytes, data: Bytes) -> bool:
    """Whether at least 1/64 is saved."""
    return len(body) < len(data) - len(data) // 64


def sample_of(data: memoryview) -> memoryview:
    """TRIAL_BYTES of it in four evenly spread blocks, each at a multiple of 8."""
    if len(data) <= TRIAL_BYTES:
        return data
    size = TRIAL_BYTES // 4
    starts = (((len(data) - size) * i // 3) & ~7 for i in range(4))
    return memoryview(b"".join(data[start : start + size] for start in starts))
