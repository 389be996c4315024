"""A history of versions that can be made again from its seed: what crash tests write and then look for.

Version n is a node: the id of version n-1 (zeros for the first), then ids of its chunks. So the whole
history hangs on the ref `main`, and any lost byte of any version is found by walking it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping

from mvcd.codec.encoded import Encoded
from mvcd.ids import ChunkId, Digest, Kind, NodeId
from mvcd.store.api import GetMany, RefUpdate, Session, Store
from tests.store.objects import compressed, node_of, plain

NOTHING = bytes(32)
Objects = list[tuple[Digest, Encoded]]


class History:
    """Versions of one seed; ids are remembered, since each names the one before."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._ids = [NodeId(NOTHING)]
        self._numbers: dict[bytes | None, int] = {None: 0}

    def objects(self, number: int) -> Objects:
        source = random.Random(f"{self.seed}/{number}")
        shared = random.Random(f"{self.seed}/{number // 3}/shared")
        objects: Objects = []
        for _ in range(source.randrange(1, 5)):
            make = plain if source.random() < 0.5 else compressed
            objects.append(make(source.randbytes(source.choice((1, 100, 3000, 20000)))))
        objects.append(plain(shared.randbytes(500)))
        objects.append(node_of(self.id(number - 1), *(id for id, _ in objects)))
        return objects

    def id(self, number: int) -> NodeId:
        while len(self._ids) <= number:
            made = self.objects(len(self._ids))[-1][0]
            assert isinstance(made, NodeId)
            self._numbers[bytes(made)] = len(self._ids)
            self._ids.append(made)
        return self._ids[number]

    def number(self, value: bytes | None) -> int:
        """Which version a ref's value is; 0 for None. Fails on what was never asked for by `id`."""
        return self._numbers[value]

    def save(self, session: Session, number: int) -> None:
        """Stores a version the way a commit does: asks first, puts what is missing, moves the ref."""
        objects = self.objects(number)
        absent = session.missing([id for id, _ in objects])
        for (id, encoded), new in zip(objects, absent, strict=True):
            if new:
                session.put(id, encoded)
        before = bytes(self.id(number - 1)) if number > 1 else None
        after = bytes(self.id(number))
        session.commit([RefUpdate("main", before, after)], operation=after)


def walk(store: Store, id: NodeId) -> Iterator[Digest]:
    """Everything a version reaches, each object read and so verified."""
    while id != NOTHING:
        yield id
        data = store.get(id)
        for at in range(32, len(data), 32):
            chunk = ChunkId(data[at : at + 32])
            store.get(chunk)
            yield chunk
        id = NodeId(data[:32])


def mark_history(
    refs: Mapping[str, bytes],
    operations: Iterable[bytes],
    leased: Iterable[Digest],
    read: GetMany,
) -> Iterator[Digest]:
    """A mark that follows versions and what sessions rely on."""
    del operations  # all that they name hangs on the ref too
    seen: set[Digest] = set()
    roots = [NodeId(value) for value in refs.values()]
    for id in leased:
        if id.kind is Kind.NODE:
            roots.append(NodeId(id))
        yield id
    while roots:
        id = roots.pop()
        if id in seen:
            continue
        seen.add(id)
        for _, data in read([id]):
            yield id
            yield from (ChunkId(data[at : at + 32]) for at in range(32, len(data), 32))
            if data[:32] != NOTHING:
                roots.append(NodeId(data[:32]))
