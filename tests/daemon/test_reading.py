"""The reader process: kept, fed, started again, and lifted when it starves."""

from __future__ import annotations

import os
import queue
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mvcd.daemon import priority, reading
from mvcd.daemon.reading import Reading
from tests.repo.capturing import take
from tests.support.workspace import Bench

LARGE = bytes(range(256)) * (8 << 10)


class World:
    """A workspace with captures, a reader, and what it told."""

    def __init__(self, root: Path) -> None:
        self.bench = Bench(root)
        self.bench.save({"x": "1"})
        self.told: queue.Queue[Mapping[str, Any]] = queue.Queue()
        self.reading = Reading(self.told.put)

    def capture(self, name: str) -> None:
        self.bench.write({name: LARGE + name.encode()})
        take(self.bench, name)

    def want(self, *, since: float = 0.0) -> None:
        self.reading.want(str(self.bench.root), time.monotonic() - since)

    @property
    def process(self) -> int:
        deadline = time.monotonic() + 30
        while self.reading._process is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self.reading._process.pid


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "w")
    with made.bench:
        yield made
    made.reading.close()


def test_it_tells_of_each_capture_and_is_kept(world: World) -> None:
    for name in ("a", "b"):
        world.capture(name)
    world.want()
    told = [world.told.get(timeout=60) for _ in range(2)]
    assert [(t["state"], t["number"], t["new"]) for t in told] == [
        ("saved", 2, True), ("saved", 3, True),
    ]  # fmt: skip
    pid = world.process
    assert os.getpriority(os.PRIO_PROCESS, pid) == priority.NICE
    world.capture("c")
    world.want()
    assert world.told.get(timeout=60)["number"] == 4
    assert world.process == pid


def test_one_that_is_killed_is_started_again_and_nothing_is_lost(world: World) -> None:
    world.reading.warm()
    os.kill(world.process, signal.SIGKILL)
    world.capture("a")
    world.want()
    assert world.told.get(timeout=60)["number"] == 2
    assert world.bench.reopen().read("a") == LARGE + b"a"


def test_what_ends_it_is_told_where_damage_does(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """LMDB ends who reads a damaged page with SIGABRT, and the kernel with SIGBUS."""
    world.reading.warm()
    os.kill(world.process, signal.SIGBUS)
    world.capture("a")
    world.want()
    told = world.told.get(timeout=60)
    assert (told["root"], told["state"]) == (str(world.bench.root), "failed")
    assert "index is damaged" in told["message"] and "SIGBUS" in told["message"]
    assert "mvc repair" in told["message"]
    assert told["message"] in caplog.text
    assert world.told.get(timeout=60)["number"] == 2, "the next one reads it all the same"


@pytest.mark.parametrize("allowed", [True, False], ids=["lifted", "replaced"])
def test_one_that_starves_with_something_late_is_lifted(
    world: World, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    """It gets no processor at all here; who may not raise a priority starts another process."""
    monkeypatch.setattr(reading, "_GLANCE_SECONDS", 0.1)
    if not allowed:
        monkeypatch.setattr(priority, "lift", lambda pid: False)
    world.reading.warm()
    pid = world.process
    os.kill(pid, signal.SIGSTOP)
    world.capture("a")
    world.want(since=reading.LATE_SECONDS + 1)
    deadline = time.monotonic() + 60
    while allowed and os.getpriority(os.PRIO_PROCESS, pid) != 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if allowed:
        os.kill(pid, signal.SIGCONT)
    assert world.told.get(timeout=60)["number"] == 2


def test_what_fails_is_told_and_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_RETRY", 0.1)
    world.capture("a")
    head = Path(world.bench.path(".mvc/config.toml"))
    good = head.read_text()
    head.write_text("[broken")
    world.want()
    told = world.told.get(timeout=60)
    assert told["state"] == "failed"
    assert "config.toml" in told["message"]
    head.write_text(good)
    while (told := world.told.get(timeout=60))["state"] != "saved":
        pass
    assert told["number"] == 2


def test_it_ends_when_whoever_asks_is_gone(world: World) -> None:
    world.reading.warm()
    pid = world.process
    world.reading.close()
    assert not Path(f"/proc/{pid}").exists()
