"""Where a snapshot's objects go: into a session of the store, or no further than this process's memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.ids import ChunkId, Digest, Kind, RecipeId
from mvcd.lateclasses import NamedTuple
from mvcd.store.api import ObjectReader, Session

if TYPE_CHECKING:
    from mvcd.store.readymade import ReadyRecords

_D = TypeVar("_D", bound=Digest)

_RECENT_BYTES = 16 << 20
"""Of nodes and recipes kept until they can be read from the store: the nodes of 250,000 files."""

_TOGETHER_BYTES = 1 << 20
"""Bytes of nodes and recipes that are put in one call."""

_MOSTLY_DIGESTS_BYTES = 256
"""Bytes up to which a recipe or node is digests with little between: not worth an attempt to compress it."""


class Ready(NamedTuple):
    """What `Target.ready` made of many small files; `recipes` are raw."""

    recipes: Mapping[RecipeId, bytes]
    chunk_records: ReadyRecords | None = None
    recipe_records: ReadyRecords | None = None


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

    def put_objects(self, objects: Sequence[tuple[Digest, bytes]]) -> int:
        """Nodes and recipes, raw; stored bytes added by all together."""

    def ready(self, chunks: Mapping[ChunkId, Encoded], recipes: Mapping[RecipeId, bytes]) -> Ready:
        """From any thread: chunks without bases, and recipes of one part each, made ready to be put."""

    def put_ready(self, ready: Ready) -> tuple[int, int]:
        """All of them, in one call. Stored bytes added, and raw bytes of the chunks that were new."""

    def sealed(
        self, chunks: Sequence[tuple[ChunkId, Encoded]], data: memoryview
    ) -> ReadyRecords | None:
        """From any thread: chunks whose bodies lie in `data` (`readymade.sealed`), made ready to be put. None
        where no chunk is put, or one comes twice."""

    def put_lot(self, lot: ReadyRecords) -> tuple[int, int]:
        """Chunks that were sealed. Stored bytes added, and raw bytes of those that were new."""

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

    def put_objects(self, objects: Sequence[tuple[Digest, bytes]]) -> int:
        total = sum([len(data) for _, data in objects])
        if total > _TOGETHER_BYTES or any(len(d) > _MOSTLY_DIGESTS_BYTES for _, d in objects):
            return sum(self.put_object(id, data) for id, data in objects)
        kinds = {type(id) for id, _ in objects}
        return sum([self._put_raw({i: d for i, d in objects if type(i) is k}) for k in kinds])

    def ready(self, chunks: Mapping[ChunkId, Encoded], recipes: Mapping[RecipeId, bytes]) -> Ready:
        return Ready(recipes, _made_ready(chunks), _made_ready(_as_they_are(recipes)))

    def put_ready(self, ready: Ready) -> tuple[int, int]:
        assert ready.chunk_records is not None and ready.recipe_records is not None
        added = self._session.put_ready(ready.chunk_records)
        stored = added.stored_bytes + self._put_raw(ready.recipes, ready.recipe_records)
        return stored, added.raw_bytes

    def sealed(
        self, chunks: Sequence[tuple[ChunkId, Encoded]], data: memoryview
    ) -> ReadyRecords | None:
        from mvcd.store.readymade import sealed  # late: start-up

        return sealed(chunks, data) if len(dict(chunks)) == len(chunks) else None

    def put_lot(self, lot: ReadyRecords) -> tuple[int, int]:
        added = self._session.put_ready(lot)
        return added.stored_bytes, added.raw_bytes

    def _put_raw(self, objects: Mapping[_D, bytes], ready: ReadyRecords | None = None) -> int:
        self._make_room(sum(map(len, objects.values())))
        added = self._session.put_ready(ready or _made_ready(_as_they_are(objects)))
        # after that: a flush by the session itself, which comes last, has put all of them
        self._recent.update(objects.items())
        return added.stored_bytes

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

    def put_objects(self, objects: Sequence[tuple[Digest, bytes]]) -> int:
        self._objects.update(objects)
        return 0

    def ready(
        self,
        chunks: Mapping[ChunkId, Encoded],  # noqa: ARG002 - dropped on purpose
        recipes: Mapping[RecipeId, bytes],
    ) -> Ready:
        return Ready(recipes)

    def put_ready(self, ready: Ready) -> tuple[int, int]:
        self._objects.update(ready.recipes.items())
        return 0, 0

    def sealed(
        self,
        chunks: Sequence[tuple[ChunkId, Encoded]],  # noqa: ARG002 - dropped on purpose
        data: memoryview,  # noqa: ARG002 - dropped on purpose
    ) -> None:
        return None

    def put_lot(self, lot: ReadyRecords) -> tuple[int, int]:  # noqa: ARG002 - dropped on purpose
        return 0, 0

    def recent(self, id: Digest) -> bytes | None:
        return self._objects.get(id)


def _as_they_are(objects: Mapping[_D, bytes]) -> dict[_D, Encoded]:
    raw = Codec.RAW
    return {id: Encoded(raw, len(data), data) for id, data in objects.items()}


def _made_ready(objects: Mapping[_D, Encoded]) -> ReadyRecords:
    from mvcd.store.readymade import made_ready  # late: start-up

    return made_ready(objects)
