"""What many records rest on is read level by level: each comes back as it does by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Encoded
from mvcd.errors import CorruptObject
from mvcd.ids import ChunkId, Digest
from mvcd.store.index import Index
from mvcd.store.lmdb_store import LmdbStore

Chain = list[tuple[ChunkId, Encoded, bytes]]
SIZE = 4000


def chain(depth: int, seed: int) -> Chain:
    """A chunk and `depth` that rest each on the one before."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 0.02, SIZE).astype("<f4")
    encoder, found, base = Encoder(), [], None
    for _ in range(depth + 1):
        raw = values.tobytes()
        encoded = encoder.encode(raw, element_size=4, dtype="F32", base=base)
        id = ChunkId.of(raw)
        found.append((id, encoded, raw))
        base = id, raw
        values = values + rng.normal(0, 1e-6, SIZE).astype("<f4")
    assert [encoded.base is None for _, encoded, _ in found] == [True, *[False] * depth]
    return found


CHAINS = [chain(depth, seed) for seed, depth in enumerate((0, 1, 1, 2, 3, 3, 7))]
OBJECTS = {id: raw for made in CHAINS for id, _, raw in made}


def stored(directory: Path) -> LmdbStore:
    """Side by side: the first of each chain, then the second of each, as checkpoints of a run lie."""
    store = LmdbStore.create(str(directory / "store"))
    with store.session() as session:
        for level in range(max(map(len, CHAINS))):
            for made in CHAINS:
                if level < len(made):
                    session.put(made[level][0], made[level][1])
        session.flush()
    return store


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LmdbStore]:
    with stored(tmp_path_factory.mktemp("sound")) as store:
        yield store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    with stored(tmp_path) as store:
        yield store


@given(st.lists(st.sampled_from(sorted(OBJECTS)), unique=True), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_of_them_come_back(sound: LmdbStore, asked: list[Digest], as_bases: bool) -> None:
    found = dict(sound.get_many(asked, as_bases=as_bases))
    assert found == {id: OBJECTS[id] for id in asked}


def test_absent_ones_are_left_out(sound: LmdbStore) -> None:
    absent = ChunkId.of(b"not here")
    assert dict(sound.get_many([absent, *OBJECTS])) == OBJECTS
    assert dict(sound.get_many([absent, *OBJECTS], as_bases=True)) == OBJECTS


def test_a_level_is_one_look_up(sound: LmdbStore, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = Index.rows
    monkeypatch.setattr(Index, "rows", lambda self, ids: asked.append(len(ids)) or real(self, ids))
    tops = [made[-1][0] for made in CHAINS if len(made) == 4]  # side by side: one read
    assert dict(sound.get_many(tops)) == {id: OBJECTS[id] for id in tops}
    assert asked == [2, 2, 2, 2], "the chunks, and each level below them"


def test_what_is_known_is_not_read(store: LmdbStore) -> None:
    """Not looked up, not read: its record may be damaged."""
    base, top = CHAINS[4][1][0], CHAINS[4][2][0]
    spoil(store, base)
    for as_bases in (False, True):
        found = dict(store.get_many([top], as_bases=as_bases, known={base: OBJECTS[base]}))
        assert found == {top: OBJECTS[top]}
    assert store.damaged() == []


def test_what_is_known_wrongly_changes_no_answer(sound: LmdbStore) -> None:
    base, top = CHAINS[4][1][0], CHAINS[4][2][0]
    wrong = bytes(len(OBJECTS[base]))
    assert dict(sound.get_many([top], known={base: wrong})) == {top: OBJECTS[top]}


# ---------------------------------------------------------------- damage


def spoil(store: LmdbStore, id: ChunkId) -> None:
    """Turns a bit of the body over."""
    at = store.location(id)
    with Path(store.pack_directory, f"{at.pack:08x}.pack").open("r+b") as file:
        file.seek(at.offset + at.size - 100)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))


def others(chain: int) -> Sequence[ChunkId]:
    return [id for n, made in enumerate(CHAINS) if n != chain for id, _, _ in made]


@pytest.mark.parametrize("as_bases", [False, True])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_damage_below_is_no_answer(store: LmdbStore, level: int, as_bases: bool) -> None:
    """A spoilt record at each level: what rests on it is damaged, what does not comes back."""
    spoilt = CHAINS[4][level][0]
    spoil(store, spoilt)
    for id, _, _ in CHAINS[4][level:]:
        with pytest.raises(CorruptObject):
            list(store.get_many([id, CHAINS[1][1][0]], as_bases=as_bases))
    assert spoilt in store.damaged()
    whole = [*others(4), *(id for id, _, _ in CHAINS[4][:level])]
    assert dict(store.get_many(whole, as_bases=as_bases)) == {id: OBJECTS[id] for id in whole}


def test_a_body_that_decodes_to_something_else_is_no_base(store: LmdbStore) -> None:
    """The digest is not looked at, so the checksum has to be: a plane that is stored raw decodes, whatever it
    holds."""
    id = CHAINS[0][0][0]
    spoil(store, id)
    with pytest.raises(CorruptObject):
        list(store.get_many([id], as_bases=True))


def test_a_pack_that_is_gone_is_no_answer(store: LmdbStore) -> None:
    for path in Path(store.pack_directory).iterdir():
        path.rename(path.with_suffix(".away"))
    store.packs.close()
    for as_bases in (False, True):
        with pytest.raises(CorruptObject):
            list(store.get_many([CHAINS[3][2][0]], as_bases=as_bases))
