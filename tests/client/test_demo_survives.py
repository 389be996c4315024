"""`mvc demo` tells its story on a slow machine, without its daemon, server or follower, and cleans up when told
to end.

The campaign runs it 20 times beside four busy processes a core, each in at most 60 s:
`pytest -m campaign tests/client/test_demo_survives.py`.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvc import Repo
from tests.client.demos import DAEMON, FOLLOWER, SERVER, Demo
from tests.daemon.daemons import short_directory
from tests.support.busy import busy

pytestmark = pytest.mark.thorough

STORY = [
    "mvc log --metrics", "mvc diff v2 v5   the five differences", "mvc push", "mvc clone",
    "mvc follow origin main --to live", "mvc rollback", "mvc push", "mvc verify", "What it takes",
]  # fmt: skip


@pytest.fixture
def place() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


def assert_told(demo: Demo, *, iterations: int = 5) -> None:
    """The whole story was told, each iteration is one version, in order, and nothing is left."""
    assert demo.end() == 0, demo.story + demo.err
    chapters = [
        line.removeprefix("$ ") for line in demo.story.splitlines() if line[:1] not in ("", " ")
    ]
    told = [
        c
        for c in chapters
        if not c.startswith(("A small", "Everything", "mvc watch", "mvc commit"))
    ]
    met = iter(told)
    for chapter in STORY if iterations == 5 else ():
        assert any(c.startswith(chapter) for c in met), (chapter, told)
    numbers = re.findall(r"^  v(\d+) \w+  val loss", demo.story, re.MULTILINE)
    assert numbers == [str(n) for n in range(1, iterations + 1)]
    held = re.findall(r"^  live holds v(\d+)", demo.story, re.MULTILINE)
    assert held == [str(iterations), str(iterations + 1)], demo.story
    with Repo.open(demo.place / "kept") as repo:
        messages = [v.message.splitlines()[0] for v in repo.log()][::-1]
        assert messages[:-1] == [f"iteration {n}" for n in range(1, iterations + 1)]
    assert demo.left() == []


def kept(place: Path, iterations: int = 5, **more: str) -> Demo:
    return Demo(place, "--keep", "kept", "--iterations", str(iterations), **more)


def test_beside_two_busy_processes_a_core(place: Path) -> None:
    with busy(2), kept(place) as demo:
        assert_told(demo)


@pytest.mark.parametrize(
    ("number", "moment", "said"),
    [
        (signal.SIGKILL, "Everything happens", "mvc"),
        (signal.SIGKILL, "  v2 ", "from here on the demo commits by itself"),
        (signal.SIGSTOP, "$ mvc watch", "mvcd does not answer"),
    ],
)
def test_without_the_daemon_each_iteration_is_still_one_version(
    place: Path, number: int, moment: str, said: str
) -> None:
    short = "own_daemon.SAVE_SECONDS = mvc.training.block.ANSWER_SECONDS = 3.0"
    many = 15  # so that it is met while it trains
    with kept(place, many, patches=short if number == signal.SIGSTOP else "") as demo:
        demo.until(moment)
        demo.send(DAEMON, number)
        assert_told(demo, iterations=many)
        assert said in demo.story


def test_a_daemon_that_does_not_come_is_done_without(place: Path) -> None:
    with kept(place, patches="own_daemon.START_SECONDS = 0.0") as demo:
        assert_told(demo)
        assert "after each iteration; mvcd did not start within 0 s" in demo.story


@pytest.mark.parametrize(
    ("what", "number", "moment", "said"),
    [
        (SERVER, signal.SIGSTOP, "$ mvc push", "from here on the directory is the remote"),
        (SERVER, signal.SIGKILL, "  live holds v5", "from here on the directory is the remote"),
        (FOLLOWER, signal.SIGKILL, "  live holds v5", "it is looked for once each time"),
        (FOLLOWER, signal.SIGSTOP, "$ mvc follow", "it is looked for once each time"),
    ],
)
def test_without_its_server_or_follower_the_story_is_the_same(
    place: Path, what: bytes, number: int, moment: str, said: str
) -> None:
    short = "demo_shares.CALL_SECONDS = own_follower.SWITCH_SECONDS = 3.0; own_process.END_SECONDS = 1.0"
    with kept(place, patches=short if number == signal.SIGSTOP else "") as demo:
        demo.until(moment)
        demo.send(what, number)
        assert_told(demo)
        if (
            moment != "$ mvc clone"
        ):  # a clone may be quicker than the signal; then the push meets it
            assert said in demo.story, demo.story


@pytest.mark.parametrize(
    ("number", "moment", "code"),
    [
        (signal.SIGTERM, "A small network", 143),
        (signal.SIGHUP, "$ mvc watch", 129),
        (signal.SIGTERM, "  v2 ", 143),
        (signal.SIGINT, "$ mvc push", 130),
        (signal.SIGTERM, "$ mvc follow", 143),
    ],
)
def test_told_to_end_it_leaves_nothing(place: Path, number: int, moment: str, code: int) -> None:
    with Demo(place, "--iterations", "5") as demo:
        demo.until(moment)
        demo.process.send_signal(number)
        assert demo.end() == code, demo.err
        assert demo.left() == []
        assert "Traceback" not in demo.err


def test_its_reader_gone_it_leaves_nothing(place: Path) -> None:
    with Demo(place, "--iterations", "5") as demo:
        demo.until("  v1 ")
        assert demo.process.stdout is not None
        demo.process.stdout.close()
        assert (demo.end(), demo.err) == (141, "")
        assert demo.left() == []


@pytest.mark.parametrize(("moment", "count"), [("$ mvc watch", 1), ("  live holds v5", 2)])
def test_killed_it_leaves_no_process(place: Path, moment: str, count: int) -> None:
    with Demo(place, "--iterations", "5") as demo:
        demo.until(moment)
        assert len(demo.started()) >= count
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in demo.started()} == {ours}, "awaited"
        demo.process.kill()
        end = time.monotonic() + 60.0
        while demo.started():
            assert time.monotonic() < end, demo.started()
            time.sleep(0.05)


def test_what_is_kept_stays_and_is_named(place: Path) -> None:
    with kept(place) as demo:
        demo.until("  v3 ")
        demo.process.send_signal(signal.SIGTERM)
        assert demo.end() == 143
        assert demo.left() == []
    found = re.search(r"^(\S+/kept) stays: a repository of (\d+) versions", demo.err, re.MULTILINE)
    assert found is not None, demo.err
    with Repo.open(place / "kept") as repo:
        assert len(list(repo.log())) == int(found[2]) >= 3
        assert repo.verify().ok
    with kept(place) as again:
        assert again.end() == 2


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("run", range(20))
def test_twenty_times_beside_four_busy_processes_a_core(place: Path, run: int) -> None:
    began = time.monotonic()
    with busy(4), Demo(place, "--keep", "kept") as demo:
        assert_told(demo, iterations=8)
    assert time.monotonic() - began <= 60.0
    assert re.sub(r"waiting for .* \.\.\. \d+ s\n", "", demo.err) == ""
