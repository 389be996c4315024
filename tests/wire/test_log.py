"""History a page at a time."""

from __future__ import annotations

import pytest

from mvcd.codec.encoded import Codec, Encoded
from mvcd.errors import Failure, MissingObject
from mvcd.ids import VersionId
from mvcd.objects.version import Version
from mvcd.store.memory_store import MemoryStore
from tests.wire.hosts import calling, serving


def chain(store: MemoryStore, name: str, length: int) -> list[VersionId]:
    ids: list[VersionId] = []
    with store.session() as session:
        for n in range(length):
            version = Version(tuple(ids[-1:]), n + 1, author="A <a@b>", message=f"{name}{n}")
            data = version.encode()
            session.put(version.id, Encoded(Codec.RAW, len(data), data))
            ids.append(version.id)
        session.commit()
    return ids


@pytest.fixture
def served(monkeypatch):
    monkeypatch.setattr("mvcd.wire.limits.LOG_VERSIONS", 4)
    with MemoryStore() as store:
        served, port = serving(store)
        peer = calling(port)
        yield store, peer
        peer.close()
        served.stop(1)


def test_pages_make_the_whole(served) -> None:
    store, peer = served
    ids = chain(store, "a", 11)
    assert list(peer.log([ids[-1]], [])) == ids[::-1]
    assert list(peer.log([ids[-1]], [ids[1]])) == ids[:1:-1]


def test_a_head_older_than_the_first_page_is_not_forgotten(served) -> None:
    """A young branch beside a long one is reached only after the long one's pages."""
    store, peer = served
    long, short = chain(store, "a", 9), chain(store, "b", 2)
    found = list(peer.log([short[-1], long[-1]], []))
    assert sorted(found) == sorted(long + short)
    assert [id for id in found if id in short] == short[::-1]


def test_an_absent_head_is_an_error_and_an_absent_have_is_not(served) -> None:
    store, peer = served
    ids, absent = chain(store, "a", 2), VersionId(bytes(32))
    assert list(peer.log([ids[-1]], [absent])) == ids[::-1]
    with pytest.raises(MissingObject):
        list(peer.log([ids[-1], absent], []))


def test_too_many_lines_at_once_are_refused_and_not_cut(served) -> None:
    store, peer = served
    roots = [chain(store, name, 1)[0] for name in "abcdefgh"]
    merges = [merge(store, *roots[n : n + 2]) for n in range(0, 8, 2)]
    assert len(list(peer.log(merges[:2], []))) == 6
    with pytest.raises(Failure) as refused:
        list(peer.log(merges, []))
    assert refused.value.kind == "too-large"


def merge(store: MemoryStore, one: VersionId, other: VersionId) -> VersionId:
    version = Version((one, other), 2, author="A <a@b>", message="merge")
    data = version.encode()
    with store.session() as session:
        session.put(version.id, Encoded(Codec.RAW, len(data), data))
        session.commit()
    return version.id
