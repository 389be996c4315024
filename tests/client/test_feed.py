"""The feed of operations: what another process does is heard, in order, once, and not before it is there."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mvc
from mvcd.store.lmdb_store import LmdbStore
from tests.support.commandline import AUTHOR

pytestmark = pytest.mark.usefixtures("work")

WRITER = """
import sys, mvc
with mvc.Repo.open(sys.argv[1]) as repo:
    for n in range(int(sys.argv[2]), int(sys.argv[3])):
        repo.write("runs", {str(n): b"x"}, f"number {n}")
repo.close()
"""


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[mvc.Repo]:
    LmdbStore.create(tmp_path / "bare").close()
    made = mvc.Repo.open(tmp_path / "bare")
    made.write("runs", {"first": b"1"}, "before")
    yield made
    made.close()


def writer(repo: mvc.Repo, first: int, end: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, repo.root, str(first), str(end)])


def test_what_another_process_does_is_heard(repo: mvc.Repo) -> None:
    feed = repo.feed(timeout=60)
    with writer(repo, 0, 4):
        heard = [next(feed) for _ in range(4)]
    assert [one.detail.partition(": ")[2] for one in heard] == [f"number {n}" for n in range(4)]
    assert [one.number for one in heard] == [2, 3, 4, 5]
    assert {(one.verb, one.author, one.refs) for one in heard} == {
        ("write", AUTHOR, ("heads/runs",))
    }
    assert feed.number == 5


def test_it_goes_on_where_it_was(repo: mvc.Repo) -> None:
    assert list(repo.feed(timeout=0)) == []
    assert [one.number for one in repo.feed(after=0, timeout=0)] == [1]
    repo.tag("kept", "runs")
    repo.write("runs", {"second": b"2"}, "after")
    feed = repo.feed(after=1, timeout=0)
    assert [one.verb for one in feed] == ["tag", "write"]
    assert list(feed) == []
    repo.delete_tag("kept")
    assert [one.refs for one in feed] == [("tags/kept",)]


def test_tasks_go_on_meanwhile(repo: mvc.Repo) -> None:
    async def hear(count: int) -> list[str]:
        heard: list[str] = []
        async for one in repo.feed(timeout=60):
            heard.append(one.verb)
            if len(heard) == count:
                break
        return heard

    async def both() -> tuple[list[str], int]:
        hearing = asyncio.create_task(hear(3))
        await asyncio.sleep(0)
        other = writer(repo, 0, 3)
        ticks = 0
        while not hearing.done():
            await asyncio.sleep(0)
            ticks += 1
        return await hearing, ticks + int(other.wait() * 0)

    heard, ticks = asyncio.run(both())
    assert heard == ["write"] * 3
    assert ticks > 10
