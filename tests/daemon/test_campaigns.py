"""The promises under fire. Each campaign has a short form that always runs and a full form (`-m campaign`)."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.daemon.daemons import Daemon, Trainer, versions
from tests.support.engine import Repository
from tests.support.workspace import Bench

pytestmark = pytest.mark.thorough

Make = Callable[..., Bench]

HASTY = "[watch]\nsettle = 0.05\n"
"""The sooner it saves, the more often it meets a writer in the middle."""


def sizes(short: int, full: int) -> list[object]:
    return [short, pytest.param(full, marks=[pytest.mark.campaign, pytest.mark.timeout(7200)])]


@pytest.mark.parametrize(("saves", "size"), [(8, 1 << 20), pytest.param(1000, 64 << 20, marks=[
    pytest.mark.campaign, pytest.mark.timeout(7200)])])  # fmt: skip
def test_torn_reads(daemon: Daemon, workspace: Make, saves: int, size: int) -> None:
    """Whatever way a file is rewritten: each version has a state in which it was closed."""
    bench = workspace(limits=HASTY)
    daemon.watch(bench)
    longest = 0.3 if size < 8 << 20 else 2.0
    with daemon.connect(timeout=600) as follower:
        follower.ask("follow")
        with Trainer("torn_reads", path=bench.path("model.bin"), size=size, seed=saves,
                     longest=longest) as trainer:  # fmt: skip
            for _, _event in zip(range(saves), follower.events(), strict=False):
                pass
            closed = {line["closed"] for line in trainer.end()}
    daemon.sync(bench)
    with Repository.open(str(bench.root)) as repo:
        found = [hashlib.sha256(repo.read("model.bin", h.id.hex())).hexdigest()
                 for h in repo.history() if _has(repo, h.id.hex(), "model.bin")]  # fmt: skip
    assert len(found) >= saves - 1
    assert set(found) <= closed
    assert found[0] == trainer.lines[-1]["closed"]
    assert len({line["how"] for line in trainer.lines}) >= 3, "several ways were taken"


def _has(repo: Repository, rev: str, path: str) -> bool:
    return any(listed.path == path for listed in repo.ls(rev))


@pytest.mark.parametrize("rounds", sizes(12, 500))
def test_torn_sets(daemon: Daemon, workspace: Make, rounds: int) -> None:
    """20 shards and an index, overwritten in place, with pauses and deaths: one generation per version."""
    bench = workspace(limits=HASTY)
    daemon.watch(bench)
    with Trainer("torn_sets", directory=bench.path("ckpt"), shards=20, size=4096, rounds=rounds,
                 seed=rounds, pause=0.3) as trainer:  # fmt: skip
        for _ in range(rounds):
            if trainer.next()["generation"] % 4 == 0:
                daemon.sync(bench)
                trainer.go_on()
        lines = trainer.finish()
    daemon.sync(bench)
    finished = {line["generation"] for line in lines if line["finished"]}
    assert 0 < len(finished) < rounds, "some rounds died, some did not"
    found = []
    with Repository.open(str(bench.root)) as repo:
        for entry in repo.history():
            files = {f.path: repo.read(f.path, entry.id.hex()) for f in repo.ls(entry.id.hex())}
            generations = {_generation(p, d) for p, d in files.items() if p.startswith("ckpt/")}
            assert len(generations) <= 1, f"v{entry.version.generation} mixes {generations}"
            found += generations
    assert set(found) <= finished
    assert found[0] == rounds
    assert len(found) >= rounds // 4


def _generation(path: str, data: bytes) -> int:
    if path.endswith(".json"):
        return int(json.loads(data)["metadata"]["generation"])
    length = int.from_bytes(data[:8], "little")
    generation = int(json.loads(data[8 : 8 + length])["__metadata__"]["generation"])
    body = data[8 + length :]
    assert body == generation.to_bytes(8, "little") * (len(body) // 8), f"{path} is torn"
    return generation


@pytest.mark.parametrize("count", sizes(4_500, 100_000))
def test_storm(daemon: Daemon, workspace: Make, count: int) -> None:
    """More events than the kernel's queue holds: still the exact tree, in bounded memory."""
    bench = workspace()
    for number in range(5):
        Path(bench.path(f"out/d{number:05d}")).mkdir(parents=True)
    daemon.watch(bench)
    daemon.sync(bench)
    daemon.process.send_signal(signal.SIGSTOP)  # so that the queue overflows for certain
    try:
        with Trainer("storm", directory=bench.path("out"), count=4_500, per_directory=1000) as t:
            t.finish()
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    if count > 4_500:
        with Trainer("storm", directory=bench.path("more"), count=count - 4_500,
                     per_directory=1000) as t:  # fmt: skip
            t.finish()
    daemon.sync(bench, timeout=600)
    assert "queue ran over" in (daemon.places / "state" / "mvcd.log").read_text()
    there = bench.files()
    with Repository.open(str(bench.root)) as repo:
        assert {f.path: f.size for f in repo.ls()} == {p: len(d) for p, d in there.items()}
        for path in sorted(there)[::20]:
            assert repo.read(path) == there[path]
    assert len(there) == count + 1
    assert daemon.peak_kib() < 300 << 10


@pytest.mark.parametrize("kills", sizes(3, 200))
def test_kills(daemon: Daemon, workspace: Make, kills: int) -> None:
    """kill -9 at random moments: what was acknowledged stays, what was missed is found after the restart."""
    bench = workspace(limits=HASTY)
    daemon.watch(bench)
    rng = random.Random(kills)
    acknowledged: list[str] = []
    with Trainer("steady", directory=bench.path("out"), size=200_000, pause=0.2) as trainer:
        for _ in range(kills):
            with daemon.connect(timeout=30) as follower:
                follower.ask("follow")
                acknowledged.append(next(follower.events())["version"])
                time.sleep(rng.uniform(0, 0.3))  # the moment of death is the experiment
                daemon.kill()
            daemon.restart()
        trainer.end()
    daemon.sync(bench)
    ids = [entry.id.hex() for entry in versions(bench)]
    assert set(acknowledged) <= set(ids)
    with Repository.open(str(bench.root)) as repo:
        assert {f.path: repo.read(f.path) for f in repo.ls()} == bench.files()
        assert repo.verify().ok


@pytest.mark.parametrize("directories", sizes(500, 10_000))
def test_idle(daemon: Daemon, workspace: Make, directories: int) -> None:
    """Watching costs nothing while nothing happens: no look, no work."""
    bench = workspace()
    for number in range(directories):
        Path(bench.path(f"d{number // 100}/e{number % 100}")).mkdir(parents=True)
    daemon.watch(bench)
    daemon.sync(bench)
    before, looks = daemon.processor_seconds(), daemon.report(bench)["looks"]
    seconds = 2.0 if directories < 10_000 else 60.0
    time.sleep(seconds)  # the idleness is the experiment
    report = daemon.report(bench)
    assert report["directories"] > directories
    assert report["looks"] == looks
    assert daemon.processor_seconds() - before <= max(0.03, 0.005 * seconds)
