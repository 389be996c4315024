"""Pushes in the background: with a child that we play, and with a real daemon and remote."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mvc
from mvcd.daemon.pushing import FIRST, MOST, SETTING, Pushing
from tests.daemon.daemons import Daemon
from tests.support.workspace import Bench

Make = Callable[..., Bench]


def until(true: Callable[[], bool], what: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + 60
    pause = threading.Event()
    while not true():
        assert time.monotonic() < deadline, what()
        pause.wait(0.01)


class Played:
    """A push that ends when the test says how."""

    def __init__(self) -> None:
        self.ends: queue.Queue[tuple[int, bytes]] = queue.Queue()
        self.ended = False

    def communicate(self) -> tuple[int, bytes]:
        return self.ends.get()

    def end(self) -> None:
        self.ended = True
        self.ends.put((-15, b""))


class Stage:
    """A workspace with `watch.push` set, a clock that stands still, and the pushes that were started."""

    def __init__(self, bench: Bench) -> None:
        self.now = 0.0
        self.started: queue.Queue[tuple[str, Played]] = queue.Queue()
        bench.repo.config.set(SETTING, "origin")
        self.pushing = Pushing(
            str(bench.root), start=self._start, clock=lambda: self.now, jitter=lambda: 0.5
        )

    def _start(self, root: str, remote: str) -> Played:
        played = Played()
        self.started.put((remote, played))
        return played

    def next(self) -> Played:
        remote, played = self.started.get(timeout=30)
        assert remote == "origin"
        return played

    def state(self) -> str:
        report = self.pushing.report()
        return "" if report is None else report["state"]


@pytest.fixture
def stage(workspace: Make) -> Any:
    stage = Stage(workspace())
    yield stage
    stage.pushing.close()


def test_saves_during_a_push_are_one_more(stage: Stage) -> None:
    stage.pushing.want(1)
    first = stage.next()
    for number in (2, 3, 4):
        stage.pushing.want(number)
    assert stage.started.empty()
    first.ends.put((0, b""))
    stage.next().ends.put((0, b""))
    until(lambda: stage.state() == "pushed")
    report = stage.pushing.report()
    assert report is not None and report["number"] == 4
    assert stage.started.empty()


def test_a_remote_that_is_away_is_tried_again_ever_more_seldom(stage: Stage) -> None:
    stage.pushing.want(1)
    pauses = []
    for _ in range(10):
        stage.next().ends.put((13, b"error: origin does not answer\ncause: refused\n"))
        until(lambda: stage.state() == "waiting")
        report = stage.pushing.report()
        assert report is not None and report["why"] == "origin does not answer"
        pauses.append(report["next_seconds"])
        stage.now += report["next_seconds"]
        with stage.pushing._changed:
            stage.pushing._changed.notify_all()  # the clock that stands still wakes nobody
    assert pauses == sorted(pauses) and pauses[0] == FIRST and pauses[-1] == MOST
    stage.next().ends.put((0, b""))
    until(lambda: stage.state() == "pushed")


def test_a_refusal_waits_for_the_next_save(stage: Stage) -> None:
    stage.pushing.want(1)
    stage.next().ends.put((1, b"error: main would lose versions\n"))
    until(lambda: stage.state() == "refused")
    assert stage.started.empty()
    stage.pushing.want(2)
    stage.next().ends.put((0, b""))
    until(lambda: stage.state() == "pushed")


def test_closing_ends_the_child(stage: Stage) -> None:
    stage.pushing.want(1)
    child = stage.next()
    stage.pushing.close()
    assert child.ended
    stage.pushing.want(2)
    assert stage.started.empty()


def test_nothing_is_pushed_unasked(workspace: Make) -> None:
    pushing = Pushing(str(workspace().root), start=lambda *_: pytest.fail("started"))
    pushing.want(1)
    assert pushing.report() is None
    pushing.close()


def test_a_daemon_pushes_what_it_saves(daemon: Daemon, workspace: Make, tmp_path: Path) -> None:
    bench, remote = workspace(), tmp_path / "team"
    mvc.Repo.init_bare(remote)
    bench.repo.config.set("remote.origin.url", str(remote))
    bench.repo.config.set(SETTING, "origin")
    bench.write({"a.csv": "1\n"})
    daemon.watch(bench)
    daemon.sync(bench)
    report: dict[str, Any] = {}

    def pushed() -> bool:
        report.update(daemon.report(bench))
        return bool(report["push"]) and report["push"]["state"] == "pushed"

    until(pushed, lambda: report)
    mvc.Repo.clone(str(remote), tmp_path / "copy")
    assert (tmp_path / "copy" / "a.csv").read_text() == "1\n"
    remote.rename(tmp_path / "away")
    bench.write({"a.csv": "2\n"})
    daemon.sync(bench)
    until(lambda: daemon.report(bench)["push"]["state"] in ("waiting", "refused"))
    (tmp_path / "away").rename(remote)
    bench.write({"a.csv": "3\n"})
    daemon.sync(bench)
    until(lambda: daemon.report(bench)["push"]["state"] == "pushed", lambda: daemon.report(bench))
    with mvc.Repo.clone(str(remote), tmp_path / "later")[0] as later:
        assert later.read("a.csv") == b"3\n"


def test_files_of_the_workspace_are_not_run(
    daemon: Daemon, workspace: Make, tmp_path: Path
) -> None:
    bench, remote = workspace(), tmp_path / "team"
    mvc.Repo.init_bare(remote)
    bench.repo.config.set("remote.origin.url", str(remote))
    bench.repo.config.set(SETTING, "origin")
    bench.write({"random.py": "open('ran', 'w')\nraise SystemExit(3)\n"})
    daemon.watch(bench)
    daemon.sync(bench)
    until(lambda: (daemon.report(bench)["push"] or {}).get("state") == "pushed")
    assert not (bench.root / "ran").exists()


def test_a_push_that_cannot_start_is_told_and_tried_after_the_next_save(workspace: Make) -> None:
    bench, tries = workspace(), []
    bench.repo.config.set(SETTING, "origin")

    def start(root: str, remote: str) -> Played:
        tries.append(root)
        raise FileNotFoundError(2, "No such file or directory")

    pushing = Pushing(str(bench.root), start=start)
    for number in (1, 2):
        pushing.want(number)
        until(lambda: len(tries) == number)  # noqa: B023
        until(lambda: (pushing.report() or {}).get("number") == number)  # noqa: B023
    report = pushing.report()
    assert report is not None and report["state"] == "refused" and report["why"]
    pushing.close()
