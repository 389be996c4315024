"""Where a snapshot's objects go: into a session of the store, or no further than this process's memory."""

from __future__ import annotations

from collections.abc import Sequence

from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import ChunkId, Digest, Kind
from mvcd.store.api import ObjectReader, Session

_RECENT_BYTES = 16 << 20
"""Of nodes and recipes kept until they can be read from the store: the nodes of 250,000 files."""

_MOSTLY_DIGESTS_BYTES = 256
"""Bytes up to which a recipe or node is digests with little between: not worth an attempt to compress it."""


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

    def recent(self, id: Digest) -> bytes | None:
        return self._recent.get(id)

    def _remember(self, id: Digest, data: bytes) -> None:
        if self._flushes != self._session.flushes:
            self._flushes = self._session.flushes
            self._recent.clear()
            self._recent_bytes = 0
        self._recent_bytes += len(data)
        if self._recent_bytes > _RECENT_BYTES:
            self._session.flush()
            self._flushes = self._session.flushes
            self._recent.clear()
            self._recent_bytes = len(data)
        self._recent[id] = data


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

    def recent(self, id: Digest) -> bytes | None:
        return self._objects.get(id)
