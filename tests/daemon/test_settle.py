"""The decision when to save, on a clock of the test's own."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from mvcd.daemon.formats import COMPLETE, PROVEN, UNKNOWN, Verdict, incomplete
from mvcd.daemon.limits import DaemonLimits
from mvcd.daemon.sets import Bracket, Claim
from mvcd.daemon.settle import MAX_PAUSE_SECONDS, SettlePlan, Settler

LIMITS = DaemonLimits(settle=2.0, max_wait=600.0)
DIRECTORY = "runs"


@dataclass
class Set:
    """A set as the test says it is; `asked` counts how often files would have been read."""

    name: str = "runs/model.pt"
    signature: int = 1
    says: Verdict = UNKNOWN
    open_for: str | None = None
    log: bool = False
    refused: str | None = None
    claim: Claim | None = None
    gone: bool = False
    partly: bool = False
    still_for: float = 0.0
    asked: int = field(default=0)

    def verdict(self) -> Verdict:
        self.asked += 1
        return self.says

    def writer(self) -> str | None:
        return self.open_for


class World:
    """A settler, its clock and its sets."""

    def __init__(self, *sets: Set) -> None:
        self.settler = Settler(LIMITS)
        self.now = 100.0
        self.sets = {s.name: s for s in sets}

    def look(self, after: float = 0.0, *, told: bool = True) -> SettlePlan:
        self.now += after
        return self.settler.look(self.sets, self.now, touched={DIRECTORY} if told else set())


def test_a_quiet_set_is_saved_after_settle_and_not_before() -> None:
    world = World(Set())
    first = world.look()
    assert (first.ready, first.wake) == ((), 102.0)
    assert world.look(1.99).ready == ()
    assert world.look(0.01).ready == ("runs/model.pt",)


def test_a_look_that_comes_late_counts_the_quiet_before_it() -> None:
    """The machine was busy or suspended: the file has been as it is for long."""
    world = World(Set(still_for=1.5))
    assert world.look().wake == 100.5
    assert world.look(0.5).ready == ("runs/model.pt",)
    unseen = World(Set(still_for=60.0))
    assert unseen.look(told=False).ready == (), "without events nobody knows when it was closed"


def test_every_change_starts_the_quiet_anew() -> None:
    file = Set()
    world = World(file)
    world.look()
    file.signature = 2
    assert world.look(1.9).ready == ()
    assert world.look(1.9).ready == ()
    assert world.look(0.1).ready == ("runs/model.pt",)


def test_what_only_a_scan_noticed_must_be_quiet_for_longer() -> None:
    world = World(Set())
    world.look(told=False)
    assert world.look(9.9, told=False).ready == ()
    assert world.look(0.1, told=False).ready == ("runs/model.pt",)


def test_what_is_incomplete_waits_and_tells_why_with_longer_and_longer_pauses() -> None:
    file = Set(says=incomplete("3 of 5 shards"))
    world = World(file)
    world.look()
    pauses, plan = [], world.look(2.0, told=False)
    for _ in range(8):
        assert [w.reason for w in plan.waiting] == ["3 of 5 shards"]
        assert plan.wake is not None
        pauses.append(plan.wake - world.now)
        plan = world.look(plan.wake - world.now, told=False)
    assert pauses == [2, 4, 8, 16, 32, MAX_PAUSE_SECONDS, MAX_PAUSE_SECONDS, MAX_PAUSE_SECONDS]


def test_an_event_ends_the_pause() -> None:
    file = Set(open_for="a is open for writing")
    world = World(file)
    world.look()
    assert world.look(2.0, told=False).ready == ()
    file.open_for = None
    assert world.look(0.1, told=False).ready == ()
    assert world.look(0.1).ready == ("runs/model.pt",)


def test_a_change_ends_the_pause_but_not_the_quiet() -> None:
    file = Set(open_for="a is open for writing")
    world = World(file)
    world.look()
    world.look(2.0)
    file.signature, file.open_for = 2, None
    assert world.look(0.1).ready == ()
    assert world.look(2.0).ready == ("runs/model.pt",)


def test_a_proven_set_that_is_never_quiet_is_saved_when_patience_ends() -> None:
    file = Set(says=PROVEN)
    world = World(file)
    plans = []
    for signature in range(20):
        file.signature = signature
        plans.append(world.look(1.0).ready)
    assert plans.index(("runs/model.pt",)) == 10


def test_a_set_without_proof_is_not_saved_while_it_changes() -> None:
    for verdict in (UNKNOWN, COMPLETE):
        file = Set(says=verdict)
        world = World(file)
        for signature in range(30):
            file.signature = signature
            assert world.look(1.0).ready == ()


def test_a_closed_block_needs_no_quiet_but_no_writer_either() -> None:
    claim = Claim(1, DIRECTORY, Bracket.CLOSED)
    file = Set(name="runs/", claim=claim, open_for="a is open for writing")
    world = World(file)
    assert world.look().ready == ()
    file.open_for = None
    assert world.look(0.0).ready == ("runs/",)


def test_open_and_abandoned_blocks_are_held_however_quiet() -> None:
    for bracket in (Bracket.OPEN, Bracket.ABANDONED):
        world = World(Set(name="runs/", claim=Claim(1, DIRECTORY, bracket), says=PROVEN))
        for _ in range(10):
            plan = world.look(1000.0)
            assert plan.ready == ()
            assert "block" in plan.waiting[0].reason


def test_ready_sets_wait_for_what_is_about_to_be_but_not_for_long() -> None:
    world = World(Set(name="runs/a"))
    world.look()
    world.sets["runs/b"] = Set(name="runs/b")
    world.look(1.5)
    plan = world.look(0.5)
    assert (plan.ready, plan.wake) == ((), 103.5), "a is ready, b will be in 1.5 s"
    assert set(world.look(1.5).ready) == {"runs/a", "runs/b"}


def test_ready_sets_do_not_wait_for_one_that_never_settles() -> None:
    world = World(Set(name="runs/a"), Set(name="runs/b"))
    ready_at = None
    for step in range(60):
        world.sets["runs/b"].signature = step
        if world.look(0.1).ready:
            ready_at = world.now
            break
    assert ready_at is not None
    assert 102.0 <= ready_at <= 104.2


def test_an_open_log_goes_along_and_starts_nothing() -> None:
    log = Set(name="runs/train.log", log=True, open_for="train.log is open for writing")
    world = World(log)
    assert world.look(100.0).ready == ()
    assert world.look(100.0).waiting == ()
    world.sets["runs/a"] = Set(name="runs/a")
    world.look()
    plan = world.look(2.0)
    assert plan.ready == ("runs/a",)
    assert plan.riding == ("runs/train.log",)


def test_a_closed_log_is_saved_by_itself() -> None:
    world = World(Set(name="runs/train.log", log=True))
    world.look()
    assert world.look(2.0).ready == ("runs/train.log",)


def test_what_was_taken_is_new_when_it_shows_again() -> None:
    world = World(Set())
    world.look()
    world.settler.taken(world.look(2.0).ready)
    assert world.look(1.0).ready == ()
    assert world.look(2.0).ready == ("runs/model.pt",)


def test_a_complete_set_is_whole_before_it_is_quiet() -> None:
    for verdict, whole in ((PROVEN, True), (COMPLETE, True), (UNKNOWN, False)):
        world = World(Set(says=verdict))
        plan = world.look()
        assert plan.ready == ()
        assert plan.whole == (("runs/model.pt",) if whole else ())


def test_what_is_being_written_is_not_whole_until_an_event_says_that_it_is_closed() -> None:
    file = Set(says=PROVEN, open_for="a is open for writing")
    world = World(file)
    assert world.look().whole == ()
    file.open_for = None
    assert world.look(0.1, told=False).whole == (), "nobody said that anything happened"
    assert world.look(0.1).whole == ("runs/model.pt",)
    assert world.look(0.1, told=False).whole == ("runs/model.pt",)


def test_a_state_is_judged_once_before_it_is_quiet() -> None:
    file = Set(says=PROVEN)
    world = World(file)
    for _ in range(5):
        world.look(0.1, told=False)
    assert file.asked == 1


def test_a_link_that_we_made_is_no_change() -> None:
    file = Set(says=PROVEN)
    world = World(file)
    world.look()
    file.signature = 2
    world.settler.same(file)
    assert world.look(2.0).ready == ("runs/model.pt",)


def test_what_was_removed_goes_with_the_next_version_and_makes_none() -> None:
    world = World(Set(name="runs/checkpoint-1/", gone=True))
    for _ in range(20):
        plan = world.look(10.0)
        assert (plan.ready, plan.leaving) == ((), ("runs/checkpoint-1/",))
        assert plan.waiting == ()
    world.sets["runs/b"] = Set(name="runs/b")
    world.look()
    plan = world.look(2.0)
    assert (plan.ready, plan.leaving) == (("runs/b",), ("runs/checkpoint-1/",))


def test_what_was_removed_makes_a_version_after_max_wait() -> None:
    world = World(Set(gone=True))
    assert world.look().ready == ()
    assert world.look(599.0).ready == ()
    assert world.look(1.0).ready == ("runs/model.pt",)


def test_a_set_that_is_half_gone_is_being_removed_until_it_is_quiet() -> None:
    file = Set(name="runs/checkpoint-1/", gone=True, partly=True)
    world = World(file)
    plan = world.look()
    assert (plan.leaving, plan.removing) == ((), True)
    file.partly = False
    plan = world.look(0.1)
    assert (plan.leaving, plan.removing) == (("runs/checkpoint-1/",), False)


def test_a_set_that_lost_a_part_that_it_needs_is_held_back() -> None:
    world = World(Set("runs/m/", gone=True, partly=True, says=incomplete("1 of 2 shards")))
    world.look()
    plan = world.look(10.0)
    assert plan.leaving == ()
    assert plan.waiting[0].reason == "1 of 2 shards"


def test_what_waits_for_longer_than_max_wait_is_stuck() -> None:
    world = World(Set(says=incomplete("no index")))
    world.look()
    assert not world.look(599.0).waiting[0].stuck
    assert world.look(1.0).waiting[0].stuck


def test_refused_sets_are_told_and_never_read() -> None:
    file = Set(refused="excluded")
    world = World(file)
    plan = world.look(1e6)
    assert plan.refused == (("runs/model.pt", "excluded"),)
    assert (plan.ready, plan.waiting, plan.wake, file.asked) == ((), (), None, 0)


STEPS = st.lists(
    st.tuples(
        st.floats(0.01, 5.0),  # time passes
        st.booleans(),  # the file changes
        st.booleans(),  # a writer has it open
        st.sampled_from([UNKNOWN, PROVEN, COMPLETE, incomplete("half")]),
    ),
    max_size=60,
)


@given(STEPS)
def test_a_set_is_never_ready_unless_it_may_be(
    steps: list[tuple[float, bool, bool, Verdict]],
) -> None:
    file = Set()
    world = World(file)
    world.look()
    changed, since = world.now, world.now
    for passes, changes, opened, verdict in steps:
        file.signature += changes
        file.open_for = "open" if opened else None
        file.says = verdict
        plan = world.look(passes)
        changed = world.now if changes else changed
        if plan.ready:
            quiet = world.now - changed >= LIMITS.settle
            patient = verdict is PROVEN and world.now - since >= LIMITS.patience
            assert quiet or patient
            assert not opened
            assert verdict != incomplete("half")


@given(STEPS)
def test_left_alone_every_set_becomes_ready_at_the_times_the_plans_name(
    steps: list[tuple[float, bool, bool, Verdict]],
) -> None:
    file = Set()
    world = World(file)
    for passes, changes, opened, verdict in steps:
        file.signature += changes
        file.open_for = "open" if opened else None
        file.says = verdict
        world.look(passes)
    file.open_for, file.says = None, UNKNOWN
    for _ in range(10):
        plan = world.look(0.0, told=False)
        if plan.ready:
            return
        assert plan.wake is not None, "whoever waits knows until when"
        world.now = max(world.now, plan.wake)
    raise AssertionError("it never became ready")
