"""The stat cache: what one directory looked like when its files were last known, as one row.

A row stands for a directory of the workspace *as compared with one version*, the one that HEAD names. It
holds the listing (`scan.h`), the rules that were in force, one flag per entry, the recipes of
files that are known but differ from the version, and the files that the version has and the directory
has not. A clean directory costs one listing and one comparison of bytes (`clean_flags`).

The row, integers little-endian:

    u8        FORMAT
    16 bytes  digest of the rules in force: tracked paths and ignore files
    listing   as list_directory returned it; its own header says how long it is
    u8 * D+N  one Flag per entry of the listing, directories first
    32 * K    RecipeId of each entry with Flag.KNOWN, in order
    rest      UTF-8 paths, relative to the directory, each followed by a NUL: in the version but not here

**The racy rule** (git: Documentation/technical/racy-git). A file may be written twice within one tick of
the clock that stamps it; if we read it in between, size and times stay equal and the second write would
never be noticed. The kernel stamps with a coarse clock of 1-10 ms (fine only since Linux 6.13, and only on
some file systems). So a stamp counts as proof only if it is older than the start of the scan by more than
a tick: then every write after our look gets a later stamp. Other files keep Flag.LOOK, are read again
next time, and settle once they are old enough. mtime alone would not do, because programs set it back
(`cp -p`, `rsync -t`); the change time cannot be set.

Limits: a process that holds a writable mapping can store to a page whose first store was already
stamped, without any new stamp; and a clock set back by more than the slack can repeat a stamp. Reading
for a version is therefore bracketed by `stat_matches` and by a probe for writers, not by the cache.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import partial
from typing import Self

from blake3 import blake3

from mvcd.ids import DIGEST_BYTES, RecipeId
from mvcd.lateclasses import NamedTuple
from mvcd.objects.entry import Mode

FORMAT = 1
RULES_DIGEST_BYTES = 16

FINE_SLACK_NS = 20_000_000
"""How much older than the scan a stamp must be where the file system records fractions of a second."""
COARSE_SLACK_NS = 2_000_000_000
"""The same where it does not (FAT: 2 s)."""
FAR_FUTURE_NS = 3_600_000_000_000
"""A modification time this far ahead was set by hand: no write could repeat it soon."""

_KEY_PATH_BYTES = 400  # LMDB allows keys of 511 bytes


class Flag(IntEnum):
    """What a row knows of one entry; the numbers are part of the row format."""

    NOT_OURS = 0  # ignored, not tracked, or a directory that is not entered
    CLEAN = 1  # a file: exactly the version's entry; a directory: entered, it has a row of its own
    KNOWN = 2  # the content is known and is not the version's
    LOOK = 3  # content unknown, or known by a stamp that proves nothing
    SKIPPED = 4  # ours, but cannot be versioned; reported by every scan


OURS = frozenset({Flag.CLEAN, Flag.KNOWN, Flag.LOOK})
"""Flags of files whose disappearance is a change."""
AS_VERSION = frozenset({Flag.CLEAN, Flag.LOOK})
"""Flags of files that have the version's content, or of which nothing else is known."""


class FileStat(NamedTuple):
    """What identifies a state of a file without reading it; times in nanoseconds since the epoch."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    executable: bool = False
    is_symlink: bool = False

    @classmethod
    def of(cls, st: os.stat_result) -> Self:
        link = stat.S_ISLNK(st.st_mode)
        executable = not link and bool(st.st_mode & stat.S_IXUSR)
        return cls(st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_ino, executable, link)

    @classmethod
    def at(cls, path: str) -> Self | None:
        """Returns the stat of what is at a path; None if there is nothing that could be asked. Follows no
        link."""
        try:
            return cls.of(os.lstat(path))
        except OSError:
            return None

    @property
    def mode(self) -> Mode:
        """What a manifest records of it besides path, size and content."""
        if self.is_symlink:
            return Mode.SYMLINK
        return Mode.EXECUTABLE if self.executable else Mode.FILE

    def racy(self, now_ns: int) -> bool:
        """Could a write after a scan that started at `now_ns` leave these stamps as they are?"""
        fine = self.ctime_ns % 1_000_000_000
        horizon = now_ns - (FINE_SLACK_NS if fine else COARSE_SLACK_NS)
        return self.ctime_ns >= horizon or horizon <= self.mtime_ns < now_ns + FAR_FUTURE_NS


def stat_matches(file: int | str, expected: FileStat) -> bool:
    """Is the open file or path (a last symbolic link is not followed) still in this state?"""
    try:
        st = os.stat(file) if isinstance(file, int) else os.lstat(file)
    except OSError:
        return False
    return (stat.S_ISREG(st.st_mode) or stat.S_ISLNK(st.st_mode)) and FileStat.of(st) == expected


_HEADER = struct.Struct("<IIII")
_RECORD = struct.Struct("<cQqqQ")
_SIZE = struct.Struct("<xQ")
"""The second field of a record."""
_NAMES_AT = _HEADER.size

EMPTY_LISTING = _HEADER.pack(0, 0, 1, 1) + b"\0\0"
"""The listing of a directory without entries."""


class Listing:
    """A parsed listing of `list_directory`; names are the raw bytes that the system gave."""

    __slots__ = ("directories", "names", "raw", "records")

    def __init__(self, raw: bytes) -> None:
        directories, others, directory_bytes, name_bytes = _HEADER.unpack_from(raw)
        records_end = _NAMES_AT + directory_bytes + others * _RECORD.size
        if len(raw) != records_end + name_bytes:
            raise ValueError("a listing of another length than its header says")
        self.raw = raw
        self.directories = _split(raw[_NAMES_AT : _NAMES_AT + directory_bytes])
        self.records = raw[_NAMES_AT + directory_bytes : records_end]
        self.names = _split(raw[records_end:])
        if len(self.directories) != directories or len(self.names) != others:
            raise ValueError("a listing whose counts and names disagree")

    def kind(self, index: int) -> bytes:
        """One of b"f", b"x", b"l", b"p", b"s", b"v": see `scan.h`."""
        start = index * _RECORD.size
        return self.records[start : start + 1]

    def record(self, index: int) -> bytes:
        return self.records[index * _RECORD.size : (index + 1) * _RECORD.size]

    def stat(self, index: int) -> FileStat:
        kind, size, mtime, ctime, inode = _RECORD.unpack_from(self.records, index * _RECORD.size)
        return FileStat(size, mtime, ctime, inode, kind == b"x", kind == b"l")

    def stats(self, indices: Iterable[int]) -> Iterator[FileStat]:
        """`stat` of each, for half the price."""
        unpack, records, step = _RECORD.unpack_from, self.records, _RECORD.size
        for index in indices:
            kind, size, mtime, ctime, inode = unpack(records, index * step)
            yield _file_stat((size, mtime, ctime, inode, kind == b"x", kind == b"l"))

    def sizes(self, indices: Iterable[int]) -> Iterator[int]:
        """The size of each, in bytes."""
        unpack, records, step = _SIZE.unpack_from, self.records, _RECORD.size
        return (unpack(records, index * step)[0] for index in indices)


_file_stat: Callable[[tuple[object, ...]], FileStat] = partial(tuple.__new__, FileStat)


def join_listing(listing: Listing, directories: Sequence[int]) -> bytes:
    """The listing with some of its other entries, named by their indices, as directories."""
    moved = {listing.names[index] for index in directories}
    above = sorted([*listing.directories, *moved])
    left = [index for index in range(len(listing.names)) if listing.names[index] not in moved]
    sections = [
        b"\0" + b"".join(name + b"\0" for name in names)
        for names in (above, [listing.names[index] for index in left])
    ]
    header = _HEADER.pack(len(above), len(left), len(sections[0]), len(sections[1]))
    return b"".join((header, sections[0], *map(listing.record, left), sections[1]))


def listed_directories(raw: bytes) -> list[bytes]:
    """The names of the directories of a listing, without parsing the rest."""
    count, _, size, _ = _HEADER.unpack_from(raw)
    return _split(raw[_NAMES_AT : _NAMES_AT + size]) if count else []


def lists_file(raw: bytes, name: bytes) -> bool:
    """Is there an entry of this name that is no directory?"""
    _, others, directory_bytes, _ = _HEADER.unpack_from(raw)
    names = _NAMES_AT + directory_bytes + others * _RECORD.size
    return raw.find(b"\0%b\0" % name, names) >= 0


def _split(section: bytes) -> list[bytes]:
    if section[:1] != b"\0" or section[-1:] != b"\0":
        raise ValueError("a section of names without its NULs")
    return section[1:-1].split(b"\0") if len(section) > 1 else []


class StatRow(NamedTuple):
    """A parsed row. `known` maps indices of `listing.names`; `missing` are relative paths."""

    rules: bytes
    listing: Listing
    flags: bytes  # directories first
    known: Mapping[int, RecipeId]
    missing: Sequence[str]

    @property
    def file_flags(self) -> bytes:
        return self.flags[len(self.listing.directories) :]

    def entered(self) -> list[str]:
        """Names of the subdirectories that have rows of their own."""
        entries = zip(self.listing.directories, self.flags, strict=False)
        return [name.decode() for name, flag in entries if flag == Flag.CLEAN]

    def files(self) -> list[str]:
        """Names of the files under care, and relative paths of those that were missing."""
        entries = zip(self.listing.names, self.file_flags, strict=True)
        return [name.decode() for name, flag in entries if flag in OURS] + list(self.missing)

    def stats(self) -> dict[str, FileStat]:
        """How the files under care were of which nothing is known but that they may be the version's."""
        entries = enumerate(zip(self.listing.names, self.file_flags, strict=True))
        return {
            name.decode(): self.listing.stat(at)
            for at, (name, flag) in entries
            if flag in AS_VERSION
        }


def pack(
    rules: bytes,
    listing: bytes,
    flags: bytes | bytearray,
    known: Sequence[RecipeId] = (),
    missing: Sequence[str] = (),
) -> bytes:
    """The bytes of a row; `known` in the order of the entries flagged KNOWN."""
    tail = b"".join(path.encode() + b"\0" for path in missing)
    return b"".join((_head(rules), listing, flags, *known, tail))


def parse(row: bytes) -> StatRow | None:
    """The row, or None if it is of another format or damaged: the cache may be lost without harm."""
    at = 1 + RULES_DIGEST_BYTES
    if len(row) < at + _HEADER.size or row[0] != FORMAT:
        return None
    try:
        end = at + _listing_size(row, at)
        listing = Listing(row[at:end])
        count = len(listing.directories) + len(listing.names)
        flags = row[end : end + count]
        file_flags = flags[len(listing.directories) :]
        indices = [i for i, flag in enumerate(file_flags) if flag == Flag.KNOWN]
        ids = end + count
        rest = ids + DIGEST_BYTES * len(indices)
        known = {
            index: RecipeId(row[ids + DIGEST_BYTES * i : ids + DIGEST_BYTES * (i + 1)])
            for i, index in enumerate(indices)
        }
        missing = row[rest:].decode().split("\0")
    except (ValueError, struct.error):
        return None
    if len(flags) != count or missing.pop():
        return None
    return StatRow(row[1:at], listing, flags, known, missing)


def clean_flags(row: bytes, rules: bytes, listing: bytes) -> bytes | None:
    """The flags of a row that was made under the same rules from an equal listing, if there is nothing to do.

    That is: all flags are NOT_OURS or CLEAN and nothing is missing. No work per file is done in Python.
    """
    head = _head(rules)
    if not row.startswith(head) or not row.startswith(listing, len(head)):
        return None
    flags = row[len(head) + len(listing) :]
    directories, others, _, _ = _HEADER.unpack_from(listing)
    if len(flags) != directories + others or flags.translate(None, b"\0\1"):
        return None
    return flags


def key(workspace: bytes, directory: str) -> bytes:
    """The cache key of a directory ("" is the workspace's root); long paths are replaced by a digest."""
    path = directory.encode()
    if len(path) > _KEY_PATH_BYTES:
        path = b"\0" + blake3(path).digest()
    return b"".join((prefix(workspace), path))


def prefix(workspace: bytes) -> bytes:
    """What all keys of one workspace start with."""
    return b"stat/%b/" % workspace


def _head(rules: bytes) -> bytes:
    return bytes((FORMAT,)) + rules


def _listing_size(row: bytes, at: int) -> int:
    _, others, directory_bytes, name_bytes = _HEADER.unpack_from(row, at)
    size: int = _HEADER.size + directory_bytes + others * _RECORD.size + name_bytes
    return size
