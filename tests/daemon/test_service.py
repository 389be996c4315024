"""The daemon as a program: one per user, its life, and what its socket bears."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mvc import daemon_client
from mvc.api import errors
from mvcd import __version__
from tests.daemon.daemons import Daemon, content, versions
from tests.support.workspace import Bench

Make = Callable[..., Bench]

OLDER = """
import sys, mvcd
mvcd.__version__ = "0.0.9"
from mvcd.daemon.main import main
sys.exit(main())
"""


def mvcd(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mvcd.daemon", *words],
        env=daemon.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_one_daemon_a_user(daemon: Daemon) -> None:
    second = mvcd(daemon, "run")
    assert second.returncode == 11
    assert f"process {daemon.process.pid}" in second.stderr
    assert daemon.ask("hello")["pid"] == daemon.process.pid


def test_what_is_under_care_outlives_the_daemon(daemon: Daemon, workspace: Make) -> None:
    bench = workspace()
    daemon.watch(bench)
    daemon.kill()
    daemon.restart()
    daemon.sync(bench)
    assert content(bench, "mvc.toml")
    daemon.kill()
    daemon.restart()
    daemon.sync(bench)
    assert daemon.report(bench)["last_save"]["number"] == 1, "of the daemon before"
    daemon.ask("unwatch", root=str(bench.root))
    daemon.kill()
    daemon.restart()
    assert daemon.ask("status")["workspaces"] == []


def test_unwatched_means_not_saved(daemon: Daemon, workspace: Make) -> None:
    bench = workspace()
    daemon.watch(bench)
    daemon.sync(bench)
    daemon.ask("unwatch", root=str(bench.root))
    bench.write({"a.bin": b"a"})
    with pytest.raises(errors.DaemonError) as refused:
        daemon.sync(bench)
    assert refused.value.kind == "not-watched"
    assert len(versions(bench)) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well_and_leaves_no_socket(daemon: Daemon, number: int) -> None:
    daemon.process.send_signal(number)
    assert daemon.process.wait(30) == 0
    assert not (daemon.places / "run" / "mvcd.sock").exists()


def test_start_status_stop(daemon: Daemon) -> None:
    daemon.stop()
    assert mvcd(daemon, "status").returncode == 15
    started = mvcd(daemon, "start")
    assert started.returncode == 0, started.stderr
    pid = daemon.ask("hello")["pid"]
    again = mvcd(daemon, "start")
    assert f"is running (process {pid})" in again.stdout
    assert json.loads(mvcd(daemon, "status", "--json").stdout)["pid"] == pid
    assert "serves 0 workspaces" in mvcd(daemon, "logs").stdout
    restarted = mvcd(daemon, "restart")
    assert restarted.returncode == 0, restarted.stderr
    assert daemon.ask("hello")["pid"] != pid
    assert mvcd(daemon, "stop").stdout == "mvcd stopped\n"
    with pytest.raises(errors.DaemonError):
        daemon.ask("hello")


def test_a_start_that_fails_says_why(daemon: Daemon) -> None:
    daemon.stop()
    (daemon.places / "state" / "workspaces.json").write_text("no register")
    failed = mvcd(daemon, "start")
    assert failed.returncode == 15
    assert "mvcd did not start" in failed.stderr


def test_an_outdated_daemon_is_replaced(
    places: Path, workspace: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = workspace()
    with Daemon(places, program=OLDER) as old:
        old.watch(bench)
        assert old.ask("hello")["mvcd"] == "0.0.9"
        for name in ("MVC_RUNTIME_DIR", "MVC_STATE_DIR", "PYTHONPATH"):
            monkeypatch.setenv(name, old.environment[name])
        daemon_client.ensure_running()
        try:
            assert old.process.wait(30) == 0
            hello = daemon_client.ask("hello")
            assert hello["mvcd"] == __version__
            assert hello["workspaces"] == 1
            daemon_client.ensure_running()
            assert daemon_client.ask("hello")["pid"] == hello["pid"]
        finally:
            assert mvcd(old, "stop").returncode == 0


def test_systemd_is_told(places: Path) -> None:
    places.mkdir(exist_ok=True)
    address = str(places / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(address)
        supervisor.settimeout(30)
        with Daemon(places, NOTIFY_SOCKET=address, WATCHDOG_USEC="200000"):
            assert b"READY=1" in supervisor.recv(4096).splitlines()
            assert b"WATCHDOG=1" in supervisor.recv(4096).splitlines()
        said = b""
        while b"STOPPING=1" not in said.splitlines():
            said = supervisor.recv(4096)


def test_the_runtime_directory_is_private(daemon: Daemon) -> None:
    assert os.stat(daemon.places / "run").st_mode & 0o777 == 0o700
    assert os.stat(daemon.places / "run" / "mvcd.sock").st_mode & 0o777 == 0o600
