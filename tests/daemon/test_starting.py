"""`mvcd start`: whatever keeps the daemon from coming is named, and two starts make one daemon."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mvc import daemon_client
from mvc.api import errors
from mvcd.daemon import config, starting
from mvcd.daemon.main import Log
from mvcd.errors import DaemonError
from tests.daemon.daemons import Daemon
from tests.store.children import Child

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(places: Path) -> Iterator[Start]:
    """Starts `mvcd VERB` with places of its own; the daemon ends with the test."""
    environment = {
        **os.environ, "MVC_RUNTIME_DIR": str(places / "run"), "MVC_STATE_DIR": str(places / "state"),
        "HOME": str(places),
    }  # fmt: skip

    def run(verb: str = "start", **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mvcd.daemon", verb], env={**environment, **more},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    yield run
    with run("stop") as stopping:
        stopping.communicate()


def own_places(directory: Path, monkeypatch: pytest.MonkeyPatch) -> config.DaemonPaths:
    """For this process and the daemon that it starts."""
    monkeypatch.setenv("MVC_RUNTIME_DIR", str(directory / "run"))
    monkeypatch.setenv("MVC_STATE_DIR", str(directory / "state"))
    return config.DaemonPaths.here()


def failed(start: subprocess.Popen[str]) -> list[str]:
    _, said = start.communicate(timeout=60)
    assert start.returncode == 15, said
    return said.splitlines()


def test_starts_at_once_make_one_daemon_and_all_succeed(start: Start) -> None:
    starts = [start() for _ in range(3)]
    said = [process.communicate(timeout=120) for process in starts]
    assert [process.returncode for process in starts] == [0, 0, 0], said
    assert len({out.rpartition("(process ")[2] for out, _ in said}) == 1, said


def test_a_lock_that_a_killed_daemon_left_is_no_obstacle(daemon: Daemon, start: Start) -> None:
    daemon.kill()
    assert (daemon.places / "run" / "mvcd.sock").exists()
    with start() as process:
        out, err = process.communicate(timeout=60)
    assert "started (process" in out, err


def test_a_daemon_that_hangs_is_named_and_none_is_started_beside_it(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mvcd.daemon.starting.ANSWER_SECONDS", 0.2)
    monkeypatch.setattr("mvcd.daemon.starting.OTHER_SECONDS", 0.2)
    places = own_places(daemon.places, monkeypatch)
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(DaemonError) as silent:
            starting.ask(places, "hello")
        assert f"process {daemon.process.pid} " in str(silent.value.cause)
        for seconds in (2.0, 20.0, 120.0):  # until one child has found the lock held
            monkeypatch.setattr("mvcd.daemon.starting.START_SECONDS", seconds)
            with pytest.raises(DaemonError) as hung:
                starting.start(places)
            if "still starting" not in str(hung.value.cause):
                break
        assert f"process {daemon.process.pid} holds {places.lock}" in str(hung.value.cause)
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    assert daemon.ask("hello")["pid"] == daemon.process.pid


def test_a_child_that_comes_too_late_is_ended(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mvcd.daemon.starting.START_SECONDS", 0.0)
    where = own_places(places, monkeypatch)
    where.prepare()
    with pytest.raises(DaemonError, match="did not start") as late:
        starting.start(where)
    assert "still starting" in str(late.value.cause)
    assert starting.ask(where, "hello") is None


@pytest.mark.parametrize(
    ("variable", "path", "cause"),
    [
        ("MVC_STATE_DIR", "file", "it is a file, not a directory"),
        ("MVC_STATE_DIR", "file/below", "{}/file/below: not a directory"),
        ("MVC_STATE_DIR", "/proc/1/mvc", "/proc/1/mvc: no such file or directory"),
        ("MVC_RUNTIME_DIR", "file", "it is a file, not a directory"),
        ("MVC_RUNTIME_DIR", "x" * 120, "the system allows 107 bytes"),
    ],
)
def test_a_directory_that_will_not_do_is_named(
    start: Start, places: Path, variable: str, path: str, cause: str
) -> None:
    (places / "file").write_text("")
    given = os.path.join(places, path)
    said = failed(start(**{variable: given}))
    assert said[0].startswith("error: ") and given in said[0]
    assert said[1] == "cause: " + cause.format(places)
    assert said[2].startswith(f"help: {variable}=DIR")


def test_what_the_child_meets_is_told_by_the_starter(start: Start, places: Path) -> None:
    (places / "run").mkdir(mode=0o700)
    (places / "run" / "mvcd.lock").symlink_to("/dev/full")
    said = failed(start())
    assert said[0] == "error: mvcd did not start"
    assert said[1].startswith(f"cause: {places}/run or {places}/state: ")
    (places / "run" / "mvcd.lock").unlink()
    (places / "state" / "mvcd.log.start").unlink()
    (places / "state" / "mvcd.log.start").mkdir()
    assert failed(start())[1] == f"cause: {places}/state/mvcd.log.start: is a directory"


def test_a_client_hears_the_cause_and_the_help(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MVC_RUNTIME_DIR", str(places / "run"))
    (places / "state").write_text("")
    monkeypatch.setenv("MVC_STATE_DIR", str(places / "state"))
    with pytest.raises(errors.DaemonError) as refused:
        daemon_client.ensure_running()
    assert refused.value.cause == (
        f"mvcd cannot write {places}/state: it is a file, not a directory"
    )
    assert str(refused.value.help).startswith("MVC_STATE_DIR=DIR")


def test_the_last_words_of_a_daemon_are_in_its_log(start: Start, places: Path) -> None:
    """Nobody reads its standard error once it serves, and LMDB says there why it ends the process."""
    with start() as process:
        out, _ = process.communicate(timeout=60)
    pid = int(out.rpartition("(process ")[2].rstrip(")\n"))
    os.kill(pid, signal.SIGABRT)
    with start("logs") as process:
        said, _ = process.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while "Fatal Python error: Aborted" not in said:
        assert time.monotonic() < deadline, said
        with start("logs") as process:
            said, _ = process.communicate(timeout=60)


def test_last_words_go_to_the_log_that_was_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "mvcd.log"

    def work(report: Callable[[str], None]) -> None:
        log = Log(str(path), size=1000)
        log.take_stderr()
        for _ in range(50):
            log.handle(logging.makeLogRecord({"msg": "a line of some length"}))
        os.write(2, b"Assertion failed\n")

    assert Child(work).end() == (0, [])
    assert path.with_name("mvcd.log.1").exists()
    assert path.read_text().endswith("Assertion failed\n")


def test_of_a_traceback_the_last_line_is_told() -> None:
    said = "Traceback (most recent call last):\n  File x\nImportError: no lmdb\n"
    assert daemon_client.not_started(said).cause == "ImportError: no lmdb"
    assert starting.not_started(said).cause == "ImportError: no lmdb"
    assert starting.not_started("").cause == "it ended without a word"
