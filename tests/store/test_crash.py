"""kill -9 at named steps and at random moments: no acknowledged version is lost, and no half is seen.

Each round runs a writer that commits, now and then abandons work and collects, and dies. The store lives
on through the rounds, so a round also starts from whatever the deaths before left behind.
"""

from __future__ import annotations

import os
import random
import shutil
import signal

import pytest

from mvcd.ids import Kind
from mvcd.store import pack, steps
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.record import PACK_HEADER
from tests.store.children import Child, die
from tests.store.history import History, mark_history, walk
from tests.store.objects import plain
from tests.support.memory import in_memory

COMMITS = 6
HISTORY = History(0)
"""Known to parent and children, so that none makes its versions again."""


class Rounds:
    """Rounds on one store: `run` forks a writer, lets `end` see it to its death, and examines."""

    def __init__(self, path) -> None:
        self.path = path
        self.number = 0
        self.last = 0  # the last version that is surely there
        LmdbStore.create(path).close()

    def run(self, end, reached=steps.unheard):
        """What `end(child)` returned, less the reports: it gives (result, reports)."""
        first, seed = self.last + 1, self.number
        self.number += 1
        HISTORY.id(self.last + COMMITS + 1)
        child = Child(lambda report: write_until_death(self.path, seed, first, report, reached))
        result, reports = end(child)
        self.last = examine(self.path, acknowledged(reports, self.last))
        return result


def write_until_death(path, seed, first, report, reached):
    """Commits from version `first` on; reports each commit once it is acknowledged."""
    source = random.Random(seed)
    with LmdbStore.open(path, reached=reached) as store:
        for number in range(first, first + COMMITS):
            with store.session() as session:
                HISTORY.save(session, number)
                report(str(number))
            if source.random() < 0.5:  # work that nobody finishes
                with store.session() as session:
                    session.put(*plain(source.randbytes(60_000)))
                    session.flush()
                    session.put(*plain(source.randbytes(5000)))
            if source.random() < 0.4:
                store.collect(mark_history)
            if source.random() < 0.4:
                store.rebase(same_forms(store))
    report("end")


def same_forms(store):
    """Every chunk again as it is, which costs nothing, so that it moves."""
    for id, info in store.ids():
        if info.kind is Kind.CHUNK:
            yield [(id, store.get_encoded(id))]


def acknowledged(reports: list[str], before: int) -> int:
    return max([before, *(int(text) for text in reports if text.isdigit())])


def examine(path, last: int) -> int:
    """The store after a death: all that was acknowledged is there, and nothing is damaged."""
    history = HISTORY
    with LmdbStore.open(path) as store:
        found = history.number(store.ref("main"))
        assert found in (last, last + 1)
        if found:
            reached = sum(1 for _ in walk(store, history.id(found)))
            assert reached > found
        assert [bytes(data) for _, data in store.operations(newest_first=False)] == [
            bytes(history.id(n)) for n in range(1, found + 1)
        ]
        assert list(store.check()) == []
    return found


@pytest.fixture
def memory_path():
    """A directory in memory where there is one: a dead process takes no page cache with it, so
    a disk would add time to these tests and nothing else."""
    with in_memory() as path:
        yield path


def at_step(step: str, countdown: int):
    """A listener that dies when a step is reached for the n-th time."""
    left = countdown

    def reached(name: str) -> None:
        nonlocal left
        left -= name == step
        if not left:
            die()

    return reached


@pytest.mark.thorough
def test_death_at_every_step(memory_path, monkeypatch):
    monkeypatch.setattr("mvcd.store.session.PART_PAGES", 1)  # a few transactions a flush
    source = random.Random(4)
    rounds = Rounds(memory_path)
    died = set()
    for step in steps.STEPS * 10:
        status = rounds.run(Child.end, at_step(step, source.randrange(1, 5)))
        assert status in (0, -signal.SIGKILL)
        if status:
            died.add(step)
    assert died == set(steps.STEPS)


def kill_at_random(path, seed: int, rounds: int) -> None:
    source = random.Random(seed)

    def end(child: Child) -> tuple[None, list[str]]:
        reports = [child.line() for _ in range(source.randrange(0, COMMITS))]
        child.wait_for_more(source.uniform(0, 0.004))  # about as long as a commit takes
        return None, reports + child.kill()

    on_one_store = 20  # then its history is so long that examining it takes most of the time
    for number in range(rounds):
        if number % on_one_store == 0:
            store = Rounds(os.path.join(path, str(number)))
        store.run(end)


def test_death_at_random_moments(memory_path):
    kill_at_random(memory_path, seed=2, rounds=150)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.timeout(3600)
def test_death_at_random_moments_at_length(memory_path, seed):
    kill_at_random(memory_path, seed=100 + seed, rounds=500)


def test_what_deaths_leave_behind_is_collected(tmp_path):
    """Leases, unfinished packs and garbage of dead writers do not pile up."""
    LmdbStore.create(tmp_path).close()
    for number in range(12):

        def work(report, number=number):
            with LmdbStore.open(tmp_path) as store:
                session = store.session()
                session.put(*plain(b"%d" % number * 1000))
                session.flush()
                session.put(*plain(b"%d!" % number * 1000))
                session._writer.drain()
                die()

        assert Child(work).end()[0] == -signal.SIGKILL
    assert len(os.listdir(tmp_path / "leases")) == 12
    assert len(os.listdir(tmp_path / "packs")) <= 2, "the tail of one goes to the other"
    with LmdbStore.open(tmp_path) as store:
        assert store.collect(mark_history).objects == 12 + 11  # each but the last was salvaged
        assert os.listdir(tmp_path / "leases") == []
        assert os.listdir(tmp_path / "packs") == []
        assert list(store.check()) == []


class LyingDisk:
    """Keeps, for each file, only the bytes and names that an fsync covered: the worst a power cut can do.

    LMDB syncs its own file within its commit, so `data.mdb` counts as durable when a commit returns.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real = os.fsync
        self.synced: dict[int, int] = {}  # inode -> size at its last fsync
        self.named: set[str] = set()
        monkeypatch.setattr(os, "fsync", self._fsync)

    def _fsync(self, file: int) -> None:
        self._real(file)
        status = os.fstat(file)
        self.synced[status.st_ino] = status.st_size
        path = os.readlink(f"/proc/self/fd/{file}")
        if os.path.isdir(path):
            self.named.update(os.path.join(path, name) for name in os.listdir(path))

    def after_power_cut(self, store: str, to: str) -> None:
        """What of a store is left."""
        shutil.copytree(store, to)
        for name in os.listdir(os.path.join(store, "packs")):
            original = os.path.join(store, "packs", name)
            left = os.path.join(to, "packs", name)
            if original not in self.named:
                os.unlink(left)
                continue
            size = self.synced.get(os.stat(original).st_ino, 0)
            with open(left, "r+b") as file:  # lost pages come back as zeros
                whole = os.fstat(file.fileno()).st_size
                file.truncate(size)
                file.truncate(whole)
        os.truncate(os.path.join(to, "refs.journal"), 0)  # its name is durable, its lines are not


COMMITTED = (
    steps.ROWS_BEGUN,
    steps.ROWS_COMMITTED,
    steps.SWEPT,
    steps.LIVE_REPOINTED,
    steps.PACKS_UNLINKED,
)


@pytest.mark.parametrize("parts", [False, True])
def test_power_loss_right_after_each_index_commit(tmp_path, monkeypatch, parts):
    """Bytes before rows: whenever a row is durable, so is what it points to; also where the rows of one flush
    are `parts`."""
    monkeypatch.setattr(pack, "SEAL_BYTES", 40_000)
    monkeypatch.setattr("mvcd.store.session.SEAL_BYTES", 40_000)
    monkeypatch.setattr("mvcd.store.repack.SEAL_BYTES", 40_000)
    if parts:
        monkeypatch.setattr("mvcd.store.session.PART_PAGES", 0)
    disk = LyingDisk(monkeypatch)
    live = str(tmp_path / "live")
    history = HISTORY
    sure, least, begun = 0, [], 0

    def reached(step):
        nonlocal begun
        begun += step == steps.ROWS_BEGUN
        if step in COMMITTED and not (step == steps.ROWS_BEGUN and begun % 9):
            disk.after_power_cut(live, str(tmp_path / f"cut{len(least)}"))
            least.append(sure)

    with LmdbStore.create(live, reached=reached) as store:
        for number in range(1, 13):
            with store.session() as session:
                history.save(session, number)
            sure = number
            with store.session() as session:
                session.put(*plain(b"%d" % number * 20000))
                session.commit()
            if number % 4 == 0:
                store.collect(mark_history)
    assert len(least) > 24
    assert bool(begun) == parts
    for n, first in enumerate(least):
        with LmdbStore.open(tmp_path / f"cut{n}") as store:
            number = history.number(store.ref("main"))
            assert number >= first
            list(walk(store, history.id(number)))
            assert list(store.check()) == []
            with store.session() as session:
                history.save(session, number + 1)
            assert list(store.check()) == []


def test_a_torn_tail_is_cut_by_the_next_writer(tmp_path):
    path = tmp_path / "packs" / "00000000.pack"
    with LmdbStore.create(tmp_path) as store:
        with store.session() as session:
            session.put(*plain(b"first"))
            session.commit()
        committed = path.stat().st_size
        with path.open("ab") as file:
            file.write(path.read_bytes()[PACK_HEADER.size :] * 3 + b"torn")
        assert list(store.check()) == []
        with store.session() as session:
            id, encoded = plain(b"second")
            size = session.put(id, encoded)
            session.commit()
        assert path.stat().st_size == committed + size
        assert store.get(id) == b"second"
        assert list(store.check()) == []
