"""`mvc import hf`: caches written here as huggingface_hub lays them out, links and all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha1, sha256
from pathlib import Path

import pytest

import mvc as api
from tests.support.commandline import Mvc
from tests.support.githistory import state_of

pytestmark = pytest.mark.usefixtures("work")

A, B, C = "a1" * 20, "b2" * 20, "c3" * 20
LARGE = b"weights" * 3000
"""Content that Git LFS would keep, so that its blob is named by its SHA-256."""


def blob_name(data: bytes) -> str:
    if data.startswith(b"weights"):
        return sha256(data).hexdigest()
    return sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Cache:
    """The directory of one model or data set in a cache."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def snapshot(self, commit: str, files: Mapping[str, bytes], when: int) -> None:
        """Adds files to a snapshot, the last of which came at second `when`."""
        for path, data in files.items():
            blob = self.path / "blobs" / blob_name(data)
            blob.parent.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(data)
            link = self.path / "snapshots" / commit / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(blob, link.parent))
            os.utime(link, (when, when), follow_symlinks=False)

    def ref(self, name: str, commit: str) -> None:
        place = self.path / "refs" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(commit)


FIRST = {"config.json": b'{"layers": 2}\n', "onnx/model.bin": LARGE, "copy.bin": LARGE}
SECOND = {"config.json": b'{"layers": 3}\n', "onnx/model.bin": LARGE}


@pytest.fixture
def cache(work: Path) -> Cache:
    """Two snapshots; the one that came first has the name that sorts last."""
    made = Cache(work / "hub" / "models--ada--net")
    made.snapshot(B, FIRST, 1_700_000_000)
    made.snapshot(A, SECOND, 1_700_003_600)
    made.ref("main", A)
    made.ref("v1.0", B)
    made.ref("refs/pr/1", A)
    (made.path / ".no_exist" / A).mkdir(parents=True)
    (made.path / ".no_exist" / A / "adapter_config.json").touch()
    return made


SOURCE = "hub/models--ada--net"


def held(repo: api.Repo, rev: str) -> dict[str, bytes]:
    return {file.path: repo.read(file.path, rev) for file in repo.ls(rev)}


def test_snapshots_in_the_order_in_which_they_came(mvc: Mvc, cache: Cache, work: Path) -> None:
    before = state_of(cache.path)
    ran = mvc("import", "hf", SOURCE)
    assert ran.out.startswith(f"Imported 2 versions, 1 branch, 2 tags from {SOURCE} into")
    assert "20.5 KiB in the cache -> " in ran.out
    assert not ran.err
    assert state_of(cache.path) == before
    with api.Repo.open(work / "net") as repo:
        second, first = repo.log("main")
        assert (held(repo, first.id), held(repo, second.id)) == (FIRST, SECOND)
        assert [v.provenance.git_commit for v in (first, second)] == [B, A]
        assert [v.time.timestamp() for v in (first, second)] == [1_700_000_000, 1_700_003_600]
        assert second.message == f"ada/net {A[:12]}\n\nHugging Face model, commit {A}"
        assert (second.trigger, repo.head.branch) == ("import", "main")
        assert {t.name: t.version for t in repo.tags()} == {"v1.0": first.id, "pr/1": second.id}
        assert {b.name for b in repo.branches()} == {"main"}
        assert repo.status().clean
        assert repo.verify().ok
    assert not (work / "net" / "config.json").is_symlink()


def test_again_brings_what_is_new(mvc: Mvc, cache: Cache, work: Path) -> None:
    mvc("import", "hf", SOURCE, "out")
    assert mvc("import", "hf", SOURCE, "out").out.startswith("Nothing new in ")
    cache.snapshot(C, {"config.json": b'{"layers": 4}\n', "again.bin": LARGE}, 1_700_007_200)
    cache.ref("main", C)
    cache.ref("v1.0", C)
    answer = mvc("import", "hf", SOURCE, "out", "--json").json
    assert (answer["versions"], answer["versions_before"]) == (1, 2)
    assert answer["branches"] == ["main"]
    assert [left["name"] for left in answer["left"]] == ["tags/v1.0"]
    assert answer["source_bytes"] == {"the cache": 14}
    assert (work / "out" / "again.bin").read_bytes() == LARGE
    with api.Repo.open(work / "out") as repo:
        assert [v.provenance.git_commit for v in repo.log("main")] == [C, A, B]


def test_files_that_come_later_to_a_snapshot(mvc: Mvc, cache: Cache, work: Path) -> None:
    """A cache has what was asked for; a tokenizer may come a week after the weights."""
    mvc("import", "hf", SOURCE, "out")
    cache.snapshot(A, {"tokenizer.json": b"{}\n"}, 1_700_100_000)
    (cache.path / "snapshots" / A / "config.json").unlink()
    ran = mvc("import", "hf", SOURCE, "out", "--json").json
    assert (ran["versions"], ran["versions_before"], ran["branches"]) == (1, 2, ["main"])
    with api.Repo.open(work / "out") as repo:
        assert held(repo, "main") == SECOND | {"tokenizer.json": b"{}\n"}
        assert [v.provenance.git_commit for v in repo.log("main")] == [A, A, B]
        assert repo.show("main").message.endswith(f"commit {A}, with 1 more of its files")
    assert mvc("import", "hf", SOURCE, "out", "--json").json["versions"] == 0


@pytest.mark.parametrize("data", [LARGE, FIRST["config.json"]], ids=["sha256", "git"])
def test_damage_is_named(mvc: Mvc, cache: Cache, work: Path, data: bytes) -> None:
    name, path = blob_name(data), "copy.bin" if data == LARGE else "config.json"
    (cache.path / "blobs" / name).write_bytes(data[:-1] + b"X")
    ran = mvc("import", "hf", SOURCE, "out", code=14)
    assert f"{path} is damaged in the cache: {cache.path}/blobs/{name}" in ran.err
    assert f", not {name}" in ran.err
    assert not (work / "out").exists()


def test_it_goes_on_where_it_stopped(mvc: Mvc, cache: Cache, work: Path) -> None:
    blob = cache.path / "blobs" / blob_name(SECOND["config.json"])
    blob.write_bytes(b"damaged")
    mvc("import", "hf", SOURCE, "out", code=14)
    blob.write_bytes(SECOND["config.json"])
    answer = mvc("import", "hf", SOURCE, "out", "--json").json
    assert (answer["versions"], answer["versions_before"]) == (1, 1)
    assert answer["source_bytes"] == {"the cache": len(SECOND["config.json"])}
    with api.Repo.open(work / "out") as repo:
        assert [held(repo, v.id) for v in repo.log("main")] == [SECOND, FIRST]
        assert {b.name for b in repo.branches()} == {"main"}


def test_what_is_not_whole(mvc: Mvc, cache: Cache, work: Path) -> None:
    gone = blob_name(SECOND["config.json"])
    (cache.path / "blobs" / gone).unlink()
    begun = "d4" * 32 + ".incomplete"
    (cache.path / "blobs" / begun).write_bytes(b"wei")
    (cache.path / "blobs" / f"{blob_name(LARGE)}.incomplete").write_bytes(b"came in another")
    error = json.loads(mvc("import", "hf", SOURCE, "out", "--json", code=1).err)
    assert error["absent"] == [{"path": "config.json", "digest": gone, "commit": A}]
    assert error["unfinished"] == [begun]
    assert error["help"].startswith(f"hf download ada/net --revision {A}  (or --allow-missing")
    assert not (work / "out").exists()
    ran = mvc("import", "hf", SOURCE, "out", "--allow-missing")
    assert f"config.json is in no version of commit {A[:12]}: {gone} is missing" in ran.err
    assert f"blobs/{begun} is a download that did not end" in ran.err
    assert not (work / "out" / "config.json").exists()
    (cache.path / "blobs" / begun).unlink()
    (cache.path / "blobs" / gone).write_bytes(SECOND["config.json"])
    assert mvc("import", "hf", SOURCE, "out", "--json").json["versions"] == 1
    (cache.path / "blobs" / gone).unlink()  # what a version has already may go
    assert mvc("import", "hf", SOURCE, "out").out.startswith("Nothing new in ")
    with api.Repo.open(work / "out") as repo:
        assert held(repo, "main") == SECOND


def test_a_data_set_that_moved_and_its_odd_files(mvc: Mvc, work: Path) -> None:
    made = Cache(work / "datasets--ada--rows")
    made.snapshot(A, {"train.csv": b"x\n1\n"}, 1_700_000_000)
    place = made.path / "snapshots" / A
    (place / "old.csv").symlink_to(f"/gone/datasets--ada--rows/blobs/{blob_name(b'x' * 9)}")
    (made.path / "blobs" / blob_name(b"x" * 9)).write_bytes(b"x" * 9)
    (place / "loose.csv").write_bytes(b"no link")
    (made.path / "blobs" / "an-etag-2").write_bytes(b"of another server")
    (place / "other.csv").symlink_to("../../blobs/an-etag-2")
    (work / "secret").write_text("x")
    (place / "secret").symlink_to(work / "secret")
    (place / "up").symlink_to("../../blobs/..")
    (place / ".mvc").mkdir()
    (place / ".mvc" / "x").touch()
    (made.path / "snapshots" / "latest").mkdir()
    (made.path / "snapshots" / B).mkdir()
    made.ref("dev", B)
    made.ref("broken", "x")
    ran = mvc("import", "hf", "datasets--ada--rows")
    for said in (
        "2 files were not compared: the cache does not say the digest",
        f"secret is in no version: it links to {work}/secret, which is no blob",
        "up is in no version: it links to ../../blobs/.., which is no blob",
        ".mvc/x is in no version: ",
        "snapshots/latest is left out: its name is no commit",
        f"snapshot {B[:12]} has no files",
        f"dev is at commit {B[:12]}, of which there are no files",
        "refs/broken is left out: it names no commit",
        "no snapshot is that of main, which is at the newest here",
    ):
        assert said in ran.err
    with api.Repo.open(work / "rows") as repo:
        assert held(repo, "main") == {
            "train.csv": b"x\n1\n", "old.csv": b"x" * 9, "loose.csv": b"no link",
            "other.csv": b"of another server",
        }  # fmt: skip
        assert repo.show("main").message.startswith(f"ada/rows {A[:12]}\n\nHugging Face data set,")
    assert mvc("import", "hf", "datasets--ada--rows").out.startswith("Nothing new in ")


def test_a_snapshot_that_no_ref_reaches_stays(mvc: Mvc, cache: Cache, work: Path) -> None:
    cache.snapshot(C, {"x": b"newest"}, 1_700_007_200)
    ran = mvc("import", "hf", SOURCE, "out", "--bare")
    assert "branch importing/1 holds versions that no ref of the cache reaches" in ran.err
    with api.Repo.open(work / "out") as repo:
        assert held(repo, "importing/1") == {"x": b"newest"}
        assert held(repo, "main") == SECOND


def test_into_a_repository(mvc: Mvc, cache: Cache, saved: Path) -> None:
    mvc("import", "hf", SOURCE, "--into", "hub/net")
    with api.Repo.open(saved) as repo:
        assert held(repo, "hub/net/main") == SECOND
        assert {t.name for t in repo.tags()} == {"hub/net/v1.0", "hub/net/pr/1"}
    assert mvc("import", "hf", SOURCE, "--into", "hub/net").out.startswith("Nothing new in ")


def test_mistakes(mvc: Mvc, cache: Cache, work: Path) -> None:
    ran = mvc("import", "hf", "hub", "o", code=1)
    assert "hub is no model or data set in the cache of the Hugging Face Hub" in ran.err
    assert f"help: mvc import hf {SOURCE}" in ran.err
    assert "it is no directory" in mvc("import", "hf", "nowhere", "o", code=1).err
    (work / "models--a--b" / "snapshots").mkdir(parents=True)
    assert "models--a--b has no snapshots" in mvc("import", "hf", "models--a--b", "o", code=1).err
    mvc("import", "hf", SOURCE, "o", "--into", "x", code=2)
    assert not (work / "o").exists()
    mvc("import", "hf", SOURCE, "out")
    other = Cache(work / "models--ada--other")
    other.snapshot(A, {"x": b"x"}, 1)
    ran = mvc("import", "hf", "models--ada--other", "out", code=1)
    assert "is an import of another kind: hf model:ada/net" in ran.err


def test_nothing_that_a_version_can_have(mvc: Mvc, work: Path) -> None:
    made = Cache(work / "models--a--b")
    made.snapshot(A, {"x": b"x"}, 0)
    (made.path / "blobs" / blob_name(b"x")).unlink()
    ran = mvc("import", "hf", "models--a--b", "o", "--allow-missing", code=1)
    assert "1 file is not whole in the cache" in ran.err
    (made.path / "snapshots" / A / "x").unlink()
    (made.path / "snapshots" / A / "x").symlink_to("elsewhere")
    ran = mvc("import", "hf", "models--a--b", "o", code=1)
    assert "models--a--b has no files that a version can have" in ran.err
    assert not (work / "o").exists()
