"""Several processes in one workspace: commits queue, readers look on, collections come in between."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mvcd.codec.encode import Encoder
from mvcd.codec.encoded import Codec, Encoded
from mvcd.errors import Busy, Failure
from mvcd.ids import Bytes, VersionId
from mvcd.repo.records.results import Context
from tests.store.children import Child
from tests.support.engine import Repository
from tests.support.workspace import Bench

Report = Callable[[str], None]


def context(number: int = 0) -> Context:
    return Context("Ada", time_us=number * 1_000_000)


def noise(seed: object, size: int) -> bytes:
    return random.Random(str(seed)).randbytes(size)


def commit_own_file(root: str, name: str, count: int) -> Callable[[Report], None]:
    """Each turn writes a file of its own and saves; reports (version, turn). Others' files come along."""

    def work(report: Report) -> None:
        with Repository.open(root) as repo:
            for turn in range(count):
                Path(root, name).write_bytes(noise((name, turn), 30_000))
                try:
                    report(f"{repo.commit(f'{name} {turn}', context=context(turn)).version} {turn}")
                except Failure as error:  # another's commit took our file along
                    assert error.kind == "nothing-to-commit"
                    report(f"{repo.head.version} {turn}")

    return work


def collect_again_and_again(root: str, times: int) -> Callable[[Report], None]:
    def work(report: Report) -> None:
        with Repository.open(root) as repo:
            for _ in range(times):
                repo.gc(context=context(10**6), keep_operations_us=0)

    return work


def make_garbage(root: str, times: int) -> Callable[[Report], None]:
    """Objects that no version ever names, such as an interrupted commit leaves, and branches cut off."""

    def work(report: Report) -> None:
        with Repository.open(root) as repo:
            for turn in range(times):
                repo.create_branch(f"short-{turn}", context=context())
                repo.delete_branch(f"short-{turn}", context=context(), force=True)

    return work


def read_everything(root: str, rounds: int) -> Callable[[Report], None]:
    """Every version that the log shows can be listed and read, at any moment; status never fails."""

    def work(report: Report) -> None:
        with Repository.open(root) as repo:
            for _ in range(rounds):
                for seen in list(repo.history(limit=5)):
                    for row in repo.ls(seen.id.hex()):
                        assert len(repo.read(row.path, seen.id.hex())) == row.size
                repo.status()
                found = repo.verify()
                assert found.ok, found.errors
                report("looked")

    return work


def finish(children: list[Child]) -> list[str]:
    reports: list[str] = []
    for child in children:
        status, lines = child.end()
        assert status == 0
        reports += lines
    return reports


@pytest.fixture
def root(scratch: Path) -> str:
    with Bench(scratch / "experiment") as bench:
        bench.save({"first": "1"})
    return str(scratch / "experiment")


def check_acknowledged(root: str, reports: dict[str, list[str]]) -> None:
    """Every version that a process was told of is in the log and has the content it was told for."""
    with Repository.open(root) as repo:
        log = [h.id for h in repo.history()]
        numbers = [h.version.generation for h in repo.history()]
        assert numbers == list(range(len(numbers), 0, -1))
        for name, lines in reports.items():
            for line in lines:
                id, turn = VersionId.parse(line.split()[0]), int(line.split()[1])
                assert id in log
                assert repo.read(name, id.hex()) == noise((name, turn), 30_000)
        assert repo.verify().ok
        assert repo.status().clean


def test_commits_of_several_processes_queue(root: str) -> None:
    names = [f"file-{n}" for n in range(4)]
    children = {name: Child(commit_own_file(root, name, 25)) for name in names}
    check_acknowledged(root, {name: finish([child]) for name, child in children.items()})


def test_readers_beside_commits_and_collections(root: str) -> None:
    writers = {f"file-{n}": Child(commit_own_file(root, f"file-{n}", 40)) for n in range(2)}
    others = [
        Child(read_everything(root, 10)),
        Child(read_everything(root, 10)),
        Child(collect_again_and_again(root, 60)),
        Child(make_garbage(root, 60)),
    ]
    reports = {name: finish([child]) for name, child in writers.items()}
    assert finish(others).count("looked") == 20
    check_acknowledged(root, reports)


def test_optimizing_beside_commits_readers_and_collections(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them store text as it is, so that there is something to gain again and again."""

    def hasty(self: Encoder, data: Bytes, **options: object) -> Encoded:
        return Encoded(Codec.RAW, len(data), bytes(data))

    done = Path(root).parent / "done"
    monkeypatch.setattr(f"{__name__}.noise", lambda seed, size: f"{seed} ".encode() * (size // 10))

    def commit(report: Report) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Encoder, "encode", hasty)
            commit_own_file(root, "file", 30)(report)
        done.touch()

    def optimize(report: Report) -> None:
        with Repository.open(root) as repo:
            last = False
            while not last:
                last = done.exists()
                with suppress(Busy):  # a collection is running
                    report(f"{repo.optimize().rewritten}")

    def collect(report: Report) -> None:
        with Repository.open(root) as repo:
            while not done.exists():
                with suppress(Busy):
                    repo.gc(context=context(10**6), keep_operations_us=0)

    writer, optimizer = Child(commit), Child(optimize)
    others = [Child(collect), Child(read_everything(root, 8))]
    lines = finish([writer])
    assert sum(map(int, finish([optimizer]))) > 0
    assert finish(others) == ["looked"] * 8
    for line in lines:
        id, turn = line.split()
        with Repository.open(root) as repo:
            assert repo.read("file", id) == noise(("file", int(turn)), 30_000)
    with Repository.open(root) as repo:
        assert repo.verify().ok


def test_collections_beside_forced_moves(root: str) -> None:
    """Work put aside is held by nothing but a lease or a ref until the verb ends; then undo needs it."""
    with Repository.open(root) as repo:
        Path(root, "first").write_bytes(b"2")
        repo.commit("second", context=context())

    def move(report: Report) -> None:
        with Repository.open(root) as repo:
            for turn in range(30):
                unsaved = noise(turn, 20_000)
                Path(root, "first").write_bytes(unsaved)
                Path(root, f"extra-{turn}").write_bytes(unsaved[:100])
                repo.checkout("v1" if turn % 2 else "main", context=context(turn), force=True)
                assert Path(root, "first").read_bytes() == (b"1" if turn % 2 else b"2")
                repo.undo(context=context(turn))
                assert Path(root, "first").read_bytes() == unsaved
                repo.restore("HEAD", context=context(turn))
                repo.rollback("main~1", context=context(turn))

    def collect(report: Report) -> None:
        with Repository.open(root) as repo:
            for _ in range(150):
                repo.gc(context=context(0), keep_operations_us=10**12)

    assert finish([Child(move), Child(collect)]) == []
    with Repository.open(root) as repo:
        assert repo.head.number == 32
        assert repo.verify().ok


def test_who_waits_too_long_is_told_who_holds_the_lock(root: str) -> None:
    def hold(report: Report) -> None:
        with Repository.open(root) as repo, repo.lock.hold():
            report("held")
            os.read(gate, 1)

    gate, opener = os.pipe()
    holder = Child(hold)
    assert holder.line() == "held"
    with Repository.open(root, lock_timeout=0.0) as repo:
        with pytest.raises(Busy) as caught:
            repo.commit("no", context=context())
        assert str(holder.pid) in (caught.value.cause or "")
        assert repo.status().clean, "looking needs no lock"
    os.write(opener, b"x")
    assert holder.end() == (0, [])
    os.close(gate)
    os.close(opener)
    with Repository.open(root, lock_timeout=0.0) as repo, repo.lock.hold():
        pass
