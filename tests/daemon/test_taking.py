"""What is taken of a workspace, step by step: bounds, losses, what is rewritten in place, deletions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.daemon import taking
from mvcd.daemon.ledger import CaptureOutcome, Ledger
from mvcd.daemon.sets import Found
from mvcd.daemon.taking import Full, Stand, Taking
from mvcd.repo.change.captures import Captures, Kept
from mvcd.repo.ondisk.statcache import FileStat
from tests.support.workspace import Bench

LARGE = bytes(2 << 20)


class World:
    """A workspace whose files are sets of their own, and a clock."""

    def __init__(self, root: Path) -> None:
        self.bench = Bench(root)
        self.bench.save({"x": "1"})
        while self.bench.repo.look().scan.candidates:
            self.bench.repo.status()  # until the stamps are old enough to prove something
        self.root = str(self.bench.root)
        self.now = 100.0
        self.ledger = Ledger(self.root)
        self.again()

    def again(self) -> None:
        """As after a restart of the daemon."""
        self.taking = Taking(self.root, Ledger(self.root), lambda: self.now)
        self.taking._ledger = self.ledger
        self.taking.load()

    def found(self, *paths: str, complete: bool = True) -> Found:
        stats = {p: FileStat.of(os.lstat(self.bench.path(p))) for p in paths}
        return Found(paths[0], self.root, files=dict(stats), complete=complete)

    @property
    def stand(self) -> Stand:
        repo = self.bench.repo
        return Stand(repo.head_value(), repo.head.version, "Ada")

    def changes(self) -> dict[str, bool]:
        """What shows as changed, and whether it is there."""
        scan = self.bench.repo.look().scan
        shown = self.taking.less(scan, self.bench.repo.gone(scan))
        return {path: stat is not None for path, stat in shown}

    def missed(self) -> list[str]:
        return [miss["reason"] for miss in self.ledger.report()["misses"]]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "w")
    with made.bench:
        yield made


def test_what_was_taken_does_not_show_and_what_happens_to_it_afterwards_does(world: World) -> None:
    world.bench.write({"a": LARGE, "b": "b"})
    assert world.changes() == {"a": True, "b": True}
    world.taking.queue([world.found("a"), world.found("b")], ["x"], world.stand, 0.0)
    world.bench.remove("x")
    assert world.changes() == {}
    world.bench.remove("a")
    assert world.changes() == {"a": False}
    world.bench.write({"b": "later", "x": "back"})
    assert world.changes() == {"a": False, "b": True, "x": True}
    world.again()
    assert world.changes() == {"a": False, "b": True, "x": True}, "and after a restart"


def test_deletions_join_the_newest_capture_until_it_is_read(world: World) -> None:
    world.bench.write({"a": "a"})
    world.taking.queue([world.found("a")], [], world.stand, world.now + 1)
    world.bench.remove("x")
    assert world.taking.hand_over(world.now) == []
    assert world.taking.amend(["x"])
    assert world.changes() == {}
    world.taking.linger(world.now + 3)
    assert world.taking.next_due == world.now + 3
    world.taking.linger(world.now + 1000)
    assert world.taking.next_due == world.now + 1 + taking.LINGER_LIMIT_SECONDS
    world.now += 10
    (capture,) = world.taking.hand_over(world.now)
    assert capture.gone == ["x"]
    assert not world.taking.amend(["y"])
    assert Captures(world.root).queued()[0].gone == ["x"]


def test_somebody_who_waits_is_not_kept_waiting(world: World) -> None:
    world.bench.write({"a": "a"})
    capture = world.taking.queue([world.found("a")], [], world.stand, world.now + 1000)
    world.taking.hurry(capture.number)
    world.taking.linger(world.now + 5)
    assert world.taking.hand_over(world.now) == [capture]


def test_there_is_a_bound_and_one_capture_always_fits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "MAX_QUEUED_CAPTURES", 2)
    for name in "abc":
        world.bench.write({name: name})
    world.taking.queue([world.found("a")], [], world.stand, 0.0)
    world.taking.queue([world.found("b")], [], world.stand, 0.0)
    with pytest.raises(Full, match="2 captures of 0 MiB wait to be read"):
        world.taking.queue([world.found("c")], [], world.stand, 0.0)
    world.taking.saved(1)
    world.taking.queue([world.found("c")], [], world.stand, 0.0)


def test_bytes_are_bounded_by_what_the_disk_has_free(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking.shutil, "disk_usage", lambda path: type("u", (), {"free": 5 << 20}))
    world.bench.write({"a": LARGE, "b": LARGE})
    world.taking.queue([world.found("a")], [], world.stand, 0.0)
    with pytest.raises(Full, match="1 captures of 2 MiB"):
        world.taking.queue([world.found("b")], [], world.stand, 0.0)


def test_a_complete_set_that_could_not_be_held_and_is_lost_is_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "MAX_QUEUED_CAPTURES", 1)
    world.bench.write({"a": "a", "b": "b"})
    world.taking.queue([world.found("a")], [], world.stand, 0.0)
    assert not world.taking.hold(world.found("b"), world.stand)
    assert world.taking.broken_up({"b": world.found("b")}) == []
    world.now += 7
    world.bench.remove("b")
    assert world.taking.broken_up({}) == []
    assert world.missed() == [
        "overwritten or deleted 7 s after it was complete: 1 captures of 0 MiB wait to be read"
    ]


def test_a_held_set_is_queued_as_it_was_when_it_is_taken_away(world: World) -> None:
    world.bench.write({"a": LARGE, "b": b"b"})
    found = world.found("a", "b")
    assert world.taking.hold(found, world.stand)
    assert not world.taking.hold(found, world.stand), "it is held"
    assert world.taking.broken_up({"a": found}) == []
    world.bench.remove("a")
    assert world.taking.broken_up({}) == ["a"]
    capture = world.taking.queue_held("a", world.stand, 0.0)
    assert [f.path for f in capture.files] == ["a", "b"]
    assert Captures(world.root).queued() == [capture]


def test_a_held_set_that_somebody_else_saved_is_let_go(world: World) -> None:
    world.bench.write({"a": LARGE})
    world.taking.hold(world.found("a"), world.stand)
    assert world.taking.broken_up({}) == []
    assert not world.taking.holds(world.found("a"))
    assert Captures(world.root).held() == []
    assert world.missed() == []


def test_held_sets_survive_a_restart(world: World) -> None:
    world.bench.write({"a": LARGE})
    world.taking.hold(world.found("a"), world.stand)
    world.bench.remove("a")
    world.again()
    assert world.taking.broken_up({}) == ["a"]


def test_a_file_that_is_rewritten_in_place_is_copied_from_then_on(world: World) -> None:
    world.bench.write({"a": LARGE})
    first = world.taking.queue([world.found("a")], [], world.stand, 0.0)
    if [f.kept for f in first.files] != [Kept.LINK]:
        pytest.skip("reflinks need no copies")
    with Path(world.bench.path("a")).open("r+b") as file:
        file.write(b"again")
    second = world.taking.queue([world.found("a")], [], world.stand, 0.0)
    assert [f.kept for f in second.files] == [Kept.COPY]


def test_many_files_without_a_rule_are_read_where_they_lie(world: World) -> None:
    names = [f"d/{number}" for number in range(taking._FEW_FILES + 1)]
    world.bench.write(dict.fromkeys(names, "x"))
    plain = [world.found(name, complete=False) for name in names]
    capture = world.taking.queue(plain, [], world.stand, 0.0)
    assert {f.kept for f in capture.files} == {Kept.NONE}
    ruled = world.taking.queue([world.found(*names)], [], world.stand, 0.0)
    assert {f.kept for f in ruled.files} <= {Kept.COPY, Kept.REFLINK}


def test_broken_sets_show_again(world: World) -> None:
    world.bench.write({"a": "a", "b": "b"})
    capture = world.taking.queue([world.found("a"), world.found("b")], [], world.stand, 0.0)
    world.taking.broken(capture.number, ["a"], dropped=False)
    assert world.changes() == {"a": True}
    world.taking.broken(capture.number, ["b"], dropped=True)
    assert world.changes() == {"a": True, "b": True}
    assert world.taking.queued == []


def test_the_ledger_outlives_the_daemon(world: World) -> None:
    world.ledger.saved(3, "ab" * 32, 7, new=True)
    world.ledger.missed("runs/", "it was overwritten", 4)
    world.ledger.saved(4, "cd" * 32, 8, new=True)
    assert world.ledger.outcome(3, 0.0) == CaptureOutcome("ab" * 32, 7)
    assert world.ledger.outcome(4, 0.0) == CaptureOutcome(missed="it was overwritten"), (
        "of a part of it"
    )
    assert world.ledger.outcome(5, 0.0) is None
    again = Ledger(world.root)
    assert again.report() == world.ledger.report()
    assert again.last == 4
    count, newest = again.untold()
    assert (count, newest.path if newest else "") == (1, "runs/")
    assert again.untold() == (0, None)
    assert Ledger(world.root).untold() == (0, None)
    Path(world.root, ".mvc", "watch.json").write_text("{")
    assert Ledger(world.root).report() == {"saved": 0, "missed": 0, "misses": []}
