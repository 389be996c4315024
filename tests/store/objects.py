"""Objects for the store's tests: small, of every kind, plain or delta."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

import zstandard

from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import ID_TYPES, ChunkId, Digest, Kind, NodeId
from mvcd.store.api import GetMany


def plain(data: bytes, kind: Kind = Kind.CHUNK) -> tuple[Digest, Encoded]:
    return ID_TYPES[kind].of(data), Encoded(Codec.RAW, len(data), data)


def compressed(data: bytes, kind: Kind = Kind.CHUNK) -> tuple[Digest, Encoded]:
    body = zstandard.compress(data)
    return ID_TYPES[kind].of(data), Encoded(Codec.ZSTD, len(data), body)


def revisions(seed: int, count: int, size: int = 512) -> list[bytes]:
    """Each with a few bytes changed from the one before, so that a delta pays."""
    source = random.Random(seed)
    data = bytearray(source.randbytes(size))
    made = []
    for _ in range(count):
        made.append(bytes(data))
        data[source.randrange(size)] ^= 1 + source.randrange(255)
    return made


def delta(data: bytes, base: bytes) -> tuple[Digest, Encoded]:
    """`data` as a delta; the two are neighbours from `revisions`."""
    encoded = Encoder().encode(data, base=(ChunkId.of(base), base))
    assert encoded.base is not None
    return ChunkId.of(data), encoded


def some(seed: int, count: int, size: int = 200) -> list[tuple[Digest, Encoded, bytes]]:
    """(id, stored form, raw bytes); sizes vary around `size`, kinds and codecs take turns."""
    source = random.Random(seed)
    objects = []
    for n in range(count):
        data = source.randbytes(source.randrange(1, 2 * size))
        make = compressed if n % 3 == 0 else plain
        id, encoded = make(data, Kind(1 + n % 4))
        objects.append((id, encoded, data))
    return objects


def mark_values(
    refs: Mapping[str, bytes],
    operations: Iterable[bytes],
    leased: Iterable[Digest],
    read: GetMany,
) -> Iterable[Digest]:
    """A mark for refs and operations whose values are digests of chunks, one after another."""
    for value in (*refs.values(), *operations):
        for at in range(0, len(value), 32):
            yield ChunkId(value[at : at + 32])
    yield from leased


def mark_nodes(
    refs: Mapping[str, bytes],
    operations: Iterable[bytes],
    leased: Iterable[Digest],
    read: GetMany,
) -> Iterable[Digest]:
    """A mark for refs and operations whose values are digests of nodes, which name chunks."""
    nodes = [NodeId(value) for value in (*refs.values(), *operations)]
    yield from nodes
    for _, data in read(nodes):
        yield from (ChunkId(data[at : at + 32]) for at in range(0, len(data), 32))
    yield from leased


def node_of(*children: Digest) -> tuple[Digest, Encoded]:
    """An object that names others, as recipes and nodes do: their digests in a row."""
    data = b"".join(children)
    return NodeId.of(data), Encoded(Codec.RAW, len(data), data)
