"""Chunks that rest on others are read level by level in buffers that are used again: every bit comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.errors import CorruptObject, Failure
from mvcd.ids import ID_TYPES, ChunkId, Digest
from mvcd.objects import _small
from mvcd.store import levels
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.record import parse_record

SIZE = 60_000


def chain(depth: int, *, size: int = SIZE, seed: int = 1) -> list[tuple[ChunkId, Encoded, bytes]]:
    """A chunk and `depth` that rest each on the one before, all kinds of codecs among them."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 0.02, size).astype("<f4")
    encoder, found, base = Encoder(), [], None
    for level in range(depth + 1):
        raw = values[: size - level].tobytes()  # each shorter than the one before
        encoded = encoder.encode(raw, element_size=4, dtype="F32", base=base)
        if level % 3 == 2 and base is not None:
            body = encoder.alone.planes(memoryview(raw), 1, False, memoryview(base[1])[: len(raw)])
            encoded = Encoded(Codec.DELTA1, len(raw), body, base[0])
        id = ChunkId.of(raw)
        found.append((id, encoded, raw))
        base = id, raw
        values = values + rng.normal(0, 1e-5, size).astype("<f4")
    return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    store = LmdbStore.create(str(tmp_path / "store"))
    yield store
    store.close()


def put(store: LmdbStore, objects: Sequence[tuple[Digest, Encoded, bytes]]) -> None:
    with store.session() as session:
        for id, encoded, _ in objects:
            session.put(id, encoded)
        session.flush()


def test_every_level_comes_back(store: LmdbStore) -> None:
    objects = [*chain(6), *chain(2, size=300_000, seed=2), *chain(0, size=9, seed=3)]
    put(store, objects)
    assert {encoded.base is None for _, encoded, _ in objects} == {True, False}
    for id, _, raw in [*objects, *reversed(objects)]:  # buffers grow, and are too large after
        assert store.get(id) == raw
    assert dict(store.get_many([id for id, _, _ in objects])) == {i: r for i, _, r in objects}


def test_objects_of_all_kinds_and_sizes_come_back_together(store: LmdbStore) -> None:
    """Short ones are digested in one call, of each kind under its own name."""
    sizes = [1, 100, _small.MOST_BYTES, _small.MOST_BYTES + 1, 20_000]
    objects = [
        (kind.of(raw), Encoded(Codec.RAW, size, raw), raw)
        for kind in ID_TYPES.values()
        for size in sizes
        for raw in (bytes([size % 251]) * size,)
    ]
    put(store, objects)
    assert dict(store.get_many([id for id, _, _ in objects])) == {i: r for i, _, r in objects}


def test_threads_share_no_buffers(store: LmdbStore) -> None:
    groups = [chain(3, seed=seed) for seed in range(2 * levels.KEPT_SETS)]
    for objects in groups:
        put(store, objects)
    wrong: list[ChunkId] = []

    def read(objects: list[tuple[ChunkId, Encoded, bytes]]) -> None:
        for _ in range(10):
            wrong.extend(id for id, _, raw in objects if store.get(id) != raw)

    threads = [threading.Thread(target=read, args=(objects,)) for objects in groups]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def damage(store: LmdbStore, id: ChunkId) -> None:
    at = store.location(id)
    with Path(store.pack_directory, f"{at.pack:08x}.pack").open("r+b") as file:
        file.seek(at.offset + at.size - 200)
        file.write(bytes(200))


def test_damage_below_is_found_and_named(store: LmdbStore) -> None:
    objects = chain(3)
    put(store, objects)
    damage(store, objects[1][0])
    assert store.get(objects[0][0]) == objects[0][2]
    for id, _, _ in objects[1:]:
        with pytest.raises(CorruptObject):
            store.get(id)
    assert objects[1][0] in store.damaged()


def test_a_pack_that_is_gone_is_no_answer(store: LmdbStore) -> None:
    objects = chain(2)
    put(store, objects)
    for path in Path(store.pack_directory).iterdir():
        path.rename(path.with_suffix(".away"))
    store.packs.close()
    with pytest.raises(CorruptObject):
        store.get(objects[2][0])


def test_a_codec_of_later_versions_below_says_so(store: LmdbStore) -> None:
    first, second, _ = chain(2)
    later = Encoded(99, first[1].raw_size, b"of later versions", None)  # type: ignore[arg-type]
    put(store, [(first[0], later, first[2]), second])
    with pytest.raises(Failure, match="cannot be read by this version") as caught:
        store.get(second[0])
    assert caught.value.kind == "unknown-codec"


def test_a_record_that_is_not_as_its_row_says_is_looked_up_again(
    store: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = chain(2)
    put(store, objects)
    asked: list[int] = []

    def other(data: memoryview, *, check_crc: bool) -> object:
        asked.append(len(data))
        return parse_record(data, check_crc=check_crc)._replace(raw_size=1)

    monkeypatch.setattr(levels, "parse_record", other)
    assert store.get(objects[2][0]) == objects[2][2]
    assert len(asked) == 1
