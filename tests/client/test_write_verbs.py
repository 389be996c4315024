"""`Repo.write`, transactions and copies of a `Repo` in other processes, as a program uses them."""

from __future__ import annotations

import multiprocessing
import pickle
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import mvc
from mvcd.store.lmdb_store import LmdbStore
from tests.support.commandline import write

pytestmark = pytest.mark.usefixtures("work")


@pytest.fixture
def repo(work: Path) -> mvc.Repo:
    """One version on main, which is checked out."""
    write(work, {"model.pkl": b"weights", "params.yaml": b"lr: 0.1\n"})
    made = mvc.Repo.init(work)
    made.add(".")
    made.commit("first")
    return made


def held(repo: mvc.Repo, rev: str) -> dict[str, bytes]:
    return {row.path: repo.read(row.path, rev) for row in repo.ls(rev)}


def test_every_source(repo: mvc.Repo, work: Path, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "x.txt").write_bytes(b"x")
    when = datetime(2020, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    done = repo.write(
        "runs",
        {
            "bytes.bin": b"b",
            "disk": tmp_path / "dir",
            "one.txt": str(tmp_path / "dir" / "x.txt"),
            "copied.pkl": ("main", "model.pkl"),
        },
        "all kinds",
        author="Bob <bob@example.org>",
        time=when,
        trigger="import",
        git_commit="ab" * 20,
    )
    assert held(repo, "runs") == {
        "bytes.bin": b"b", "disk/x.txt": b"x", "one.txt": b"x", "copied.pkl": b"weights",
    }  # fmt: skip
    version = repo.show("runs")
    assert (version.id, version.number, version.trigger) == (done.version, 1, "import")
    assert (version.author, version.time) == ("Bob <bob@example.org>", when)
    assert version.provenance.git_commit == "ab" * 20
    repo.write("runs", {"disk": None}, "less")
    assert "disk/x.txt" not in held(repo, "runs")
    repo.write("runs", {"only": b"1"}, "whole", replace=True)
    assert held(repo, "runs") == {"only": b"1"}
    assert repo.status().clean
    assert not (work / "only").exists()


def test_expected_revisions(repo: mvc.Repo) -> None:
    repo.write("runs", {"a": b"1"}, "one", expect="v0")
    repo.write("runs", {"a": b"2"}, "two", expect="runs")
    with pytest.raises(mvc.Conflict, match="not at"):
        repo.write("runs", {"a": b"3"}, "three", expect="runs~1")
    with pytest.raises(mvc.Conflict, match="checked out"):
        repo.write("main", {"a": b"3"}, "no")
    fork = repo.write("fork", {"a": b"4"}, "side", parents=["runs~1"])
    assert repo.show(fork.version).parents == (repo.resolve("runs~1"),)


def test_a_transaction_is_one_version(repo: mvc.Repo, work: Path) -> None:
    with repo.transaction("runs", "together") as changes:
        with changes.open("log/train.txt") as file:
            for n in range(1000):
                file.write(b"%d\n" % n)
        changes.write("note", b"n")
        changes.copy("main", "params.yaml", "params.yaml")
        assert changes.result is None
    assert changes.result is not None
    assert changes.result.number == 1
    assert held(repo, "runs").keys() == {"log/train.txt", "note", "params.yaml"}
    assert not list((work / ".mvc").glob("written-*"))
    with repo.transaction("runs", "same again") as again:
        again.write("note", b"n")
    assert again.result is None
    with pytest.raises(ZeroDivisionError), repo.transaction("runs", "dies") as dies:
        dies.open("half").write(b"half")
        raise ZeroDivisionError
    assert not list((work / ".mvc").glob("written-*"))
    with pytest.raises(mvc.UsageError, match="still open"), repo.transaction("runs", "x") as left:
        left.open("half").write(b"half")
    with repo.transaction("runs", "removes") as removes:
        removes.remove("log")
    assert held(repo, "runs").keys() == {"note", "params.yaml"}


def _write_there(repo: mvc.Repo, name: str) -> str:
    try:
        return repo.write("runs", {name: name.encode()}, name).version
    finally:
        repo.close()


def test_a_copy_in_another_process(repo: mvc.Repo) -> None:
    again = pickle.loads(pickle.dumps(repo))
    assert again.root == repo.root
    assert again.resolve("main") == repo.resolve("main")
    again.close()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        made = pool.starmap(_write_there, [(repo, f"n{n}") for n in range(4)])
        pool.close()
        pool.join()
    assert {v.id for v in repo.log("runs")} == set(made)
    assert held(repo, "runs") == {f"n{n}": b"n%d" % n for n in range(4)}


def test_a_repository_without_a_workspace(tmp_path: Path) -> None:
    LmdbStore.create(tmp_path / "bare").close()
    with mvc.Repo.open(tmp_path / "bare") as repo:
        repo.write("main", {"params.yaml": b"lr: 1\n"}, "one")
        assert repo.show().hyperparameters == {"lr": 1}
        assert repo.open("params.yaml").read() == b"lr: 1\n"
    repo.close()
