"""Pickles that were compressed as a whole: joblib's `compress=...`, and `pickle.dump` into gzip, bz2 or lzma.

The stream is decompressed twice and kept nowhere: once for its length, and once to read the pickle by its
opcodes (mvcd/inspect/picklefile.py). In zlib and gzip an array is a stretch of the stream. To reach it all that
is before it has to be decompressed, so files with so many arrays that this adds up are in code, as those in
other compressions are: names, dtypes and shapes are known, and whether the file is equal. LZ4, which Python
cannot read by itself, is bytes, and so is what grows over 256 MiB.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from mvcd.inspect import picklefile
from mvcd.inspect.spans import NotThisFormat, ReadAt, read_exactly
from mvcd.inspect.tensorfile import Range, StoredTensor, TensorFile

FORMAT = "pickle"
_MAX_BYTES = 256 << 20
_MAX_REACHED_BYTES = 1 << 30
"""What may have to be decompressed to see every array of a file once."""

_MAX_DICTIONARY_BYTES = 64 << 20  # bytes of an LZMA dictionary
_PIECE_BYTES = 64 << 10
_BEHIND_BYTES = 2 << 20
"""Kept of what was passed: the reader of pickles goes back within a window, which is half as much."""

_HEAD_BYTES = 32


class _Stream(Protocol):
    """As `bz2` and `lzma` have it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Zlib:
    """zlib's decompressor as the others are."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _open(head: bytes) -> Callable[[], _Stream] | None:
    """How what begins so is decompressed."""
    if head[:3] == b"\x1f\x8b\x08":
        return lambda: _Zlib(zlib.MAX_WBITS | 16)
    if head[:1] == b"\x78" and int.from_bytes(head[:2]) % 31 == 0 and not head[1] & 32:
        return lambda: _Zlib(zlib.MAX_WBITS)
    if head[:3] == b"BZh":
        return bz2.BZ2Decompressor
    if head[:6] == b"\xfd7zXZ\0" or head[:3] == b"\x5d\0\0":
        return lambda: lzma.LZMADecompressor(memlimit=_MAX_DICTIONARY_BYTES)
    return None


def looks_like(head: bytes, size: int) -> bool:
    return size > _HEAD_BYTES and len(head) >= 6 and _open(head) is not None


def read(read_at: ReadAt, size: int) -> TensorFile:
    """Raises NotThisFormat, also for what holds no pickle with arrays."""
    opened = _open(read_at(0, 6))
    if opened is None:
        raise NotThisFormat("no compression that we read")
    first = next(_pieces(read_at, size, opened()), b"")
    if not picklefile.looks_like(first[:16], len(first)):
        raise NotThisFormat("no pickle within")
    total = 0
    for piece in _pieces(read_at, size, opened()):
        total += len(piece)
        if total > _MAX_BYTES:
            raise NotThisFormat("too large")
    found = picklefile.read(_Forward(_pieces(read_at, size, opened())), total)
    tensors = found.tensors.values()
    start = _deflate_at(read_at, size)
    reached = sum(place.offset + place.size for t in tensors for place in _places(t))
    inside = None if start is None or reached > _MAX_REACHED_BYTES else Range(start, size - start)
    return TensorFile(FORMAT, {t.name: _packed(t, inside, size) for t in tensors})


def _packed(tensor: StoredTensor, inside: Range | None, size: int) -> StoredTensor:
    """`inside`: where the raw DEFLATE stream lies, if it is one."""
    places = _places(tensor)
    if inside is None:
        whole = (Range(0, size, coded=True),) if tensor.size else ()
        return replace(tensor, content=whole, order=())
    moved = [
        replace(inside, unpacked=place.offset + place.size, skip=place.offset)
        for place in places
        if place.size
    ]
    return replace(tensor, content=tuple(moved))


def _places(tensor: StoredTensor) -> tuple[Range, ...]:
    assert not isinstance(tensor.content, bytes)
    return tensor.content


def _deflate_at(read_at: ReadAt, size: int) -> int | None:
    """Where the raw stream begins in zlib's format (RFC 1950) or gzip's (RFC 1952); None in others."""
    head = read_at(0, min(size, 4096))
    if head[:1] == b"\x78":
        return 2
    if head[:2] != b"\x1f\x8b":
        return None
    flags, at = head[3], 10
    if flags & 4:
        at += 2 + int.from_bytes(head[at : at + 2], "little")
    for flag in (8, 16):  # a name, a comment
        if flags & flag:
            at = head.find(b"\0", at) + 1
            if not at:
                return None
    return at + 2 * bool(flags & 2)


def _pieces(read_at: ReadAt, size: int, stream: _Stream) -> Iterator[bytes]:
    """What the stream holds. Raises NotThisFormat where it is damaged or breaks off."""
    at = 0
    while not stream.eof:
        data = b""
        if stream.needs_input:
            data = read_exactly(read_at, at, min(_PIECE_BYTES, size - at))
            at += len(data)
            if not data:
                raise NotThisFormat("a stream that breaks off")
        try:
            piece = stream.decompress(data, _PIECE_BYTES)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
            raise NotThisFormat("a damaged stream") from error
        if piece:
            yield piece


class _Forward:
    """Reads a stream as a file, as long as it is read from front to back."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._data = b""
        self._start = 0  # of the data, in the stream

    def __call__(self, at: int, count: int) -> bytes:
        if at < self._start:
            raise NotThisFormat("read backwards")
        parts, end = [self._data], self._start + len(self._data)
        while end < at + count:
            piece = next(self._pieces, b"")
            if not piece:
                break
            if end + len(piece) < at - _BEHIND_BYTES:
                parts = []
            parts.append(piece)
            end += len(piece)
        data = b"".join(parts)
        self._start = end - len(data)
        wanted = data[at - self._start : at - self._start + count]
        keep = max(at - _BEHIND_BYTES - self._start, 0)
        self._data, self._start = data[keep:], self._start + keep
        return wanted
