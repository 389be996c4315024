"""An upload that is closed under a call of its own push: the push goes on, and nobody else hears of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mvcd.errors import Busy, Failure, StaleReuse
from mvcd.store.api import RefUpdate
from mvcd.store.arrivals import Arrivals
from mvcd.store.frames import parse_frame
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.store.record import record_head
from mvcd.wire.admission import MAX_OF_METHOD
from mvcd.wire.carriers import PutRequest
from mvcd.wire.host import Judgement, Missing, Update
from mvcd.wire.server import MAX_PUTS, RunningServer
from mvcd.wire.uploads import (
    ANNOUNCED_SECONDS,
    BUSY_SECONDS,
    EXPIRE_SECONDS,
    EXPIRE_SMALL_SECONDS,
    MAX_FRAMES,
    MAX_UPLOADS,
    PROGRESS_BYTES,
    QUIET_SECONDS,
    REST_SECONDS,
    Upload,
    Uploads,
)
from mvcd.wire.v1 import remote_pb2 as pb
from tests.store.objects import plain
from tests.sync.people import Pair, noise
from tests.wire.conftest import History
from tests.wire.hosts import ONCE, CarefulRepository, OpenRepository, calling, serving

MOST = 100
"""Uses of an upload's session in one push here, at most."""


class Meddler:
    """Does something just before the `turn`-th use of any upload's session from now."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
        self.turn = 0
        self._act = act
        for name in ("_take", "missing", "run"):
            monkeypatch.setattr(Arrivals, name, self._before(getattr(Arrivals, name)))

    def _before(self, method: Callable[..., object]) -> Callable[..., object]:
        def use(*arguments: object) -> object:
            self.turn -= 1
            if self.turn == 0:
                self._act()
            return method(*arguments)

        return use


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[LmdbStore, RunningServer, int]]:
    with LmdbStore.create(tmp_path / "server") as store:
        served, port = serving(store, CarefulRepository)
        yield store, served, port
        served.stop(1)


def test_one_that_is_closed_in_peace_at_any_moment(
    history: History, server: tuple[LmdbStore, RunningServer, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for resting too long: what was acknowledged is there."""
    store, served, port = server
    meddler = Meddler(monkeypatch, served.remote.uploads.close)
    for turn in range(1, MOST):
        meddler.turn = turn
        peer = calling(port)
        history.push(peer)
        peer.close()
        assert all(store.has([id for id, _ in history.store.ids()]))
        store.update_refs([RefUpdate("heads/main", store.ref("heads/main"), None)])
        store.collect(lambda *_: ())
        if meddler.turn > 0:
            break
    assert 10 < turn < MOST - 1


def test_one_that_fails_at_any_moment(
    tmp_path: Path, server: tuple[LmdbStore, RunningServer, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was acknowledged is gone: the push finds out and sends it again."""
    _, served, port = server
    meddler = Meddler(monkeypatch, lambda: end_all(served.remote.uploads))
    with Pair(tmp_path) as pair:
        pair.ada.repo.set_remote_url("origin", f"grpc://127.0.0.1:{port}/r")
        for turn in range(1, MOST):
            made = pair.ada.save({"model.bin": noise(3 << 20, turn)})
            meddler.turn = turn
            assert [moved.new for moved in pair.ada.push().moved] == [made.version]
            if meddler.turn > 0:
                break
    assert 10 < turn < MOST - 1


def end_all(every: Uploads) -> None:
    for key in list(every._open):
        every.end(*key)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def every() -> tuple[Uploads, MemoryStore, Clock]:
    clock = Clock()
    return Uploads(clock), MemoryStore(), clock


def test_who_asks_hears_nothing_of_the_push_that_ends_meanwhile(
    every: tuple[Uploads, MemoryStore, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, store, clock = every
    with ours.using("r", b"a", store) as upload:
        upload.dirty = 1
    clock.now += QUIET_SECONDS
    meddler = Meddler(monkeypatch, lambda: ours.end("r", b"a"))
    meddler.turn = 1
    ours.settle("r", b"b")
    assert upload.closed


def test_who_asks_hears_nothing_of_what_another_lost(
    every: tuple[Uploads, MemoryStore, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, store, clock = every
    with ours.using("r", b"a", store) as upload:
        upload.dirty = 1
    clock.now += QUIET_SECONDS

    def stale(_: Upload) -> None:
        raise StaleReuse("collected")

    monkeypatch.setattr(Upload, "flush", stale)
    ours.settle("r", b"b")
    assert upload.closed
    with ours.known("r", b"a") as known:
        assert known is None


def test_a_call_under_way_is_no_rest(every: tuple[Uploads, MemoryStore, Clock]) -> None:
    ours, store, clock = every
    with ours.using("r", b"a", store) as upload:
        clock.now += EXPIRE_SECONDS + 1
        for n in range(MAX_UPLOADS + 5):
            with ours.using("r", b"%d" % n, store):
                clock.now += 1
        assert not upload.closed
    clock.now += EXPIRE_SECONDS + 1
    ours.expire()
    assert upload.closed


def test_a_small_one_that_nobody_goes_on_with_is_soon_closed(
    every: tuple[Uploads, MemoryStore, Clock],
) -> None:
    """What a killed push has open here is freed in the end, sooner where little is to be sent again."""
    ours, store, clock = every
    opened = {}
    for name, size in ((b"small", PROGRESS_BYTES - 1), (b"large", PROGRESS_BYTES)):
        with ours.using("r", name, store) as opened[name]:
            opened[name].size = size
    clock.now += EXPIRE_SMALL_SECONDS - 1
    ours.expire()
    assert not opened[b"small"].closed
    clock.now += 1
    ours.expire()
    assert opened[b"small"].closed and not opened[b"large"].closed
    assert ours.take_left() == {"r"}, "a collection is to free what it left"


def test_one_that_rests_keeps_nothing_for_bases(
    every: tuple[Uploads, MemoryStore, Clock],
) -> None:
    ours, store, clock = every
    id, encoded = plain(b"a base")
    with ours.using("r", b"a", store) as upload:
        upload.put(parse_frame(record_head(id, encoded) + b"a base"))
    assert upload.size and upload.arrivals._recent
    clock.now += REST_SECONDS
    ours.expire()
    assert not upload.closed and not upload.arrivals._recent
    assert upload.arrivals.read(id) == b"a base"


def test_as_many_as_there_may_be_and_all_at_work(
    every: tuple[Uploads, MemoryStore, Clock],
) -> None:
    ours, store, _ = every
    calls = [ours.using("r", b"%d" % n, store) for n in range(MAX_UPLOADS)]
    for call in calls:
        call.__enter__()
    with pytest.raises(Busy), ours.using("r", b"more", store):
        pass
    for call in calls:
        call.__exit__(None, None, None)


def test_who_has_many_keeps_nobody_out(every: tuple[Uploads, MemoryStore, Clock]) -> None:
    """Though all of them are at work: one is closed between two calls, and none of who has fewer."""
    ours, store, clock = every
    with ours.using("r", b"ada", store, "ada") as hers:
        pass
    for n in range(MAX_UPLOADS - 1):
        with ours.using("r", b"%d" % n, store, "eve"):
            pass
    with pytest.raises(Busy), ours.using("r", b"more", store, "eve"):
        pass
    with ours.using("r", b"bob", store, "bob") as his:
        pass
    clock.now += QUIET_SECONDS
    for n in range(MAX_UPLOADS):
        with ours.using("r", b"again %d" % n, store, "eve"):
            clock.now += QUIET_SECONDS / 10
    assert not hers.closed and not his.closed
    assert len(ours._open) == MAX_UPLOADS


def test_ended_under_a_call_is_busy(every: tuple[Uploads, MemoryStore, Clock]) -> None:
    """The one error that a client answers by making the same call again."""
    ours, store, _ = every
    with pytest.raises(Busy), ours.using("r", b"a", store) as upload:
        ours.end("r", b"a")
        upload.flush()


def test_pushes_share_what_is_in_flight(every: tuple[Uploads, MemoryStore, Clock]) -> None:
    """Those that have asked and not put yet, too; for a while."""
    ours, store, clock = every
    assert ours.announce("r", b"a") == MAX_FRAMES
    with ours.using("r", b"a", store):
        assert ours.frames() == MAX_FRAMES
        assert [ours.announce("r", b"%d" % n) for n in range(3)] == [
            MAX_FRAMES // 2, MAX_FRAMES // 3, MAX_FRAMES // 4,
        ]  # fmt: skip
        clock.now += ANNOUNCED_SECONDS
        assert ours.announce("r", b"a") == MAX_FRAMES
        for n in range(MAX_FRAMES):
            with ours.using("r", b"%d" % n, store):
                pass
        assert ours.frames() == 1
        clock.now += BUSY_SECONDS
        assert ours.frames() == MAX_FRAMES
    for n in range(2 * MAX_UPLOADS):
        assert ours.announce("r", b"%d" % n) >= 1
    assert len(ours._announced) <= MAX_UPLOADS


class Crowded(OpenRepository):
    """Holds every Put until there is no other to come."""

    inside = 0
    most = 0
    free = threading.Event()

    def check_put(self, size: int) -> None:
        Crowded.inside += 1
        Crowded.most = max(Crowded.most, Crowded.inside)
        self.free.wait(10)
        Crowded.inside -= 1


class Walking(OpenRepository):
    """Judges no update before it is told to."""

    free = threading.Event()
    inside = threading.Semaphore(0)

    def check_update(self, update: Update, missing: Missing) -> Judgement:
        Walking.inside.release()
        self.free.wait(20)
        return super().check_update(update, missing)


def test_long_walks_keep_nobody_else_waiting() -> None:
    """They have threads of their own, of which one caller may have a part."""
    most = MAX_OF_METHOD["UpdateRefs"]
    with MemoryStore() as store:
        served, port = serving(store, Walking)
        peer = calling(port, patience=ONCE)
        requests = [
            pb.UpdateRefsRequest(
                repo="r",
                request_id=b"%016d" % n,
                updates=[pb.RefUpdate(name=f"heads/{n}", target=b"x")],
            )
            for n in range(most)
        ]
        walks = [peer._stub.UpdateRefs.future(request) for request in requests]
        for _ in walks:
            assert Walking.inside.acquire(timeout=20)
        assert peer.refs() == {} and peer.has([]) == []
        with pytest.raises(Failure, match="more than"):
            peer.update_refs([RefUpdate("x", None, b"")], force=frozenset(), author="", detail="")
        Walking.free.set()
        for walk in walks:
            walk.result(20)
        assert len(peer.refs()) == most
        peer.close()
        served.stop(1)


def test_frames_wait_outside_and_nobody_else_does() -> None:
    """No more are taken up than there is memory for, and other calls have threads of their own."""
    with MemoryStore() as store:
        served, port = serving(store, Crowded)
        peer = calling(port)
        request = PutRequest("r", b"s" * 16, b"")
        puts = [peer._stub.Put.future(request) for _ in range(3 * MAX_PUTS)]
        deadline = time.monotonic() + 10
        while Crowded.most < MAX_PUTS and time.monotonic() < deadline:
            time.sleep(0.01)
        assert peer.refs() == {}
        assert Crowded.most == MAX_PUTS
        Crowded.free.set()
        assert all(put.result().stored == 0 for put in puts)
        assert Crowded.most == MAX_PUTS
        peer.close()
        served.stop(1)
