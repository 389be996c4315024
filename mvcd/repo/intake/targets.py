"""Where a snapshot's objects go: into a session of the store, or no further than this process's memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import ChunkId, Digest, Kind
from mvcd.store.api import ObjectReader, Session

_RECENT_BYTES = 16 << 20
"""Of nodes and recipes kept until they can be read from the store: the nodes of 250,000 files."""

_TOGETHER_BYTES = 1 << 20
"""Bytes of nodes and recipes that are put in one call."""

_MOSTLY_DIGESTS_BYTES = 256
"""Bytes up to which a recipe or node is digests with little between: not worth an attempt to compress it."""


class Target(Protocol):
    """Where objects go: a store's session, or nowhere (status, diff against the workspace)."""

    def known(self, ids: Sequence[ChunkId]) -> list[bool]:
        """From any thread; may be out of date."""

    def absent(self, ids: Sequence[Digest]) -> list[bool]:
        """From the receiving thread; the truth. What is absent is put next."""

    def put_chunk(self, id: ChunkId, encoded: Encoded) -> int:
        """Stored bytes added, 0 if it was known."""

    def put_object(self, id: Digest, data: bytes) -> int:
        """A node or recipe, raw; stored bytes added."""

    def put_chunks(self, chunks: Sequence[tuple[ChunkId, Encoded]]) -> list[int]:
        """`put_chunk` for each, in one call."""

    def put_objects(self, objects: Sequence[tuple[Digest, bytes]]) -> int:
        """Nodes and recipes, raw; stored bytes added by all together."""

    def recent(self, id: Digest) -> bytes | None:
        """A node or recipe that was put here and perhaps cannot be fetched yet."""


class StoreTarget:
    """Puts objects into a session; nodes and recipes can be read back before they are flushed."""

    def __init__(self, store: ObjectReader, session: Session) -> None:
        self._store = store
        self._session = session
        self._encoder = Encoder()
        self._recent: dict[Digest, bytes] = {}
        self._recent_bytes = 0
        self._flushes = session.flushes

    def known(self, ids: Sequence[ChunkId]) -> list[bool]:
        return self._store.has(ids) if ids else []

    def absent(self, ids: Sequence[Digest]) -> list[bool]:
        return self._session.missing(ids) if ids else []

    def put_chunk(self, id: ChunkId, encoded: Encoded) -> int:
        return self._session.put(id, encoded)

    def put_object(self, id: Digest, data: bytes) -> int:
        self._remember(id, data)
        if len(data) <= _MOSTLY_DIGESTS_BYTES:
            return self._session.put(id, Encoded(Codec.RAW, len(data), data))
        return self._session.put(id, self._encoder.encode(data))

    def put_chunks(self, chunks: Sequence[tuple[ChunkId, Encoded]]) -> list[int]:
        return self._session.put_many(chunks)

    def put_objects(self, objects: Sequence[tuple[Digest, bytes]]) -> int:
        total = sum([len(data) for _, data in objects])
        if total > _TOGETHER_BYTES or any(len(d) > _MOSTLY_DIGESTS_BYTES for _, d in objects):
            return sum(self.put_object(id, data) for id, data in objects)
        self._make_room(total)
        raw = Codec.RAW
        added = self._session.put_many(
            [(id, Encoded(raw, len(data), data)) for id, data in objects]
        )
        # after that: a flush by the session itself, which comes last, has put all of them
        self._recent.update(objects)
        return sum(added)

    def recent(self, id: Digest) -> bytes | None:
        return self._recent.get(id)

    def _remember(self, id: Digest, data: bytes) -> None:
        self._make_room(len(data))
        self._recent[id] = data

    def _make_room(self, size: int) -> None:
        if self._flushes != self._session.flushes:
            self._flushes = self._session.flushes
            self._recent.clear()
            self._recent_bytes = 0
        self._recent_bytes += size
        if self._recent_bytes > _RECENT_BYTES:
            self._session.flush()
            self._flushes = self._session.flushes
            self._recent.clear()
            self._recent_bytes = size


class DryTarget:
    """Keeps nodes and recipes, drops chunks: enough to compare the workspace with a version."""

    def __init__(self) -> None:
        self._objects: dict[Digest, bytes] = {}

    def known(self, ids: Sequence[ChunkId]) -> list[bool]:
        return [True] * len(ids)

    def absent(self, ids: Sequence[Digest]) -> list[bool]:
        return [id.kind is not Kind.CHUNK for id in ids]

    def put_chunk(self, id: ChunkId, encoded: Encoded) -> int:  # noqa: ARG002 - dropped on purpose
        return 0

    def put_object(self, id: Digest, data: bytes) -> int:
        self._objects[id] = data
        return 0

    def put_chunks(self, chunks: Sequence[tuple[ChunkId, Encoded]]) -> list[int]:
        return [0] * len(chunks)

    def put_objects(self, objects: Sequence[tuple[Digest, bytes]]) -> int:
        self._objects.update(objects)
        return 0

    def recent(self, id: Digest) -> bytes | None:
        return self._objects.get(id)
