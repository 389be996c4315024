"""The members of a zip file, for the formats that are zip files: torch's, numpy's, Keras'.

The central directory (PKWARE APPNOTE 6.3, sections 4.3 and 4.4) is read by hand: `zipfile` accepts members that
overlap, and reads a directory of any size. Here a member counts only if its local header and data lie behind
the member before and ahead of the directory; a zip with a comment, on several disks, or encrypted is refused.
Both limits below hold memory under 100 MB.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from mvcd.inspect.spans import MAX_TENSORS, NotThisFormat, ReadAt, Span, read_exactly

MAX_DIRECTORY_BYTES = 16 << 20
MAX_ENTRIES = MAX_TENSORS + 1000
"""A member for each tensor, and some for what is said of them."""

_STORED = 0
_DEFLATED = 8
_ENCRYPTED = 0x1
_LOCAL = struct.Struct("<4s5HIIIHH")
_CENTRAL = struct.Struct("<4s6HIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<4sIQI")
_FULL32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    method: int
    header: int  # offset of the local header
    size: int  # bytes in the file
    raw_size: int  # bytes of its content, as claimed

    @property
    def stored(self) -> bool:
        return self.method == _STORED

    @property
    def deflated(self) -> bool:
        return self.method == _DEFLATED


def looks_like(head: bytes, size: int) -> bool:
    """Whether a file that begins with `head` may be a zip."""
    return head[:4] == b"PK\x03\x04" and size >= _LOCAL.size + _CENTRAL.size + _END.size


def directory(read_at: ReadAt, size: int) -> tuple[list[Member], int]:
    """All members in file order, and the offset of the central directory. Raises NotThisFormat."""
    count, length, start, end = _end(read_at, size)
    if not (0 < count <= MAX_ENTRIES and length <= MAX_DIRECTORY_BYTES and start + length == end):
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


def beginning(read_at: ReadAt, end: int) -> int:
    """Where the zip begins that ends at byte `end`, of several in one file. Raises NotThisFormat."""
    if end < _LOCAL.size + _CENTRAL.size + _END.size:
        raise NotThisFormat("no room for a zip")
    at = end - _END.size
    *_, length, start, _ = _END.unpack(read_exactly(read_at, at, _END.size))
    found: int = at - length - start
    at -= _LOCATOR64.size
    magic, _, end64, _ = _LOCATOR64.unpack(read_exactly(read_at, at, _LOCATOR64.size))
    if magic == b"PK\x06\x07":
        found = at - _END64.size - end64
    if found < 0 or read_at(found, 4) != b"PK\x03\x04":
        raise NotThisFormat("no beginning where the end says")
    return found


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


def _member(table: bytes, at: int) -> tuple[Member, int]:
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
    if method == _STORED and packed != size:
        raise NotThisFormat("stored, yet of two sizes")
    try:
        name = table[name_at:extra_at].decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotThisFormat("a name is not Unicode") from error
    return Member(name, method, header, packed, size), after


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


def below_one_root(read_at: ReadAt, size: int) -> tuple[str, dict[str, Span]]:
    """The directory that the first member lies in, and where each stored member's data lie, by name; as torch
    writes its files. Raises NotThisFormat, also where the first member lies in none."""
    members, start = directory(read_at, size)
    root, slash, _ = members[0].name.partition("/")
    payloads = {m.name: span for m, span in located(read_at, members, start) if m.stored}
    if not slash:
        raise NotThisFormat("no directory of its own")
    return root, payloads


def located(
    read_at: ReadAt, members: list[Member], directory: int
) -> Iterator[tuple[Member, Span]]:
    """Where the data of each member lies, in file order. Raises NotThisFormat."""
    end = 0
    for member in members:
        if member.header < end:
            raise NotThisFormat("members overlap")
        local = _LOCAL.unpack(read_exactly(read_at, member.header, _LOCAL.size))
        start = member.header + _LOCAL.size + local[-2] + local[-1]
        end = start + member.size
        if local[0] != b"PK\x03\x04" or end > directory:
            raise NotThisFormat("no member where the directory says")
        yield member, Span(start, member.size)
