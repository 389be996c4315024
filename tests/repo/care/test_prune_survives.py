"""Pruning killed at each step, and beside commits, pushes, pulls and collections of other processes."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from mvcd.errors import Busy, Conflict, Failure, MissingObject, StaleReuse
from mvcd.ids import VersionId
from mvcd.objects.version import Trigger
from mvcd.repo.records.pruned import marked_by
from mvcd.repo.records.refs import PRUNED
from mvcd.repo.records.results import Context
from mvcd.repo.share.pushing import Asked
from mvcd.store import steps
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.rebuild import rebuild_index
from tests.repo.dying import Moments, open_listening
from tests.store.children import Child
from tests.support.engine import Repository
from tests.support.workspace import Bench

DAY_US = 24 * 3600 * 1_000_000
Report = Callable[[str], None]
Verb = Callable[[Repository, Context], object]


def noise(seed: object, size: int = 40_000) -> bytes:
    return random.Random(str(seed)).randbytes(size)


def gone(repo: Repository) -> set[VersionId]:
    return set(marked_by(repo.store.refs(PRUNED)))


class World:
    """Automatic versions with what each holds; every second keeps what the one before had of a second file."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.bench = Bench(root)
        self.content: dict[VersionId, bytes] = {}
        self.bench.write({"mvc.toml": "[retention]\nkeep_last = 2\n"})
        for number in range(6):
            self.bench.write({"model.pt": noise(number), "half.pt": noise(number // 2)})
            self.bench.add()
            id = self.bench.commit("saved by itself", trigger=Trigger.AUTO).version
            self.content[id] = noise(number)
        self.ids = list(self.content)
        self.bench.repo.close()

    def context(self, later_us: int = 0) -> Context:
        made = self.bench.context()
        return replace(made, time_us=made.time_us + later_us)

    def killed(self, verb: Verb, fatal: int | str, context: Context) -> list[str]:
        """Runs a verb in a process that dies at a moment; what it reported."""

        def work(report: Report) -> None:
            moments = Moments(fatal, report)
            with open_listening(self.root, moments.reached) as repo:
                verb(repo, context)
                report("acknowledged")
            report(f"moments {moments.count}")

        status, reports = Child(work).end()
        assert status in (0, -signal.SIGKILL)
        return reports

    def examine(self, pruned: set[frozenset[VersionId]]) -> frozenset[VersionId]:
        """Whatever happened: one of these sets is pruned, the others are whole, and nothing is damaged."""
        with Repository.open(self.root, lock_timeout=0.0) as repo:
            with repo.lock.hold():
                pass
            report = repo.verify()
            assert report.ok, report.errors
            now = frozenset(gone(repo))
            assert now in pruned
            for id, data in self.content.items():
                if id not in now:
                    assert repo.read("model.pt", id.hex()) == data
            return now


def prune(repo: Repository, context: Context) -> None:
    repo.prune(context=context)


def collect(repo: Repository, context: Context) -> None:
    repo.gc(context=context)


def undo(repo: Repository, context: Context) -> None:
    repo.undo(context=context)


def died(reports: list[str]) -> set[str]:
    return {line.split()[1] for line in reports if line.startswith("died")}


def moments_of(reports: list[str]) -> int:
    return next((int(line.split()[1]) for line in reports if line.startswith("moments")), 0)


PRUNE_POINTS = (steps.ROWS_COMMITTED, steps.JOURNAL_WRITTEN)
COLLECT_POINTS = (
    steps.MARKED, steps.SWEPT, steps.LIVE_COPIED, steps.LIVE_REPOINTED, steps.PACKS_UNLINKED,
)  # fmt: skip


def test_a_prune_that_dies_pruned_all_or_nothing(scratch: Path) -> None:
    seen = set()
    fatal: int | str
    for turn, fatal in enumerate((*PRUNE_POINTS, *range(1, 40))):
        world = World(scratch / str(turn))
        both = {frozenset(), frozenset(world.ids[:4])}
        reports = world.killed(prune, fatal, world.context())
        seen |= died(reports)
        before = world.examine(both)
        assert before or "acknowledged" not in reports
        with Repository.open(world.root) as repo:
            repo.prune(context=world.context())
        assert world.examine(both) == frozenset(world.ids[:4]), "run again it gets there"
        if isinstance(fatal, int) and fatal > moments_of(reports) > 0:
            break
    assert seen > set(PRUNE_POINTS)


@pytest.mark.parametrize("point", COLLECT_POINTS)
def test_a_collection_of_what_was_pruned_dies_at_a_named_point(scratch: Path, point: str) -> None:
    world = World(scratch / "w")
    with Repository.open(world.root) as repo:
        repo.prune(context=world.context())
    all_gone = {frozenset(world.ids[:4])}
    assert died(world.killed(collect, point, world.context(2 * DAY_US))) == {point}
    world.examine(all_gone)
    with Repository.open(world.root) as repo:
        repo.gc(context=world.context(2 * DAY_US))
        assert sum(info.raw_size for _, info in repo.store.ids()) < 3 * 42_000 + 20_000
    world.examine(all_gone)


def test_an_undo_that_dies_brings_back_all_or_nothing(scratch: Path) -> None:
    total = 0
    for fatal in range(40):
        world = World(scratch / str(fatal))
        with Repository.open(world.root) as repo:
            repo.prune(context=world.context())
        reports = world.killed(undo, fatal, world.context())
        now = world.examine({frozenset(), frozenset(world.ids[:4])})
        assert not now or "acknowledged" not in reports
        total = max(total, moments_of(reports))
        if fatal > total:
            break
    assert total > 3


def test_marks_of_a_prune_that_died_are_told_by_the_journal(scratch: Path) -> None:
    """After the rows, before the journal: the next commit fills the hole, and a new index knows."""
    world = World(scratch / "w")
    world.killed(prune, steps.ROWS_COMMITTED, world.context())
    with Repository.open(world.root) as repo:
        before = gone(repo)
        repo.create_tag("later", context=world.context())
    rebuild_index(f"{world.root}/.mvc/store")
    with Repository.open(world.root) as repo:
        assert gone(repo) == before
        assert repo.verify().ok


# -------------------------------------------------------------------- beside others

TURNS = 25


def save_by_itself(root: str, shared: str, done: Path) -> Callable[[Report], None]:
    def work(report: Report) -> None:
        with Repository.open(root) as repo:
            for turn in range(TURNS):
                Path(root, "model.pt").write_bytes(noise(turn))
                context = Context("Ada", time_us=turn * 1_000_000)
                trigger = Trigger.AUTO if turn % 5 else Trigger.MANUAL
                made = repo.commit(f"turn {turn}", context=context, trigger=trigger)
                report(f"{made.version} {turn} {trigger.name}")
                if turn % 4 == 3:
                    try:
                        repo.push(shared, Asked(), context=context)
                    except (StaleReuse, MissingObject) as error:
                        report(f"push {error}")
        done.touch()

    return work


def prune_again_and_again(root: str, done: Path) -> Callable[[Report], None]:
    """Until the other has saved all. Each time of grace is over at once; some prunes are taken back in time."""

    def work(_: Report) -> None:
        with Repository.open(root) as repo:
            for turn in count():
                if done.exists():
                    break
                context = Context("mvcd", time_us=turn * 2 * DAY_US)
                try:
                    pruned = repo.prune(context=context)
                    if turn % 3 == 1 and pruned.operation is not None:
                        repo.undo(pruned.operation, context=context)
                    else:
                        repo.gc(context=replace(context, time_us=context.time_us + DAY_US))
                except (Busy, Conflict, Failure):
                    continue

    return work


def clone_again_and_again(root: str, scratch: Path) -> Callable[[Report], None]:
    def work(report: Report) -> None:
        cloned = 0
        for turn in count():
            if cloned == 3:
                break
            context = Context("Bob", time_us=1)
            try:
                repo, _ = Repository.clone(
                    root, str(scratch / f"clone-{turn}"), context=context, secret=lambda _: {}
                )
            except (
                MissingObject
            ) as error:  # collected since the other's refs were read: run it again
                report(f"clone {error}")
                continue
            with repo:
                assert repo.verify().ok
                cloned += 1

    return work


def test_pruning_beside_commits_pushes_and_clones(scratch: Path) -> None:
    root, shared = str(scratch / "w"), str(scratch / "shared")
    LmdbStore.create(shared).close()
    with Bench(scratch / "w") as bench:
        bench.save({"mvc.toml": "[retention]\nkeep_last = 3\n", "model.pt": "0"})
    children = [
        Child(save_by_itself(root, shared, scratch / "done")),
        Child(prune_again_and_again(root, scratch / "done")),
        Child(clone_again_and_again(root, scratch)),
    ]
    lines = []
    for child in children:
        status, reports = child.end()
        assert status == 0
        lines += reports
    made = [line.split() for line in lines if not line.startswith(("clone ", "push "))]
    assert len(made) == TURNS
    with Repository.open(root) as repo:
        report = repo.verify()
        assert report.ok, report.errors
        repo.prune(context=Context("mvcd", time_us=10**9))
        pruned = gone(repo)
        assert len(pruned) == TURNS - TURNS // 5 - 3
        for text, turn, trigger in made:
            id = VersionId.parse(text)
            if id in pruned:
                assert trigger == "AUTO"
            else:
                assert repo.read("model.pt", id.hex()) == noise(int(turn))
        repo.push(shared, Asked(), context=Context("Ada", time_us=10**9))
    with Repository.open(shared) as there:
        report = there.verify()
        assert report.ok, report.errors
