"""A store at the other end of a channel, with the methods of one that is here: for the contract of stores.

Each put is a call of its own, and a commit of nothing but objects moves a ref that no caller may see, since
only refs make visible what was put.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Self

from mvcd.codec.decode import decode
from mvcd.codec.encoded import Encoded
from mvcd.errors import CorruptObject
from mvcd.ids import Bytes, Digest
from mvcd.store.api import ObjectInfo, RefUpdate, Store
from mvcd.store.record import Record, record_head
from tests.wire.hosts import calling, serving

HIDDEN = "workspaces/remote"


class RemoteStore:
    """Serves `store` on loopback and reaches it only through a client."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._served, self.port = serving(store)
        self._peer = calling(self.port)

    def session(self) -> RemoteSession:
        return RemoteSession(self.port)

    def get_encoded(self, id: Digest) -> Encoded:
        (frame,) = self._peer.records([id])
        ((record, _),) = frame.records
        return record.encoded()

    def get(self, id: Digest) -> bytes:
        encoded = self.get_encoded(id)
        raw = decode(encoded, None if encoded.base is None else self.get(encoded.base))
        if type(id).of(raw) != id:
            raise CorruptObject(f"{id.short()} is damaged")
        return raw

    def info(self, id: Digest) -> ObjectInfo:
        encoded = self.get_encoded(id)
        return ObjectInfo(id.kind, encoded.raw_size, len(encoded.body), encoded.base)

    def has(self, ids: Sequence[Digest]) -> list[bool]:
        return self._peer.has(ids)

    def records(self, ids: Sequence[Digest]) -> Iterator[bytes]:
        return (bytes(frame.data) for frame in self._peer.records(ids))

    def refs(self, prefix: str = "") -> dict[str, bytes]:
        return self._peer.refs(prefix)

    def ref(self, name: str) -> bytes | None:
        return self.refs(name).get(name)

    def update_refs(self, updates: Sequence[RefUpdate]) -> None:
        with self.session() as session:
            session.commit(updates)

    def changes(self) -> int:
        watch = self._peer.watch()
        try:
            return next(watch).changes
        finally:
            watch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._peer.close()
        self._served.stop(1)
        self._store.close()


class RemoteSession:
    """One upload."""

    def __init__(self, port: int) -> None:
        self._peer = calling(port)

    def missing(self, ids: Sequence[Digest]) -> list[bool]:
        return [not there for there in self._peer.has(ids)] if ids else []

    def put(self, id: Digest, encoded: Encoded) -> int:
        return self._put(id, record_head(id, encoded) + bytes(encoded.body))

    def put_record(self, record: Record, data: Bytes) -> int:
        return self._put(record.id, bytes(data))

    def _put(self, id: Digest, data: bytes) -> int:
        if not self.missing([id])[0]:
            return 0
        self._peer.put(data)
        return len(data)

    def commit(self, updates: Sequence[RefUpdate] = ()) -> None:
        hidden = RefUpdate(f"{HIDDEN}/{os.urandom(8).hex()}", None, b"0" * 32)
        self._peer.update_refs(updates or [hidden], force=frozenset(), author="", detail="")

    def close(self) -> None:
        self._peer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
