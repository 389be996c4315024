"""A directory as a bucket: the contract, with several processes too, and what dies and stalls on the way."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from mvcd.errors import Failure, NotPermitted, RemoteUnreachable, UsageError
from mvcd.store.bucket.blobs import BlobAbsent, BlobChanged, InDoubt
from mvcd.store.bucket.directory import DirectoryBlobs
from tests.store.bucket.contract import BlobsContract
from tests.support.turns import Turns


def opened(path: Path) -> DirectoryBlobs:
    return DirectoryBlobs(str(path), f"bucket+file://{path}")


@pytest.fixture
def blobs(tmp_path):
    return opened(tmp_path)


class TestDirectory(BlobsContract):
    rounds = 20

    @pytest.fixture
    def again(self, tmp_path):
        return lambda: opened(tmp_path)


def files(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


COUNTING = """
import sys
from mvcd.store.bucket.blobs import BlobChanged, InDoubt
from mvcd.store.bucket.directory import DirectoryBlobs

blobs, who, times = DirectoryBlobs(sys.argv[1], "bucket+file:///x"), sys.argv[2], int(sys.argv[3])
for number in range(times):
    mark = f"{who}{number}"
    while True:
        data, tag = blobs.get("refs")
        if mark in data.decode().split():
            break
        try:
            blobs.swap("refs", data + f"{mark} ".encode(), tag)
        except (BlobChanged, InDoubt):
            continue
        break
    print(number, flush=True)
"""


def counting(root: Path, who: str, times: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", COUNTING, root, who, str(times)], stdout=subprocess.PIPE
    )


def test_processes_that_swap_lose_and_double_nothing(tmp_path, blobs):
    blobs.create("refs", b"")
    with counting(tmp_path, "a", 30) as one, counting(tmp_path, "b", 30) as two:
        assert [one.wait(120), two.wait(120)] == [0, 0]
    marks = blobs.get("refs")[0].decode().split()
    assert sorted(marks) == sorted(f"{who}{n}" for who in "ab" for n in range(30))
    assert sum(name.startswith("refs~/") for name in files(tmp_path)) <= 4


@pytest.mark.parametrize("after", [1, 2, 5, 9, 14])
def test_a_process_killed_while_it_swaps_stops_nobody_and_loses_nothing(tmp_path, blobs, after):
    blobs.create("refs", b"")
    with counting(tmp_path, "a", 10_000) as process:
        assert process.stdout is not None
        for _ in range(after):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    told = after
    data, tag = blobs.get("refs")
    marks = data.decode().split()
    assert marks == [f"a{n}" for n in range(len(marks))]
    assert len(marks) >= told
    blobs.swap("refs", data + b"mine", tag)
    assert blobs.get("refs")[0].endswith(b"mine")


def test_a_stalled_writer_cannot_take_a_number_that_was_removed(tmp_path, blobs, monkeypatch):
    """The writer has read state 0 and stands just before its link; others go on far enough to remove the slot
    that it is about to take."""
    stale = blobs.create("refs", b"0")
    at_link, go_on = threading.Event(), threading.Event()
    link, ends = os.link, []

    def stalled(source: str, target: str) -> None:
        if threading.current_thread() is writer:
            at_link.set()
            assert go_on.wait(60)
        link(source, target)

    def write() -> None:
        try:
            opened(tmp_path).swap("refs", b"stalled", stale)
        except BaseException as error:
            ends.append(type(error).__name__)

    writer = threading.Thread(target=write)
    monkeypatch.setattr(os, "link", stalled)
    writer.start()
    assert at_link.wait(60)
    for number in range(1, 10):
        blobs.swap("refs", b"%d" % number, blobs.get("refs")[1])
    assert stale not in os.listdir(tmp_path / "refs~")
    go_on.set()
    writer.join(60)
    assert ends == ["InDoubt"]
    assert blobs.get("refs")[0] == b"9"


def test_a_stalled_writer_of_a_name_that_came_again_changes_nothing(tmp_path, blobs):
    stale = blobs.create("refs", b"0")
    blobs.delete(["refs"])
    blobs.create("refs", b"again")
    with pytest.raises(BlobChanged):
        blobs.swap("refs", b"stalled", stale)
    assert blobs.get("refs")[0] == b"again"


def test_readers_see_states_in_their_order_while_writers_go_on(tmp_path, blobs):
    blobs.create("refs", b"0")
    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        mine = opened(tmp_path)
        while not stop.is_set():
            seen.append(int(mine.get("refs")[0]))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 80):
        blobs.swap("refs", b"%d" % number, blobs.get("refs")[1])
    stop.set()
    reader.join()
    assert seen == sorted(seen)
    assert len(set(seen)) > 5


STEPS = ("link", "listdir", "open", "mkdir", "rmdir", "replace")


@pytest.mark.parametrize("seed", range(25))
def test_in_whatever_order_nothing_is_lost_doubled_or_read_late(tmp_path, monkeypatch, seed):
    """Another of three programs runs after each system call: two add marks and one reads. Each read has all
    that was told before it began."""
    opened(tmp_path).create("refs", b"")
    told: list[str] = []

    def work(who: str, blobs: DirectoryBlobs) -> None:
        done = 0
        while done < 5:
            known = list(told)
            data, tag = blobs.get("refs")
            assert set(known) <= set(data.decode().split())
            with suppress(BlobChanged, InDoubt):
                blobs.swap("refs", data + f"{who}{done} ".encode(), tag)
                told.append(f"{who}{done}")
                done += 1

    def read() -> None:
        blobs, before = opened(tmp_path), b""
        for _ in range(8):
            known = list(told)
            data, _ = blobs.get("refs")
            assert data.startswith(before)
            assert set(known) <= set(data.decode().split())
            before = data

    turns = Turns(random.Random(seed), 3)
    for name in STEPS:
        monkeypatch.setattr(os, name, stepping(turns, getattr(os, name)))
    ends = turns.run(
        [lambda: work("a", opened(tmp_path)), lambda: work("b", opened(tmp_path)), read]
    )
    monkeypatch.undo()
    assert ends == [None] * 3
    marks = opened(tmp_path).get("refs")[0].decode().split()
    assert sorted(marks) == sorted(f"{who}{n}" for who in "ab" for n in range(5))


def stepping(turns: Turns, call):
    def step(*args, **kwargs):
        turns.give()
        return call(*args, **kwargs)

    return step


def test_bytes_are_durable_before_their_name_and_the_name_before_it_is_told(
    tmp_path, blobs, monkeypatch
):
    """What is synced and named, in order. A slot's name is durable before the state that names the slot."""
    tag = blobs.create("refs", b"0")
    blobs.put("packs/first", b"x")
    done: list[str] = []

    def noted(name: str, call, of):
        def note(*args, **kwargs):
            done.append(of(name, *args))
            return call(*args, **kwargs)

        monkeypatch.setattr(os, name, note)

    def place(name: str, path: str, *more: object) -> str:
        return f"{name} {'pending' if '.pending' in path else Path(path).name[:17]}"

    def kind(name: str, file: int) -> str:
        return "sync directory" if stat.S_ISDIR(os.fstat(file).st_mode) else "sync file"

    noted("fsync", os.fsync, kind)
    noted("mkdir", os.mkdir, place)
    noted("link", os.link, lambda name, old, new: place(name, new))
    noted("replace", os.replace, lambda name, old, new: place(name, new))
    blobs.swap("refs", b"1", tag)
    assert done == [
        "mkdir pending", "mkdir 0000000000000002-", "sync directory",
        "sync file", "link state", "sync directory",
    ]  # fmt: skip
    done.clear()
    blobs.put("packs/a", b"x")
    assert done == ["sync file", "replace a", "sync directory"]
    done.clear()
    blobs.create("other", b"0")
    assert done == [
        *["mkdir pending"] * 3, "sync file", *["sync directory"] * 2,
        "replace other~", "sync directory",
    ]  # fmt: skip


def test_slots_of_writers_who_died_or_lost_go(tmp_path, blobs):
    tag = blobs.create("refs", b"0")
    (tmp_path / "refs~" / "0000000000000002-00000000000000aa").mkdir()
    for number in range(1, 6):
        tag = blobs.swap("refs", b"%d" % number, tag)
    assert sorted(int(name[:16]) for name in os.listdir(tmp_path / "refs~")) == [3, 4, 5, 6]
    assert os.listdir(tmp_path / ".pending") == []


def test_what_a_dead_process_left_pending_goes_when_it_is_a_day_old(tmp_path):
    pending = tmp_path / ".pending"
    (pending / "old" / "inside").mkdir(parents=True)
    (pending / "file").write_bytes(b"x")
    (pending / "young").mkdir()
    for name in ("old", "file"):
        os.utime(pending / name, (1, 1))
    opened(tmp_path).put("packs/a", b"x")
    assert os.listdir(pending) == ["young"]


def test_no_file_has_its_name_before_it_is_whole(tmp_path, blobs):
    with pytest.raises(TypeError):
        blobs.put("packs/a", "text")
    assert files(tmp_path) == []
    with pytest.raises(BlobAbsent):
        blobs.get("packs/a")


@pytest.mark.parametrize(
    "name", ["", "/a", "a//b", "../a", "a/..", "a/.", "refs~", "ä", "a b", ".pending/a"]
)
def test_names_that_no_file_can_have_are_refused(tmp_path, blobs, name):
    for call in (blobs.get, lambda n: blobs.put(n, b""), lambda n: blobs.delete([n])):
        with pytest.raises(UsageError, match="cannot be the name"):
            call(name)
    assert files(tmp_path) == []


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(Failure, match="is no directory") as caught:
        opened(tmp_path / "none")
    assert caught.value.help == f"mkdir -p {tmp_path / 'none'}"


def test_a_file_system_without_hard_links_is_named(blobs, monkeypatch):
    tag = blobs.create("refs", b"0")

    def refuse(source: str, target: str) -> None:
        raise OSError(1, "Operation not permitted", source, None, target)

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(NotPermitted, match="cannot hold") as caught:
        blobs.swap("refs", b"1", tag)
    assert "hard links" in str(caught.value.cause)
    assert blobs.get("refs")[0] == b"0"


def test_a_chain_whose_files_were_removed_by_hand_is_an_error_and_no_endless_loop(tmp_path, blobs):
    blobs.create("refs", b"0")
    (end,) = [p for p in (tmp_path / "refs~").iterdir() if p.name.startswith("0000000000000001-")]
    end.rmdir()
    with pytest.raises(RemoteUnreachable, match="cannot be read"):
        blobs.get("refs")
