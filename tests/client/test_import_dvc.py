"""`mvc import dvc`: git histories whose caches are written here, in the layouts that DVC documents."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import md5
from pathlib import Path

import pytest

import mvc as api
from mvc.importers.history import GitImport, import_git
from mvcd.monitor import Silent
from tests.client.test_import_git import by_commit, held
from tests.support.commandline import Mvc
from tests.support.githistory import GitRepo, state_of

pytestmark = pytest.mark.usefixtures("work")


class DvcRepo(GitRepo):
    """A repository with a cache of DVC's, which this class fills."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.cache = path / ".dvc" / "cache"
        self.older = False  # DVC 2: another layout, and no `hash:`
        self.settings("")

    def settings(self, text: str) -> None:
        (self.path / ".dvc").mkdir(exist_ok=True)
        (self.path / ".dvc" / "config").write_text(text)
        (self.path / ".dvc" / ".gitignore").write_text("/cache\n/config.local\n")

    def keep(self, data: bytes, suffix: str = "", digest: str | None = None) -> str:
        """Puts an object into the cache; returns its digest."""
        named = digest or md5(data).hexdigest()
        place = self.cache if self.older else self.cache / "files" / "md5"
        path = place / named[:2] / (named[2:] + suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return named + suffix

    def keep_directory(self, files: Mapping[str, bytes]) -> str:
        rows = [{"md5": self.keep(data), "relpath": name} for name, data in sorted(files.items())]
        return self.keep(json.dumps(rows).encode(), ".dir")

    def out(self, digest: str, path: str, more: str = "") -> str:
        form = "" if self.older else "  hash: md5\n"
        return f"- md5: {digest}\n{form}{more}  path: {path}\n"

    def pointer(self, digest: str, path: str, more: str = "") -> str:
        return "outs:\n" + self.out(digest, path, more)


@pytest.fixture
def dvc(tmp_path: Path) -> DvcRepo:
    return DvcRepo(tmp_path / "source")


def contents(repo: api.Repo, rev: str) -> dict[str, bytes]:
    """Files but for DVC's and git's own."""
    own = (".dvc/", ".gitignore")
    return {p: data for p, (_, data) in held(repo, rev).items() if not p.startswith(own)}


@pytest.mark.parametrize("older", [False, True])
def test_files_and_directories(mvc: Mvc, dvc: DvcRepo, work: Path, older: bool) -> None:
    dvc.older = older
    model, data = b"weights one" * 5000, {"train.csv": b"x\n1\n", "deep/test.csv": b"x\n2\n"}
    first = dvc.commit("first", {
        "models/model.pt.dvc": dvc.pointer(dvc.keep(model), "model.pt"),
        "data.dvc": dvc.pointer(dvc.keep_directory(data), "data", "  nfiles: 2\n"),
        "train.py": "pass\n",
    })  # fmt: skip
    dvc.run("checkout", "-qb", "other")
    other = dvc.commit("other", {
        "models/model.pt.dvc": dvc.pointer(dvc.keep(b"weights two"), "model.pt"),
        "data.dvc": dvc.pointer(dvc.keep_directory({"train.csv": b"x\n3\n"}), "data"),
    })  # fmt: skip
    dvc.run("checkout", "-q", "main")
    gone = dvc.commit("gone", {"data.dvc": None, "readme.md": "text\n"})
    dvc.run("merge", "-q", "-s", "ours", "--no-ff", "-m", "merged", "other")
    dvc.run("tag", "best", other)
    before = state_of(dvc.path)
    ran = mvc("import", "dvc", str(dvc.path), "out")
    assert "Imported 4 versions, 2 branches, 1 tag" in ran.out
    assert " in DVC's cache, " in ran.out
    assert state_of(dvc.path) == before
    repo = api.Repo.open(work / "out")
    versions = by_commit(repo)
    there = {f"data/{name}": content for name, content in data.items()}
    assert contents(repo, versions[first].id) == {
        "models/model.pt": model, "train.py": b"pass\n", **there,
    }  # fmt: skip
    assert contents(repo, "best") == {
        "models/model.pt": b"weights two", "train.py": b"pass\n", "data/train.csv": b"x\n3\n",
    }  # fmt: skip
    assert contents(repo, versions[gone].id) == {
        "models/model.pt": model, "train.py": b"pass\n", "readme.md": b"text\n",
    }  # fmt: skip
    assert contents(repo, "main") == contents(repo, versions[gone].id)
    assert repo.show("main").parents == (versions[gone].id, versions[other].id)
    assert (work / "out" / "models" / "model.pt").read_bytes() == model
    repo.close()


LOCK = """schema: '2.0'
stages:
  train:
    cmd: python train.py
    deps:
    - path: train.py
      md5: {dep}
    outs:
    - path: model.pt
      hash: md5
      md5: {model}
      isexec: true
    - path: metrics.json
      md5: {metrics}
    - path: scratch.txt
      md5: {scratch}
  prepare@a:
    cmd: python prepare.py a
    outs:
    - path: ../prepared
      hash: md5
      md5: {prepared}
"""
PIPELINE = """stages:
  train:
    cmd: python train.py
    outs:
    - model.pt
    - scratch.txt:
        cache: false
    metrics:
    - metrics.json:
        cache: false
  prepare:
    foreach: [a]
    do:
      cmd: python prepare.py ${item}
      wdir: sub
"""


def test_a_pipeline(mvc: Mvc, dvc: DvcRepo, work: Path) -> None:
    said = {
        "dep": "0" * 32,
        "model": dvc.keep(b"model"),
        "metrics": "1" * 32,
        "scratch": "2" * 32,
        "prepared": dvc.keep_directory({"a.csv": b"a"}),
    }
    files = {"dvc.yaml": PIPELINE, "dvc.lock": LOCK.format(**said), "metrics.json": '{"acc": 0.5}'}
    dvc.commit("run", files)
    dvc.commit("model in git", {"model.pt": "now git's"})
    dvc.run("rm", "-q", "--cached", "model.pt")
    dvc.run("commit", "-qm", "and not any more")
    mvc("import", "dvc", str(dvc.path), "out")
    repo = api.Repo.open(work / "out")
    found = held(repo, "main")
    assert found["model.pt"] == ("100755", b"model")
    assert found["prepared/a.csv"] == ("100644", b"a")
    assert found.keys() >= files.keys()
    assert "scratch.txt" not in found
    assert repo.read("model.pt", "main~1") == b"now git's"
    assert repo.read("model.pt", "main~2") == b"model"
    assert repo.show("main").metrics == {"acc": 0.5}
    repo.close()


def test_text_of_older_releases(mvc: Mvc, dvc: DvcRepo, work: Path) -> None:
    """Their digests are those of the text with the line ends of Unix."""
    dvc.older = True
    text = b"a,b\r\n" * 300_000
    digest = md5(text.replace(b"\r\n", b"\n")).hexdigest()
    dvc.commit("text", {"t.csv.dvc": dvc.pointer(dvc.keep(text, digest=digest), "t.csv")})
    mvc("import", "dvc", str(dvc.path), "out")
    assert (work / "out" / "t.csv").read_bytes() == text


def test_caches_elsewhere(mvc: Mvc, dvc: DvcRepo, tmp_path: Path, work: Path) -> None:
    dvc.settings("[core]\n    remote = store\n['remote \"store\"']\n    url = ../../remote\n")
    (dvc.path / ".dvc" / "config.local").write_text("[cache]\n    dir = ../../shared\n")
    dvc.cache = tmp_path / "shared"
    files = {"a.dvc": dvc.pointer(dvc.keep(b"in the shared cache"), "a")}
    dvc.cache = tmp_path / "remote"
    files["b.dvc"] = dvc.pointer(dvc.keep(b"only in the remote"), "b")
    dvc.cache = tmp_path / "third"
    files["c.dvc"] = dvc.pointer(dvc.keep(b"named by hand"), "c")
    dvc.commit("all", files)
    assert "c (" in mvc("import", "dvc", str(dvc.path), "out", code=1).err
    assert not (work / "out").exists()
    mvc("import", "dvc", str(dvc.path), "out", "--cache", str(tmp_path / "third"))
    found = {name: (work / "out" / name).read_bytes() for name in "abc"}
    assert found == {"a": b"in the shared cache", "b": b"only in the remote", "c": b"named by hand"}


def test_what_is_missing_is_named(mvc: Mvc, dvc: DvcRepo, work: Path) -> None:
    lost = md5(b"lost").hexdigest()
    first = dvc.commit("first", {"model.pt.dvc": dvc.pointer(lost, "model.pt")})
    listed = dvc.keep_directory({"a": b"here", "b": b"gone"})
    gone = md5(b"gone").hexdigest()
    (dvc.cache / "files" / "md5" / gone[:2] / gone[2:]).unlink()
    second = dvc.commit("second", {
        "model.pt.dvc": dvc.pointer(dvc.keep(b"found"), "model.pt"),
        "data.dvc": dvc.pointer(listed, "data"),
    })  # fmt: skip
    ran = mvc("import", "dvc", str(dvc.path), "out", "--json", code=1)
    error = json.loads(ran.err)
    assert error["kind"] == "missing-content"
    assert f"model.pt ({lost}, commit {first[:12]})" in error["cause"]
    assert f"data/b ({gone}, commit {second[:12]})" in error["cause"]
    assert "dvc fetch --all-commits" in error["help"]
    assert [row["digest"] for row in error["absent"]] == [lost, gone]
    assert not (work / "out").exists()
    ran = mvc("import", "dvc", str(dvc.path), "out", "--allow-missing")
    assert f"model.pt is a pointer still in commit {first[:12]}: {lost} is missing" in ran.err
    repo = api.Repo.open(work / "out")
    versions = by_commit(repo)
    assert contents(repo, versions[first].id).keys() == {"model.pt.dvc"}
    assert contents(repo, versions[second].id).keys() == {"model.pt", "data.dvc"}
    repo.close()


def test_damage_is_named(mvc: Mvc, dvc: DvcRepo, work: Path) -> None:
    digest = dvc.keep(b"model")
    dvc.commit("first", {"model.pt.dvc": dvc.pointer(digest, "model.pt")})
    place = dvc.cache / "files" / "md5" / digest[:2] / digest[2:]
    place.write_bytes(b"mode1")
    ran = mvc("import", "dvc", str(dvc.path), "out", code=14)
    assert f"model.pt is damaged in the cache: {place}" in ran.err
    assert digest in ran.err
    place.write_bytes(b"model")
    mvc("import", "dvc", str(dvc.path), "out")
    assert (work / "out" / "model.pt").read_bytes() == b"model"


@pytest.mark.parametrize(
    "text, why",
    [
        ("<<<<<<< HEAD\nouts:\n- md5: 1\n=======\n", "it cannot be read"),
        ("outs:\n- md5: " + "a" * 32 + "\n  path: ../../etc/passwd\n", "outside of the repository"),
        ("outs:\n- md5: ../../x\n  path: x\n", "is no digest"),
        ("outs:\n- md5: " + "0" * 32 + "\n  path: x\n", "is no digest"),
        ("outs: 7\n", "it has another form"),
        ("[1, 2]\n", "it is no mapping"),
        ("a: &a [x]\nb: *c\n", "unknown alias"),
    ],
)  # fmt: skip
def test_a_pointer_that_makes_no_sense_stays(
    mvc: Mvc, dvc: DvcRepo, work: Path, text: str, why: str
) -> None:
    dvc.commit("odd", {"odd.dvc": text, "good.dvc": dvc.pointer(dvc.keep(b"good"), "good")})
    ran = mvc("import", "dvc", str(dvc.path), "out")
    assert "odd.dvc stays as it is: " in ran.err
    assert why in ran.err
    assert (work / "out" / "odd.dvc").read_text() == text
    assert (work / "out" / "good").read_bytes() == b"good"


def test_a_pointer_that_says_more_stays_beside_its_content(
    mvc: Mvc, dvc: DvcRepo, work: Path
) -> None:
    text = "deps:\n- url: https://example.org/x\n" + dvc.pointer(dvc.keep(b"x"), "x")
    dvc.commit("imported", {"x.dvc": text})
    mvc("import", "dvc", str(dvc.path), "out")
    assert (work / "out" / "x").read_bytes() == b"x"
    assert (work / "out" / "x.dvc").read_text() == text


class Meddler(Silent):
    """Touches a file once some of it was hashed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def advance(self, *, bytes_done: int = 0, items_done: int = 0, bytes_new: int = 0) -> None:
        os.utime(self.path, ns=(1, bytes_done))


def test_a_cache_that_changes_meanwhile(dvc: DvcRepo, work: Path) -> None:
    """The version is taken back: the next run would else take it for what the source has."""
    dvc.commit("first", {"m.dvc": dvc.pointer(dvc.keep(b"one"), "m")})
    import_git(str(dvc.path), "out", GitImport("dvc"))
    digest = dvc.keep(b"two")
    dvc.commit("second", {"m.dvc": dvc.pointer(digest, "m")})
    place = dvc.cache / "files" / "md5" / digest[:2] / digest[2:]
    with pytest.raises(api.Failure, match="changed while it was read"):
        import_git(str(dvc.path), "out", GitImport("dvc"), monitor=Meddler(place))
    done = import_git(str(dvc.path), "out", GitImport("dvc"))
    assert (done.versions, done.versions_before) == (1, 1)
    assert (work / "out" / "m").read_bytes() == b"two"


def test_later_commits_go_on(mvc: Mvc, dvc: DvcRepo, work: Path) -> None:
    dvc.commit("first", {"m.dvc": dvc.pointer(dvc.keep(b"one"), "m"), "a": "a"})
    mvc("import", "dvc", str(dvc.path), "out")
    dvc.commit("unrelated", {"a": "b"})
    dvc.commit("second", {"m.dvc": dvc.pointer(dvc.keep(b"two"), "m")})
    assert mvc("import", "dvc", str(dvc.path), "out", "--json").json["versions"] == 2
    repo = api.Repo.open(work / "out")
    assert [repo.read("m", f"main~{n}") for n in range(3)] == [b"two", b"one", b"one"]
    repo.close()
    assert (work / "out" / "m").read_bytes() == b"two"
