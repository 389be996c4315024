"""What the page tells of a real daemon: its state, the end of its log; saving paused and taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mvc import Repo
from tests.daemon.daemons import Daemon, short_directory
from tests.support.commandline import AUTHOR
from tests.support.page import Served


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with short_directory() as places, Daemon(places) as running:
        yield running


@pytest.fixture
def watched(own: Repo, daemon: Daemon) -> Iterator[Served]:
    """The page of a repository beside a daemon that does not watch it yet."""
    served = Served(Path(own.root), runtime=daemon.places / "run").let_in()
    yield served
    served.end()


def test_an_absent_daemon_is_no_error(page: Served) -> None:
    nothing = {"running": False, "watched": False, "workspaces": [], "help": "mvc watch"}
    assert page.api("/r/daemon") == {"schema_version": 1, **nothing}
    assert page.api("/r/daemon/log")["lines"] == []
    refused = page.act("watch", watch=True)
    assert (refused.status, refused.json["kind"]) == (503, "not-running")


def test_saving_is_paused_and_resumed(own: Repo, daemon: Daemon, watched: Served) -> None:
    assert watched.api("/r/daemon")["running"] and not watched.api("/r/daemon")["watched"]
    assert watched.act("watch", watch=True).json["watched"]
    (state,) = watched.api("/r/daemon")["workspaces"]
    assert state["root"] == own.root and state["author"] == AUTHOR
    assert watched.act("watch", watch=False).json["watched"] is False
    assert daemon.ask("status")["workspaces"] == []
    assert not watched.api("/r/daemon")["watched"]
    again = watched.act("watch", watch=False)
    assert (again.status, again.json["kind"]) == (503, "not-watched")


def test_the_log_ends_with_what_was_last(daemon: Daemon, watched: Served) -> None:
    lines = watched.api("/r/daemon/log")["lines"]
    assert lines and lines == daemon.log().splitlines()
    assert watched.api("/r/daemon/log?limit=1")["lines"] == lines[-1:]
