"""The index of a TensorFlow checkpoint: `PREFIX.index`, beside its shards `PREFIX.data-00000-of-00001` ...
A SavedModel keeps one under `variables/`.

The index is a LevelDB table (leveldb/doc/table_format.md) from tensor names to BundleEntryProto
(tensorflow/core/protobuf/tensor_bundle.proto), the first key "" to BundleHeaderProto. TensorFlow writes its
blocks uncompressed; others are refused. Text and big-endian variables are not listed.

A partitioned variable has an entry that tells its slices, and one with the data of each slice under a key of
its own: 0, the name with its end marked, and extents in a code that keeps their order (tensorflow/core/lib/
strings/ordered_code.h), so that slices sort by where they begin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from mvcd.inspect.protowire import message, signed
from mvcd.inspect.slices import MAX_PLACES, Slice, assembled
from mvcd.inspect.spans import (
    MAX_RANK_DIMENSIONS,
    MAX_TENSORS,
    NotThisFormat,
    ReadAt,
    is_name,
    read_exactly,
)
from mvcd.inspect.tensorfile import Range, StoredTensor, TensorFile

FORMAT = "tf-checkpoint"
MAX_INDEX_BYTES = 64 << 20
_FOOTER_BYTES = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_TRAILER_BYTES = 5  # compression and crc32c
_MAX_SHARDS = 100_000
_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
"""Object-based checkpoints end the name of every variable so."""

DTYPES = {
    1: ("F32", 4), 2: ("F64", 8), 3: ("I32", 4), 4: ("U8", 1), 5: ("I16", 2), 6: ("I8", 1), 8: ("C64", 8),
    9: ("I64", 8), 10: ("BOOL", 1), 14: ("BF16", 2), 17: ("U16", 2), 18: ("C128", 16), 19: ("F16", 2),
    22: ("U32", 4), 23: ("U64", 8), 24: ("F8_E5M2", 1), 25: ("F8_E4M3", 1),
}  # fmt: skip


def looks_like(read_at: ReadAt, size: int) -> bool:
    """By the last bytes; the first ones are nothing special."""
    return _FOOTER_BYTES <= size <= MAX_INDEX_BYTES and read_at(size - 8, 8) == _MAGIC


def read(read_at: ReadAt, size: int, name: str) -> TensorFile:
    """`name` is the index's own file name, from which those of the shards follow. Raises NotThisFormat."""
    prefix = name.removesuffix(".index")
    if prefix == name or size > MAX_INDEX_BYTES:
        raise NotThisFormat("not the name of an index")
    rows = list(_rows(read_exactly(read_at, 0, size)))
    if not rows or rows[0][0]:
        raise NotThisFormat("no header")
    shards, little = 0, True
    for number, _, value in message(rows[0][1]):
        if isinstance(value, int):
            shards, little = (value, little) if number == 1 else (shards, little and number != 2)
    if not little or not 0 < shards <= _MAX_SHARDS:
        raise NotThisFormat("big-endian, or without shards")
    tensors: dict[str, StoredTensor] = {}
    slices: dict[bytes, list[_Entry]] = {}
    for key, value in rows[1:]:
        entry = _entry(value)
        if key[:1] == b"\0":
            slices.setdefault(_sliced(key), []).append(entry)
            continue
        label = key.decode("utf-8", "replace").removesuffix(_SUFFIX)
        content = _content(entry, slices.get(key, []), prefix, shards)
        if content is not None and is_name(label) and label not in tensors:
            dtype = DTYPES[entry.dtype][0]
            tensors[label] = StoredTensor(label, dtype, entry.shape, content)
    return TensorFile(FORMAT, tensors, {"shards": shards})


@dataclass(frozen=True, slots=True)
class _Entry:
    """A BundleEntryProto. `slices`: start and length of each axis, for a variable in several."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    slices: tuple[Slice, ...]

    @property
    def width(self) -> int | None:
        known = DTYPES.get(self.dtype)
        return None if known is None else known[1]

    def place(self, prefix: str, shards: int) -> Range | None:
        if self.shard >= shards or self.width is None or self.size != prod(self.shape) * self.width:
            return None
        return Range(
            self.offset, self.size, beside=f"{prefix}.data-{self.shard:05d}-of-{shards:05d}"
        )


def _content(
    entry: _Entry, slices: list[_Entry], prefix: str, shards: int
) -> tuple[Range, ...] | None:
    """None for what has no dtype of ours, or whose parts do not make up the whole."""
    if not entry.slices:
        place = entry.place(prefix, shards)
        return None if place is None else (place,)
    if len(entry.slices) != len(slices) or entry.width is None:
        return None
    placed = []
    for extents, each in zip(sorted(entry.slices), slices, strict=True):
        place = each.place(prefix, shards)
        fits = each.dtype == entry.dtype and each.shape == tuple(length for _, length in extents)
        if place is None or not fits:
            return None
        placed.append((extents, place))
    return assembled(placed, entry.shape, entry.width)


def _sliced(key: bytes) -> bytes:
    """The name within the key of a slice."""
    end = key.find(b"\0\1", 1)
    if end < 0:
        raise NotThisFormat("no name of a slice")
    return key[1:end].replace(b"\0\xff", b"\0").replace(b"\xff\0", b"\xff")


def _entry(data: bytes) -> _Entry:
    dtype = shard = offset = size = 0
    shape: tuple[int, ...] = ()
    slices = []
    for number, _, value in message(data):
        match number, value:
            case 1, int():
                dtype = value
            case 2, bytes():
                shape = _shape(value)
            case 3, int():
                shard = value
            case 4, int():
                offset = value
            case 5, int():
                size = value
            case 7, bytes():
                slices.append(value)
    if len(slices) > MAX_PLACES:
        raise NotThisFormat("too many slices")
    return _Entry(
        dtype, shape, shard, offset, size, tuple([_slice(each, shape) for each in slices])
    )


def _slice(data: bytes, shape: tuple[int, ...]) -> Slice:
    """A TensorSliceProto: an axis without a length is whole."""
    extents: list[tuple[int, int]] = []
    for number, _, value in message(data):
        if number == 1 and isinstance(value, bytes):
            said = {n: v for n, _, v in message(value) if isinstance(v, int)}
            whole = shape[len(extents)] if len(extents) < len(shape) else 0
            extents.append((said.get(1, 0), said.get(2, whole)))
    if len(extents) > MAX_RANK_DIMENSIONS:
        raise NotThisFormat("no slice")
    return tuple(extents)


def _shape(data: bytes) -> tuple[int, ...]:
    extents = []
    for number, _, value in message(data):
        if number == 2 and isinstance(value, bytes):
            extents.append(
                next((signed(v) for n, _, v in message(value) if n == 1 and isinstance(v, int)), 0)
            )
    if len(extents) > MAX_RANK_DIMENSIONS or any(not 0 <= extent < 1 << 48 for extent in extents):
        raise NotThisFormat("no shape")
    return tuple(extents)


# ---------------------------------------------------------------- the table


def _rows(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All keys and values in order."""
    footer = data[-_FOOTER_BYTES:]
    at = 0
    for _ in range(2):  # the metaindex, of which we want nothing
        _, at = _varint(footer, at)
    offset, at = _varint(footer, at)
    size, at = _varint(footer, at)
    count = 0
    for _, handle in _entries(_block(data, offset, size)):
        offset, at = _varint(handle, 0)
        size, at = _varint(handle, at)
        for row in _entries(_block(data, offset, size)):
            count += 1
            if count > MAX_TENSORS:
                raise NotThisFormat("too many tensors")
            yield row


def _block(data: bytes, offset: int, size: int) -> bytes:
    if offset + size + _TRAILER_BYTES > len(data) - _FOOTER_BYTES or size < 4:
        raise NotThisFormat("no block where a handle points")
    if data[offset + size] != 0:
        raise NotThisFormat("a compressed block")
    return data[offset : offset + size]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys share a beginning with the key before; restart points at the end are for searching."""
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * restarts
    if end < 0:
        raise NotThisFormat("no block")
    key, at = b"", 0
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        size, at = _varint(block, at)
        if shared > len(key) or shared + own > 4096 or at + own + size > end:
            raise NotThisFormat("no entry")
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + size]
        at += own + size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    value = 0
    for shift in range(0, 63, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise NotThisFormat("no number")
