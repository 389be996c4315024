"""Who acts, and from where: the order of sources, and that none of them can fail."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

import mvc
from mvc.api.context import context_of, packages_digest
from tests.support.commandline import write


@pytest.fixture
def repo(work: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> mvc.Repo:
    """A repository of somebody whom only the login name tells."""
    monkeypatch.delenv("MVC_AUTHOR")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("LOGNAME", "ada")
    return mvc.Repo(work)


def author(repo: mvc.Repo, given: str | None = None) -> str:
    return context_of(repo.root, repo.config, author=given, full=False).author


def test_each_source_yields_to_the_one_before(
    repo: mvc.Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert author(repo) == f"ada@{os.uname().nodename}"
    (tmp_path / "gitconfig").write_text("[user]\n name = Git\n email = git@example.org\n")
    assert author(repo) == "Git <git@example.org>"
    (tmp_path / "mine.toml").write_text('[user]\nname = "Mine"\nemail = "mine@example.org"\n')
    monkeypatch.setenv("MVC_CONFIG", str(tmp_path / "mine.toml"))
    assert author(repo) == "Mine <mine@example.org>"
    repo.config.set("user.name", "Repo")
    assert author(repo) == "Repo <mine@example.org>"
    monkeypatch.setenv("MVC_AUTHOR", "Env <env@example.org>")
    assert author(repo) == "Env <env@example.org>"
    assert author(repo, "Given") == "Given"


def test_a_broken_settings_file_is_no_obstacle(
    repo: mvc.Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text("not toml [")
    monkeypatch.setenv("MVC_CONFIG", str(tmp_path / "mine.toml"))
    assert author(repo).startswith("ada@")


def test_without_git_nothing_is_known_and_nothing_fails(
    repo: mvc.Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    (Path(repo.root) / ".git").mkdir()
    context = context_of(repo.root, repo.config, author=None, full=True)
    assert (context.git_commit, context.git_dirty) == ("", False)
    assert context.author.startswith("ada@")


def test_the_git_commit_around_a_version_is_recorded(
    repo: mvc.Repo, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        return subprocess.check_output(["git", *who, *words], cwd=work, text=True).strip()

    write(work, {"train.py": "print(1)\n", ".gitignore": ".mvc\n"})
    git("init", "-q")
    repo.add("train.py")
    repo.commit("before the first commit of git")
    assert repo.show().provenance.git_commit == ""
    git("add", "train.py")
    git("commit", "-q", "-m", "first")
    repo.commit("clean", allow_empty=True)
    made = repo.show().provenance
    assert (made.git_commit, made.git_dirty) == (git("rev-parse", "HEAD"), False)
    write(work, {"train.py": "print(2)\n"})
    repo.commit("dirty")
    assert repo.show().provenance.git_dirty


def test_a_version_says_where_it_was_made(
    repo: mvc.Repo, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/train.py", "--lr", "0.1"])
    write(work, {"model.py": "x\n"})
    repo.add(".")
    repo.commit("first")
    made = repo.show().provenance
    assert made.command == ("train.py", "--lr", "0.1")
    assert made.host == os.uname().nodename
    assert made.python.count(".") == 2
    assert made.packages_digest == packages_digest()


def test_the_digest_of_packages_is_over_names_and_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path), str(tmp_path / "missing")])
    empty = packages_digest()
    (tmp_path / "Some_Package-1.0.dist-info").mkdir()
    one = packages_digest()
    assert one != empty
    (tmp_path / "unrelated").mkdir()
    assert packages_digest() == one
    (tmp_path / "Some_Package-1.0.dist-info").rename(tmp_path / "some.package-1.0.dist-info")
    assert packages_digest() == one, "names are normalised"
    (tmp_path / "some.package-1.0.dist-info").rename(tmp_path / "some_package-1.1.dist-info")
    assert packages_digest() != one


def test_times_are_in_the_zone_of_the_machine(
    repo: mvc.Repo, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC-5:30")  # POSIX: east of Greenwich
    time.tzset()
    try:
        write(work, {"model.py": "x\n"})
        repo.add(".")
        before = time.time()
        repo.commit("first")
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    version = repo.show()
    assert version.time.strftime("%z") == "+0530"
    assert before - 1 <= version.time.timestamp() <= time.time()
