"""Stored bytes -> raw bytes, under the declared raw size as a hard limit (CODEC.md).

Every function may be called from any thread: each thread keeps its own zstd context. Whatever the body
says, memory stays below twice MAX_RAW_BYTES, and what does not decode to exactly `raw_size` bytes raises
CorruptObject. Whether the bytes are the right ones is for the caller's digest check to say.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
from typing import Final, Literal, overload

import zstandard

from mvcd.codec import _planes, _rans
from mvcd.codec.encoded import MAX_RAW_BYTES, Codec, Encoded
from mvcd.codec.widened import START, widen
from mvcd.errors import CorruptObject, Failure
from mvcd.ids import Bytes

PLANE_RAW: Final = 0
PLANE_FILL: Final = 1
PLANE_ZSTD: Final = 2
PLANE_TIERS: Final = 3
FLAG_FLOATS: Final = 1
MAX_WINDOW_BYTES: Final = MAX_RAW_BYTES
FILL_SIZES: Final = (1, 2, 4, 8)

PLANES_WIDTH: Final = {Codec.PLANES2: 2, Codec.PLANES4: 4, Codec.PLANES8: 8}
DELTA_WIDTH: Final = {Codec.DELTA1: 1, Codec.DELTA2: 2, Codec.DELTA4: 4, Codec.DELTA8: 8}
RANS_WIDTH: Final = {Codec.RANS1: 1, Codec.RANS2: 2, Codec.RANS4: 4, Codec.RANS8: 8}
JOINED: Final = frozenset({*PLANES_WIDTH, *DELTA_WIDTH, Codec.WIDENED4})
_PLANAR, _CLASSED = tuple(PLANES_WIDTH), tuple(RANS_WIDTH)
"""For many small objects: an enumeration's member is found in a tuple in a fifth of the time of a dict's."""
HEADERS: Final = {width: struct.Struct(f"<B{width}I") for width in (1, 2, 4, 8)}
"""Flags, then per plane: kind in the low byte, stored size in the high three."""


class _PerThread(threading.local):
    def __init__(self) -> None:
        self.zstd = zstandard.ZstdDecompressor()
        self.scratch = bytearray()


_thread = _PerThread()


def decode(encoded: Encoded, base: Bytes | None = None) -> bytes:
    """The raw bytes. `base` holds the raw bytes of chunk `encoded.base`, for the delta codecs.

    Raises CorruptObject when the body is not what CODEC.md allows, Failure for a codec of later versions,
    ValueError when a base is needed and not given.
    """
    size, body = encoded.raw_size, encoded.body
    _check_size(size)
    match encoded.codec:
        case Codec.RAW:
            return bytes(_exact(body, size, "raw body"))
        case Codec.ZSTD:
            return _inflate(body, size, "body")
        case Codec.FILL:
            return _fill(body, size)
        case Codec.PATCH:
            return _inflate(body, size, "body", _given(base))
        case codec if codec in PLANES_WIDTH:
            data = _planar(encoded)
            data = _join(encoded, base, None) if data is None else data
        case codec if codec in RANS_WIDTH:
            data = _unclass(encoded, base, None)
        case codec if codec in JOINED:
            data = _join(encoded, base, None)
        case codec:
            raise Failure(
                "a stored object cannot be read by this version of mvc",
                kind="unknown-codec",
                cause=f"it is in codec {int(codec)}, which only later versions know",
                help="upgrade mvc",
            )
    assert data is not None
    return data


def decode_many(
    encoded: Sequence[Encoded], bases: Sequence[Bytes | None] | None = None
) -> list[bytes]:
    """`decode` of each, with its base if it has one. The GIL is released once for all bodies of a kind that C
    alone can decode: threads that do so for each of many short steps spend a sixth of their time handing it
    over."""
    pairs = list(zip(encoded, bases or [None] * len(encoded), strict=True))
    planar = [e for e in encoded if e.codec in _PLANAR]
    classed = [(e, base) for e, base in pairs if base is not None and e.codec in _CLASSED]
    for one in (*planar, *(e for e, _ in classed)):
        _check_size(one.raw_size)
    joined = iter(
        _planes.decode_bodies([(PLANES_WIDTH[e.codec], e.raw_size, e.body) for e in planar])
    )
    added = iter(
        _rans.decode_each(
            [(e.body, e.raw_size, fit(b, e.raw_size), RANS_WIDTH[e.codec]) for e, b in classed]
        )
    )
    decoded = []
    for one, base in pairs:
        codec, size, body, _ = one
        raw = None
        if codec in _PLANAR:
            raw = next(joined)
        elif codec is Codec.RAW and len(body) == size <= MAX_RAW_BYTES:
            raw = bytes(body)
        elif base is not None and codec in _CLASSED:
            raw = next(added)
        decoded.append(decode(one, base) if raw is None else raw)
    return decoded


def decode_into(encoded: Encoded, out: memoryview, base: Bytes | None = None) -> None:
    """Decodes like `decode`, into `out` of exactly `raw_size` writable bytes; elements are made there without a
    copy. `out` must not share memory with `base`.

    When it raises, what `out` holds is undefined.
    """
    if len(out) != encoded.raw_size:
        raise ValueError(f"out has {len(out)} bytes, not {encoded.raw_size}")
    if encoded.codec is Codec.RAW:
        out[:] = _exact(encoded.body, encoded.raw_size, "raw body")
    elif encoded.codec in JOINED:
        _check_size(encoded.raw_size)
        if encoded.codec not in PLANES_WIDTH or not _planar(encoded, out):
            _join(encoded, base, out)
    elif encoded.codec in RANS_WIDTH:
        _check_size(encoded.raw_size)
        _unclass(encoded, base, out)
    else:
        out[:] = decode(encoded, base)


def _corrupt(cause: str) -> CorruptObject:
    return CorruptObject("a stored object cannot be decoded", cause=cause)


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_RAW_BYTES:
        raise _corrupt(f"it declares {size} bytes; the limit is {MAX_RAW_BYTES}")


def _exact(data: Bytes, size: int, what: str) -> Bytes:
    if len(data) != size:
        raise _corrupt(f"{what}: {len(data)} bytes, not {size}")
    return data


def _inflate(frame: Bytes, size: int, what: str, prefix: Bytes | None = None) -> bytes:
    """One zstd frame of exactly `size` > 0 bytes, whose matches may begin in `prefix`. Its header is checked
    first: zstandard would allocate whatever content size a frame claims."""
    if size == 0:
        raise _corrupt(f"{what}: a zstd frame for no bytes")
    try:
        header = zstandard.get_frame_parameters(frame)
        if header.content_size != size:
            raise _corrupt(
                f"{what}: the zstd frame declares {header.content_size} bytes, not {size}"
            )
        if header.window_size > MAX_WINDOW_BYTES or header.dict_id or header.has_checksum:
            raise _corrupt(
                f"{what}: the zstd frame wants a large window, a dictionary or a checksum"
            )
        zstd = _thread.zstd
        if prefix is not None:
            if not prefix or header.window_size < size:
                raise _corrupt(f"{what}: no prefix, or one beyond the window")
            zstd = zstandard.ZstdDecompressor(dict_data=as_prefix(prefix))
        data = zstd.decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        if "Allocation error" in str(
            error
        ):  # zstd's name for a malloc that failed: no word about the bytes
            raise MemoryError from error
        raise _corrupt(f"{what}: {error}") from error
    _exact(data, size, what)
    return data


def as_prefix(base: Bytes) -> zstandard.ZstdCompressionDict:
    """A base for zstd to begin matches in."""
    return zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


@overload
def _planar(encoded: Encoded) -> bytes | None: ...
@overload
def _planar(encoded: Encoded, out: memoryview) -> Literal[True] | None: ...
def _planar(encoded: Encoded, out: memoryview | None = None) -> bytes | Literal[True] | None:
    """What planes without zstd are joined to, in C alone. None for a body with others, or a malformed one."""
    size = encoded.raw_size
    scratch = _scratch(_planes.body_scratch(size))
    return _planes.decode_body(PLANES_WIDTH[encoded.codec], size, encoded.body, out, scratch)


def _scratch(needed: int) -> bytearray:
    if len(_thread.scratch) < needed:
        _thread.scratch = bytearray(needed)
    return _thread.scratch


def _untier(stored: Bytes, size: int, what: str) -> bytes:
    plane = _planes.untier(stored, size, _scratch(_planes.tiers_scratch(size)))
    if plane is None:
        raise _corrupt(f"{what}: its tiers do not make up {size} bytes")
    return plane


def _fill(element: Bytes, size: int) -> bytes:
    width = len(element)
    if width not in FILL_SIZES or width >= size:
        raise _corrupt(f"fill: an element of {width} bytes for {size}")
    return (bytes(element) * (size // width + 1))[:size]


def _join(encoded: Encoded, base: Bytes | None, out: memoryview | None) -> bytes | None:
    size, body = encoded.raw_size, memoryview(encoded.body)
    if encoded.codec in DELTA_WIDTH:
        base, width = _needed(base, size), DELTA_WIDTH[encoded.codec]
    elif encoded.codec is Codec.WIDENED4:
        base, body, width = _widened(body, base, size), body[START.size :], 4
    else:
        base, width = None, PLANES_WIDTH[encoded.codec]
    planes, tail, floats = _read_planes(body, size, width)
    return _planes.join(size, planes, tail, floats, base, out)


def _widened(body: memoryview, base: Bytes | None, size: int) -> bytearray:
    base = _given(base)
    if len(body) < START.size:
        raise _corrupt(f"widened: {len(body)} bytes cannot hold a header")
    (start,) = START.unpack_from(body)
    if start > len(base) // 2:
        raise _corrupt(f"widened: it begins with element {start} of {len(base) // 2}")
    return widen(base, start, size)


def _unclass(encoded: Encoded, base: Bytes | None, out: memoryview | None) -> bytes | None:
    size = encoded.raw_size
    base, width = _needed(base, size), RANS_WIDTH[encoded.codec]
    try:
        return _rans.decode(encoded.body, size, base, width, out)
    except ValueError as error:
        raise _corrupt(f"a body of {len(encoded.body)} bytes for {size}: {error}") from error


def _needed(base: Bytes | None, size: int) -> Bytes:
    return fit(_given(base), size)


def _given(base: Bytes | None) -> Bytes:
    if base is None:
        raise ValueError("a delta codec is decoded with its base")
    return base


def fit(base: Bytes, size: int) -> Bytes:
    """The base as a delta uses it: cut, or extended by zeros, to `size` bytes."""
    if len(base) == size:
        return base
    return memoryview(base)[:size] if len(base) > size else bytes(base) + bytes(size - len(base))


def _read_planes(body: memoryview, size: int, width: int) -> tuple[tuple[Bytes, ...], Bytes, bool]:
    """(planes, tail, floats); every size is checked against the body before anything is inflated."""
    header = HEADERS[width]
    if len(body) < header.size:
        raise _corrupt(f"planes: {len(body)} bytes cannot hold a header")
    flags, *fields = header.unpack_from(body)
    if flags & ~(FLAG_FLOATS if width > 1 else 0):
        raise _corrupt(f"planes: unknown flags {flags:#x}")
    n, tail_size = divmod(size, width)
    _exact(body, header.size + sum(field >> 8 for field in fields) + tail_size, "planes body")
    planes: list[Bytes] = []
    at = header.size
    for k, field in enumerate(fields):
        stored = body[at : at + (field >> 8)]
        planes.append(_read_plane(field & 0xFF, stored, n, f"plane {k}"))
        at += len(stored)
    return tuple(planes), body[at:], bool(flags)


def _read_plane(kind: int, stored: memoryview, n: int, what: str) -> Bytes:
    match kind:
        case 0:  # PLANE_RAW
            return _exact(stored, n, what)
        case 1 if n > 0:  # PLANE_FILL
            return _exact(stored, 1, what)
        case 2:  # PLANE_ZSTD
            return _inflate(stored, n, what)
        case 3 if n > 0:  # PLANE_TIERS
            return _untier(stored, n, what)
    raise _corrupt(f"{what}: kind {kind} is unknown")
