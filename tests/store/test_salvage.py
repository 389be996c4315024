"""What a killed writer left in its packs is there for the next session, if it is whole."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from mvcd.codec.encoded import Codec, Encoded
from mvcd.errors import MissingObject
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.pack import SEAL_BYTES
from mvcd.store.record import PACK_HEADER, record_head
from mvcd.store.session import LmdbSession
from tests.store.children import Child, die
from tests.store.objects import delta, plain, revisions, some

OBJECTS = some(seed=31, count=40)


def killed(path: Path, put: Callable[[LmdbSession], None]) -> None:
    """A child puts objects, hands them to the kernel and dies."""

    def work(report: object) -> None:
        with LmdbStore.open(path) as store:
            session = store.session()
            put(session)
            if session._writer is not None:
                session._writer.drain()
            die()

    assert Child(work).end()[0] == -signal.SIGKILL


def put_all(session: LmdbSession) -> None:
    for id, encoded, _ in OBJECTS:
        session.put(id, encoded)


def found(store: LmdbStore) -> int:
    assert list(store.check()) == []
    return sum(store.has([id for id, _, _ in OBJECTS]))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    LmdbStore.create(tmp_path).close()
    return tmp_path


@pytest.mark.parametrize("committed", [False, True])
def test_all_that_was_written_is_there(path: Path, committed: bool) -> None:
    """Behind a committed length, or in a pack that has no row yet."""
    if committed:
        with LmdbStore.open(path) as store, store.session() as session:
            session.put(*plain(b"before"))
            session.flush()
    killed(path, put_all)
    with LmdbStore.open(path) as store:
        assert found(store) == 0
        with store.session() as session:
            assert not any(session.missing([id for id, _, _ in OBJECTS]))
        assert found(store) == len(OBJECTS)
        assert [store.get(id) for id, _, _ in OBJECTS] == [data for _, _, data in OBJECTS]
        assert store.refs() == {}
    sizes = [pack.stat().st_size for pack in (path / "packs").iterdir()]
    with LmdbStore.open(path) as store, store.session():
        assert [pack.stat().st_size for pack in (path / "packs").iterdir()] == sizes


def test_differences_come_with_their_bases(path: Path) -> None:
    first, second, third = revisions(seed=32, count=3)

    def put(session: LmdbSession) -> None:
        session.put(*plain(first))
        session.put(*delta(second, first))
        session.put(*delta(third, second))

    killed(path, put)
    with LmdbStore.open(path) as store:
        store.session().close()
        assert [store.get(plain(d)[0]) for d in (first, second, third)] == [first, second, third]


def test_records_of_which_two_are_more_than_a_frame(path: Path) -> None:
    data = [os.urandom(1_900_000) for _ in range(4)]

    def put(session: LmdbSession) -> None:
        for one in data:
            session.put(*plain(one))

    killed(path, put)
    with LmdbStore.open(path) as store:
        store.session().close()
        assert [store.get(plain(one)[0]) for one in data] == data


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_damage_ends_it(path: Path, share: float) -> None:
    killed(path, put_all)
    (pack,) = (path / "packs").iterdir()
    content = bytearray(pack.read_bytes())
    at = int(len(content) * share)
    content[at] ^= 1
    pack.write_bytes(content)
    whole, end = 0, PACK_HEADER.size
    for id, encoded, _ in OBJECTS:
        end += len(record_head(id, encoded)) + len(encoded.body)
        whole += end <= at
    with LmdbStore.open(path) as store:
        store.session().close()
        assert found(store) <= whole, "and nothing that is wrong"
        with store.session() as session:
            put_all(session)
            session.commit()
        assert found(store) == len(OBJECTS)


def test_a_record_that_is_not_what_its_digest_says(path: Path) -> None:
    id, _ = plain(b"right")
    forged = record_head(id, Encoded(Codec.RAW, 5, b"wrong")) + b"wrong"
    killed(path, put_all)
    (pack,) = (path / "packs").iterdir()
    pack.write_bytes(pack.read_bytes() + forged)
    with LmdbStore.open(path) as store:
        store.session().close()
        with pytest.raises(MissingObject):
            store.get(id)


def test_the_tail_of_a_living_writer_is_its_own(path: Path) -> None:
    with LmdbStore.open(path) as one, LmdbStore.open(path) as other, one.session() as writing:
        put_all(writing)
        assert writing._writer is not None
        writing._writer.drain()
        other.session().close()
        assert found(other) == 0
        writing.commit()
        assert found(other) == len(OBJECTS)


def test_who_leaves_in_peace_leaves_nothing(path: Path) -> None:
    with LmdbStore.open(path) as store, store.session() as session:
        put_all(session)
        assert session._writer is not None
        session._writer.drain()
    with LmdbStore.open(path) as store:
        store.session().close()
        assert found(store) == 0


def test_many_packs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transfer leaves full packs and one that is not."""
    assert SEAL_BYTES > 100_000
    monkeypatch.setattr("mvcd.store.session.SEAL_BYTES", 100_000)
    data = [os.urandom(30_000) for _ in range(20)]

    def put(session: LmdbSession) -> None:
        for one in data:
            session.put(*plain(one))
        for writer in session._full:
            writer.drain()

    killed(path, put)
    assert len(list((path / "packs").iterdir())) > 4
    with LmdbStore.open(path) as store:
        store.session().close()
        assert [store.get(plain(one)[0]) for one in data] == data
        assert list(store.check()) == []
