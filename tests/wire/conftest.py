"""A history to push and pull: 4 MiB that do not shrink, and 300 small files."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mvcd.ids import VersionId
from mvcd.monitor import Silent
from mvcd.repo.records.results import Context
from mvcd.store.api import RefUpdate, Store
from mvcd.sync.push import push
from mvcd.wire.client import RemotePeer
from tests.support.engine import Repository
from tests.wire.hosts import core_of

CONTEXT = Context(author="Ada <ada@example.org>", time_us=1_700_000_000_000_000)


@dataclass(frozen=True)
class History:
    """Two versions, the second with a little changed."""

    store: Store
    versions: tuple[VersionId, VersionId]
    stored: int  # bytes of records

    def push(self, peer: RemotePeer, bits: int = 2) -> int:
        """Pushes the first `bits` versions and moves heads/main there; returns the bytes of records sent."""
        before = peer.refs().get("heads/main")
        head = self.versions[bits - 1]
        haves = [] if before is None else [VersionId(before)]
        sent = push(self.store, peer, [head], haves, monitor=Silent())
        peer.update_refs(
            [RefUpdate("heads/main", before, bytes(head))],
            force=frozenset(),
            author="ada",
            detail="push",
        )
        return sent.bytes


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    root = tmp_path_factory.mktemp("history") / "w"
    root.mkdir()
    source = random.Random(7)
    big = bytearray(source.randbytes(4 << 20))
    with Repository.create(str(root), context=CONTEXT) as repository:
        repository.add([str(root)], context=CONTEXT)
        versions = []
        for n in range(2):
            big[n * 1_000_000] ^= 1
            (root / "model.bin").write_bytes(big)
            for k in range(300):
                (root / f"f{k}.txt").write_text(f"{k} {n if k < 3 else 0}")
            versions.append(repository.commit(f"v{n}", context=CONTEXT).version)
        store = core_of(repository).store
        stored = sum(len(frame) for frame in store.records([id for id, _ in store.ids()]))
        yield History(store, (versions[0], versions[1]), stored)
