"""However files come or go, a real daemon is told at once: none waits as long as what only a scan notices.

`settle` is such that the long quiet of changes without an event (5 x settle) cannot be mistaken for the short.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from tests.daemon.daemons import Daemon
from tests.support.engine import Repository
from tests.support.workspace import Bench

Make = Callable[..., Bench]

SETTLE = 3.0
LIMITS = f"[watch]\nsettle = {SETTLE}\n"
SOON = 4.5 * SETTLE
"""Seconds: quiet, the wait for other sets, a save, and a busy machine; less than 5 x settle."""

_EXCHANGE = 2  # renameat2(2): RENAME_EXCHANGE
_HERE = -100  # AT_FDCWD


@dataclass
class Place:
    """A directory of the workspace, and one outside on the same file system."""

    root: Path
    outside: Path

    def make(self, name: str, content: str = "1") -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def make_outside(self, name: str, content: str = "1") -> Path:
        Place(self.outside, self.root).make(name, content)
        return self.outside / name


def shell(command: str, home: Path) -> None:
    subprocess.run(["bash", "-c", command], cwd=home, check=True)


def exchange(one: Path, other: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


def again_and_again(place: Place) -> None:
    for number in range(30):
        shutil.rmtree(place.root / "a", ignore_errors=True)
        place.make("a/b/f", str(number))


def swap(place: Place) -> None:
    place.make_outside("a/b/f", "new")
    (place.root / "a").rename(place.outside / "former")
    (place.outside / "a").rename(place.root / "a")
    place.make("a/b/g")


def changed_places(place: Place) -> None:
    exchange(place.root / "a", place.root / "z")
    place.make("a/b/g", "after")
    place.make("z/b/g", "after")


Change = tuple[Callable[[Place], object], Callable[[Place], object]]

NOTHING = lambda place: None  # noqa: E731
TREE = lambda place: place.make("a/b/f")  # noqa: E731
CHANGES: dict[str, Change] = {
    "mkdir -p and cp": (
        lambda p: p.make_outside("f"),
        lambda p: shell(f"mkdir -p a/b/c/d && cp {p.outside}/f a/b/c/d", p.root),
    ),
    "many mkdir -p": (
        NOTHING,
        lambda p: shell("for n in 1 2 3 4 5 6 7 8; do mkdir -p $n/a/b/c; echo $n > $n/a/b/c/f; done", p.root),
    ),
    "a tree moved in": (
        lambda p: p.make_outside("a/b/c/f"),
        lambda p: (p.outside / "a").rename(p.root / "a"),
    ),
    "a tree copied in": (
        lambda p: p.make_outside("a/b/c/f"),
        lambda p: shell(f"cp -r {p.outside}/a .", p.root),
    ),
    "a file moved in": (
        lambda p: p.make_outside("f"),
        lambda p: (p.outside / "f").rename(p.root / "f"),
    ),
    "a file linked in": (
        lambda p: p.make_outside("f"),
        lambda p: os.link(p.outside / "f", p.root / "f"),
    ),
    "a file into a new directory": (
        lambda p: p.make_outside("f"),
        lambda p: ((p.root / "a").mkdir(), (p.outside / "f").rename(p.root / "a/f")),
    ),
    "a link to a directory": (
        TREE,
        lambda p: (p.root / "link").symlink_to("a/b", target_is_directory=True),
    ),
    "a tree moved out": (TREE, lambda p: (p.root / "a").rename(p.outside / "gone")),
    "a tree renamed": (TREE, lambda p: (p.root / "a").rename(p.root / "z")),
    "a tree removed": (TREE, lambda p: shutil.rmtree(p.root / "a")),
    "a tree replaced": (TREE, swap),
    "two trees exchanged": (lambda p: (p.make("a/b/f", "a"), p.make("z/b/f", "z")), changed_places),
    "removed and made again": (TREE, again_and_again),
    "a file that becomes a directory": (
        lambda p: p.make("a"),
        lambda p: ((p.root / "a").unlink(), p.make("a/b/f")),
    ),
}  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("asleep", [False, True], ids=["awake", "told late"])
def test_every_change_of_the_tree_is_saved_soon(
    daemon: Daemon, workspace: Make, tmp_path: Path, asleep: bool
) -> None:
    """All at once, each in a directory of its own. Told late: when the events are read, the tree is another."""
    bench = workspace()
    places = {}
    for number, (name, (prepare, _)) in enumerate(CHANGES.items()):
        places[name] = place = Place(bench.root / f"p{number}", tmp_path / f"outside{number}")
        place.root.mkdir()
        place.outside.mkdir()
        (place.root / "here").write_text("1")
        prepare(place)
    daemon.watch(bench)
    daemon.sync(bench)
    bench.write({"mvc.toml": LIMITS})
    daemon.sync(bench)
    if asleep:
        daemon.process.send_signal(signal.SIGSTOP)
    for name, (_, change) in CHANGES.items():
        change(places[name])
    if asleep:
        daemon.process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + SOON
    while late := differing(bench):
        assert time.monotonic() < deadline, {
            name: sorted(p for p in late if p.startswith(place.root.name + "/"))
            for name, place in places.items()
        }
        time.sleep(0.1)
    for number, place in enumerate(places.values()):  # and each directory is watched as it is now
        for directory, _, _ in os.walk(place.root):
            (Path(directory) / f"last{number}").write_text("2")
    deadline = time.monotonic() + SOON
    while late := differing(bench):
        assert time.monotonic() < deadline, late
        time.sleep(0.1)


def differing(bench: Bench) -> set[str]:
    """Paths of which HEAD and the workspace do not have the same."""
    links = {str(p.relative_to(bench.root)) for p in bench.root.glob("p*/*") if p.is_symlink()}
    there = bench.files()
    with Repository.open(str(bench.root)) as repo:
        saved = {f.path: f.size for f in repo.ls()}
        wrong = (there.keys() | links) ^ saved.keys()
        return wrong | {p for p, data in there.items() if p in saved and repo.read(p) != data}


def shards(
    bench: Bench, *, hours: float, numbers: tuple[int, ...] = (1, 2), index: bool = True
) -> None:
    """A model in two shards, whose index was written first, with stamps of so many hours ago."""
    names = {n: f"model-{n:05d}-of-00002.safetensors" for n in (1, 2)}
    documents = {
        f"model/{names[n]}": save({f"w{n}": np.full(8, hours, np.float32)}) for n in numbers
    }
    if index:
        weight_map = {f"w{n}": name for n, name in names.items()}
        written = {"model/model.safetensors.index.json": json.dumps({"weight_map": weight_map})}
        documents = {**written, **documents}
    bench.write(documents)
    for place, name in enumerate(documents):
        stamp = time.time() - hours * 3600 + place
        os.utime(bench.path(name), (stamp, stamp))


def test_a_model_that_was_copied_is_saved(daemon: Daemon, workspace: Make) -> None:
    bench = workspace()
    daemon.watch(bench)
    shards(bench, hours=1)
    daemon.sync(bench)
    assert not differing(bench)


def test_a_model_that_was_overwritten_in_part_is_held_back(daemon: Daemon, workspace: Make) -> None:
    """However old: the index is the last version's. A save that is whole is saved again."""
    bench = workspace()
    daemon.watch(bench)
    shards(bench, hours=2)
    daemon.sync(bench)
    shards(bench, hours=1.9, numbers=(1,), index=False)
    daemon.poke(bench)
    deadline = time.monotonic() + 30
    while "earlier save" not in str(daemon.report(bench)["waiting"]):
        assert time.monotonic() < deadline, daemon.report(bench)
        time.sleep(0.05)
    shards(bench, hours=1.8, index=False)
    daemon.sync(bench)
    assert not differing(bench)
