"""The chunks of an HDF5 dataset as ranges (HDF5 File Format Specification 3.0, III.A.1, IV.A.2.i, IV.A.2.l).

Read are the B-tree of version 1, which all files have but those of `libver="latest"`, and of these a single
chunk, an implicit index and a fixed array of one page (1024 chunks). Chunks are read as they are,
by deflate, by LZF (h5py's filter 32000), after the shuffle filter, and with a checksum, which is passed over.

All else is a tensor in code, of which only equality is known: other filters, chunks that have more than
MAX_CHUNK_BYTES to be put in order, and more than `slices.MAX_BAND_BYTES` side by side;
by all bytes of the file, chunks in other indexes, too many, and datasets of which some chunk was never written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from math import prod
from typing import NamedTuple

from mvcd.inspect.slices import MAX_PLACES, gridded
from mvcd.inspect.spans import NotThisFormat, ReadAt, read_exactly
from mvcd.inspect.tensorfile import Codec, Planes, Range

MAX_CHUNK_BYTES = 32 << 20
"""A chunk that has to be in memory whole, shuffled or in LZF; h5py itself makes none of more than 1 MiB."""

_SHUFFLE, _CHECKSUM = 2, 3
_CODECS: Mapping[int, Codec] = {1: "deflate", 32000: "lzf"}
_PLAIN: Codec = "plain"
_CHECKSUM_BYTES = 4
_ZLIB_HEAD_BYTES, _ZLIB_BYTES = 2, 6  # RFC 1950: a header, and Adler-32 at the end
_KINDS = {1: "single", 2: "implicit", 3: "array"}
_MAX_LEVELS = 8
_MAX_NODES = 2 * MAX_PLACES
_MAX_FILTER_ENTRIES = 32


class _Chunk(NamedTuple):
    offsets: tuple[int, ...]
    address: int
    size: int
    mask: int  # filters that were left out


class PipelineFilter(NamedTuple):
    number: int
    values: tuple[int, ...]  # what it was told when the dataset was made


class Chunked(NamedTuple):
    """A layout message of class 2. `address`: of the B-tree or the array, the only chunk or the first."""

    chunk: tuple[int, ...]
    width: int
    kind: str  # "tree", "single", "implicit", "array", "other"
    address: int
    size: int  # bytes of a single chunk that went through filters
    mask: int


def layout_of(data: bytes, offset_size: int, length_size: int) -> Chunked | None:
    """None for what is no layout in chunks."""
    if data[0] == 3:
        rank, at = data[2], 3 + offset_size
        index = _number(data, 3, offset_size)
        sides = [_number(data, at + 4 * axis, 4) for axis in range(rank)]
        kind, size, mask = "tree", 0, 0
    else:
        flags, rank, wide = data[2], data[3], data[4]
        sides = [_number(data, 5 + wide * axis, wide) for axis in range(rank)]
        at = 5 + wide * rank
        kind, size, mask = _KINDS.get(data[at], "other"), 0, 0
        at += 1 + (kind == "array")
        if kind == "single" and flags & 2:
            size, mask = _number(data, at, length_size), _number(data, at + length_size, 4)
            at += length_size + 4
        index = _number(data, at, offset_size) if kind != "other" else 0
    if rank < 2 or not all(sides):
        return None
    return Chunked(tuple(sides[:-1]), sides[-1], kind, index, size, mask)


def filters_of(data: bytes) -> tuple[PipelineFilter, ...]:
    """The filters of a pipeline message, in the order in which they are applied in writing."""
    version, count = data[0], data[1]
    if version not in (1, 2) or count > _MAX_FILTER_ENTRIES:
        raise NotThisFormat("no filters")
    at, found = (8 if version == 1 else 2), []
    for _ in range(count):
        number = _number(data, at, 2)
        named = version == 1 or number >= 256
        name = _number(data, at + 2, 2) if named else 0
        values = _number(data, at + (6 if named else 4), 2)
        at += (8 if named else 6) + (-(-name // 8) * 8 if version == 1 else name)
        found.append(
            PipelineFilter(number, tuple(_number(data, at + 4 * i, 4) for i in range(values)))
        )
        at += 4 * (values + values % 2 if version == 1 else values)
    return tuple(found)


def ranges(
    read_at: ReadAt,
    file_size: int,
    layout: Chunked,
    filters: tuple[PipelineFilter, ...],
    shape: tuple[int, ...],
    offset_size: int,
    length_size: int,
) -> tuple[Range, ...]:
    """Where the elements lie, or in what code. Raises NotThisFormat."""
    whole_file = (Range(0, file_size, coded=True),)
    chunks: list[_Chunk] = []
    for chunk in _chunks(read_at, layout, filters, shape, offset_size, length_size):
        if chunk.address + chunk.size > file_size or len(chunks) >= MAX_PLACES:
            return whole_file
        chunks.append(chunk)
    wanted = prod(-(-n // side) for n, side in zip(shape, layout.chunk, strict=True))
    if len(chunks) != wanted or not chunks or len({each.offsets for each in chunks}) != wanted:
        return whole_file
    places = []
    for each in chunks:
        place = _place(read_at, each, filters, layout)
        if place is None:
            break
        places.append((each.offsets, place))
    content = (
        gridded(places, layout.chunk, shape, layout.width) if len(places) == len(chunks) else None
    )
    if content is None:
        chunks.sort()
        return tuple([Range(each.address, each.size, coded=True) for each in chunks])
    return content


class _Packing(NamedTuple):
    codec: Codec
    planes: Planes | None
    checksum: int  # its bytes at the end, outside of the codec


def _packing(filters: Iterable[PipelineFilter], layout: Chunked) -> _Packing | None:
    """What the filters of a chunk, in the order in which they are undone, make of it; None for others."""
    codec, planes, checksum = _PLAIN, None, 0
    for number, values in filters:
        if planes is not None and number != _CHECKSUM:
            return None
        if number == _CHECKSUM and codec != "lzf":
            checksum += _CHECKSUM_BYTES if codec == _PLAIN and planes is None else 0
        elif number in _CODECS and codec == _PLAIN:
            codec = _CODECS[number]
        elif number == _SHUFFLE and values == (layout.width,):
            planes = Planes(layout.width, prod(layout.chunk)) if layout.width > 1 else None
        else:
            return None
    return _Packing(codec, planes, checksum)


def _place(
    read_at: ReadAt,
    chunk: _Chunk,
    filters: tuple[PipelineFilter, ...],
    layout: Chunked,
) -> Range | None:
    """The elements of a chunk, also those past the dataset's end; None for a code that is not read."""
    applied = [f for number, f in enumerate(filters) if not chunk.mask >> number & 1]
    packing = _packing(reversed(applied), layout)
    if packing is None:
        return None
    codec, planes, checksum = packing
    at, size = chunk.address, chunk.size - checksum
    whole = prod(layout.chunk) * layout.width
    if (planes or codec == "lzf") and max(size, whole) > MAX_CHUNK_BYTES:
        return None
    if codec == _PLAIN and planes is None:
        return Range(at, whole) if size >= whole else None
    if codec == "deflate":
        head = read_exactly(read_at, at, _ZLIB_HEAD_BYTES)
        if head[0] & 15 != 8 or head[1] & 32 or int.from_bytes(head) % 31:
            return None
        at, size = at + _ZLIB_HEAD_BYTES, size - _ZLIB_BYTES
    if size < (whole if codec == _PLAIN else 1):
        return None
    return Range(at, size, unpacked=whole, codec=codec, planes=planes)


def _chunks(
    read_at: ReadAt,
    layout: Chunked,
    filters: tuple[PipelineFilter, ...],
    shape: tuple[int, ...],
    offset_size: int,
    length_size: int,
) -> Iterator[_Chunk]:
    size = prod(layout.chunk) * layout.width
    nowhere = layout.address == (1 << 8 * offset_size) - 1
    if nowhere or layout.kind == "other":
        return
    if layout.kind == "tree":
        yield from _Tree(read_at, len(shape), offset_size).chunks(
            layout.address, shape, layout.chunk, 0
        )
    elif layout.kind == "single":
        stored = layout.size if filters else size
        yield _Chunk((0,) * len(shape), layout.address, stored, layout.mask)
    elif layout.kind == "array":
        yield from _array(read_at, layout, shape, size, offset_size, length_size)
    elif not filters:
        for number, offsets in enumerate(_in_order(layout, shape)):
            yield _Chunk(offsets, layout.address + number * size, size, 0)


def _in_order(layout: Chunked, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Where the chunks begin, as they are numbered; nothing for more than are kept."""
    if prod(-(-n // side) for n, side in zip(shape, layout.chunk, strict=True)) > MAX_PLACES:
        return iter(())
    return product(*(range(0, n, side) for n, side in zip(shape, layout.chunk, strict=True)))


def _array(
    read_at: ReadAt,
    layout: Chunked,
    shape: tuple[int, ...],
    size: int,
    offset_size: int,
    length_size: int,
) -> Iterator[_Chunk]:
    """The chunks of a fixed array whose entries are one page."""
    o = offset_size
    head = read_exactly(read_at, layout.address, 8 + length_size + o)
    filtered, width, count = head[5], head[6], _number(head, 8, length_size)
    least = o + 5 if filtered else o
    if (
        head[:5] != b"FAHD\0"
        or filtered > 1
        or not least <= width <= o + 12
        or count > 1 << head[7]
    ):
        return
    data = read_exactly(
        read_at, _number(head, 8 + length_size, o), 6 + o + min(count, MAX_PLACES) * width
    )
    if data[:4] != b"FADB":
        raise NotThisFormat("no data block")
    for number, offsets in enumerate(_in_order(layout, shape)):
        at = 6 + o + number * width
        stored = _number(data, at + o, width - o - 4) if filtered else size
        yield _Chunk(
            offsets,
            _number(data, at, o),
            stored,
            _number(data, at + width - 4, 4) if filtered else 0,
        )


class _Tree:
    """A B-tree of version 1 whose leaves are chunks."""

    def __init__(self, read_at: ReadAt, rank: int, offset_size: int) -> None:
        self._read_at = read_at
        self._rank = rank
        self._o = offset_size
        self._nodes = 0

    def chunks(
        self, address: int, shape: tuple[int, ...], sides: tuple[int, ...], depth: int
    ) -> Iterator[_Chunk]:
        self._nodes += 1
        if depth > _MAX_LEVELS or self._nodes > _MAX_NODES:
            raise NotThisFormat("a tree too large")
        head = read_exactly(self._read_at, address, 8)
        count = int.from_bytes(head[6:8], "little")
        if head[:5] != b"TREE\1":
            raise NotThisFormat("no tree of chunks")
        key = 8 + 8 * (self._rank + 1)
        each = key + self._o
        data = read_exactly(self._read_at, address + 8 + 2 * self._o, count * each)
        for at in range(0, len(data), each):
            child = _number(data, at + key, self._o)
            if head[5]:
                yield from self.chunks(child, shape, sides, depth + 1)
                continue
            offsets = tuple([_number(data, at + 8 + 8 * axis, 8) for axis in range(self._rank)])
            if any(o >= n or o % s for o, n, s in zip(offsets, shape, sides, strict=True)):
                continue  # left of what the dataset was before it shrank
            yield _Chunk(offsets, child, _number(data, at, 4), _number(data, at + 4, 4))


def _number(data: bytes, at: int, width: int) -> int:
    if at + width > len(data):
        raise NotThisFormat("a number past its message")
    return int.from_bytes(data[at : at + width], "little")
