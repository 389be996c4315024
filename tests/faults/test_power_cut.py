"""Power cuts at each change of the disk: what was acknowledged is there, and no half is seen.

A command's changes are written down as they happen, LMDB's too (tests/support/faults.c); from that come the
disks that a cut may leave (tests/support/powercut.py), and each is opened, verified, and the command run again.
20,000 of them: `pytest -m campaign tests/faults/test_power_cut.py`.
"""

from __future__ import annotations

import copy
import os
import random
import shutil
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.daemon.daemons import Daemon, short_directory
from tests.faults import scenes
from tests.faults.scenes import BY_ITSELF, SCENES, Scene, State
from tests.store.children import Child
from tests.support import powercut, threads
from tests.support.faults import Host, library
from tests.support.memory import in_memory
from tests.support.powercut import Disk, Model, Record

WEIGHTS = {
    Model(ordered=False, fate="lost"): 4,
    Model(ordered=False, fate="mixed"): 10,
    Model(ordered=True, fate="lost"): 3,
    Model(ordered=True, fate="mixed"): 8,
    Model(ordered=True, fate="kept"): 2,
}
"""Images of each scene in a default run, by model; 27."""
LONG = 68
"""Times as many in a campaign."""


@dataclass(frozen=True)
class Cut:
    """Power goes after so many records."""

    after: int
    model: Model
    seed: int


@dataclass(frozen=True)
class Story:
    """A recorded command: the disk before it, what it did to it, what mattered before and after. What cuts
    leave is made at the same `place`, since repositories name each other by their paths."""

    scene: Scene
    place: Path
    disk: Disk
    log: list[Record]
    acknowledged: int
    old: State
    new: State
    left: dict[Path, bytes]
    """All files right after it, LMDB's lock left out."""


@pytest.fixture(scope="module")
def places() -> Iterator[Path]:
    with in_memory() as directory:
        yield directory


@pytest.fixture(scope="module")
def tell(places: Path) -> Iterator[Callable[[str], Story]]:
    """The story of a scene, made once."""
    made: dict[str, Story] = {}
    with Host(places / "host") as host:

        def story(name: str) -> Story:
            if name not in made and name == BY_ITSELF.name:
                made[name] = watch(places / name)
            elif name not in made:
                made[name] = record(host, SCENES[name], places / name)
            return made[name]

        yield story


def record(host: Host, scene: Scene, top: Path) -> Story:
    def act(live: Path, log: Path) -> int:
        ended = host.run(scenes.words(scene, live), live / "work", root=live, log=log)
        assert ended.code == 0, ended.err
        return len(list(powercut.records(log)))

    return recorded(scene, top, act)


def watch(top: Path) -> Story:
    """The daemon finds changed files, and its reader makes a version of them; told when that is saved."""

    def act(live: Path, log: Path) -> int:
        recorder = {"FAULTS_ROOT": str(live), "FAULTS_LOG": str(log), "LD_PRELOAD": library()}
        with short_directory() as places, Daemon(places, **recorder) as daemon:
            with daemon.connect() as connection:
                connection.ask("watch", root=str(live / "work"), author="Ada")
                answer = connection.ask("sync", root=str(live / "work"), timeout=60.0)
            assert answer["done"], answer
            saved = len(list(powercut.records(log)))
            assert daemon.stop() == 0
        return saved

    return recorded(BY_ITSELF, top, act)


def recorded(scene: Scene, top: Path, act: Callable[[Path, Path], int]) -> Story:
    """`act(live, log)` does what is recorded; it answers after how many records it was acknowledged."""
    live, log = top / "root", top / "log"
    scenes.build(scene, live)
    old = scenes.state(scene, live)
    disk = Disk(live)
    acknowledged = act(live, log)
    left = {path: data for path, data in contents(live).items() if path.name != "lock.mdb"}
    new = scenes.state(scene, live)
    shutil.rmtree(live)
    return Story(scene, live, disk, list(powercut.records(log)), acknowledged, old, new, left)


def cuts(story: Story, times: int, syncs: bool = True) -> Iterator[Cut]:
    """Spread over the whole command, of each model also right after it was acknowledged."""
    end = len(story.log)
    for model, weight in WEIGHTS.items():
        count = weight * times
        for n in range(count):
            after = end - n * end // count if n else story.acknowledged
            yield Cut(after, Model(model.ordered, model.fate, syncs), n)


def strike(story: Story, chosen: list[Cut], report: Callable[[str], None]) -> None:
    """Makes the disk of each cut and judges it; reports a line for each, "ok" or what is wrong."""
    for model in {cut.model for cut in chosen}:
        disk, done, place = copy.deepcopy(story.disk), 0, story.place
        for cut in sorted((c for c in chosen if c.model == model), key=lambda c: c.after):
            for entry in story.log[done : cut.after]:
                disk.apply(entry, model)
            done = cut.after
            report(f"cut {cut}")
            disk.leave(place, model, random.Random(f"{story.scene.name} {cut.seed}"))
            acknowledged = cut.after >= story.acknowledged
            try:
                scenes.judge(story.scene, place, story.old, story.new, acknowledged=acknowledged)
                report("ok")
            except BaseException:
                report("failed " + traceback.format_exc().replace("\n", "\\n"))
            shutil.rmtree(place)


def judged(story: Story, chosen: list[Cut]) -> list[str]:
    """What is wrong, a text for each image. In a process of its own: a torn index may end it."""
    assert not threads.others(), "a fork would copy another thread's locks"
    status, reports = Child(lambda report: strike(story, chosen, report)).end()
    wrong, last = [], ""
    for line in reports:
        if line.startswith("cut"):
            last = line
        elif line != "ok":
            wrong.append(f"{story.scene.name}: {last}: " + line.replace("\\n", "\n"))
    if status:
        wrong.append(f"{last}: ended with {status}")
    return wrong


@pytest.mark.parametrize("name", [*SCENES, BY_ITSELF.name])
def test_a_cut_loses_nothing_acknowledged(name: str, tell: Callable[[str], Story]) -> None:
    story = tell(name)
    chosen = sound(story, 1)
    assert len(chosen) == sum(WEIGHTS.values())
    require(story, chosen)


def sound(story: Story, times: int) -> list[Cut]:
    """Cuts that no known hole excuses, as many as there are others."""
    return list(cuts(story, times))


def require(story: Story, chosen: list[Cut]) -> None:
    wrong = judged(story, chosen)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["commit", "checkout", "push", BY_ITSELF.name])
def test_a_disk_that_ignores_syncs_is_found_out(name: str, tell: Callable[[str], Story]) -> None:
    """The control: were nothing synced, these cuts would lose what was acknowledged."""
    story = tell(name)
    chosen = [cut for cut in cuts(story, 1, syncs=False) if cut.model.fate == "lost"]
    wrong = judged(story, [cut for cut in chosen if cut.after == story.acknowledged])
    assert len(wrong) == 2
    assert all("not what was acknowledged" in text for text in wrong)


def test_every_change_of_the_disk_is_written_down(tell: Callable[[str], Story]) -> None:
    """Without cuts, the disk that the log tells of is the one that was there, byte for byte: LMDB's file,
    packs, the workspace. What is mapped for writing is LMDB's lock alone."""
    for name in (*SCENES, BY_ITSELF.name):
        story = tell(name)
        disk, model = copy.deepcopy(story.disk), Model(ordered=True, fate="kept")
        for entry in story.log:
            disk.apply(entry, model)
        disk.leave(story.place, model, random.Random(0))
        found = {p: d for p, d in contents(story.place).items() if p.name != "lock.mdb"}
        shutil.rmtree(story.place)
        assert found == story.left
        if name != "config":  # all others commit to LMDB: pages, then its meta page through O_DSYNC
            assert any(entry.operation == powercut.SYNC_DATA for entry in story.log)
            assert any(entry.durable for entry in story.log)


def test_a_cut_that_is_told_can_be_made_again(tell: Callable[[str], Story]) -> None:
    """Its moment, model and seed are all there is to it: the same bytes, twice."""
    story = tell("commit")
    images = []
    for _ in range(2):
        images.append([image(story, cut) for cut in cuts(story, 1) if cut.model.fate == "mixed"])
    assert images[0] == images[1]
    assert len({repr(found) for found in images[0]}) > 10, "and other seeds make other ones"


def image(story: Story, cut: Cut) -> dict[Path, bytes]:
    disk = copy.deepcopy(story.disk)
    for entry in story.log[: cut.after]:
        disk.apply(entry, cut.model)
    disk.leave(story.place, cut.model, random.Random(f"{story.scene.name} {cut.seed}"))
    found = contents(story.place)
    shutil.rmtree(story.place)
    return found


def test_a_command_does_to_the_disk_what_it_did_before(places: Path) -> None:
    """In the same order, whatever names and times are in it: a campaign strikes the same moments again."""
    told = []
    with Host(places / "again-host") as host:
        for turn in ("again-1", "again-2"):
            story = record(host, SCENES["tag"], places / turn)
            told.append([(entry.operation, entry.durable, entry.offset) for entry in story.log])
    assert told[0] == told[1]


def contents(top: Path) -> dict[Path, bytes]:
    """Files and links below a directory."""
    found = {}
    for path in top.rglob("*"):
        if path.is_symlink():
            found[path.relative_to(top)] = os.fsencode(os.readlink(path))
        elif path.is_file():
            found[path.relative_to(top)] = path.read_bytes()
    return found


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", [*SCENES, BY_ITSELF.name])
def test_cuts_at_length(name: str, tell: Callable[[str], Story]) -> None:
    story = tell(name)
    require(story, sound(story, LONG))
