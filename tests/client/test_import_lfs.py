"""`mvc import lfs`: pointers and objects written here as the specification of Git LFS says."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

import mvc as api
from mvc.importers.lfsfiles import pointer_digest
from tests.client.test_import_git import by_commit, held
from tests.support.commandline import Mvc
from tests.support.githistory import GitRepo, state_of

pytestmark = pytest.mark.usefixtures("work")


def pointer(data: bytes) -> str:
    digest = sha256(data).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(data)}\n"


def keep(objects: Path, data: bytes) -> str:
    """Puts an object there; returns the pointer to it."""
    digest = sha256(data).hexdigest()
    path = objects / digest[:2] / digest[2:4] / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return pointer(data)


@pytest.fixture
def git(tmp_path: Path) -> GitRepo:
    return GitRepo(tmp_path / "source")


def test_pointers_become_objects(mvc: Mvc, git: GitRepo, work: Path) -> None:
    objects = git.path / ".git" / "lfs" / "objects"
    one, two = b"weights one" * 9000, b"weights two" * 9000
    first = git.commit("first", {"model.pt": keep(objects, one), "a.txt": "a"})
    (git.path / "model.pt").chmod(0o755)
    second = git.commit("second", {"model.pt": keep(objects, two), "copy.pt": pointer(one)})
    third = git.commit("third", {"model.pt": "text now", "large.bin": b"version " * 1000})
    before = state_of(git.path)
    ran = mvc("import", "lfs", str(git.path), "out")
    assert "Imported 3 versions, 1 branch" in ran.out
    assert "193 KiB in Git LFS, " in ran.out
    assert state_of(git.path) == before
    repo = api.Repo.open(work / "out")
    versions = by_commit(repo)
    assert held(repo, versions[first].id) == {
        "model.pt": ("100644", one), "a.txt": ("100644", b"a"),
    }  # fmt: skip
    assert held(repo, versions[second].id)["model.pt"] == ("100755", two)
    assert held(repo, versions[second].id)["copy.pt"] == ("100644", one)
    assert held(repo, versions[third].id)["model.pt"] == ("100755", b"text now")
    repo.close()


def test_objects_elsewhere_and_nowhere(mvc: Mvc, git: GitRepo, tmp_path: Path, work: Path) -> None:
    git.run("config", "lfs.storage", str(tmp_path / "storage"))
    files = {
        "a": keep(tmp_path / "storage" / "objects", b"in lfs.storage"),
        "b": keep(tmp_path / "more", b"named by hand"),
        "c": pointer(b"nowhere"),
    }
    commit = git.commit("all", files)
    digest = sha256(b"nowhere").hexdigest()
    ran = mvc(
        "import", "lfs", str(git.path), "out", "--cache", str(tmp_path / "more"), "--json", code=1
    )
    error = json.loads(ran.err)
    assert error["absent"] == [{"path": "c", "digest": digest, "commit": commit}]
    assert "git lfs fetch --all" in error["help"]
    mvc("import", "lfs", str(git.path), "out", "--cache", str(tmp_path / "more"), "--allow-missing")
    found = {name: (work / "out" / name).read_bytes() for name in "abc"}
    assert found == {"a": b"in lfs.storage", "b": b"named by hand", "c": files["c"].encode()}


def test_damage_is_named(mvc: Mvc, git: GitRepo) -> None:
    objects, digest = git.path / ".git" / "lfs" / "objects", sha256(b"model").hexdigest()
    git.commit("first", {"model.pt": keep(objects, b"model")})
    (objects / digest[:2] / digest[2:4] / digest).write_bytes(b"mode1")
    ran = mvc("import", "lfs", str(git.path), "out", code=14)
    assert "model.pt is damaged in the cache" in ran.err
    assert digest in ran.err


@pytest.mark.parametrize(
    "text",
    [
        "version https://git-lfs.github.com/spec/v1\n",
        "version https://git-lfs.github.com/spec/v1\noid md5:00\nsize 1\n",
        "x" + pointer(b"x"),
        pointer(b"x").replace("size", "sise"),
        "",
    ],
)
def test_what_is_no_pointer(text: str) -> None:
    assert pointer_digest(text.encode()) is None


def test_what_is_one() -> None:
    digest = sha256(b"x").hexdigest()
    older = pointer(b"x").replace("git-lfs.github.com", "hawser.github.com")
    extended = pointer(b"x").replace("\noid", "\next-0-foo sha256:" + "0" * 64 + "\noid")
    for text in (pointer(b"x"), older, extended):
        assert pointer_digest(text.encode()) == digest
