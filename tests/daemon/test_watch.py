"""Events as hints, from a real inotify: every change is told with its directory, and losses are told."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mvcd.daemon.watch import Events, Loss, TreeWatch, Unwatchable
from mvcd.repo.workspace import ignore
from tests.support.privileges import unprivileged

SECONDS = 20.0


class Heard:
    """A listener that one can wait on."""

    def __init__(self) -> None:
        self.directories: set[str] = set()
        self.losses: set[Loss] = set()
        self._changed = threading.Condition()

    def touched(self, directory: str) -> None:
        with self._changed:
            self.directories.add(directory)
            self._changed.notify_all()

    def lost(self, loss: Loss) -> None:
        with self._changed:
            self.losses.add(loss)
            self._changed.notify_all()

    def wait_for(self, *directories: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: set(directories) <= self.directories, SECONDS), (
                self.directories
            )
            self.directories.clear()

    def wait_for_loss(self, loss: Loss) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: loss in self.losses, SECONDS), self.losses


def enter(directory: str, name: str) -> bool:
    del directory
    return ignore.built_in(name, directory=True) is None


@pytest.fixture
def events() -> Iterator[Events]:
    made = Events()
    yield made
    made.close()


@pytest.fixture
def watched(tmp_path: Path, events: Events) -> Iterator[tuple[Path, Heard, TreeWatch]]:
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    (root / ".mvc/store").mkdir(parents=True)
    heard = Heard()
    tree = events.watch(str(root), enter, heard)
    yield root, heard, tree
    tree.stop()


Watched = tuple[Path, Heard, TreeWatch]


@pytest.mark.parametrize(
    "change",
    [
        lambda home: (home / "f").write_text("new"),
        lambda home: (home / "old").unlink(),
        lambda home: (home / "old").rename(home / "new"),
        lambda home: os.link(home / "old", home / "new"),
        lambda home: (home / "old").open("a").close(),
        lambda home: (home / "sub").mkdir(),
        lambda home: (home / "old").chmod(0o600),
    ],
    ids=["written", "removed", "renamed", "linked", "closed", "directory", "rights"],
)
def test_each_kind_of_change_is_told(watched: Watched, change: Callable[[Path], object]) -> None:
    root, heard, _ = watched
    (root / "a/b/old").write_text("old")
    heard.wait_for("a/b")
    change(root / "a/b")
    heard.wait_for("a/b")


def test_a_directory_is_watched_from_when_it_may_be_read(events: Events) -> None:
    with unprivileged() as root:
        (root / "closed/below").mkdir(parents=True)
        (root / "closed").chmod(0)
        heard = Heard()
        tree = events.watch(str(root), enter, heard)
        assert tree.directories == 1
        (root / "closed").chmod(0o755)
        heard.wait_for("", "closed", "closed/below")
        (root / "closed/below/f").write_text("1")
        heard.wait_for("closed/below")
        tree.stop()


def test_new_directories_are_watched_with_all_that_is_in_them(
    watched: Watched, tmp_path: Path
) -> None:
    root, heard, tree = watched
    (tmp_path / "made/x/y").mkdir(parents=True)
    (tmp_path / "made").rename(root / "moved-in")
    heard.wait_for("", "moved-in", "moved-in/x", "moved-in/x/y")
    (root / "moved-in/x/y/f").write_text("1")
    heard.wait_for("moved-in/x/y")
    shutil.copytree(root / "moved-in", root / "copied")
    heard.wait_for("copied", "copied/x", "copied/x/y")
    assert tree.directories == 3 + 3 + 3


def test_a_moved_directory_is_watched_under_its_new_name(watched: Watched, tmp_path: Path) -> None:
    root, heard, tree = watched
    (root / "a").rename(root / "z")
    heard.wait_for("", "z", "z/b")
    (root / "z/b/f").write_text("1")
    heard.wait_for("z/b")
    (root / "z").rename(tmp_path / "out")
    heard.wait_for("")
    assert tree.directories == 1


def test_a_directory_that_is_replaced_stays_watched(watched: Watched) -> None:
    root, heard, tree = watched
    for round in range(20):
        shutil.rmtree(root / "a")
        (root / "a/b").mkdir(parents=True)
        (root / f"a/b/f{round}").write_text("1")
        heard.wait_for("a/b")
    (root / "a/b/last").write_text("1")
    heard.wait_for("a/b")
    assert tree.directories == 3


def test_our_own_metadata_and_ignored_directories_are_not_watched(watched: Watched) -> None:
    root, heard, tree = watched
    (root / "__pycache__").mkdir()
    (root / "seen").mkdir()
    heard.wait_for("seen")
    (root / ".mvc/store/x").write_text("1")
    (root / "__pycache__/x").write_text("1")
    (root / "seen/x").write_text("1")
    heard.wait_for("seen")
    assert heard.directories <= {"seen"}
    assert tree.directories == 4


def test_symbolic_links_are_not_followed(watched: Watched, tmp_path: Path) -> None:
    root, heard, tree = watched
    (tmp_path / "elsewhere").mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    heard.wait_for("")
    assert tree.directories == 3


def test_a_root_that_is_moved_is_told(watched: Watched) -> None:
    root, heard, _ = watched
    root.rename(root.with_name("away"))
    heard.wait_for_loss(Loss.ROOT)


def test_two_workspaces_hear_only_of_their_own(tmp_path: Path, events: Events) -> None:
    trees = {}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        trees[name] = heard = Heard()
        events.watch(str(tmp_path / name), enter, heard)
    (tmp_path / "one/f").write_text("1")
    trees["one"].wait_for("")
    (tmp_path / "two/f").write_text("1")
    trees["two"].wait_for("")  # events come in order: all of the first file's are through
    trees["one"].directories.clear()
    (tmp_path / "two/g").write_text("1")
    trees["two"].wait_for("")
    assert trees["one"].directories == set()


OVERFLOW = """
import os, sys
from tests.daemon.test_watch import Heard, enter
from mvcd.daemon.watch import Events, Loss
root, limit = sys.argv[1], int(sys.argv[2])
heard, events = Heard(), Events()
tree = events.watch(root, enter, heard)
print("watching", flush=True)
sys.stdin.readline()
heard.wait_for_loss(Loss.OVERFLOW)
tree.rewatch()
heard.directories.clear()
open(os.path.join(root, "late", "f"), "w").close()
heard.wait_for("late")
tree.stop(); events.close()
"""


def test_an_overflow_is_told_and_new_directories_found_again(tmp_path: Path) -> None:
    """The reader is stopped while more happens than the queue holds; a directory is made when it is full."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 200_000:
        pytest.skip("the queue is too long to fill in a test")
    with subprocess.Popen(
        [sys.executable, "-c", OVERFLOW, str(tmp_path), str(limit)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"watching\n"
        reader.send_signal(signal.SIGSTOP)
        for number in range(limit // 2 + 1):  # each makes CREATE and CLOSE_WRITE
            (tmp_path / str(number % 500)).open("w").close()
            os.unlink(tmp_path / str(number % 500))
        (tmp_path / "late").mkdir()
        reader.send_signal(signal.SIGCONT)
        reader.stdin.write(b"\n")
        reader.stdin.flush()
        assert reader.wait(60) == 0


def test_the_limit_of_watches_is_told(
    tmp_path: Path, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchdog.observers.inotify_c import InotifyFD

    def full(*_arguments: object) -> int:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(InotifyFD, "add_callback", full)
    with pytest.raises(Unwatchable) as refused:
        events.watch(str(tmp_path), enter, Heard())
    assert refused.value.loss is Loss.LIMIT
    assert "max_user_watches" in refused.value.loss.value


@pytest.mark.parametrize("seed", range(6))
def test_after_any_history_each_directory_is_watched_by_its_name(
    watched: Watched, tmp_path: Path, seed: int
) -> None:
    """Directories are made, moved, exchanged and removed faster than the events are read."""
    root, heard, tree = watched
    rng = random.Random(seed)
    outside = tmp_path / "outside"
    outside.mkdir()
    for number in range(400):
        _random_change(root, outside, rng, number)
    (root / "end").mkdir()
    heard.wait_for("end")  # events come in order: all before it are through
    expected = {path for path in root.rglob("*/") if ".mvc" not in path.parts} | {root}
    for directory in expected:
        (directory / "last").write_text("1")
    names = {"" if d == root else d.relative_to(root).as_posix() for d in expected}
    heard.wait_for(*names)
    assert tree.directories == len(names)


def _random_change(root: Path, outside: Path, rng: random.Random, number: int) -> None:
    inside = [p for p in root.rglob("*/") if ".mvc" not in p.parts]
    one = rng.choice([root, *inside])
    other = rng.choice([root, *inside])
    name = rng.choice("abcd")
    with contextlib.suppress(OSError):  # a move into itself, a name that is taken: no change
        match rng.randrange(6):
            case 0 | 1:
                (one / name / rng.choice("xy")).mkdir(parents=True)
            case 2:
                if one != root:
                    one.rename(other / name)
            case 3:
                if one != root:
                    shutil.rmtree(one)
            case 4:
                if one != root:
                    one.rename(outside / str(number))
            case 5:
                if (
                    root not in (one, other)
                    and one not in other.parents
                    and other not in one.parents
                ):
                    exchange(one, other)


def exchange(one: Path, other: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    here, both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    assert libc.renameat2(here, os.fsencode(one), here, os.fsencode(other), both) == 0
