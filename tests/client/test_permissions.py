"""Repositories that belong to somebody else, to a group, or to a disk that is mounted read-only."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvc import Repo
from tests.support.commandline import AUTHOR, Mvc
from tests.support.memory import in_memory
from tests.support.unprivileged import give_away, take_back
from tests.support.unprivileged import mvc as as_reader


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where the machine has such a place: many commands run here that make things durable."""
    with in_memory() as directory:
        yield directory


READING = (
    ("log",), ("show", "v1"), ("ls", "v1"), ("cat", "v1:params.yaml"), ("diff", "v1", "v2"), ("diff",),
    ("status",), ("verify",), ("doctor",), ("du",), ("branch",), ("gc", "-n"), ("blame", "params.yaml"),
    ("export", "v1", "../out"), ("clone", ".", "../mine"),
)  # fmt: skip
WRITING = (
    ("commit", "-m", "x"), ("add", "a"), ("gc",), ("watch",), ("tag", "t"), ("branch", "b"), ("checkout", "v1"),
    ("undo",), ("restore", "v1", "."), ("config", "set", "user.name", "N"), ("remote", "add", "q", "/x"),
    ("run", "--", "touch", "RAN"), ("bisect", "start", "HEAD", "v1"),
    ("promote", "v1", "production", "--reason", "r"),
)  # fmt: skip


@pytest.fixture
def theirs(saved: Path) -> Iterator[Path]:
    """A repository that we may read and not write; its files look just written."""
    for name in saved.rglob("*"):
        if ".mvc" not in name.parts:
            os.utime(name, follow_symlinks=False)
    give_away(saved)
    yield saved
    take_back(saved)


@pytest.mark.thorough
def test_what_may_be_read_can_be_read(theirs: Path) -> None:
    for words in READING:
        done = as_reader(*words, cwd=theirs)
        assert done.returncode == 0, (words, done)
    assert (theirs.parent / "mine" / "params.yaml").read_text() == "lr: 0.05\nepochs: 3\n"


@pytest.mark.thorough
def test_writing_it_is_refused_as_a_lack_of_permission(theirs: Path) -> None:
    for words in WRITING:
        done = as_reader(*words, cwd=theirs)
        assert done.returncode == 12, (words, done)
        assert "permission" in done.stderr or "may only be read" in done.stderr
    assert not (theirs / "RAN").exists()
    told = as_reader("--json", "commit", "-m", "x", cwd=theirs)
    assert '"kind": "permission"' in told.stderr
    assert f"mvc clone {theirs} DIR" in told.stderr


def test_a_push_to_it_is_refused_so(theirs: Path, tmp_path: Path) -> None:
    mine = tmp_path / "other"
    shutil.copytree(theirs, mine)
    take_back(mine)
    for path in mine.rglob("*"):
        os.chown(path, os.getuid(), os.getgid(), follow_symlinks=False)
    os.chown(mine, os.getuid(), os.getgid())
    (mine / "more").write_text("more")
    for words in (("add", "."), ("commit", "-m", "more")):
        assert as_reader(*words, cwd=mine).returncode == 0
    done = as_reader("push", str(theirs), "main:other", cwd=mine)
    assert done.returncode == 12, done


def test_a_missing_right_is_not_damage(theirs: Path) -> None:
    """Not even of the store's own files."""
    for name in ("data.mdb", "lock.mdb", "format"):
        place = theirs / ".mvc" / "store" / name
        os.chmod(place, 0)
        done = as_reader("log", cwd=theirs)
        os.chmod(place, 0o444)
        assert done.returncode == (0 if name == "lock.mdb" else 12), (name, done)


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="mounting needs root")
def test_on_a_mount_that_is_read_only(saved: Path, tmp_path: Path) -> None:
    for name in saved.rglob("*.py"):
        os.utime(name)
    (tmp_path / "ro").mkdir()
    mvc = f"{sys.executable} -P -m mvc"
    script = ["set -e", f"mount --bind {saved} ro", "mount -o remount,ro,bind ro", "cd ro"]
    script += [f"{mvc} {' '.join(words)} > /dev/null" for words in (*READING[4:8], READING[-1])]
    script += [f"{mvc} {' '.join(words)} && exit 99 || [ $? = 12 ]" for words in WRITING[:4]]
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", "\n".join(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done
    assert "read-only" in done.stderr


# -------------------------------------------------------------------- groups


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def not_for_the_group(root: Path) -> list[str]:
    """What of a repository's own files the group may not write."""
    places = [root, *root.rglob("*")]
    return [str(p) for p in places if not p.stat().st_mode & stat.S_IWGRP]


def test_files_follow_the_umask(tmp_path: Path, umask: None) -> None:
    os.umask(0o002)
    (tmp_path / "r").mkdir()
    (tmp_path / "r").chmod(0o2775)
    with_all_files(tmp_path / "r")
    assert not_for_the_group(tmp_path / "r" / ".mvc") == []
    os.umask(0o077)
    (tmp_path / "private").mkdir()
    with_all_files(tmp_path / "private")
    places = (tmp_path / "private" / ".mvc").rglob("*")
    assert [p for p in places if p.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("bare", [False, True])
def test_a_shared_repository_is_the_group_s_whatever_the_umask(
    tmp_path: Path, mvc: Mvc, umask: None, bare: bool
) -> None:
    place = tmp_path / "r"
    mvc("init", "--shared", *(["--bare"] if bare else []), str(place))
    if bare:
        with_all_files(tmp_path / "mine", push=place)
        assert not_for_the_group(place) == []
        return
    with_all_files(place)
    assert not_for_the_group(place / ".mvc") == []
    assert all(p.stat().st_mode & stat.S_ISGID for p in (place / ".mvc").rglob("*") if p.is_dir())


def with_all_files(root: Path, push: Path | None = None) -> None:
    """A repository in which everything was made that mvc makes: packs, journal, leases, settings, the lock."""
    root.mkdir(exist_ok=True)
    with Repo(root, author=AUTHOR) as repo:
        (root / "a").write_text("1")
        repo.add(".")
        repo.commit("first")
        (root / "a").write_text("2")
        repo.commit("second")
        repo.checkout("v1")
        repo.config.set("user.name", "Ada")
        repo.bisect_start("v2")
        repo.gc()
        if push is not None:
            repo.push("main", remote=str(push))
        repo.close()


@pytest.mark.skipif(os.getuid() != 0, reason="being two people needs root")
def test_two_people_of_a_group_save_in_turn(tmp_path: Path, mvc: Mvc, umask: None) -> None:
    place, group = tmp_path / "shared", 54400
    mvc("init", "--bare", "--shared", str(place))
    for path in (place, *place.rglob("*")):
        mode = path.stat().st_mode
        os.chown(path, 54401, group)
        os.chmod(path, stat.S_IMODE(mode))
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    for user in (54401, 54402):
        where = tmp_path / str(user)
        where.mkdir()
        os.chown(where, user, user)
        done = os.fork()
        if not done:
            code = 1
            try:
                os.setgroups([group])
                os.setgid(user)
                os.setuid(user)
                (where / "w").mkdir()
                with Repo(where / "w", author=AUTHOR) as repo:
                    (where / "w" / "f").write_text(str(user))
                    repo.add(".")
                    repo.commit("one")
                    repo.push(f"main:{user}", remote=str(place))
                    code = 0
            finally:
                os._exit(code)
        assert os.waitpid(done, 0)[1] == 0
    assert not_for_the_group(place) == []
