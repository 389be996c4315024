"""The reader process: kept, fed, started again, and lifted when it starves."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.daemon import priority, reader, reading, resting
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
        self.loaded = False
        self.reading = Reading(self.told.put, loaded=lambda: self.loaded)

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


def hasty_texts(world: World, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content that optimizing makes smaller, in so many packs."""
    with monkeypatch.context() as patch:
        patch.setattr("mvcd.store.session.SEAL_BYTES", 1000)
        patch.setattr(
            Encoder, "encode", lambda _, data, **__: Encoded(Codec.RAW, len(data), bytes(data))
        )
        for number in range(count):
            world.bench.save({"text": f"again and again {number}, " * 500})


@pytest.fixture
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resting, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(resting, "PAUSE_SECONDS", 0.1)


@pytest.mark.usefixtures("restless")
def test_when_nobody_wants_anything_repositories_are_tended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty_texts(world, 3, monkeypatch)
    world.reading.rest(str(world.bench.root))
    told = world.told.get(timeout=60)
    assert (told["state"], told["packs"] >= 3, told["left"]) == ("optimized", True, 0)
    assert os.getpriority(os.PRIO_PROCESS, world.process) == priority.NICE
    world.capture("a")
    world.want()
    assert world.told.get(timeout=60)["state"] == "saved"
    assert world.bench.reopen().verify().ok


@pytest.mark.usefixtures("restless")
def test_a_machine_at_work_tends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hasty_texts(world, 1, monkeypatch)
    asked = threading.Event()

    def busy() -> bool:
        asked.set()
        return world.loaded

    world.loaded, world.reading._loaded = True, busy
    world.reading.rest(str(world.bench.root))
    assert asked.wait(60)
    assert world.reading._process is None
    world.loaded = False
    assert world.told.get(timeout=60)["state"] == "optimized"


SLOW = """
import json, sys
asked = json.loads(sys.stdin.readline())
def tell(state, **more):
    print(json.dumps({"root": asked["root"], "state": state, **more}), flush=True)
tell("tending")
tell("untended", message="it goes on until somebody wants something")
assert sys.stdin.readline() == "\\n"
tell("idle", left=True)
asked = json.loads(sys.stdin.readline())
tell("untended", message="rest" if asked["rest"] else "work")
tell("idle", left=False)
"""
"""A reader that is never through with what nobody waits for."""


@pytest.mark.usefixtures("restless")
def test_who_wants_something_ends_what_nobody_waits_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PROGRAM", ("-c", SLOW))
    world.reading.rest(str(world.bench.root))
    assert "until somebody wants" in world.told.get(timeout=60)["message"]
    world.want()
    assert world.told.get(timeout=60)["message"] == "work"


def test_the_reader_sees_a_line_that_waits_and_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    reading_end, writing_end = os.pipe()
    with open(reading_end) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert (reader._input_waits(), reader._input_ended()) == (False, False)
        os.write(writing_end, b"\n")
        assert (reader._input_waits(), reader._input_ended()) == (True, False)
        os.close(writing_end)
        assert reader._input_ended()
        assert stdin.read() == "\n"
        assert reader._input_waits(), "who asks is gone"


@pytest.mark.parametrize("wanted", [True, False])
def test_what_is_left_is_told(world: World, monkeypatch: pytest.MonkeyPatch, wanted: bool) -> None:
    hasty_texts(world, 3, monkeypatch)
    told: list[Mapping[str, Any]] = []
    left = reader.drain(str(world.bench.root), told.append, rest=True, wanted=lambda: wanted)
    assert left is wanted
    assert [line["state"] for line in told] == ([] if wanted else ["tending", "optimized"])


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


def test_it_prunes_when_all_is_read_and_is_not_lifted_for_that(world: World) -> None:
    world.bench.write({"mvc.toml": "[retention]\nkeep_last = 1\n"})
    for name in ("a", "b"):
        world.capture(name)
    world.want(since=reading.LATE_SECONDS + 1)
    told = [world.told.get(timeout=60) for _ in range(3)]
    assert [t["state"] for t in told] == ["saved", "saved", "pruned"]
    assert told[2]["versions"] == 1
    assert os.getpriority(os.PRIO_PROCESS, world.process) == priority.NICE
