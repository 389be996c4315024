"""Whose turn it is when nothing is to be saved, and when that is; with a clock of our own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mvcd.daemon.resting import EVERY_SECONDS, IDLE_SECONDS, PAUSE_SECONDS, Rests

NEVER = float("inf")


def idle() -> bool:
    return False


def test_nobody_is_tended_before_it_is_quiet() -> None:
    rests = Rests()
    assert (rests.next(0.0, idle), rests.wake) == (None, NEVER)
    rests.worked("a", 100.0)
    rests.worked("b", 200.0)
    assert rests.wake == 200 + IDLE_SECONDS
    assert rests.next(199 + IDLE_SECONDS, idle) is None, "b was at work, so a waits too"
    assert rests.next(200 + IDLE_SECONDS, idle) == "a"
    rests.disturbed(201 + IDLE_SECONDS)
    assert rests.next(202 + IDLE_SECONDS, idle) is None


def test_turns_have_pauses_and_go_round() -> None:
    rests = Rests()
    rests.add("a", 0.0)
    rests.add("b", 1.0)
    assert rests.next(5.0, idle) == "a", "nothing was saved since the start"
    rests.rested("a", 7.0, left=True)
    assert rests.next(7.5, idle) is None
    assert rests.next(7 + PAUSE_SECONDS, idle) == "b"
    rests.rested("b", 17.0, left=False)
    assert rests.next(17 + PAUSE_SECONDS, idle) == "a"
    rests.rested("a", 30.0, left=False)
    assert rests.wake == 17 + EVERY_SECONDS


def test_a_machine_at_work_is_left_alone() -> None:
    rests = Rests()
    rests.add("a", 0.0)
    assert rests.next(1.0, lambda: True) is None
    assert rests.next(2.0, idle) is None, "it is not asked all the time"
    assert rests.next(1 + PAUSE_SECONDS, idle) == "a"


def test_who_is_not_under_care_any_more_is_forgotten() -> None:
    rests = Rests()
    rests.add("a", 0.0)
    rests.forget("a")
    rests.rested("a", 1.0, left=True)
    assert rests.wake == NEVER


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(0, 2000), st.booleans()),
        max_size=60,
    )
)
def test_never_within_the_quiet_time_and_nobody_is_left_out(
    events: list[tuple[str, bool, float, bool]],
) -> None:
    rests, now, last = Rests(), 0.0, float("-inf")
    tended: set[str] = set()
    known: set[str] = set()
    for root, saves, after, left in events:
        now += after
        if saves:
            rests.worked(root, now)
            known.add(root)
            last = now
        elif (found := rests.next(now, idle)) is not None:
            assert now - last >= IDLE_SECONDS
            tended.add(found)
            rests.rested(found, now, left=left)
    assert tended <= known
    while tended < known:  # sooner or later each has its turn
        now = max(now, rests.wake)
        found = rests.next(now, idle)
        assert found is not None
        tended.add(found)
        rests.rested(found, now, left=False)
