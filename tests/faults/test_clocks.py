"""Clocks that step back a day, ahead ten years, or stand still: they decide what is shown, nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mvcd.errors import Conflict
from mvcd.repo.joining.threeway import Choices
from mvcd.repo.records.results import Context
from mvcd.store.lmdb_store import LmdbStore
from tests.support.engine import Repository
from tests.support.memory import in_memory
from tests.sync.people import Person
from tests.wire.hosts import CarefulRepository, serving

DAY = 86_400
YEARS = 3652 * DAY
START = 1_760_000_000
STEPS = st.lists(
    st.sampled_from((0, 0, 1, -1, -3600, -DAY, YEARS, -YEARS, 40 * DAY)), min_size=1, max_size=12
)


@dataclass
class Clock:
    """Seconds since 1970, moved by one step at each look, over and over; never before 1970."""

    steps: Sequence[int]
    now: int = START
    looks: int = 0
    seen: list[int] = field(default_factory=list)

    def look(self) -> int:
        self.now = max(1, self.now + self.steps[self.looks % len(self.steps)])
        self.looks += 1
        self.seen.append(self.now)
        return self.now

    def nanoseconds(self) -> int:
        return self.look() * 1_000_000_000


class Skewed(Person):
    """A person whose clock, and whose files' times, are those of such a clock."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.clock = clock
        super().__init__(root)
        self.repo.close()
        self.repo = Repository.open(str(root), clock=clock.nanoseconds)

    def context(self, **fields: Any) -> Context:
        return Context("Ada", time_us=self.clock.look() * 1_000_000, **fields)

    def write(self, files: dict[str, bytes | str]) -> None:
        super().write(files)
        for name in files:
            now = self.clock.look()
            os.utime(self.path(name), (now, now))


def outcome(steps: Sequence[int], top: Path) -> dict[str, object]:
    """What two people come to who work together by this clock, over a server that has it too."""
    clock = Clock(steps)
    told: dict[str, object] = {}
    with LmdbStore.create(top / "server") as store:
        served, port = serving(store, CarefulRepository, clock=lambda: float(clock.look()))
        ada, bob = Skewed(top / "ada", clock), Skewed(top / "bob", clock)
        for person in (ada, bob):
            person.repo.add_remote("origin", f"grpc://127.0.0.1:{port}/r")
            person.add()
        ada.save({"a": "one", "params.yaml": "lr: 1\n", "model.bin": bytes(200_000)}, "first")
        ada.write({"a": "two"})  # of the same size, perhaps with the same or an older time
        told["seen"] = [change.path for change in ada.repo.status().modified]
        ada.commit("second")
        ada.push("main")
        bob.pull("origin", branch="main")
        told["pulled"] = bob.files() == ada.files()
        bob.save({"b": "by bob"}, "third")
        bob.push("main")
        ada.save({"params.yaml": "lr: 2\n"}, "third, too")
        try:
            ada.push("main")
        except Conflict as error:
            told["refused"] = error.kind
        ada.repo.fetch(["origin"])
        ada.repo.merge("origin/main", Choices(), context=ada.context())
        ada.push("main")
        ada.checkout("v1")
        told["at v1"] = ada.files()
        ada.repo.switch("main", context=ada.context())
        ada.repo.undo(context=ada.context())
        told["undone"] = (ada.repo.head.number, ada.files())
        ada.repo.switch("main", context=ada.context())
        ada.repo.gc(context=ada.context())
        bob.repo.gc(context=bob.context())
        bob.pull("origin", branch="main")
        for name, person in (("ada", ada), ("bob", bob)):
            assert person.repo.verify().ok
            log = [(e.version.generation, e.version.message) for e in person.repo.history()]
            assert log == sorted(log, key=lambda row: -row[0])
            log.sort()  # of one generation the newer is shown first
            told[name] = (log, person.files(), person.repo.status().clean)
        ada.repo.close()
        bob.repo.close()
        served.stop(0)
        assert list(store.check()) == []
    return told


@pytest.fixture(scope="module")
def calm() -> Iterator[dict[str, object]]:
    with in_memory() as top:
        yield outcome([60], top)


@given(steps=STEPS)
@example(steps=[0])
@example(steps=[-DAY])
@example(steps=[YEARS, -YEARS])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
def test_nothing_but_what_is_shown_depends_on_clocks(
    steps: list[int], calm: dict[str, object]
) -> None:
    with in_memory() as top:
        assert outcome(steps, top) == calm


def test_what_the_calm_clock_leads_to(calm: dict[str, object]) -> None:
    """The others are compared with it, so it has to be right itself."""
    assert calm["seen"] == ["a"]
    assert calm["pulled"]
    assert calm["refused"] == "non-fast-forward"
    number, _ = calm["undone"]  # type: ignore[misc]
    assert number == 1
    assert calm["ada"] == calm["bob"]
    log, files, clean = calm["ada"]  # type: ignore[misc]
    assert [generation for generation, _ in log] == [1, 2, 3, 3, 4]
    assert set(files) == {"a", "b", "params.yaml", "model.bin"}
    assert clean


def test_an_old_operation_is_forgotten_by_age_alone(tmp_path: Path) -> None:
    """Ages are the exception: a clock that ran ahead makes gc forget operations, never versions."""
    clock = Clock([0])
    person = Skewed(tmp_path / "ada", clock)
    person.add()
    person.save({"a": "one"}, "first")
    person.save({"a": "two"}, "second")
    before = [operation.verb for operation in person.repo.operations()]
    clock.now += YEARS
    person.repo.gc(context=person.context())
    assert len([*person.repo.operations()]) < len(before)
    assert person.repo.read("a", "v1") == b"one"
    assert person.repo.verify().ok
    person.repo.close()
