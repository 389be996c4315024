"""Objects stored in later codecs, and peers of before: they get the same objects in codecs that they read."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.codec.decode import decode
from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import CODEC_FEATURES, Codec
from mvcd.ids import ChunkId, VersionId
from mvcd.monitor import Silent
from mvcd.store.api import Store
from mvcd.store.frames import parse_frame
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.store.older import readable
from mvcd.sync.pull import pull
from mvcd.sync.push import push
from mvcd.wire import client, server
from mvcd.wire.client import RemotePeer
from tests.codec.samples import bf16, f32, weights
from tests.support.engine import Repository
from tests.wire.conftest import CONTEXT
from tests.wire.hosts import core_of, serving

OLD = ("below", "stands", "watch")


@pytest.fixture
def trained(tmp_path: Path) -> Iterator[tuple[Store, VersionId]]:
    """Two checkpoints, of which the second is stored as classes."""
    root = tmp_path / "w"
    root.mkdir()
    before = weights(20_000)
    after = [x + e for x, e in zip(before, weights(20_000, seed=3, scale=1e-4), strict=True)]
    with Repository.create(str(root), context=CONTEXT) as repository:
        for values in (before, after):
            (root / "model.safetensors").write_bytes(model(values))
            repository.add([str(root)], context=CONTEXT)
            version = repository.commit("a step", context=CONTEXT).version
        store = core_of(repository).store
        assert codecs(store) >= {Codec.RANS2, Codec.RANS4}
        yield store, version


def model(values: list[float]) -> bytes:
    """The same values in BF16 and in F32, as safetensors."""
    first, second = bf16(values), f32(values)
    header = {
        name: {"dtype": dtype, "shape": [len(values)], "data_offsets": [start, end]}
        for name, dtype, start, end in (
            ("a", "BF16", 0, len(first)),
            ("b", "F32", len(first), len(first) + len(second)),
        )
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + first + second


def codecs(store: Store) -> set[Codec]:
    frames = store.records([id for id, _ in store.ids()])
    return {record.codec for frame in frames for record, _ in parse_frame(frame).records}


def contents(store: Store) -> dict[bytes, bytes]:
    return {id: store.get(id) for id, _ in store.ids()}


def test_a_master_beside_its_copy_is_encoded_anew() -> None:
    values = weights(20_000)
    narrow, wide = bf16(values), f32(values)
    base = ChunkId.of(narrow)
    encoded = Encoder().encode(wide, element_size=4, dtype="F32", base=(base, narrow), widen=0)
    assert encoded.codec is Codec.WIDENED4
    with MemoryStore() as store, store.session() as session:
        session.put(base, Encoder().encode(narrow, element_size=2, dtype="BF16"))
        session.put(ChunkId.of(wide), encoded)
        session.commit()
        frames = list(store.records([ChunkId.of(wide)]))
        assert list(readable(frames, {"rans", "widened"}, store)) == frames
        (frame,) = readable(frames, {"rans"}, store)
        ((record, _),) = parse_frame(frame).records
        assert (record.codec, record.base) == (Codec.PLANES4, None)
        assert decode(record.encoded()) == wide


@pytest.mark.parametrize("old", [True, False])
def test_a_push(
    trained: tuple[Store, VersionId], old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, version = trained
    if old:
        monkeypatch.setattr(server, "FEATURES", frozenset(OLD))
    with LmdbStore.create(tmp_path / "far") as far:
        running, port = serving(far)
        peer = RemotePeer(f"127.0.0.1:{port}", "r", "r")
        push(store, peer, [version], [], monitor=Silent())
        peer.close()
        running.stop(1)
        assert contents(far) == contents(store)
        assert codecs(far).isdisjoint(CODEC_FEATURES) is old


@pytest.mark.parametrize("old", [True, False])
def test_a_pull(
    trained: tuple[Store, VersionId], old: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, version = trained
    if old:
        monkeypatch.setattr(client, "FEATURES", OLD)
        monkeypatch.setattr(client, "CODECS", ())
    running, port = serving(store)
    peer = RemotePeer(f"127.0.0.1:{port}", "r", "r")
    with MemoryStore() as near, near.session() as session:
        pull(near, session, [peer], [version], [], monitor=Silent())
        session.commit()
        assert contents(near) == contents(store)
        assert codecs(near).isdisjoint(CODEC_FEATURES) is old
    peer.close()
    running.stop(1)
