"""Hashes of Xet: of chunks, xorbs, files and ranges of chunks, after the Xet protocol specification 1.1.0
(huggingface.co/docs/xet/hashing).

A hash is 32 bytes here, as files and bodies hold it. In addresses and in the lines that nodes are hashed from
it is hex of its four numbers of 64 bits, each little-endian: so the bytes of each eight stand there in
reverse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from blake3 import blake3

from mvcd.errors import UsageError
from mvcd.ids import Bytes

HASH_BYTES = 32
BOOKEND = b"\xff" * HASH_BYTES
"""Stands where a list of a shard ends."""

_CHUNK_KEY = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
_NODE_KEY = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
_RANGE_KEY = bytes.fromhex("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3")
_FILE_KEY = bytes(HASH_BYTES)  # a salt of zeros: servers of the Hub use no other

_LEAST_CHILDREN, _MOST_CHILDREN = 3, 9
_QUERY_EVERY_CHUNKS = 1024
_HEX = re.compile(r"[0-9a-f]{64}")

Leaf = tuple[bytes, int]
"""The hash of a chunk or of a node, and how many bytes of content are below it."""


def to_hex(digest: Bytes) -> str:
    """A hash as addresses spell it."""
    return b"".join(bytes(digest[at : at + 8][::-1]) for at in range(0, HASH_BYTES, 8)).hex()


def from_hex(text: str) -> bytes:
    """Reads a hash from an address. Raises UsageError."""
    if not _HEX.fullmatch(text):
        raise UsageError("this is no Xet hash", cause="one has 64 lower-case hexadecimal digits")
    return swapped(bytes.fromhex(text))


def swapped(digest: Bytes) -> bytes:
    """The same hash with the bytes of each eight in reverse: a shard holds a file's sha256 like that."""
    return b"".join(bytes(digest[at : at + 8][::-1]) for at in range(0, HASH_BYTES, 8))


def chunk_hash(data: Bytes) -> bytes:
    """The hash of a chunk's bytes, unpacked."""
    return blake3(data, key=_CHUNK_KEY).digest()


def range_hash(hashes: Iterable[bytes]) -> bytes:
    """What a shard gives for each term: only who knows the chunks' hashes can tell it."""
    return blake3(b"".join(hashes), key=_RANGE_KEY).digest()


def xorb_hash(leaves: Iterable[Leaf]) -> bytes:
    """The root over the chunks of a xorb; zeros for none."""
    tree = HashTree()
    for digest, size in leaves:
        tree.add(digest, size)
    return tree.root()


class HashTree:
    """The tree over the chunks of a xorb or of a file, which may come one by one: it holds 8 nodes a level at
    most.

    A level is cut after a node whose hash divides by 4 if it is at least the third since the last cut, and
    after the ninth in any case. The nodes between two cuts have one parent; what is left at the end has one
    too.
    """

    def __init__(self) -> None:
        self._levels: list[list[Leaf]] = []
        self._counts: list[int] = []

    def add(self, digest: bytes, size: int) -> None:
        """Takes the next chunk: its hash, and how many bytes it has unpacked."""
        self._put(0, (digest, size))

    def root(self) -> bytes:
        """The root's hash; zeros when nothing was added. The tree takes no more afterwards."""
        level = 0
        while level < len(self._levels):
            if self._counts[level] == 1:
                return self._levels[level][0][0]
            if self._levels[level]:
                self._close(level)
            level += 1
        return bytes(HASH_BYTES)

    def file_hash(self) -> bytes:
        """The hash of a file of these chunks; zeros when nothing was added, for an empty file."""
        return blake3(self.root(), key=_FILE_KEY).digest() if self._levels else bytes(HASH_BYTES)

    def _put(self, level: int, node: Leaf) -> None:
        if level == len(self._levels):
            self._levels.append([])
            self._counts.append(0)
        open_nodes = self._levels[level]
        open_nodes.append(node)
        self._counts[level] += 1
        many = len(open_nodes)
        if many == _MOST_CHILDREN or (many >= _LEAST_CHILDREN and not node[0][24] & 3):
            self._close(level)

    def _close(self, level: int) -> None:
        children, self._levels[level] = self._levels[level], []
        lines = "".join(f"{to_hex(digest)} : {size}\n" for digest, size in children)
        parent = blake3(lines.encode(), key=_NODE_KEY).digest()
        self._put(level + 1, (parent, sum(size for _, size in children)))


def is_asked_for(digest: Bytes) -> bool:
    """Whether clients ask for a chunk of this hash wherever it stands in a file: one of 1024 are. Of other
    chunks they ask only for a file's first."""
    return int.from_bytes(digest[24:32], "little") % _QUERY_EVERY_CHUNKS == 0
