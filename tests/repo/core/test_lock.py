"""The workspace lock: one holder, however it ends; re-entrant for its own."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mvcd.errors import Busy
from mvcd.repo.core.lock import WorkspaceLock
from tests.store.children import Child, die


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "lock")


def is_free(path: str) -> bool:
    with WorkspaceLock(path, 0.0).try_hold() as held:
        return held


def test_another_object_waits_and_is_told_who_holds_it(path: str) -> None:
    with WorkspaceLock(path, 0.0).hold():
        assert not is_free(path)
        with pytest.raises(Busy) as caught, WorkspaceLock(path, 0.0).hold():
            pass
        assert str(os.getpid()) in (caught.value.cause or "")
        assert caught.value.help
    assert is_free(path)


def test_the_same_object_enters_again(path: str) -> None:
    lock = WorkspaceLock(path, 0.0)
    with lock.hold(), lock.hold(), lock.try_hold() as held:
        assert held
        assert not is_free(path)
    assert is_free(path)


def test_an_error_inside_lets_go(path: str) -> None:
    lock = WorkspaceLock(path, 0.0)
    with pytest.raises(KeyError), lock.hold(), lock.hold():
        raise KeyError
    with pytest.raises(KeyError), lock.try_hold():
        raise KeyError
    assert is_free(path)


def test_it_waits_for_who_lets_go_in_time(path: str) -> None:
    holder, held = WorkspaceLock(path, 0.0), threading.Event()
    waiting = WorkspaceLock(path, 60.0)
    entered: list[bool] = []

    def wait() -> None:
        held.wait()
        with waiting.hold():
            entered.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    with holder.hold():
        held.set()
        assert not entered
    thread.join()
    assert entered == [True]


def test_threads_of_one_object_take_turns(path: str) -> None:
    lock, inside, most = WorkspaceLock(path, 60.0), [0], [0]

    def work() -> None:
        for turn in range(200):
            with lock.try_hold() if turn % 2 else lock.hold() as held:
                if held is False:
                    continue
                inside[0] += 1
                os.sched_yield()
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert is_free(path)


def test_a_thread_that_only_tries_does_not_wait_for_another(path: str) -> None:
    """`status` notes what it found only if nobody else is at work; it never waits."""
    lock, held, done = WorkspaceLock(path, 60.0), threading.Event(), threading.Event()
    outcome: list[bool] = []

    def hold() -> None:
        with lock.hold():
            held.set()
            done.wait(60)

    def attempt() -> None:
        with lock.try_hold() as got:
            outcome.append(got)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    trying = threading.Thread(target=attempt)
    trying.start()
    trying.join(20)
    stuck = trying.is_alive()
    done.set()
    holder.join()
    trying.join()
    assert not stuck
    assert outcome == [False]


def test_a_dead_holder_holds_nothing(path: str) -> None:
    def hold_and_die(report: Callable[[str], None]) -> None:
        with WorkspaceLock(path, 0.0).hold():
            die()

    assert Child(hold_and_die).end()[0] == -signal.SIGKILL
    assert is_free(path)


def test_a_full_disk_takes_the_name_not_the_lock(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with WorkspaceLock(path, 0.0).hold():
        assert not is_free(path)
    assert is_free(path)
