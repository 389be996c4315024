"""The zip file that `torch.save` writes (torch >= 1.6).

    root/data.pkl       the object, its tensors as persistent ids
    root/byteorder      "little" or "big" (absent before torch 2.1: little)
    root/data/0 ...     one storage each: the raw elements, stored, aligned to 64 bytes
    root/version ...    glue

Each stored member `root/data/N` becomes one span; all else is glue. A storage takes name, dtype and shape
of the first tensor in the pickle that covers all of it. If that tensor lies in another order than the
shape's (channels_last, a transpose), the shape is flat, for the bytes are not in the shape's order. A storage
that no tensor covers alone (a slice, the joint weights of an RNN), or whose pickle cannot be read, is called
`data/N`: flat, with its storage's dtype or U8.

The central directory (PKWARE APPNOTE 6.3, sections 4.3 and 4.4) is read by hand: `zipfile` accepts members that
overlap, and reads a directory of any size. Here a member counts only if its local header and data lie behind
the member before and ahead of the directory; otherwise the file is plain bytes, as is a zip with a comment,
on several disks, encrypted, or big-endian. Both limits below hold memory under 100 MB.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod

from mvcd.inspect import torchpickle
from mvcd.inspect.spans import (
    DTYPE_BITS,
    MAX_TENSORS,
    NotThisFormat,
    ReadAt,
    Span,
    TensorInfo,
    partition,
    read_exactly,
)

FORMAT = "torch-zip"
MAX_DIRECTORY = 16 << 20
MAX_MEMBERS = MAX_TENSORS

_STORED = 0
_ENCRYPTED = 0x1
_LOCAL = struct.Struct("<4s5HIIIHH")
_CENTRAL = struct.Struct("<4s6HIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<4sIQI")
_FULL16 = 0xFFFF
_FULL32 = 0xFFFFFFFF

_BITS = DTYPE_BITS | {"C128": 128}
"""torch has complex128, safetensors 0.8 does not."""


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    stored: bool
    header: int  # offset of the local header
    size: int  # bytes in the file


def looks_like(head: bytes, size: int) -> bool:
    """Whether a file that begins with `head` may be a zip."""
    return head[:4] == b"PK\x03\x04" and size >= _LOCAL.size + _CENTRAL.size + _END.size


def spans(read_at: ReadAt, size: int) -> tuple[Span, ...]:
    """The spans of a torch zip of `size` bytes. Raises NotThisFormat."""
    members, directory = _directory(read_at, size)
    root, slash, _ = members[0].name.partition("/")
    payloads = _payloads(read_at, members, directory)
    pickled = payloads.get(f"{root}/data.pkl")
    if not slash or pickled is None:
        raise NotThisFormat("a zip, but not torch's")
    order = payloads.get(f"{root}/byteorder")
    if order is not None and (order.size > 16 or read_at(order.offset, order.size) != b"little"):
        raise NotThisFormat("not little-endian")
    storages = {}
    for name, span in payloads.items():
        key = name.removeprefix(f"{root}/data/")
        if key != name and key.isascii() and key.isdigit() and span.size:
            storages[key] = span
    known = _described(read_at, pickled)
    found = [
        Span(span.offset, span.size, info)
        for (span, info) in zip(storages.values(), _infos(storages, known), strict=True)
    ]
    return partition(found, size)


# ---------------------------------------------------------------- the zip


def _directory(read_at: ReadAt, size: int) -> tuple[list[_Member], int]:
    """All members in file order, and the offset of the central directory."""
    count, length, start, end = _end(read_at, size)
    if not (0 < count <= MAX_MEMBERS and length <= MAX_DIRECTORY and start + length == end):
        raise NotThisFormat("no directory that we read")
    table = read_exactly(read_at, start, length)
    members = []
    at = 0
    for _ in range(count):
        member, at = _member(table, at)
        members.append(member)
    if at != length:
        raise NotThisFormat("directory of another length")
    members.sort(key=lambda member: member.header)
    if len({member.name for member in members}) != count:
        raise NotThisFormat("two members of one name")
    return members, start


def _end(read_at: ReadAt, size: int) -> tuple[int, int, int, int]:
    """Members, directory length, directory offset, and the offset where the end records begin."""
    end = size - _END.size
    magic, disk, first, here, count, length, start, comment = _END.unpack(
        read_exactly(read_at, end, _END.size)
    )
    if magic != b"PK\x05\x06" or disk or first or here != count or comment:
        raise NotThisFormat("no end record")
    locator = end - _LOCATOR64.size
    magic, disk, end64, disks = _LOCATOR64.unpack(read_exactly(read_at, locator, _LOCATOR64.size))
    if magic != b"PK\x06\x07":
        return count, length, start, end
    if disk or disks > 1 or end64 + _END64.size != locator:
        raise NotThisFormat("no zip64 end record")
    magic, rest, _, _, disk, first, here, count, length, start = _END64.unpack(
        read_exactly(read_at, end64, _END64.size)
    )
    if magic != b"PK\x06\x06" or rest != _END64.size - 12 or disk or first or here != count:
        raise NotThisFormat("no zip64 end record")
    return count, length, start, end64


def _member(table: bytes, at: int) -> tuple[_Member, int]:
    """One entry of the directory, and where the next one begins."""
    try:
        fields = _CENTRAL.unpack_from(table, at)
    except struct.error as error:
        raise NotThisFormat("directory ends early") from error
    magic, _, _, flags, method, _, _, _, packed, size, name_size, extra_size, comment_size = fields[
        :13
    ]
    disk, header = fields[13], fields[16]
    name_at = at + _CENTRAL.size
    extra_at = name_at + name_size
    after = extra_at + extra_size + comment_size
    if magic != b"PK\x01\x02" or flags & _ENCRYPTED or disk or after > len(table):
        raise NotThisFormat("no directory entry")
    if _FULL32 in (packed, size, header):
        extra = table[extra_at : extra_at + extra_size]
        size, packed, header = _zip64(extra, (size, packed, header))
    stored = method == _STORED
    if stored and packed != size:
        raise NotThisFormat("stored, yet of two sizes")
    try:
        name = table[name_at:extra_at].decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotThisFormat("a name is not Unicode") from error
    return _Member(name, stored, header, packed), after


def _zip64(extra: bytes, fields: tuple[int, int, int]) -> tuple[int, ...]:
    """Size, packed size and header offset; those at their 32-bit maximum come from extra field 1."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wanted = 8 * fields.count(_FULL32)
            if length < wanted or at + 4 + wanted > len(extra):
                break
            wide = iter(struct.unpack_from(f"<{wanted // 8}Q", extra, at + 4))
            return tuple(next(wide) if field == _FULL32 else field for field in fields)
        at += 4 + length
    raise NotThisFormat("no zip64 sizes")


def _payloads(read_at: ReadAt, members: list[_Member], directory: int) -> dict[str, Span]:
    """Where the data of each stored member lies, in file order; compressed ones are only checked."""
    payloads = {}
    end = 0
    for member in members:
        if member.header < end:
            raise NotThisFormat("members overlap")
        local = _LOCAL.unpack(read_exactly(read_at, member.header, _LOCAL.size))
        start = member.header + _LOCAL.size + local[-2] + local[-1]
        end = start + member.size
        if local[0] != b"PK\x03\x04" or end > directory:
            raise NotThisFormat("no member where the directory says")
        if member.stored:
            payloads[member.name] = Span(start, member.size)
    return payloads


# ---------------------------------------------------------------- the tensors


def _described(read_at: ReadAt, pickled: Span) -> list[tuple[str, torchpickle.Tensor]]:
    if pickled.size > torchpickle.MAX_PICKLE:
        return []
    try:
        return torchpickle.read(read_exactly(read_at, pickled.offset, pickled.size))
    except NotThisFormat:
        return []


def _infos(
    storages: dict[str, Span], described: list[tuple[str, torchpickle.Tensor]]
) -> list[TensorInfo]:
    """One for each storage, in order; the first claim of a name wins, and `data/N` can't be claimed."""
    by_key: dict[str, TensorInfo] = {}
    dtypes: dict[str, str] = {}
    names: set[str] = set()
    for name, tensor in described:
        key = tensor.storage.key
        dtypes.setdefault(key, tensor.storage.dtype)
        if key in by_key or key not in storages:
            continue
        shape = _covered_shape(tensor, storages[key].size)
        if shape is not None:
            free = name and name not in names and not name.startswith("data/")
            names.add(name)
            by_key[key] = _info(name if free else f"data/{key}", tensor.dtype, shape)
    for key, span in storages.items():
        if key not in by_key:
            dtype = dtypes.get(key, "U8")
            if 8 * span.size % _BITS[dtype]:
                dtype = "U8"
            by_key[key] = _info(f"data/{key}", dtype, (8 * span.size // _BITS[dtype],))
    return [by_key[key] for key in storages]


def _info(name: str, dtype: str, shape: tuple[int, ...]) -> TensorInfo:
    return TensorInfo(name, dtype, shape, min(_BITS[dtype] // 8, 8))


def _covered_shape(tensor: torchpickle.Tensor, size: int) -> tuple[int, ...] | None:
    """The shape of the `size` bytes as this tensor lays them out, None if it does not cover them."""
    if tensor.offset or 8 * size != _BITS[tensor.dtype] * _elements(tensor.shape, limit=8 * size):
        return None
    axes = [(s, n) for s, n in zip(tensor.stride, tensor.shape, strict=True) if n != 1]
    dense = 1
    for stride, extent in sorted(axes):
        if stride != dense:
            return None
        dense *= extent
    in_order = axes == sorted(axes, reverse=True)
    return tensor.shape if in_order else (dense,)


def _elements(shape: tuple[int, ...], *, limit: int) -> int:
    """Their product; -1 beyond `limit`, before it grows large."""
    return prod(shape) if all(extent <= limit for extent in shape) else -1
