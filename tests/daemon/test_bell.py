"""Rings become looks: none is lost, many are one, and whoever waits is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from mvcd.daemon.bell import MAX_TOUCHED_PATHS, Bell, Ring
from mvcd.daemon.watch import Loss

NEVER = float("inf")


def bell() -> Bell:
    """One whose first look is over."""
    made = Bell(time.monotonic)
    made.answered(wait(made), idle=True)
    return made


def wait(
    made: Bell, wake: float = NEVER, pulse: float = 3600, disturbed: Callable[[], bool] = bool
) -> Ring:
    ring = made.wait(wake, 0.0, pulse, disturbed)
    assert ring is not None
    return ring


def test_rings_between_two_looks_become_one() -> None:
    made = bell()
    made.touched("a")
    made.touched("b")
    made.ring()
    assert wait(made) == Ring(2, {"a", "b"}, rewatch=False)
    made.touched("c")
    assert wait(made) == Ring(3, {"c"}, rewatch=False)


def test_beyond_a_limit_it_is_any_directory() -> None:
    made = bell()
    for number in range(MAX_TOUCHED_PATHS + 1):
        made.touched(str(number))
    made.touched("one more")
    assert wait(made).touched is None
    made.touched("a")
    assert wait(made).touched == {"a"}


def test_a_loss_asks_for_everything_and_a_new_watch() -> None:
    made = bell()
    made.touched("a")
    made.lost(Loss.OVERFLOW)
    assert wait(made) == Ring(2, None, rewatch=True)


def test_it_wakes_by_itself_when_told_to() -> None:
    made = bell()
    assert wait(made, wake=time.monotonic() + 0.01).touched == set()


def test_disturbances_are_rings() -> None:
    made = bell()
    glances = iter([False, False, True])
    assert wait(made, pulse=0.01, disturbed=lambda: next(glances)).touched == set()


def test_a_ring_does_not_cut_the_space_between_looks() -> None:
    made = bell()
    made.ring()
    before = time.monotonic()
    made.wait(NEVER, before + 0.05, 3600, bool)
    assert time.monotonic() >= before + 0.05


def test_stopped_it_lets_everybody_go() -> None:
    made = bell()
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(made.wait(NEVER, 0.0, 3600, bool))),
        threading.Thread(target=lambda: found.append(made.sync(3600))),
    ]
    for thread in threads:
        thread.start()
    made.stop()
    for thread in threads:
        thread.join(30)
    assert sorted(map(str, found)) in (["False", "None"], ["False", str(Ring(2, set(), False))])


def test_sync_waits_for_a_look_that_began_after_it_and_left_nothing() -> None:
    made = bell()
    assert not made.sync(0.0), "the look before does not count"
    began, answers = wait(made), [False, True]
    done: list[bool] = []
    waiting = threading.Thread(target=lambda: done.append(made.sync(30)))
    waiting.start()
    made.answered(began, idle=True)
    for idle in answers:
        made.answered(wait(made, wake=0.0), idle=idle)
    while waiting.is_alive():  # its look may have begun before the thread came to ask
        made.answered(wait(made, wake=0.0), idle=True)
    waiting.join()
    assert done == [True]
