"""What a packed range of a file holds: in DEFLATE, Zstandard or LZF, and with its elements in planes of bytes.

Pieces and windows are of bounded size. Elements in planes can only be put in order as a whole, so a chunk of
them is in memory; the reader that found it has bounded how large that is.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product

import zstandard

from mvcd.ids import Bytes
from mvcd.inspect import lzf
from mvcd.inspect.tensorfile import Planes, Range, Tile

_PIECE_BYTES = 256 << 10
"""Bytes that are unpacked as one piece."""

_WINDOW_BYTES = 128 << 20
"""The largest window of a Zstandard frame that is read; `zstd --long` has as much."""


class DamagedStream(Exception):
    """Bytes are not what their codec makes, or too few: its text says why. Never leaves this package."""


def unpacked(stored: Iterable[Bytes], place: Range) -> Iterator[bytes]:
    """Bytes `place.skip` to `place.unpacked` of what the range, whose bytes are `stored`, holds. Raises
    DamagedStream."""
    last = place.unpacked or 0
    if place.planes is None:
        yield from _between(_UNPACK[place.codec](stored), place.skip, last)
        return
    planes = _between(_UNPACK[place.codec](stored), 0, place.planes.width * place.planes.elements)
    yield _in_order(b"".join(planes), place.planes)[place.skip : last]


_SHORT_BYTES = 16
"""Runs up to this long are copied byte by byte, each byte of all runs along an axis at once: 10 times as
fast."""


def assembled(tiles: Sequence[tuple[Tile, Bytes]], length: int) -> bytes:
    """A block of `length` bytes from what the places of its tiles hold. Raises DamagedStream for too little."""
    found = bytearray(length)
    for tile, data in tiles:
        _copy(tile, bytes(data), found)
    return bytes(found)


def _copy(tile: Tile, data: bytes, found: bytearray) -> None:
    run = tile.run
    if len(data) < run + sum(
        (n - 1) * step for n, step in zip(tile.counts, tile.inner, strict=True)
    ):
        raise DamagedStream("a chunk has too few elements")
    axes = sorted(zip(tile.counts, tile.outer, tile.inner, strict=True))
    count, outer, inner = axes.pop() if axes else (1, run, run)  # the longest
    short = run if run <= _SHORT_BYTES else 0
    for indices in product(*(range(n) for n, _, _ in axes)):
        to = tile.start + sum(i * step for i, (_, step, _) in zip(indices, axes, strict=True))
        at = sum(i * step for i, (_, _, step) in zip(indices, axes, strict=True))
        for byte in range(short):
            ends = to + byte + count * outer - outer + 1, at + byte + count * inner - inner + 1
            found[to + byte : ends[0] : outer] = data[at + byte : ends[1] : inner]
        for number in range(0 if short else count):
            start = to + number * outer
            found[start : start + run] = data[at + number * inner : at + number * inner + run]


def _between(source: Iterator[bytes], skip: int, last: int) -> Iterator[bytes]:
    at = 0
    try:
        for data in source if last else ():
            piece = data[max(skip - at, 0) : last - at]
            if piece:
                yield piece
            at += len(data)
            if at >= last:
                return
    except (zlib.error, zstandard.ZstdError, lzf.NoLzf) as error:
        raise DamagedStream(f"it cannot be decompressed: {error}") from error
    if at < last:
        raise DamagedStream("its compressed data ends early")


def _in_order(data: bytes, planes: Planes) -> bytes:
    """HDF5's shuffle filter undone."""
    width, count = planes
    found = bytearray(len(data))
    for at in range(width):
        found[at::width] = data[at * count : (at + 1) * count]
    return bytes(found)


def _inflate(stored: Iterable[Bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    for rest in stored:
        while data := inflater.decompress(rest, _PIECE_BYTES):
            rest = inflater.unconsumed_tail  # noqa: PLW2901
            yield data


def _unzstd(stored: Iterable[Bytes]) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
    with decompressor.stream_reader(_Source(iter(stored))) as reader:  # type: ignore[arg-type]
        while data := reader.read(_PIECE_BYTES):
            yield data


def _plain(stored: Iterable[Bytes]) -> Iterator[bytes]:
    return map(bytes, stored)


_UNPACK: dict[str, Callable[[Iterable[Bytes]], Iterator[bytes]]] = {
    "deflate": _inflate, "zstd": _unzstd, "lzf": lzf.unpacked, "plain": _plain,
}  # fmt: skip


class _Source:
    """Pieces as the file that zstandard reads from."""

    def __init__(self, pieces: Iterator[Bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)
