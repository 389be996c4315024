"""What a server sends before it is asked for: the same objects in fewer calls, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mvcd.errors import Failure
from mvcd.ids import Digest, Kind
from mvcd.monitor import Silent
from mvcd.objects.closure import children
from mvcd.store.frames import RecordFrame, parse_frame
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.sync.pull import pull
from mvcd.wire import limits, lookahead, server
from mvcd.wire.client import RemotePeer
from mvcd.wire.lookahead import records_below
from tests.wire.conftest import History
from tests.wire.hosts import calling, serving


@pytest.fixture
def served(history: History) -> Iterator[int]:
    running, port = serving(history.store)
    yield port
    running.stop(1)


class Counting(RemotePeer):
    """Tells how often it asked for objects."""

    gets = 0

    def _stream(self, request):  # type: ignore[no-untyped-def]
        self.gets += 1
        return super()._stream(request)


def cloned(history: History, port: int) -> tuple[set[Digest], int]:
    peer = Counting(f"127.0.0.1:{port}", "r", "r")
    with MemoryStore() as copy, copy.session() as session:
        pull(copy, session, [peer], [history.versions[1]], [], monitor=Silent())
        session.commit()
        peer.close()
        return {id for id, _ in copy.ids()}, peer.gets


def test_a_clone_waits_less(history: History, served: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {id for id, _ in history.store.ids()}
    found, gets = cloned(history, served)
    assert found == whole
    monkeypatch.setattr(server, "FEATURES", frozenset({"watch"}))  # as an older server
    found, more = cloned(history, served)
    assert found == whole
    assert more >= gets + 2


def kinds(frames: Iterator[bytes]) -> list[Digest]:
    return [record.id for frame in frames for record, _ in parse_frame(frame).records]


def test_each_object_comes_after_one_that_names_it(history: History) -> None:
    head = history.versions[1]
    sent = kinds(records_below(history.store, [head], 4096))
    named = {head}
    for id in sent:
        assert id in named and id.kind is not Kind.CHUNK
        named.update(children(id.kind, history.store.get(id)))
    assert len(sent) == len(set(sent))
    assert {id for id in named if id.kind is not Kind.CHUNK} == set(sent)


def test_as_many_as_there_may_be(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    head = history.versions[1]
    assert len(kinds(records_below(history.store, [head], 7))) == 7
    monkeypatch.setattr(lookahead, "MOST_BYTES", 1)
    assert kinds(records_below(history.store, [head], 4096)) == [head]


def test_what_is_absent_by_choice_is_left_out(history: History, tmp_path: Path) -> None:
    head = history.versions[1]
    with LmdbStore.create(tmp_path / "part") as store, store.session() as session:
        for frame in history.store.records([head]):
            for record, data in parse_frame(frame).records:
                session.put_record(record, data)
        session.commit()
        assert kinds(records_below(store, [head], 4096)) == [head]


class Forging(RemotePeer):
    """Hears objects that nothing names."""

    def __init__(self, history: History, port: int, forged: Sequence[Digest]) -> None:
        super().__init__(f"127.0.0.1:{port}", "r", "r")
        self._more = [parse_frame(frame) for frame in history.store.records(forged)]

    def below(self, ids: Sequence[Digest]) -> Iterator[RecordFrame]:
        yield from super().below(ids)
        yield from self._more


@pytest.mark.parametrize("kind", [Kind.CHUNK, Kind.VERSION])
def test_nothing_comes_that_nothing_names(history: History, served: int, kind: Kind) -> None:
    last = history.versions[1]
    forged = next(id for id, _ in history.store.ids() if id.kind is kind and id != last)
    peer = Forging(history, served, [forged])
    with MemoryStore() as copy, copy.session() as session:
        with pytest.raises(Failure) as caught:
            pull(copy, session, [peer], [last], [], monitor=Silent())
        assert caught.value.kind == "bad-reply"
    peer.close()


def test_a_server_that_sends_without_end(
    history: History, served: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client bounds what comes unasked by what it was told in Hello."""
    calls = kinds(records_below(history.store, [history.versions[1]], 4096))
    monkeypatch.setattr(limits, "GET_IDS", 64)
    peer = calling(served)
    assert peer.hello().limits.get_ids == 64
    monkeypatch.setattr(limits, "GET_IDS", 4096)
    assert len(calls) > 66
    with pytest.raises(Failure) as caught:
        list(peer.below([history.versions[1]]))
    assert caught.value.kind == "bad-reply"
    peer.close()
