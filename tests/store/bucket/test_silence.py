"""A bucket that does not answer: who waits is told once in each silence, and of nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mvcd.store.bucket.directory import DirectoryBlobs
from mvcd.store.bucket.silence import LATE_SECONDS, SLOWEST_BYTES, ToldBlobs
from tests.store.bucket.contract import BlobsContract
from tests.support.interposed import Interposed


class TestTold(BlobsContract):
    @pytest.fixture
    def blobs(self, tmp_path) -> Iterator[ToldBlobs]:
        told: list[str] = []
        made = ToldBlobs(DirectoryBlobs(str(tmp_path), "bucket+file:///somewhere"), told.append)
        yield made
        made.close()
        assert told == []


class Stalling:
    """A bucket whose next call waits until `answer` is set; time passes only here."""

    def __init__(self, path) -> None:
        self.now = 0.0
        self.told: list[str] = []
        self.answer, self.asked = threading.Event(), threading.Event()
        self.below = Interposed(DirectoryBlobs(str(path), "bucket+file:///somewhere"))
        self.blobs = ToldBlobs(self.below, self.told.append, clock=lambda: self.now)

    def stall(self, what: str) -> None:
        self.answer.clear()
        self.asked.clear()
        self.below.before(what, self._wait)

    def _wait(self) -> None:
        self.asked.set()
        assert self.answer.wait(60)

    def after(self, seconds: float) -> list[str]:
        """What is told when so much time has passed."""
        self.now += seconds
        self.blobs.look()
        return self.told


@pytest.fixture
def stalling(tmp_path) -> Iterator[Stalling]:
    made = Stalling(tmp_path)
    yield made
    made.answer.set()
    made.blobs.close()


def calling(stalling: Stalling, what: str, call: Callable[[], object], pool: ThreadPoolExecutor):
    stalling.stall(what)
    done = pool.submit(call)
    assert stalling.asked.wait(60)
    return done


def test_a_silence_is_told_once(stalling: Stalling) -> None:
    blobs = stalling.blobs
    blobs.put("refs", b"1")
    with ThreadPoolExecutor(1) as pool:
        for number in (1, 2):
            done = calling(stalling, "get refs", lambda: blobs.get("refs"), pool)
            assert len(stalling.after(LATE_SECONDS - 1)) == number - 1
            assert len(stalling.after(1)) == number
            assert len(stalling.after(1000)) == number
            stalling.answer.set()
            assert done.result()[0] == b"1"
    assert stalling.told[0].startswith("bucket+file:///somewhere has not answered for 10 s")


def test_what_is_large_may_take_its_time(stalling: Stalling) -> None:
    with ThreadPoolExecutor(1) as pool:
        data = bytes(20 * SLOWEST_BYTES)
        calling(stalling, "put packs", lambda: stalling.blobs.put("packs/1", data), pool)
        assert stalling.after(LATE_SECONDS + 19) == []
        assert len(stalling.after(1)) == 1
        stalling.answer.set()


def test_where_nothing_is_asked_nothing_is_told(stalling: Stalling) -> None:
    assert stalling.after(1000) == []
    stalling.blobs.put("refs", b"1")
    assert list(stalling.blobs.list("")) != []
    assert stalling.after(1000) == []


def test_the_thread_tells_by_itself(tmp_path) -> None:
    """By a clock that is far ahead as soon as the call has begun."""
    heard, times = threading.Event(), iter([0.0])
    blobs = ToldBlobs(
        Interposed(DirectoryBlobs(str(tmp_path), "bucket+file:///somewhere")),
        lambda _: heard.set(),
        clock=lambda: next(times, 1e9),
    )
    blobs._blobs.before("put refs", lambda: heard.wait(60))  # type: ignore[attr-defined]
    blobs.put("refs", b"")
    blobs.close()
    assert heard.is_set()
