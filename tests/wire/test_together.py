"""Puts that become durable together: threads, whose order the test decides."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mvcd.wire import together
from mvcd.wire.together import Together


class Session:
    """What was received, and what was flushed, as one session has it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.received: list[int] = []
        self.flushed: list[list[int]] = []
        self.may_flush = threading.Event()
        self.flushing = threading.Event()
        self.fails = False

    def receive(self, number: int) -> int:
        with self.lock:
            self.received.append(number)
        return number

    def flush(self) -> None:
        self.flushing.set()
        assert self.may_flush.wait(10)
        with self.lock:
            self.flushed.append(self.received)
            self.received = []
        if self.fails:
            raise OSError("the disk is gone")


def test_one_call_alone_is_flushed_at_once() -> None:
    session = Session()
    session.may_flush.set()
    group = Together(session.flush)
    assert [group.put(1, lambda n=n: session.receive(n)) for n in (1, 2)] == [1, 2]
    assert session.flushed == [[1], [2]]


def test_calls_that_come_while_one_flushes_share_the_next() -> None:
    session = Session()
    group = Together(session.flush)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(group.put, 1, lambda: session.receive(0))
        assert session.flushing.wait(10)
        others = [pool.submit(group.put, 1, lambda n=n: session.receive(n)) for n in range(1, 6)]
        while len(session.received) < 6:
            pass
        session.may_flush.set()
        assert first.result() == 0
        assert sorted(one.result() for one in others) == [1, 2, 3, 4, 5]
    assert sum(map(len, session.flushed)) == 6
    assert len(session.flushed) <= 2  # the first one may have taken what came before it wrote


def test_a_group_waits_for_what_is_being_checked_but_not_when_it_is_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session, checking, seen = Session(), threading.Event(), threading.Event()
    session.may_flush.set()
    group = Together(session.flush)

    def slow() -> int:
        seen.set()
        assert checking.wait(10)
        return session.receive(1)

    with ThreadPoolExecutor(3) as pool:
        late = pool.submit(group.put, 1, slow)
        assert seen.wait(10)
        early = pool.submit(group.put, 1, lambda: session.receive(2))
        monkeypatch.setattr(together, "GROUP_BYTES", 10)
        assert pool.submit(group.put, 10, lambda: session.receive(3)).result(10) == 3
        assert early.result(10) == 2
        assert not late.done()
        checking.set()
        assert late.result(10) == 1
    assert [sorted(one) for one in session.flushed] == [[2, 3], [1]]


def test_a_failure_is_that_of_all_who_were_in_it() -> None:
    session = Session()
    group = Together(session.flush)
    session.fails = True
    with ThreadPoolExecutor(4) as pool:
        works = [pool.submit(group.put, 1, lambda n=n: session.receive(n)) for n in range(4)]
        session.may_flush.set()
        for work in works:
            with pytest.raises(OSError, match="gone"):
                work.result(10)
    session.fails = False
    assert group.put(1, lambda: session.receive(9)) == 9


def test_what_could_not_be_received_keeps_nobody_waiting() -> None:
    session = Session()
    session.may_flush.set()
    group = Together(session.flush)
    with pytest.raises(ZeroDivisionError):
        group.put(1, lambda: 1 // 0)
    assert group.put(1, lambda: session.receive(1)) == 1
    assert session.flushed == [[1]]
