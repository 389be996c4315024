"""`mvc watch` and `mvc unwatch`, with the daemon that they start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon.daemons import LIMITS, short_directory

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Runs a program of ours with places of its own; the daemon ends with the test."""
    with short_directory() as places:
        environment = {
            **os.environ, "MVC_RUNTIME_DIR": str(places / "run"), "MVC_STATE_DIR": str(places / "state"),
            "MVC_CONFIG": "", "MVC_AUTHOR": "Ada <ada@example.org>",
        }  # fmt: skip

        def program(module: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", module, *words],
                cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True, timeout=120,
            )  # fmt: skip

        yield program
        program("mvcd.daemon", "stop")


def test_a_new_directory_comes_under_care_and_leaves_it(run: Run, tmp_path: Path) -> None:
    home = tmp_path / "iris"
    home.mkdir()
    (home / "mvc.toml").write_text(LIMITS)
    watched = run("mvc", "watch", "iris")
    assert watched.returncode == 0, watched.stderr
    assert watched.stdout.splitlines()[:2] == [
        f"New repository in {home}, tracking everything here", f"Watching {home}",
    ]  # fmt: skip
    assert "watched already" in run("mvc", "watch", "iris").stdout
    answer = json.loads(run("mvc", "watch", "--status", "--json").stdout)
    assert [w["root"] for w in answer["workspaces"]] == [str(home)]
    assert answer["schema_version"] == 1
    shown = run("mvc", "watch", "--status").stdout.splitlines()
    assert shown[0] == str(home)
    assert run("mvc", "unwatch", "iris").stdout == f"No longer watching {home}\n"
    refused = run("mvc", "unwatch", "iris")
    assert refused.returncode == 15
    assert "is not under care" in refused.stderr


def test_a_repository_without_tracked_paths_gets_everything_tracked(
    run: Run, tmp_path: Path
) -> None:
    run("mvc", "init", "iris")
    assert "Nothing was tracked: tracking everything here" in run("mvc", "watch", "iris").stdout
    assert json.loads(run("mvc", "-C", "iris", "status", "--json").stdout)["tracked"] == ["."]


def test_without_a_daemon_the_verbs_say_so(run: Run) -> None:
    for words, help in (
        (("watch", "--status"), "mvc watch"),
        (("unwatch",), "mvcd start && mvc unwatch"),
    ):
        refused = run("mvc", *words)
        assert refused.returncode == 15
        assert refused.stderr.splitlines() == ["error: mvcd is not running", f"help: {help}"]


def test_a_directory_that_is_not_there_is_not_made(run: Run, tmp_path: Path) -> None:
    assert run("mvc", "watch", "nowhere").returncode == 10
    assert not (tmp_path / "nowhere").exists()


BRACKET = """
import mvc
for n in range(2):
    with mvc.checkpoint("runs"):
        pass
"""


def test_no_daemon_is_started_where_that_is_forbidden(run: Run, tmp_path: Path) -> None:
    (tmp_path / "iris").mkdir()
    refused = run("mvc", "watch", "iris", MVC_NO_DAEMON="1")
    assert refused.returncode == 15
    assert refused.stderr.splitlines() == [
        "error: mvcd is not running", "cause: MVC_NO_DAEMON is set: none is started",
        "help: unset MVC_NO_DAEMON && mvc watch",
    ]  # fmt: skip
    assert not (tmp_path / "iris" / ".mvc").exists()
    shown = run("mvc", "demo", "--iterations", "7", MVC_NO_DAEMON="1").stdout
    assert "after each iteration; MVC_NO_DAEMON is set" in shown
    assert ("live holds v7 " in shown, "live holds v8 " in shown) == (True, True)
    (tmp_path / "train.py").write_text(BRACKET)
    trained = run("train", MVC_NO_DAEMON="1", PYTHONPATH=str(tmp_path))
    assert (trained.returncode, trained.stderr.count("MVC_NO_DAEMON is set")) == (0, 2)
    assert run("mvcd.daemon", "status").stdout == "mvcd is not running\n"
    run("mvcd.daemon", "start")
    assert run("mvc", "watch", "iris", MVC_NO_DAEMON="1").returncode == 0
