"""OCDBT, TensorStore's database of B+trees, as Orbax keeps its arrays by default (tensorstore's docs,
kvstore/ocdbt, "Storage format").

    manifest.ocdbt    its versions, each with the root of a tree; the last one counts
    d/<hex>           nodes of trees, and values that are too long to lie in a node

Manifest and nodes are in envelopes: a magic number, length, version, compression, and a CRC-32C at the end.
What is in them are columns of numbers (LEB128) over all entries, not entries one after the other. Keys share
prefixes with the one before, and with all of a subtree. A path of a file may begin with a base, which paths in
the nodes found there then begin with too: the trees of each process of a job lie below `ocdbt.process_0/`.

Manifests in numbered files, of which a crash may leave several, are not read; Orbax does not write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

import zstandard

from mvcd.inspect.crc32c import crc32c
from mvcd.inspect.cursor import Cursor
from mvcd.inspect.spans import NotThisFormat, ReadAt, read_exactly
from mvcd.inspect.tensorfile import Beside

MANIFEST = "manifest.ocdbt"
MAX_KEYS = 400_000
MAX_COLUMN_ENTRIES = 4_000_000
"""Numbers in all columns: three seconds. Each array has about twelve."""

MAX_STORED_BYTES = 16 << 20
"""Nodes as they lie in files, all together: two seconds of checksums. An array has about 50 bytes in one."""

MAX_NODE_BYTES = 64 << 20
"""Nodes unpacked, all together, with the values in them. Orbax allows 100 MB for one, and fills none."""

MAX_KEY_BYTES = 32 << 20
"""Keys in full, all together: a few bytes of a node can repeat a long prefix without end."""

_MANIFEST_MAGIC, _TREE_MAGIC = 0x0CDB3A2A, 0x0CDB20DE
_MAX_PATH_BYTES = 4096
_MAX_LEVELS = 32
_NO_ROOT = ((1 << 64) - 1, (1 << 64) - 1)
_WINDOW_BYTES = 64 << 20
_HEAD_BYTES = 14  # at least: magic, length, version, compression
_LEAST_BYTES = 18  # with the checksum


class StoredValue(NamedTuple):
    """`inline` is the value itself; else it is `size` bytes at `offset` of the file `path`, which is relative
    to the directory of the manifest."""

    inline: bytes | None
    path: str = ""
    offset: int = 0
    size: int = 0


class _Place(NamedTuple):
    """A node: where it lies, its height, the path that its own paths begin with, and its keys."""

    path: str
    base: str
    offset: int
    size: int
    height: int
    prefix: bytes


def read(beside: Beside) -> dict[str, StoredValue]:
    """The values of the last version by their keys; those that are no Unicode are left out.

    Raises NotThisFormat, also for a database with more than the limits allow, and for a checksum that is wrong.
    """
    opened = beside(MANIFEST)
    if opened is None:
        raise NotThisFormat("no manifest")
    return _Database(beside).read(*opened)


class _Database:
    def __init__(self, beside: Beside) -> None:
        self._beside = beside
        self._files: dict[str, tuple[ReadAt, int] | None] = {}
        self._stored, self._unpacked = MAX_STORED_BYTES, MAX_NODE_BYTES
        self._numbers, self._key_bytes = MAX_COLUMN_ENTRIES, MAX_KEY_BYTES
        self._found: dict[str, StoredValue] = {}

    def read(self, read_at: ReadAt, size: int) -> dict[str, StoredValue]:
        root = self._root(self._envelope(read_at, 0, size, _MANIFEST_MAGIC))
        todo = [] if root is None else [root]
        while todo:
            todo += self._node(todo.pop())
        return self._found

    # ------------------------------------------------------------ envelopes

    def _envelope(self, read_at: ReadAt, offset: int, size: int, magic: int) -> Cursor:
        self._stored -= size
        if not size >= _LEAST_BYTES or self._stored < 0:
            raise NotThisFormat("no node, or too many")
        data = read_exactly(read_at, offset, size)
        if int.from_bytes(data[:4]) != magic or int.from_bytes(data[4:12], "little") != size:
            raise NotThisFormat("no node there")
        version, compression = data[12], data[13]
        if version != 0 or compression > 1:
            raise NotThisFormat("another version of the format")
        if crc32c(data[:-4]) != int.from_bytes(data[-4:], "little"):
            raise NotThisFormat("a checksum is wrong")
        body = data[_HEAD_BYTES:-4]
        if compression:
            body = self._unzstd(body)
        self._unpacked -= len(body)
        return Cursor(lambda at, count: body[at : at + count], 0, len(body))

    def _unzstd(self, body: bytes) -> bytes:
        try:
            with zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).stream_reader(
                body
            ) as reader:
                found = reader.read(self._unpacked + 1)
        except zstandard.ZstdError as error:
            raise NotThisFormat("a node that cannot be decompressed") from error
        if len(found) > self._unpacked:
            raise NotThisFormat("nodes of too many bytes")
        return found

    def _at(self, path: str) -> tuple[ReadAt, int]:
        if path not in self._files:
            self._files[path] = self._beside(path)
        opened = self._files[path]
        if opened is None:
            raise NotThisFormat("a file of the database is not there")
        return opened

    def _column(self, at: Cursor, count: int) -> list[int]:
        return [at.varint() for _ in range(self._entries(count, at.left))]

    def _entries(self, count: int, left: int) -> int:
        """Each has a byte at least in each column."""
        self._numbers -= count
        if count > left or self._numbers < 0:
            raise NotThisFormat("more entries than bytes" if count > left else "too many entries")
        return count

    # ------------------------------------------------------------ manifest

    def _root(self, at: Cursor) -> _Place | None:
        """The last version's; None for a database that never had a key."""
        at.skip(16)  # the database's identity
        if at.varint() != 0:
            raise NotThisFormat("manifests in numbered files")
        at.varint(), at.varint()  # how long a value in a node, and a node, may be
        at.skip(1)
        if at.varint() == 1:
            at.skip(4)  # how hard it is compressed
        paths = self._paths(at, "")
        count = at.varint()
        if not count:
            return None
        self._column(at, count)  # numbers of the versions
        heights = at.take(self._entries(count, at.left))
        files, offsets, sizes = (self._column(at, count) for _ in range(3))
        if (offsets[-1], sizes[-1]) == _NO_ROOT:
            return None
        path, base = _nth(paths, files[-1])
        return _Place(path, base, offsets[-1], sizes[-1], heights[-1], b"")

    def _paths(self, at: Cursor, base: str) -> list[tuple[str, str]]:
        """A table of files: the path of each, and what paths in nodes there begin with."""
        count = at.varint()
        prefixes, suffixes = self._column(at, max(count - 1, 0)), self._column(at, count)
        bases = self._column(at, count)
        found: list[tuple[str, str]] = []
        full = b""
        for prefix, suffix, mine in zip([0, *prefixes][:count], suffixes, bases, strict=True):
            if prefix > len(full) or prefix + suffix > _MAX_PATH_BYTES or mine > prefix + suffix:
                raise NotThisFormat("no path")
            self._key_bytes -= prefix + suffix
            if self._key_bytes < 0:
                raise NotThisFormat("too many paths")
            full = full[:prefix] + at.take(suffix)
            try:
                path, start = base + full.decode(), base + full[:mine].decode()
            except UnicodeDecodeError as error:
                raise NotThisFormat("no path") from error
            found.append((path, start))
        return found

    # ------------------------------------------------------------ trees

    def _node(self, place: _Place) -> Iterator[_Place]:
        """Takes up a leaf's values, or answers an inner node's children."""
        read_at, _ = self._at(place.path)
        at = self._envelope(read_at, place.offset, place.size, _TREE_MAGIC)
        if (height := at.take(1)[0]) != place.height or height > _MAX_LEVELS:
            raise NotThisFormat("a tree of another height")
        paths = self._paths(at, place.base)
        count = at.varint()
        prefixes, suffixes = self._column(at, max(count - 1, 0)), self._column(at, count)
        commons = self._column(at, count) if height else []
        keys = self._keys(at, place.prefix, prefixes, suffixes)
        if not height:
            self._leaf(at, keys, paths)
            return
        files, offsets, sizes = (self._column(at, count) for _ in range(3))
        for key, common, file, offset, size in zip(
            keys, commons, files, offsets, sizes, strict=True
        ):
            path, base = _nth(paths, file)
            prefix = key[: len(place.prefix) + common]
            yield _Place(path, base, offset, size, height - 1, prefix)

    def _keys(
        self, at: Cursor, before: bytes, prefixes: list[int], suffixes: list[int]
    ) -> list[bytes]:
        found: list[bytes] = []
        relative = b""
        for prefix, suffix in zip([0, *prefixes][: len(suffixes)], suffixes, strict=True):
            self._key_bytes -= len(before) + prefix + suffix
            if prefix > len(relative) or self._key_bytes < 0:
                raise NotThisFormat("no keys, or too many")
            relative = relative[:prefix] + at.take(suffix)
            found.append(before + relative)
        if any(a >= b for a, b in pairwise(found)):
            raise NotThisFormat("keys out of order")
        return found

    def _leaf(self, at: Cursor, keys: list[bytes], paths: list[tuple[str, str]]) -> None:
        sizes, kinds = self._column(at, len(keys)), self._column(at, len(keys))
        if len(self._found) + len(keys) > MAX_KEYS or not set(kinds) <= {0, 1}:
            raise NotThisFormat("too many keys, or values of another kind")
        outside = sum(kinds)
        places = iter(zip(self._column(at, outside), self._column(at, outside), strict=True))
        for key, size, kind in zip(keys, sizes, kinds, strict=True):
            if kind:
                file, offset = next(places)
                value = StoredValue(None, _nth(paths, file)[0], offset, size)
            else:
                value = StoredValue(at.take(size))
            try:
                self._found[key.decode()] = value
            except UnicodeDecodeError:
                continue


def _nth(paths: list[tuple[str, str]], number: int) -> tuple[str, str]:
    """A file by its number in a table, which has one with an empty path where a tree has no root."""
    if number >= len(paths):
        raise NotThisFormat("no file of that number")
    path, _ = paths[number]
    if len(path) > _MAX_PATH_BYTES or "\\" in path or {"", ".", ".."} & set(path.split("/")):
        raise NotThisFormat("no path below the database")
    return paths[number]


def as_files(values: Mapping[str, StoredValue], beside: Beside) -> Beside:
    """Opens keys of a database as if they were files."""

    def opened(key: str) -> tuple[ReadAt, int] | None:
        value = values.get(key)
        if value is None:
            return None
        if (inline := value.inline) is not None:
            return (lambda at, count: inline[at : at + count]), len(inline)
        file = beside(value.path)
        if file is None or value.offset + value.size > file[1]:
            return None
        read_at = file[0]

        def inside(at: int, count: int) -> bytes:
            return read_at(value.offset + at, max(min(count, value.size - at), 0))

        return inside, value.size

    return opened
