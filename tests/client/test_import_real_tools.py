"""`mvc import dvc` and `lfs` of what DVC and Git LFS themselves wrote, each commit as they check it out."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

import mvc as api
from tests.client.test_import_git import by_commit
from tests.support.commandline import Mvc
from tests.support.githistory import GitRepo

pytestmark = [pytest.mark.campaign, pytest.mark.usefixtures("work")]

MODEL_BYTES = 3_000_000


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program} on PATH")


def tree_of(top: Path) -> dict[str, bytes]:
    """The files of a checkout but for those of the tools."""
    found = {str(p.relative_to(top)): p for p in sorted(top.rglob("*")) if p.is_file()}
    return {
        name: path.read_bytes()
        for name, path in found.items()
        if not name.startswith((".git/", ".dvc/")) and not name.endswith(".dvc")
    }


def of_version(repo: api.Repo, rev: str) -> dict[str, bytes]:
    return {f.path: repo.read(f.path, rev) for f in repo.ls(rev) if not f.path.startswith(".dvc/")}


def model(step: int) -> bytes:
    """A large file of which each step changes a part."""
    data = bytearray(random.Random(0).randbytes(MODEL_BYTES))
    data[step * 1000 : step * 1000 + 500] = random.Random(step).randbytes(500)
    return bytes(data)


@needs("dvc")
def test_dvc(mvc: Mvc, tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    git = GitRepo(tmp_path / "source")

    def dvc(*words: str) -> None:
        subprocess.run(["dvc", *words], cwd=git.path, check=True, capture_output=True)

    def step(n: int) -> None:
        (git.path / "model.bin").write_bytes(model(n))
        (git.path / "data" / f"{n}.csv").write_bytes(b"x\r\n%d\r\n" % n)
        dvc("add", "model.bin", "data")
        git.commit(f"step {n}")

    dvc("init")
    (git.path / "data").mkdir()
    for n in range(3):
        step(n)
    git.run("checkout", "-qb", "side")
    step(3)
    git.run("checkout", "-q", "main")
    dvc("checkout")
    (git.path / "train.sh").write_text(
        "cp model.bin trained.bin; echo '{\"acc\": 1}' > metrics.json\n"
    )
    dvc("stage", "add", "-n", "train", "-d", "model.bin", "-o", "trained.bin", "-M", "metrics.json",
        "sh", "train.sh")  # fmt: skip
    dvc("repro")
    git.commit("trained")
    git.run("merge", "-q", "-s", "ours", "-m", "merged", "side")
    assert "6 versions, 2 branches" in mvc("import", "dvc", str(git.path), "out").out
    repo = api.Repo.open(work / "out")
    versions = by_commit(repo)
    for commit in git.graph():
        git.run("checkout", "-q", commit)
        dvc("checkout")
        there = tree_of(git.path)
        ignored = {"metrics.json"} if "dvc.lock" not in there else set()
        wanted = {p: data for p, data in there.items() if p not in ignored}
        assert of_version(repo, versions[commit].id) == wanted
    repo.close()


@needs("git-lfs")
def test_git_lfs(mvc: Mvc, tmp_path: Path, work: Path) -> None:
    git = GitRepo(tmp_path / "source")
    git.run("lfs", "install", "--local")
    git.run("lfs", "track", "*.bin")
    for n in range(4):
        git.commit(f"step {n}", {"model.bin": model(n), "notes.txt": f"{n}\n"})
    assert "4 versions" in mvc("import", "lfs", str(git.path), "out").out
    repo = api.Repo.open(work / "out")
    versions = by_commit(repo)
    for commit in git.graph():
        git.run("checkout", "-q", commit)
        assert of_version(repo, versions[commit].id) == tree_of(git.path)
    repo.close()
