"""kill -9 of every verb that writes: at each change of the disk, and at random moments.

After each death, whatever the moment: what was acknowledged is there byte for byte, HEAD and files are old
or new, `verify` finds nothing, the lock is free, the same command run again gets where it was going and
leaves nothing behind, and `undo` brings back work that the dead one had overwritten.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mvcd.errors import Failure, NoRepository
from mvcd.ids import VersionId
from mvcd.repo.records.results import Context, Head
from mvcd.store import steps
from tests.repo.dying import Moments, open_listening
from tests.store.children import Child
from tests.support import threads
from tests.support.engine import Repository
from tests.support.workspace import Bench

Files = dict[str, bytes]
Verb = Callable[[Repository, Context], object]
NAMES = ("model.pt", "data/a.csv", "data/deep/b.csv", "params.yaml", "run.py", "swap", "swap/inner")
LIFETIME = 25
"""Rounds that one repository lives through; then a new one, or each round would look back on more."""


@dataclass(frozen=True)
class Job:
    """A command to be killed, and where it leads. `number` is HEAD's afterwards."""

    name: str
    run: Verb
    files: Files
    number: int
    head: VersionId | None  # None: a new version


class World:
    """A repository and what it must contain, through any number of deaths."""

    def __init__(self, root: Path, seed: int) -> None:
        self.source = random.Random(seed)
        self.bench = Bench(root)
        self.bench.add()
        self.versions: dict[VersionId, Files] = {}
        for _ in range(3):
            self.scribble()
            self.versions[self.bench.commit().version] = self.bench.files()
        self.bench.repo.close()

    # ---------------------------------------------------------------- what happens between deaths

    def scribble(self) -> None:
        """Changes some files, and what is a file or a directory; always something new."""
        for name in self.source.sample(NAMES, 3):
            path = Path(self.bench.path(name))
            if name == "swap" and path.is_dir():
                (path / "inner").unlink()
                path.rmdir()
            if name == "swap/inner" and path.parent.is_file():
                path.parent.unlink()
            size = self.source.choice((0, 10, 300, 20_000, 300_000))
            self.bench.write({name: self.source.randbytes(size)})
        self.bench.write({"run.py": self.source.randbytes(20).hex()})

    def job(self, name: str) -> Job:
        """Prepares the workspace for a command and says what the command must lead to."""
        with Repository.open(str(self.bench.root)) as repo:
            now = repo.head
            target = self._other_content(now.version)
            if name == "gc":
                # what a forced checkout puts aside is garbage once its operation is old
                self._force_checkout(repo, target, "model.pt")
                now = repo.head
            if name == "undo":
                self._force_checkout(repo, target)
                before, here = self._before
                return Job(name, lambda r, c: r.undo(context=c), before, here.number, here.version)
        rev, files = target.hex(), self.versions[target]
        number = now.number + 1
        if name in ("commit", "checkout", "restore", "rollback"):
            self.scribble()
        self._before = (self.bench.files(), now)
        match name:
            case "commit":
                return Job(
                    name, lambda r, c: r.commit("m", context=c), self.bench.files(), number, None
                )
            case "checkout":
                run = lambda r, c: r.checkout(rev, context=c, force=True)  # noqa: E731
                return Job(name, run, files, self.number_of(target), target)
            case "rollback":
                run = lambda r, c: r.rollback(rev, context=c, force=True)  # noqa: E731
                return Job(name, run, files, number, None)
            case "restore":
                run = lambda r, c: r.restore(rev, context=c)  # noqa: E731
                return Job(name, run, files, now.number, now.version)
            case "gc":
                run = lambda r, c: r.gc(context=c, keep_operations_us=0)  # noqa: E731
                return Job(name, run, self.bench.files(), now.number, now.version)
        raise AssertionError(name)

    def _other_content(self, now: VersionId) -> VersionId:
        here = self.versions[now]
        return self.source.choice([v for v, files in self.versions.items() if files != here])

    def _force_checkout(self, repo: Repository, target: VersionId, *large: str) -> None:
        self.scribble()
        self.bench.write({name: self.source.randbytes(900_000) for name in large})
        self._before = (self.bench.files(), repo.head)
        repo.checkout(target.hex(), context=self.bench.context(), force=True)

    def number_of(self, version: VersionId) -> int:
        with Repository.open(str(self.bench.root)) as repo:
            return repo.version(version).generation

    # ---------------------------------------------------------------- a death, and what is left

    def child(self, job: Job, fatal: int | str = 0) -> Child:
        assert not threads.others(), "a fork would copy another thread's locks"
        context = self.bench.context()

        def work(report: Callable[[str], None]) -> None:
            moments = Moments(fatal, report)
            with open_listening(str(self.bench.root), moments.reached) as repo:
                job.run(repo, context)
                report("acknowledged")
            report(f"moments {moments.count}")

        return Child(work)

    def examine(self, job: Job, *, acknowledged: bool) -> None:
        old_files, old_head = self._files_and_head_before(job)
        with Repository.open(str(self.bench.root), lock_timeout=0.0) as repo:
            with repo.lock.hold():
                pass
            report = repo.verify()
            assert report.ok, report.errors
            arrived = self._arrived(repo, job, old_head)
            assert arrived or not acknowledged
            self._files_are_old_or_new(old_files, job.files)
            for id, files in self.versions.items():
                assert {row.path for row in repo.ls(id.hex())} == files.keys()
                assert all(repo.read(path, id.hex()) == data for path, data in files.items())
            self._again(repo, job)
            assert self.bench.files() == job.files
            assert repo.head.number == job.number
            if job.head is None:
                self.versions[repo.head.version] = job.files
            else:
                assert repo.head.version == job.head
            assert repo.status().clean == (self.versions[repo.head.version] == job.files)
            assert not os.path.exists(self.bench.path(".mvc/staging"))
            if job.name in ("checkout", "restore") and self.source.random() < 0.5:
                self._undo_brings_back(repo)

    def _files_and_head_before(self, job: Job) -> tuple[Files, Head | None]:
        """For an undo, what lay there before is what its checkout had brought: not modelled further."""
        return (self.disk_at_start, None) if job.name == "undo" else self._before

    def _arrived(self, repo: Repository, job: Job, old: Head | None) -> bool:
        now = repo.head
        if job.name in ("gc", "restore"):
            assert old is not None and now.version == old.version
            return True
        if job.head is not None:
            assert old is None or now.version in (old.version, job.head)
            return now.version == job.head
        assert old is not None
        if now.version == old.version:
            return False
        assert now.number == job.number
        assert {r.path: repo.read(r.path) for r in repo.ls()} == job.files
        return True

    def _files_are_old_or_new(self, old: Files, new: Files) -> None:
        now = self.bench.files()
        assert now.keys() <= old.keys() | new.keys()
        for path in old.keys() | new.keys():
            assert now.get(path) in (old.get(path), new.get(path))

    def _again(self, repo: Repository, job: Job) -> None:
        newest = next(repo.operations())
        if job.name == "undo" and newest.undoes is not None:
            return
        try:
            job.run(repo, self.bench.context())
        except Failure as error:
            assert error.kind == "nothing-to-commit"
            assert job.head is None

    def _undo_brings_back(self, repo: Repository) -> None:
        """By as many undos as commands were run: the one that died, and the one that came after."""
        files, head = self._before
        for _ in range(2):
            repo.undo(context=self.bench.context())
            if self.bench.files() == files and repo.head.version == head.version:
                return
        pytest.fail(f"unsaved work is gone: {self.bench.files().keys()} {files.keys()}")


class Rounds:
    """Runs rounds in worlds that are renewed now and then."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory = directory
        self.source = random.Random(seed)
        self.done = 0
        self.deaths: dict[str, set[str]] = {}

    def world(self) -> World:
        if self.done % LIFETIME == 0:
            self._world = World(self.directory / str(self.done), self.source.randrange(1 << 30))
        self.done += 1
        return self._world

    def round(self, name: str, kill: Callable[[World, Job], list[str]]) -> list[str]:
        world = self.world()
        job = world.job(name)
        world.disk_at_start = world.bench.files()
        reports = kill(world, job)
        for report in reports:
            if report.startswith("died"):
                self.deaths.setdefault(name, set()).add(report.split()[1])
        world.examine(job, acknowledged="acknowledged" in reports)
        return reports

    def at(self, name: str, fatal: int | str) -> list[str]:
        def kill(world: World, job: Job) -> list[str]:
            status, reports = world.child(job, fatal).end()
            assert status in (0, -signal.SIGKILL)
            return reports

        return self.round(name, kill)

    def at_moments(self, name: str, rounds: int) -> None:
        """Spread over all the moments that the command has: as many as its longest whole run had."""
        total = 0
        for turn in range(rounds):
            last = self.at(name, (turn * total) // rounds)[-1]  # the first run is whole
            if last.startswith("moments"):
                total = max(total, int(last.split()[1]))

    def at_random(self, name: str) -> None:
        def kill(world: World, job: Job) -> list[str]:
            child = world.child(job)
            child.wait_for_more(self.source.uniform(0, 0.06))  # about as long as a command takes
            return child.kill()

        self.round(name, kill)


VERBS = ("commit", "checkout", "rollback", "restore", "undo", "gc")


def thorough_but(*quick: str) -> list[object]:
    """The verbs as parameters; all but `quick` ones are left to the thorough run."""
    thorough = pytest.mark.thorough
    return [verb if verb in quick else pytest.param(verb, marks=thorough) for verb in VERBS]


POINTS = {
    "commit": ("pwrite", "fsync", steps.PACK_SYNCED, steps.ROWS_COMMITTED, steps.JOURNAL_WRITTEN),
    "checkout": ("replace", "unlink", "pwrite", "fsync", steps.ROWS_COMMITTED),
    "rollback": ("replace", "unlink", "pwrite", "fsync", steps.ROWS_COMMITTED),
    "restore": ("replace", "unlink", "pwrite", "fsync", steps.ROWS_COMMITTED),
    "undo": ("replace", "unlink", "pwrite", "fsync", steps.ROWS_COMMITTED),
    "gc": (steps.MARKED, steps.SWEPT, steps.LIVE_COPIED, steps.LIVE_REPOINTED, steps.PACKS_UNLINKED),
}  # fmt: skip


@pytest.mark.parametrize("name", VERBS)
def test_death_at_named_points(scratch: Path, name: str) -> None:
    rounds = Rounds(scratch, seed=VERBS.index(name))
    for point in POINTS[name]:
        for _ in range(5):  # a collection finds no pack worth rewriting now and then
            rounds.at(name, point)
            if point in rounds.deaths.get(name, ()):
                break
    assert rounds.deaths[name] == set(POINTS[name])


@pytest.mark.parametrize("name", thorough_but("commit", "checkout"))
def test_death_at_each_change_of_the_disk(scratch: Path, name: str) -> None:
    rounds = Rounds(scratch, seed=50 + VERBS.index(name))
    rounds.at_moments(name, 30)
    assert len(rounds.deaths[name]) > 4


@pytest.mark.parametrize("name", thorough_but("commit", "checkout"))
def test_death_at_random_moments(scratch: Path, name: str) -> None:
    rounds = Rounds(scratch, seed=100 + VERBS.index(name))
    for _ in range(16):
        rounds.at_random(name)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(10))
def test_deaths_at_length(scratch: Path, seed: int) -> None:
    """500 rounds a seed, every verb in any order, half of them at a change of the disk."""
    rounds = Rounds(scratch, seed=1000 + seed)
    source = random.Random(seed)
    for _ in range(500):
        name = source.choice(VERBS)
        if source.random() < 0.5:
            rounds.at_random(name)
        else:
            fatal = source.randrange(1, 150)
            rounds.at(name, fatal)


def test_death_while_a_repository_is_made(scratch: Path) -> None:
    """At each change of the disk until none is left: `init` again makes a repository that works."""
    context = Context("Ada", time_us=1)
    for fatal in range(1, 200):
        root = scratch / str(fatal)
        root.mkdir()

        def work(report: Callable[[str], None], root: Path = root, fatal: int = fatal) -> None:
            Moments(fatal, report)
            Repository.create(str(root), context=context).close()

        status, _ = Child(work).end()
        if status == 0:
            assert fatal > 10
            return
        try:
            Repository.open(str(root)).close()
        except NoRepository:
            Repository.create(str(root), context=context).close()
        (root / "a").write_bytes(b"1")
        with Repository.open(str(root)) as repo:
            repo.add([str(root)], context=context)
            assert repo.commit("m", context=context).number == 1
            assert repo.verify().ok
    pytest.fail("it never ended")
