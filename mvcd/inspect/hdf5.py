"""The datasets of an HDF5 file (HDF5 File Format Specification 3.0): Keras' weights, `.h5` and within `.keras`.

    superblock     versions 0 to 3, at the start of the file
    groups         object headers, versions 1 and 2; links in a symbol table (B-tree and heap), or as messages
    datasets       dataspace, datatype, and a layout: contiguous, in chunks, or compact within the header

A reader of our own: h5py reads a file by its name, and we need where the bytes lie in a stored one, not copies
of them. What is read of datasets in chunks, which Keras does not write, hdf5chunks.py says. Datasets of text
and of other types are not listed. Links in dense storage (more than 8 in a file of `libver="latest"`) would
hide some tensors, so such a file is not read at all.

Tensors are called by the names of the groups that lead to them: `layers.dense.vars.0`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import NamedTuple

from mvcd.inspect import hdf5chunks
from mvcd.inspect.spans import (
    MAX_RANK_DIMENSIONS,
    MAX_TENSORS,
    NotThisFormat,
    ReadAt,
    is_name,
    read_exactly,
    within,
)
from mvcd.inspect.tensorfile import Range, StoredTensor, TensorFile
from mvcd.inspect.zipmembers import directory, located

FORMAT = "hdf5"
SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MAX_OBJECTS = 200_000
_MAX_LEVELS = 32
_MAX_HEADER_BYTES = 1 << 20
_MAX_BLOCKS = 64  # of one header
_MAX_NODES = 100_000  # of all trees

_SPACE, _LINK_INFO, _TYPE, _LINK, _LAYOUT, _FILTERS, _CONTINUED, _TABLE = 1, 2, 3, 6, 8, 11, 16, 17
_FLOATS = {(2, 5, 10): "F16", (2, 8, 7): "BF16", (4, 8, 23): "F32", (8, 11, 52): "F64"}
"""By bytes, bits of the exponent and bits of the mantissa."""


class _Message(NamedTuple):
    kind: int
    data: bytes
    at: int  # of the data, in the file


def looks_like(head: bytes, size: int) -> bool:
    return head[:8] == SIGNATURE and size >= 64


def read(read_at: ReadAt, size: int) -> TensorFile:
    """Raises NotThisFormat, also for a file without datasets that we list."""
    try:
        reader = _Reader(read_at, size)
        reader.group(reader.root(), "", 0)
    except (struct.error, IndexError, ValueError) as error:
        raise NotThisFormat("damaged") from error
    if not reader.found:
        raise NotThisFormat("no dataset that we read")
    return TensorFile(FORMAT, reader.found)


def read_keras(read_at: ReadAt, size: int) -> TensorFile:
    """The weights in a `.keras` file, a zip that holds them as they are. Raises NotThisFormat."""
    members, end = directory(read_at, size)
    for member, span in located(read_at, members, end):
        if member.stored and member.name.endswith(".weights.h5"):
            found = read(within(read_at, span.offset, span.size), span.size)
            tensors = {name: _moved(tensor, span.offset) for name, tensor in found.tensors.items()}
            return TensorFile("keras", tensors)
    raise NotThisFormat("a zip without weights of Keras")


def _moved(tensor: StoredTensor, by: int) -> StoredTensor:
    assert not isinstance(tensor.content, bytes)
    places = [
        place.each(lambda part: replace(part, offset=part.offset + by)) for place in tensor.content
    ]
    return replace(tensor, content=tuple(places))


class _Reader:
    def __init__(self, read_at: ReadAt, size: int) -> None:
        self._read_at = read_at
        self._size = size
        self._seen: set[int] = set()
        self._datasets: dict[int, StoredTensor] = {}
        self._nodes = 0
        self.found: dict[str, StoredTensor] = {}
        head = read_exactly(read_at, 0, 64)
        self._version = head[8]
        self._offset_size, self._length_size = (
            (head[13], head[14]) if self._version < 2 else (head[9], head[10])
        )
        if self._version > 3 or {self._offset_size, self._length_size} - {4, 8}:
            raise NotThisFormat("another superblock")

    def root(self) -> int:
        """Where the header of the root group lies."""
        o = self._offset_size
        start = {0: 24, 1: 28}.get(self._version, 12)
        data = read_exactly(self._read_at, start, 6 * o)
        if self._number(data, 0, o) != 0:
            raise NotThisFormat("addresses count from elsewhere")
        return self._number(data, 5 * o if self._version < 2 else 3 * o, o)

    def group(self, address: int, path: str, depth: int) -> None:
        """Lists the datasets of an object and of all below it."""
        if depth > _MAX_LEVELS or len(self._seen) >= _MAX_OBJECTS:
            raise NotThisFormat("too many objects, or too deep")
        if address in self._seen:  # a second link, or a circle
            known = self._datasets.get(address)
            if known is not None and is_name(path) and path not in self.found:
                self.found[path] = replace(known, name=path, repeats=True)
            return
        self._seen.add(address)
        messages = list(self._messages(address))
        kinds = {message.kind: message for message in messages}
        if _LAYOUT in kinds:
            self._dataset(path, kinds)
            if path in self.found:
                self._datasets[address] = self.found[path]
            return
        for name, child in self._links(messages):
            self.group(child, f"{path}.{name}" if path else name, depth + 1)

    # ------------------------------------------------------------ groups

    def _links(self, messages: list[_Message]) -> Iterator[tuple[str, int]]:
        o = self._offset_size
        for kind, data, _ in messages:
            if kind == _TABLE:
                heap = self._heap(self._number(data, o, o))
                yield from self._symbols(self._number(data, 0, o), heap, 0)
            elif kind == _LINK_INFO:
                at = 2 + (8 if data[1] & 1 else 0)
                if self._number(data, at, o) != (1 << 8 * o) - 1:
                    raise NotThisFormat("links in dense storage")
            elif kind == _LINK:
                link = self._link(data)
                if link is not None:
                    yield link

    def _link(self, data: bytes) -> tuple[str, int] | None:
        flags, at = data[1], 2
        kind = data[at] if flags & 8 else 0
        at += bool(flags & 8) + 8 * bool(flags & 4) + bool(flags & 16)
        width = 1 << (flags & 3)
        size = self._number(data, at, width)
        name = data[at + width : at + width + size].decode("utf-8", "replace")
        if kind != 0:
            return None  # a soft or an external link
        return name, self._number(data, at + width + size, self._offset_size)

    def _heap(self, address: int) -> bytes:
        head = read_exactly(self._read_at, address, 8 + 2 * self._length_size + self._offset_size)
        size = self._number(head, 8, self._length_size)
        if head[:4] != b"HEAP" or size > _MAX_HEADER_BYTES:
            raise NotThisFormat("no heap")
        at = self._number(head, 8 + 2 * self._length_size, self._offset_size)
        return read_exactly(self._read_at, at, size)

    def _symbols(self, address: int, heap: bytes, depth: int) -> Iterator[tuple[str, int]]:
        """The links of a B-tree of version 1, and of the nodes below it."""
        self._nodes += 1
        if depth > 8 or self._nodes > _MAX_NODES:
            raise NotThisFormat("a tree too large")
        o, width = self._offset_size, self._length_size
        head = read_exactly(self._read_at, address, 8)
        count = int.from_bytes(head[6:8], "little")
        if head[:4] == b"TREE" and head[4] == 0:
            data = read_exactly(self._read_at, address + 8 + 2 * o, count * (o + width))
            for at in range(width, len(data), o + width):
                yield from self._symbols(self._number(data, at, o), heap, depth + 1)
        elif head[:4] == b"SNOD":
            each = 2 * o + 24
            data = read_exactly(self._read_at, address + 8, count * each)
            for at in range(0, len(data), each):
                start = self._number(data, at, o)
                name = heap[start : heap.index(b"\0", start)].decode("utf-8", "replace")
                yield name, self._number(data, at + o, o)
        else:
            raise NotThisFormat("no tree of links")

    # ------------------------------------------------------------ datasets

    def _dataset(self, name: str, messages: dict[int, _Message]) -> None:
        if (
            _SPACE not in messages
            or _TYPE not in messages
            or not is_name(name)
            or name in self.found
        ):
            return
        shape, dtype = self._shape(messages[_SPACE].data), _dtype(messages[_TYPE].data)
        if shape is None or dtype is None:
            return
        content = self._content(messages, shape, dtype[1])
        if content is None:
            return
        if len(self.found) >= MAX_TENSORS:
            raise NotThisFormat("too many tensors")
        self.found[name] = StoredTensor(name, dtype[0], shape, content)

    def _shape(self, data: bytes) -> tuple[int, ...] | None:
        version, rank, flags = data[0], data[1], data[2]
        if (
            version not in (1, 2)
            or rank > MAX_RANK_DIMENSIONS
            or (version == 2 and data[3] == 2)
            or flags & 2
        ):
            return None
        start, width = (8 if version == 1 else 4), self._length_size
        return tuple([self._number(data, start + i * width, width) for i in range(rank)])

    def _content(
        self, messages: dict[int, _Message], shape: tuple[int, ...], width: int
    ) -> tuple[Range, ...] | None:
        """None for what was never written, or is not as long as its shape says."""
        layout = messages[_LAYOUT]
        if layout.data[0] in (3, 4, 5) and layout.data[1] == 2:
            chunked = hdf5chunks.layout_of(layout.data, self._offset_size, self._length_size)
            if chunked is None or len(chunked.chunk) != len(shape) or chunked.width != width:
                return None
            if not prod(shape):
                return ()
            filters = messages.get(_FILTERS)
            pipeline = hdf5chunks.filters_of(filters.data) if filters is not None else ()
            return hdf5chunks.ranges(
                self._read_at,
                self._size,
                chunked,
                pipeline,
                shape,
                self._offset_size,
                self._length_size,
            )
        place = self._place(layout)
        if place is None or place.size != prod(shape) * width:
            return None
        return (place,) if place.offset + place.size <= self._size else None

    def _place(self, layout: _Message) -> Range | None:
        """None for what was never written, or a layout of another kind."""
        data, o = layout.data, self._offset_size
        if data[0] not in (3, 4) or data[1] > 1:
            return None
        if data[1] == 0:
            return Range(layout.at + 4, self._number(data, 2, 2))
        address = self._number(data, 2, o)
        size = self._number(data, 2 + o, self._length_size)
        if address == (1 << 8 * o) - 1:
            return Range(0, 0) if size == 0 else None
        return Range(address, size)

    # ------------------------------------------------------------ object headers

    def _messages(self, address: int) -> Iterator[_Message]:
        head = read_exactly(self._read_at, address, 16)
        if head[:4] == b"OHDR":
            yield from self._new_header(address, head)
        elif head[0] == 1:
            size = int.from_bytes(head[8:12], "little")
            yield from self._blocks([(address + 16, size)], 8, 0)
        else:
            raise NotThisFormat("no object header")

    def _new_header(self, address: int, head: bytes) -> Iterator[_Message]:
        flags = head[5]
        at = 6 + 16 * bool(flags & 32) + 4 * bool(flags & 16)
        width = 1 << (flags & 3)
        size = self._number(read_exactly(self._read_at, address + at, width), 0, width)
        ordered = 2 * bool(flags & 4)
        yield from self._blocks([(address + at + width, size)], 4 + ordered, 4)

    def _blocks(self, blocks: list[tuple[int, int]], head: int, mark: int) -> Iterator[_Message]:
        """Messages of a header's blocks. Further blocks begin with `mark` bytes of signature in version 2, and
        end with as many of a checksum."""
        number = 0
        while number < len(blocks):
            start, size = blocks[number]
            if number > _MAX_BLOCKS or size > _MAX_HEADER_BYTES:
                raise NotThisFormat("a header too long")
            data = read_exactly(self._read_at, start, size)
            at, end = (mark, size - mark) if number else (0, size)
            while at + head <= end:
                kind, length = (
                    (data[at], data[at + 1 : at + 3]) if mark else (data[at], data[at + 2 : at + 4])
                )
                wide = int.from_bytes(length, "little")
                body = data[at + head : at + head + wide]
                if at + head + wide > end:
                    raise NotThisFormat("a message past its header")
                if kind == _CONTINUED:
                    o = self._offset_size
                    blocks.append(
                        (self._number(body, 0, o), self._number(body, o, self._length_size))
                    )
                elif not self._is_shared(data, at, mark):
                    yield _Message(kind, body, start + at + head)
                at += head + wide
            number += 1

    @staticmethod
    def _is_shared(data: bytes, at: int, mark: int) -> bool:
        """Whether a message is kept elsewhere, and only its address is here: committed datatypes."""
        return bool(data[at + (3 if mark else 4)] & 2)

    @staticmethod
    def _number(data: bytes, at: int, width: int) -> int:
        if at + width > len(data):
            raise NotThisFormat("a number past its message")
        return int.from_bytes(data[at : at + width], "little")


def _dtype(data: bytes) -> tuple[str, int] | None:
    """Name and bytes per element of little-endian numbers; None for other types."""
    kind, flags, width = data[0] & 15, data[1], int.from_bytes(data[4:8], "little")
    if flags & 1 and width > 1:
        return None  # big-endian
    if kind == 0 and width in (1, 2, 4, 8) and data[8:12] == struct.pack("<HH", 0, 8 * width):
        return f"{'I' if flags & 8 else 'U'}{8 * width}", width
    if kind == 1 and data[8:12] == struct.pack("<HH", 0, 8 * width) and not flags & 64:
        name = _FLOATS.get((width, data[13], data[15]))
        return None if name is None else (name, width)
    return None
