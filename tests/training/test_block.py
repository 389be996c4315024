"""`mvc.checkpoint` from inside training programs, with a real daemon, without one, and across forks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import mvc
from mvc.api import errors
from mvc.training import block as module
from mvc.training import unsaved
from tests.daemon.daemons import Daemon, content, short_directory, versions
from tests.support.workspace import Bench

HEAVY = (
    "blake3",
    "google",
    "grpc",
    "lmdb",
    "mvcd.codec",
    "mvcd.repo",
    "mvcd.store",
    "numpy",
    "zstandard",
)

LIMITS = "[watch]\nsettle = 3600\n"
"""So that only a block's end can be the reason for a save."""


@pytest.fixture
def places() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


@pytest.fixture
def daemon(places: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    with Daemon(places) as running:
        monkeypatch.setenv("MVC_RUNTIME_DIR", running.environment["MVC_RUNTIME_DIR"])
        yield running


@pytest.fixture
def bench(daemon: Daemon, tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path / "experiment") as made:
        made.save({"mvc.toml": LIMITS})
        daemon.watch(made)
        yield made


@pytest.fixture(autouse=True)
def count_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process."""
    monkeypatch.setattr(unsaved, "_count", 0)
    monkeypatch.setattr(module, "_silent", False)


def wait_until_abandoned(daemon: Daemon, bench: Bench) -> None:
    """Asks for looks until one finds the set held back because its block was left."""
    for _ in range(200):
        report = daemon.ask("sync", root=str(bench.root), timeout=0.1)["workspace"]
        if {"runs/": ABANDONED}.items() <= {
            w["set"]: w["reason"] for w in report["waiting"]
        }.items():
            return
    raise AssertionError(report)


ABANDONED = "its checkpoint block ended without finishing"


@pytest.fixture
def saves(daemon: Daemon, bench: Bench) -> Iterator[Iterator[dict[str, object]]]:
    """The automatic versions, as they come."""
    with daemon.connect(timeout=60) as connection:
        connection.ask("follow")
        yield connection.events()


Saves = Iterator[dict[str, object]]

IMPATIENT = "from mvc.training import block\nblock.ANSWER_SECONDS = 0.3\n"


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )


def large(number: int) -> bytes:
    """More than is copied; nothing in it is like in another."""
    return number.to_bytes(8, "little") * (1 << 18)


@contextmanager
def reader_of(
    daemon: Daemon, bench: Bench, to_begin: signal.Signals
) -> Iterator[Callable[[], None]]:
    """The reader, which a first save starts, is stopped meanwhile; yields what lets it go on."""
    with mvc.checkpoint(bench.path("first"), wait=True):
        bench.write({"first/a.bin": b"a"})
    pid = daemon.reader()
    os.kill(pid, to_begin)

    def go_on() -> None:
        os.kill(pid, signal.SIGCONT)

    try:
        yield go_on
    finally:
        go_on()


def test_a_block_is_one_version_at_its_end(daemon: Daemon, bench: Bench, saves: Saves) -> None:
    with mvc.checkpoint(bench.path("runs/1"), metrics={"acc": 0.5}, message="epoch 1") as saving:
        bench.write({"runs/1/a.bin": b"a"})
        daemon.poke(bench)
        bench.write({"runs/1/b.bin": b"b"})
        saving.metrics["loss"] = 0.25
    assert next(saves)["number"] == 2
    last = versions(bench)[-1].version
    assert last.metrics == {"acc": 0.5, "loss": 0.25}
    assert last.message.startswith("epoch 1\n\nruns/1: loss 0.25, acc 0.5, a.bin and b.bin added")
    assert last.provenance.python == ".".join(map(str, sys.version_info[:3]))
    assert last.provenance.command
    with mvc.checkpoint(bench.path("runs/1")):
        bench.write({"runs/1/a.bin": b"a2"})
    next(saves)
    assert content(bench, "runs/1/a.bin") == b"a2"
    assert len(versions(bench)) == 3


def test_a_block_that_raises_saves_nothing(daemon: Daemon, bench: Bench, saves: Saves) -> None:
    with pytest.raises(RuntimeError), mvc.checkpoint(bench.path("runs")):
        bench.write({"runs/a.bin": b"half"})
        raise RuntimeError("out of memory")
    wait_until_abandoned(daemon, bench)
    assert len(versions(bench)) == 1
    with mvc.checkpoint(bench.path("runs")):
        bench.write({"runs/a.bin": b"whole"})
    next(saves)
    assert content(bench, "runs/a.bin") == b"whole"


KILLED = """
import os, signal, sys, mvc
with mvc.checkpoint(sys.argv[1]):
    with open(os.path.join(sys.argv[1], "a.bin"), "wb") as file:
        file.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_program_that_dies_in_its_block_saves_nothing(daemon: Daemon, bench: Bench) -> None:
    died = subprocess.run(
        [sys.executable, "-c", KILLED, bench.path("runs")], env=daemon.environment
    )
    assert died.returncode == -9
    wait_until_abandoned(daemon, bench)
    assert len(versions(bench)) == 1


FORKS = """
import os, sys, threading, mvc
root = sys.argv[1]
def worker(number):
    with mvc.checkpoint(os.path.join(root, f"w{number}")):
        with open(os.path.join(root, f"w{number}", "f.bin"), "wb") as file:
            file.write(str(number).encode())
with mvc.checkpoint(os.path.join(root, "main")):
    children = []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            worker(number)
            os._exit(0)
        children.append(pid)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    with open(os.path.join(root, "main", "f.bin"), "wb") as file:
        file.write(b"main")
threads = [threading.Thread(target=worker, args=(n,)) for n in range(4, 8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_forked_children_and_threads_have_blocks_of_their_own(daemon: Daemon, bench: Bench) -> None:
    done = subprocess.run([sys.executable, "-c", FORKS, str(bench.root)], env=daemon.environment)
    assert done.returncode == 0
    wanted = {"main/f.bin", *(f"w{n}/f.bin" for n in range(8))}
    for _ in range(100):
        daemon.ask("sync", root=str(bench.root), timeout=0.1)
        with bench.reopen() as repo:
            if wanted <= {f.path for f in repo.ls()}:
                break
    assert content(bench, "main/f.bin") == b"main"
    for number in range(8):
        assert content(bench, f"w{number}/f.bin") == str(number).encode()


OUTLIVED = """
import os, sys, time, mvc
saving = mvc.checkpoint(sys.argv[1])
saving.__enter__()
if os.fork() == 0:
    sys.stdin.read()  # a worker that outlives the trainer
    os._exit(0)
open(os.path.join(sys.argv[1], "a.bin"), "wb").close()
os._exit(1)
"""


def test_a_worker_that_outlives_its_trainer_does_not_hold_the_block(
    daemon: Daemon, bench: Bench
) -> None:
    with subprocess.Popen([sys.executable, "-c", OUTLIVED, bench.path("runs")], env=daemon.environment,
                          stdin=subprocess.PIPE) as trainer:  # fmt: skip
        assert trainer.wait(30) == 1
        wait_until_abandoned(daemon, bench)


# -------------------------------------------------------------------- captured


def test_a_block_is_left_when_its_state_is_captured(
    daemon: Daemon, bench: Bench, saves: Saves
) -> None:
    """Deleting and replacing the files afterwards does not matter, however far behind the reader is."""
    with reader_of(daemon, bench, signal.SIGSTOP):
        assert next(saves)["number"] == 2
        for number in range(1, 4):
            with mvc.checkpoint(bench.path(f"runs/c{number}"), message=f"step {number}") as made:
                bench.write({f"runs/c{number}/w.bin": large(number)})
            assert made.future is not None
            assert not made.future.done()
            shutil.rmtree(bench.path(f"runs/c{number}"))
    for number in range(1, 4):
        assert next(saves)["number"] == number + 2
        version = versions(bench)[number + 1]
        assert version.version.message.startswith(f"step {number}\n")
        assert content(bench, f"runs/c{number}/w.bin", version.id.hex()) == large(number)
        with bench.reopen() as repo:
            held = {f.path for f in repo.ls(version.id.hex()) if f.path.startswith("runs/")}
        assert held == {f"runs/c{number}/w.bin"}, "and not the one before"
    assert made.future.result(30).number == made.number == 5
    assert daemon.report(bench)["ledger"]["missed"] == 0


def test_it_waits_until_the_version_is_durable_if_asked(daemon: Daemon, bench: Bench) -> None:
    with mvc.checkpoint(bench.path("runs"), wait=True) as made:
        bench.write({"runs/w.bin": large(1)})
    last = versions(bench)[-1]
    assert (made.version, made.number) == (last.id.hex(), 2)
    with mvc.checkpoint(bench.path("runs"), wait=True) as again:
        pass
    assert (again.version, again.number) == (made.version, 2), "nothing new: it is that version"


def test_a_second_block_on_the_same_files_waits_until_the_first_is_read(
    daemon: Daemon, bench: Bench
) -> None:
    """Here are hard links only: rewriting the file in place would reach what was captured."""
    with reader_of(daemon, bench, signal.SIGSTOP) as go_on:
        with mvc.checkpoint(bench.path("runs")):
            bench.write({"runs/w.bin": large(1)})
        timer = threading.Timer(1.0, go_on)
        timer.start()
        with mvc.checkpoint(bench.path("runs"), wait=True):
            assert len(versions(bench)) == 3
            with open(bench.path("runs/w.bin"), "r+b") as file:
                file.write(large(2))
        timer.join()
    assert [content(bench, "runs/w.bin", f"v{n}") for n in (3, 4)] == [large(1), large(2)]


def test_what_was_missed_is_told_in_the_next_block(
    daemon: Daemon, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    with reader_of(daemon, bench, signal.SIGSTOP):
        with mvc.checkpoint(bench.path("runs")) as made:
            bench.write({"runs/w.bin": large(1)})
        with open(bench.path("runs/w.bin"), "r+b") as file:  # without a block: nobody waits
            file.write(large(2))
    assert made.future is not None
    with pytest.raises(errors.DaemonError, match="is no version"):
        made.future.result(30)
    assert made.version is None
    with mvc.checkpoint(bench.path("runs"), wait=True):
        pass
    said = capsys.readouterr().err
    assert said.startswith(
        "mvc: 1 state was missed, the last runs/: runs/w.bin was rewritten before it was read: "
    )
    assert content(bench, "runs/w.bin") == large(2)
    (miss,) = daemon.report(bench)["ledger"]["misses"]
    assert miss["path"] == "runs/"


# -------------------------------------------------------------------- without a daemon


@pytest.fixture
def alone(places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("MVC_RUNTIME_DIR", str(places))
    with Bench(tmp_path / "experiment") as made:
        made.save({"mvc.toml": LIMITS})
        yield made


UNSAVED = """
import os, sys, mvc
for number in range(int(sys.argv[2])):
    with mvc.checkpoint(sys.argv[1], metrics={"n": number}) as saving:
        with open(os.path.join(sys.argv[1], "a.bin"), "w") as file:
            file.write(str(number))
    assert saving.version is None and saving.number is None and saving.future is None
"""


def test_without_a_daemon_it_tells_how_many_are_not_saved_and_training_goes_on(
    alone: Bench,
) -> None:
    done = run(UNSAVED, alone.path("runs"), "7")
    why = "not saved: mvcd is not running (mvc watch)"
    assert done.stderr.splitlines() == [
        f"mvc: 1 checkpoint is {why}",
        f"mvc: 2 checkpoints are {why}",
        f"mvc: 4 checkpoints are {why}",
        f"mvc: 7 checkpoints are {why}",
    ], "each time that it doubled, and at the end"
    assert json.loads((alone.root / "metrics.json").read_text()) == {"n": 6}
    assert len(versions(alone)) == 1


def test_without_a_daemon_it_saves_here_if_asked(
    alone: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (0, 1, 1):
        with mvc.checkpoint(alone.path("runs"), message=f"epoch {number}", save_here=True) as made:
            alone.write({"runs/a.bin": str(number)})
        last = versions(alone)[-1]
        assert (made.version, made.number) == (last.id.hex(), last.version.generation)
    assert [v.version.message for v in versions(alone)][1:] == ["epoch 0", "epoch 1"]
    assert capsys.readouterr().err == ""


def test_a_workspace_that_is_not_watched_is_told(
    daemon: Daemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Bench(tmp_path / "other") as bench, mvc.checkpoint(bench.path("runs")):
        pass
    assert "is not under care (mvc watch)" in capsys.readouterr().err


def test_a_daemon_that_ends_in_a_block_is_no_reason_to_fail(
    daemon: Daemon, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    with mvc.checkpoint(bench.path("runs")):
        daemon.stop()
    assert "the connection to mvcd broke" in capsys.readouterr().err


# -------------------------------------------------------------------- with a daemon that is stuck


@pytest.fixture
def stuck(daemon: Daemon, bench: Bench) -> Iterator[Daemon]:
    """It is there, and does not answer: stopped, as a frozen cgroup or a suspended machine does."""
    daemon.process.send_signal(signal.SIGSTOP)
    yield daemon
    daemon.process.send_signal(signal.SIGCONT)


def test_a_stuck_daemon_costs_a_bounded_time_and_is_told(stuck: Daemon, bench: Bench) -> None:
    done = run(IMPATIENT + UNSAVED, bench.path("runs"), "3")
    assert done.stderr.splitlines()[-1].startswith(
        "mvc: 3 checkpoints are not saved: mvcd does not"
    )


def test_a_stuck_daemon_does_not_keep_it_from_saving_here(stuck: Daemon, bench: Bench) -> None:
    program = IMPATIENT + UNSAVED.replace('"n": number}', '"n": number}, save_here=True').replace(
        "is None and saving.number is None and saving.future is None",
        "and saving.number == number + 2",
    )
    assert run(program, bench.path("runs"), "2").stderr == ""
    assert [v.version.metrics for v in versions(bench)][1:] == [{"n": 0}, {"n": 1}]


def test_a_block_that_was_given_up_does_not_hold_its_files_when_the_daemon_goes_on(
    daemon: Daemon, bench: Bench
) -> None:
    bench.write({"mvc.toml": "[watch]\nsettle = 0.1\n"})
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        run(IMPATIENT + UNSAVED, bench.path("runs"), "1")
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    daemon.sync(bench)
    assert content(bench, "runs/a.bin") == b"0"


def test_it_loads_the_standard_library_only(daemon: Daemon, bench: Bench) -> None:
    program = (
        "import sys, mvc\n"
        "with mvc.checkpoint(sys.argv[1], metrics={'a': 1}): pass\n"
        "mvc.log_params({'lr': 0.1})\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, bench.path("runs")],
        env=daemon.environment, cwd=bench.root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [m for m in done.stdout.split() if m.startswith(HEAVY)] == []
    assert "mvc.training.block" in done.stdout.split()


# -------------------------------------------------------------------- values


class Tensor:
    """What frameworks hand out for one number."""

    def __init__(self, value: float) -> None:
        self._value = value

    def item(self) -> float:
        return self._value


def test_values_are_added_to_the_workspace_files(alone: Bench) -> None:
    (alone.root / "deep").mkdir()
    path = mvc.log_metrics({"loss": Tensor(0.5), "acc": 1}, step=3, directory=alone.root / "deep")
    mvc.log_metrics({"acc": 2}, directory=alone.root)
    assert path == str(alone.root / "metrics.json")
    assert json.loads(Path(path).read_text()) == {"loss": 0.5, "acc": 2}
    params = mvc.log_params(
        {"opt": {"lr": Tensor(0.1), "betas": (0.9, 0.99)}}, directory=alone.root
    )
    assert json.loads(Path(params).read_text()) == {"opt": {"lr": 0.1, "betas": [0.9, 0.99]}}
    alone.commit()
    last = versions(alone)[-1].version
    assert last.metrics == {"loss": 0.5, "acc": 2}
    assert last.hyperparameters == {"opt.lr": 0.1, "opt.betas.0": 0.9, "opt.betas.1": 0.99}


def test_outside_a_workspace_the_files_are_where_they_were_asked_for(tmp_path: Path) -> None:
    assert mvc.log_metrics({"a": 1}, directory=tmp_path) == str(tmp_path / "metrics.json")


def test_a_reader_sees_whole_files_while_threads_log(tmp_path: Path) -> None:

    def write(number: int) -> None:
        for step in range(150):
            mvc.log_metrics({f"m{number}": step, "pad": "x" * 5000}, directory=tmp_path)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    mvc.log_metrics({"start": 0}, directory=tmp_path)
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        json.loads((tmp_path / "metrics.json").read_text())
    assert os.listdir(tmp_path) == ["metrics.json"]
