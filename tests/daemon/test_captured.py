"""Captured first, read later: a real daemon, its reader held up, its trainer in a hurry, the machine busy.

The full campaigns (`-m campaign`): rounds of rotation by blocks and without, a file overwritten 100 times,
a daemon that is stopped in its looks, and how long a version takes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

import mvc
from mvcd.objects.version import Component
from tests.daemon.daemons import Daemon, Trainer, content, versions
from tests.daemon.trainers import shard
from tests.support.busy import busy
from tests.support.engine import Repository
from tests.support.workspace import Bench

Make = Callable[..., Bench]

NEVER = "[watch]\nsettle = 3600\n"
"""Quiet is never reached, so that what is saved was saved because it was complete and then taken away."""

LARGE = 2 << 20


def full(*values: object) -> object:
    return pytest.param(*values, marks=[pytest.mark.campaign, pytest.mark.timeout(7200)])


@pytest.fixture
def bench(daemon: Daemon, workspace: Make) -> Bench:
    """Under care, its first version made by hand."""
    made = workspace(limits=NEVER)
    made.commit("first")
    while made.repo.look().scan.candidates:
        made.repo.status()  # until the stamps are old enough to prove something
    daemon.watch(made)
    return made


def until(daemon: Daemon, bench: Bench, condition: Callable[[dict[str, object]], bool]) -> None:
    for _ in range(300):
        report = daemon.ask("sync", root=str(bench.root), timeout=0.1)["workspace"]
        if condition(report):
            return
    raise AssertionError(report)


def held(bench: Bench) -> list[str]:
    return [p.name for p in Path(bench.path(".mvc/captures")).glob("held-*")]


def saved_states(bench: Bench, path: str) -> list[str]:
    """Digests of a file in all versions that have it, oldest first."""
    found = []
    with Repository.open(str(bench.root)) as repo:
        for entry in list(repo.history())[::-1]:
            if any(f.path == path for f in repo.ls(entry.id.hex())):
                found.append(hashlib.sha256(repo.read(path, entry.id.hex())).hexdigest())
    return found


# -------------------------------------------------------------------- taken when complete


def test_a_complete_file_that_is_deleted_before_it_was_quiet_is_a_version(
    daemon: Daemon, bench: Bench
) -> None:
    bench.write({"m/w.safetensors": shard(1, LARGE)})
    until(daemon, bench, lambda r: bool(held(bench)))
    os.unlink(bench.path("m/w.safetensors"))
    until(daemon, bench, lambda r: r["saves"] == 1)
    assert content(bench, "m/w.safetensors") == shard(1, LARGE)
    assert not held(bench)


def test_a_complete_file_that_is_replaced_before_it_was_quiet_is_a_version(
    daemon: Daemon, bench: Bench
) -> None:
    bench.write({"w.safetensors": shard(1, LARGE)})
    until(daemon, bench, lambda r: bool(held(bench)))
    bench.write({"w.tmp": shard(2, LARGE)})
    os.replace(bench.path("w.tmp"), bench.path("w.safetensors"))
    until(daemon, bench, lambda r: r["saves"] == 1)
    assert content(bench, "w.safetensors") == shard(1, LARGE)
    until(daemon, bench, lambda r: bool(held(bench)))
    assert daemon.report(bench)["ledger"]["missed"] == 0


def test_a_complete_file_that_is_rewritten_in_place_before_it_was_quiet_is_missed_and_told(
    daemon: Daemon, bench: Bench
) -> None:
    """Where there are hard links only, as here; with reflinks it is a version."""
    bench.write({"w.safetensors": shard(1, LARGE)})
    until(daemon, bench, lambda r: bool(held(bench)))
    bench.write({"w.safetensors": shard(2, LARGE)})
    until(daemon, bench, lambda r: r["ledger"]["missed"] == 1)  # type: ignore[index]
    (miss,) = daemon.report(bench)["ledger"]["misses"]
    assert miss["path"] == "w.safetensors"
    assert "rewritten in place" in miss["reason"]
    assert "missed w.safetensors: rewritten in place" in daemon.log()
    assert len(versions(bench)) == 1


def test_a_held_set_that_grows_is_held_anew_and_is_one_version(
    daemon: Daemon, workspace: Make
) -> None:
    bench = workspace(limits="[watch]\nsettle = 1\n")
    bench.commit("first")
    daemon.watch(bench)
    bench.write({
        "checkpoint-1/model.safetensors": shard(1, LARGE), "checkpoint-1/trainer_state.json": "{}",
    })  # fmt: skip
    until(daemon, bench, lambda r: bool(held(bench)))
    bench.write({"checkpoint-1/README.md": "a card"})
    daemon.sync(bench)
    assert len(versions(bench)) == 2
    assert content(bench, "checkpoint-1/README.md") == b"a card"
    assert not held(bench)
    assert daemon.report(bench)["ledger"] == {"saved": 1, "missed": 0, "misses": []}


def test_saving_by_itself_leaves_a_clean_workspace_that_no_scan_reads_again(
    daemon: Daemon, workspace: Make
) -> None:
    """Links change the inodes' change times, when they are made and when they are removed."""
    bench = workspace()
    daemon.watch(bench)
    bench.write({"w.safetensors": shard(1, LARGE)})
    daemon.sync(bench)
    with bench.reopen() as repo:
        assert [c.path for c in repo.look().scan.candidates] == []
    assert os.stat(bench.path("w.safetensors")).st_nlink == 1
    assert not list(Path(bench.path(".mvc/captures")).glob("*0*"))


# -------------------------------------------------------------------- deaths


def test_captures_survive_the_daemon_and_its_reader(daemon: Daemon, bench: Bench) -> None:
    with daemon.reader_stopped(bench):
        for number in (1, 2):
            with daemon.block(bench, f"c{number}"):
                bench.write({f"c{number}/w.safetensors": shard(number, LARGE)})
            shutil.rmtree(bench.path(f"c{number}"))
        reader = daemon.reader()
        daemon.kill()
        os.kill(reader, signal.SIGKILL)
    daemon.restart()
    daemon.sync(bench)
    assert [content(bench, f"c{n}/w.safetensors", f"v{n + 2}") for n in (1, 2)] == [
        shard(n, LARGE) for n in (1, 2)
    ]


def test_a_reader_that_is_killed_is_started_again(daemon: Daemon, bench: Bench) -> None:
    with daemon.reader_stopped(bench):
        with daemon.block(bench, "c"):
            bench.write({"c/w.safetensors": shard(1, LARGE)})
        os.kill(daemon.reader(), signal.SIGKILL)
    daemon.sync(bench)
    assert content(bench, "c/w.safetensors") == shard(1, LARGE)


def test_a_version_by_hand_comes_after_what_was_captured(daemon: Daemon, bench: Bench) -> None:
    """A capture is older: on top of it, it would bring an old state back."""
    with daemon.reader_stopped(bench) as go_on:
        with daemon.block(bench, "c") as end:
            bench.write({"c/w.safetensors": shard(1, LARGE)})
            assert os.path.isdir(bench.path(f".mvc/captures/{end():08d}")), daemon.log()
        os.unlink(bench.path("c/w.safetensors"))  # so that the next one is another file
        bench.write({"c/w.safetensors": shard(2, LARGE)})
        daemon.kill()
        go_on()
    with mvc.Repo(bench.root, author="Ada <ada@example.org>") as repo:
        repo.commit("by hand")
    messages = [v.version.message.partition("\n")[0] for v in versions(bench)]
    assert (len(messages), messages[-1]) == (4, "by hand"), daemon.log()
    assert [content(bench, "c/w.safetensors", f"v{n}") for n in (3, 4)] == [
        shard(n, LARGE) for n in (1, 2)
    ]
    daemon.restart()


# -------------------------------------------------------------------- what the status says


def test_the_status_is_of_this_moment(daemon: Daemon, workspace: Make) -> None:
    bench = workspace(limits="[watch]\nsettle = 0.5\n")
    daemon.watch(bench)
    daemon.sync(bench)
    with Path(bench.path("a.bin")).open("wb") as file:
        file.write(b"half")
        file.flush()
        until(daemon, bench, lambda r: "open for writing" in str(r["waiting"]))
        report = daemon.report(bench)
        assert report["looked_ago"] <= 1.0
        assert report["looks_for"].startswith("a.bin: a.bin is open for writing")
    daemon.sync(bench)
    bench.remove("a.bin")
    until(daemon, bench, lambda r: r["leaving"] == ["a.bin"])
    report = daemon.report(bench)
    assert (report["waiting"], report["captured"]) == ([], [])
    assert len(versions(bench)) == 2, "what was removed makes no version of its own"
    bench.write({"b.bin": b"b"})
    daemon.sync(bench)
    with bench.reopen() as repo:
        assert {f.path for f in repo.ls()} == {"mvc.toml", "b.bin"}


OUTLIVED = """
import os, sys
from mvc.daemon_client import Connection
connection = Connection()
connection.ask("begin", directory=sys.argv[1])
if os.fork():
    os._exit(0)
sys.stdin.read()
"""


def test_the_block_of_a_process_that_is_gone_is_not_open(daemon: Daemon, bench: Bench) -> None:
    """Although a child of it still holds the connection."""
    with subprocess.Popen([sys.executable, "-c", OUTLIVED, bench.path("runs")], env=daemon.environment,
                          stdin=subprocess.PIPE) as trainer:  # fmt: skip
        assert trainer.wait(30) == 0
        bench.write({"runs/a.bin": b"half"})
        ended = "its checkpoint block ended without finishing"
        until(daemon, bench, lambda report: [w["reason"] for w in report["waiting"]] == [ended])


# -------------------------------------------------------------------- busy machines


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("blocks", "size", "gap", "rounds"),
    [(4, LARGE, 0.5, 1), full(6, 2 << 20, 3.0, 50), full(6, 200 << 20, 3.0, 50)],
)
def test_blocks_with_rotation_on_a_busy_machine(
    daemon: Daemon, workspace: Make, blocks: int, size: int, gap: float, rounds: int
) -> None:
    """Each version holds exactly its own checkpoint."""
    for number in range(rounds):
        bench = workspace(f"w{number}", limits="[watch]\nsettle = 2\n")
        daemon.watch(bench)
        daemon.sync(bench)
        data = os.urandom(size)
        with busy():
            for block in range(1, blocks + 1):
                with daemon.block(bench, f"runs/checkpoint-{block}", message=f"step {block}"):
                    bench.write({
                        f"runs/checkpoint-{block}/model.bin": block.to_bytes(8, "little") + data,
                        f"runs/checkpoint-{block}/trainer_state.json": "{}",
                    })  # fmt: skip
                shutil.rmtree(bench.path(f"runs/checkpoint-{block - 1}"), ignore_errors=True)
                time.sleep(gap)  # the pace of the trainer is the experiment
            daemon.sync(bench, timeout=120)
        found = {}
        with Repository.open(str(bench.root)) as repo:
            for entry in repo.history():
                paths = {f.path for f in repo.ls(entry.id.hex()) if f.path.startswith("runs/")}
                found[entry.version.message.partition("\n")[0]] = paths
        del found[
            next(title for title, paths in found.items() if not paths)
        ]  # the first, of mvc.toml
        assert found == {
            f"step {n}": {
                f"runs/checkpoint-{n}/model.bin", f"runs/checkpoint-{n}/trainer_state.json",
            }
            for n in range(1, blocks + 1)
        }  # fmt: skip
        daemon.ask("unwatch", root=str(bench.root))
        shutil.rmtree(bench.root)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("saves", "size", "lives", "limits"),
    [(4, LARGE, 1.5, "settle = 0.5"), full(100, 20 << 20, 3.0, "settle = 2")],
)
def test_rotation_without_blocks_on_a_busy_machine(
    daemon: Daemon, workspace: Make, saves: int, size: int, lives: float, limits: str
) -> None:
    bench = workspace(limits=f"[watch]\n{limits}\n")
    daemon.watch(bench)
    daemon.sync(bench)
    with (
        busy(),
        Trainer(
            "rotating", directory=bench.path("out"), saves=saves, size=size, lives=lives
        ) as trainer,
    ):
        lines = trainer.finish()
        daemon.sync(bench, timeout=120)
    wanted = [hashlib.sha256(shard(line["checkpoint"], size)).hexdigest() for line in lines]
    found = {
        n: saved_states(bench, f"out/checkpoint-{n}/model.safetensors") for n in range(1, saves + 1)
    }
    assert {n: states[:1] for n, states in found.items()} == {
        n: [digest] for n, digest in enumerate(wanted, 1)
    }
    for entry in versions(bench)[1:]:
        with bench.reopen() as repo:
            numbers = {f.path.split("/")[1] for f in repo.ls(entry.id.hex()) if "/" in f.path}
        assert len(numbers) == 1, f"v{entry.version.generation} holds {numbers}"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("saves", "size", "every", "limits", "least"),
    [(5, 4 << 20, 2.0, "settle = 0.5", 3), full(100, 100 << 20, 5.0, "settle = 2", 95)],
)
def test_the_same_file_again_and_again_on_a_busy_machine(
    daemon: Daemon, workspace: Make, saves: int, size: int, every: float, limits: str, least: int
) -> None:
    """In place, where hard links do not help: what is no version is told."""
    bench = workspace(limits=f"[watch]\n{limits}\n")
    daemon.watch(bench)
    daemon.sync(bench)
    before = daemon.report(bench)["ledger"]["saved"]
    with busy(), Trainer("overwriting", path=bench.path("last.pt"), saves=saves, size=size,
                         every=every) as trainer:  # fmt: skip
        complete = [line["digest"] for line in trainer.finish()]
        daemon.sync(bench, timeout=120)
    ledger = daemon.report(bench)["ledger"]
    states = saved_states(bench, "last.pt")
    assert set(states) <= set(complete), "no version is torn"
    assert states[-1] == complete[-1]
    assert ledger["saved"] - before == len(states) == len(set(states))
    assert len(states) + ledger["missed"] == saves, ledger
    assert len(states) >= least, ledger


@pytest.mark.thorough
@pytest.mark.parametrize(("rounds", "seconds", "settle"), [(2, 2.0, 0.5), full(20, 5.0, 2.0)])
def test_a_daemon_that_was_stopped_goes_on_at_once(
    daemon: Daemon, workspace: Make, rounds: int, seconds: float, settle: float
) -> None:
    """Stopped in a look, as a frozen cgroup or a suspended laptop do: no pause for the time lost."""
    bench = workspace(limits=f"[watch]\nsettle = {settle}\n")
    bench.write({f"d{n}/f{m}": f"{n} {m}" for n in range(40) for m in range(40)})
    daemon.watch(bench)
    daemon.sync(bench, timeout=60)
    with daemon.connect(timeout=60) as follower:
        follower.ask("follow")
        for number in range(rounds):
            bench.write({f"d1/poke{number}": "x"})
            time.sleep(0.01 * (number % 6))  # where in its look it is met is the experiment
            daemon.process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            daemon.process.send_signal(signal.SIGCONT)
            bench.write({f"final{number}": "x"})
            began = time.monotonic()
            while f"final{number}" not in {f.path for f in bench.reopen().ls()}:
                follower.next()
            assert time.monotonic() - began <= settle + 5


@pytest.mark.thorough
@pytest.mark.parametrize("loaded", [False, True], ids=["idle", "loaded"])
@pytest.mark.parametrize(("size", "rounds"), [(4 << 20, 1), full(100 << 20, 10)])
def test_how_long_until_a_closed_checkpoint_is_a_version(
    daemon: Daemon, workspace: Make, size: int, rounds: int, loaded: bool
) -> None:
    """The bounds of the campaign are settle + 5 s on a busy machine, + 1 s on an idle one; the short form only
    has the first, for the tests beside it make no machine idle."""
    bench = workspace(limits="[watch]\nsettle = 2\n")
    daemon.watch(bench)
    daemon.sync(bench)
    took = []
    with busy() if loaded else nullcontext(), daemon.connect(timeout=120) as follower:
        follower.ask("follow")
        for number in range(rounds):
            bench.write({f"m{number}.safetensors": shard(number, size)})
            closed = time.monotonic()
            follower.next()
            took.append(time.monotonic() - closed)
    print("seconds until a version:", " ".join(f"{t:.2f}" for t in sorted(took)))
    assert max(took) <= 2 + (5 if loaded or rounds == 1 else 1)


# -------------------------------------------------------------------- what it costs a block


def test_the_capture_of_a_large_checkpoint_copies_nothing(daemon: Daemon, bench: Bench) -> None:
    """60 files of 20 GiB in all, sparse: hard links or reflinks. The time is printed; the campaign's figure."""
    size = (20 << 30) // 60
    with daemon.reader_stopped(bench):
        with daemon.block(bench, "big") as end:
            for number in range(60):
                with Path(bench.path(f"big/{number}.bin")).open("wb") as file:
                    file.truncate(size)
            began = time.monotonic()
            end()
            print(f"the block left after {1000 * (time.monotonic() - began):.0f} ms")
        (capture,) = Path(bench.path(".mvc/captures")).glob("0*")
        kept = [p for p in capture.iterdir() if p.name.isdigit()]
        assert len(kept) == 60
        assert sum(p.stat().st_blocks for p in kept) == 0
        shutil.rmtree(bench.path("big"))
        daemon.kill()
    shutil.rmtree(bench.path(".mvc/captures"))
    daemon.restart()


def test_who_wrote_it_is_known_without_a_block(daemon: Daemon, workspace: Make) -> None:
    bench = workspace()
    daemon.watch(bench)
    daemon.sync(bench)
    with Trainer("rotating", cwd=bench.root, directory=bench.path("out"), saves=1, size=LARGE,
                 lives=60) as trainer:  # fmt: skip
        until(daemon, bench, lambda r: r["saves"] == 2)
        assert trainer.process.poll() is None
    last = versions(bench)[-1].version
    assert last.provenance.command[:2] == ("trainers.py", "rotating")
    assert last.provenance.python == ".".join(map(str, sys.version_info[:3]))
    assert last.components[Component.WEIGHTS].files == 3
