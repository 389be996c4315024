"""Writing files: exact, all or nothing, and never where a hostile version would like it."""

from __future__ import annotations

import os
import random
import stat
from pathlib import Path

import pytest

from mvcd.disk import writeback
from mvcd.errors import Conflict, CorruptObject, Failure
from mvcd.objects.entry import Mode
from mvcd.repo.contents import wholefiles
from mvcd.repo.core.core import no_secret
from mvcd.repo.ondisk.statcache import FileStat
from mvcd.repo.restore import staging
from mvcd.repo.restore.checkout import Checkout
from tests.repo.crafted import store_version
from tests.support.engine import Repository
from tests.support.workspace import Bench, File, Link, Tree

HOSTILE_LINKS = (
    "/etc/passwd", "../outside", "sub/../../outside", "./../outside", "..", ".mvc/config.toml", "a/../.mvc",
    "sub/link/../../..", "//etc", ".git/hooks",
)  # fmt: skip


@pytest.mark.parametrize("target", HOSTILE_LINKS)
@pytest.mark.parametrize("path", ["mvc.toml", ".mvcignore", "sub/.mvcignore"])
def test_what_we_read_ourselves_is_no_link_that_leaves_the_workspace(
    bench: Bench, path: str, target: str
) -> None:
    above = "../" if "/" in path and not target.startswith("/") else ""
    id = store_version(
        bench.repo, [(path, Mode.SYMLINK, (above + target).encode()), ("good", Mode.FILE, b"good")]
    )
    result = bench.checkout(id.hex())
    assert bench.tree() == {"good": "good"}
    ((skipped, reason),) = result.skipped
    assert skipped == path
    assert "symlink" in reason


@pytest.mark.parametrize(
    "target", [t for t in HOSTILE_LINKS if ".git" not in t and ".mvc" not in t]
)
def test_a_link_that_leaves_the_workspace_is_a_link_and_nothing_more(
    bench: Bench, scratch: Path, target: str
) -> None:
    """Saved, made again, and neither read nor written through."""
    os.symlink(target, bench.path("out"))
    bench.write({"good": "1"})
    bench.add()
    result = bench.commit()
    assert result.leading_out == (("out", target),)
    assert result.skipped == ()
    bench.save({"good": "2"})
    assert bench.commit("again", allow_empty=True).leading_out == ()  # told once
    bench.remove("out")
    assert bench.checkout("v1", force=True).skipped == ()
    assert bench.tree() == {"good": "1", "out": Link(target)}
    assert bench.repo.status().clean
    clone, _ = Repository.clone(
        str(bench.root), str(scratch / "clone"), context=bench.context(), secret=no_secret
    )
    with clone:
        assert os.readlink(scratch / "clone" / "out") == target
        assert clone.status().clean


@pytest.mark.parametrize("target", [".mvc/store", "/x/.git/hooks", "sub/../.mvc"])
def test_a_link_into_a_repository_is_not_made(bench: Bench, target: str) -> None:
    id = store_version(bench.repo, [("evil", Mode.SYMLINK, target.encode())])
    ((path, _),) = bench.checkout(id.hex()).skipped
    assert path == "evil"
    assert bench.tree() == {}


def test_links_inside_the_workspace_are_made(bench: Bench) -> None:
    links = {"link": "sub/file", "sub/up": "../good", "sub/self": ".", "dangling": "nowhere"}
    files = [(path, Mode.SYMLINK, text.encode()) for path, text in links.items()]
    id = store_version(
        bench.repo, [*files, ("good", Mode.FILE, b"1"), ("sub/file", Mode.FILE, b"2")]
    )
    assert bench.checkout(id.hex()).skipped == ()
    tree = bench.tree()
    assert {p: tree[p] for p in links} == {p: Link(text) for p, text in links.items()}
    assert bench.repo.status().clean


def test_nothing_is_written_through_a_link_of_the_same_version(bench: Bench, scratch: Path) -> None:
    """`d` is a link and `d/f` a file: no file system has that, and a version may say it."""
    (scratch / "experiment/real").mkdir()
    id = store_version(
        bench.repo, [("d", Mode.SYMLINK, b"real"), ("d/f", Mode.FILE, b"through the link")]
    )
    with pytest.raises(Conflict):
        bench.checkout(id.hex())
    assert os.listdir(bench.path("real")) == []


def test_new_directories_come_as_they_were_staged(bench: Bench) -> None:
    """Links, executables and files of all sizes, deep and shallow; each directory is renamed once."""
    tree: Tree = {
        "a/b/c/tiny": "1",
        "a/b/large": "2" * 300_000,
        "a/run": File("#!/bin/sh\n", executable=True),
        "a/link": Link("b/large"),
        "/".join(["d", *(letter * 200 for letter in "vwxyz")]): "3",
        "d/other": "4",
        "here/new/e": "5",
        "root": "6",
    }
    bench.make(tree)
    bench.add()
    bench.commit()
    bench.make({"here/stays": "7"})
    bench.add()
    bench.commit()
    bench.checkout("v1")
    assert bench.tree() == tree
    assert bench.repo.status().clean
    assert not os.path.exists(bench.path(".mvc/staging"))


def test_a_directory_that_appears_meanwhile_keeps_what_is_in_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.save({"a": "1", "new/b": "2", "new/c/d": "3"})
    bench.make({"a": "1"})
    bench.commit()
    real = Checkout._require_unchanged

    def meanwhile(self: Checkout, expect: dict[str, FileStat | None]) -> None:
        real(self, expect)
        os.mkdir(bench.path("new"))
        Path(bench.path("new/stranger")).write_text("kept")

    monkeypatch.setattr(Checkout, "_require_unchanged", meanwhile)
    bench.checkout("v1")
    assert bench.tree() == {"a": "1", "new/b": "2", "new/c/d": "3", "new/stranger": "kept"}


def test_an_entry_that_lies_about_its_size_changes_nothing(bench: Bench) -> None:
    bench.save({"a": "1"})
    id = store_version(
        bench.repo, [("a", Mode.FILE, b"2"), ("b", Mode.FILE, b"3")], lie_about_sizes=1
    )
    with pytest.raises(CorruptObject):
        bench.checkout(id.hex())
    assert bench.tree() == {"a": "1"}
    assert bench.repo.head.number == 1


@pytest.mark.parametrize(
    "path", [".mvc/config.toml", "../x", "/x", "a/../x", "a//x", "x/", ".MVC/x"]
)
def test_paths_that_leave_the_workspace_are_no_entries(bench: Bench, path: str) -> None:
    bench.save({"a": "1"})
    config = Path(bench.path(".mvc/config.toml")).read_bytes()
    with pytest.raises((CorruptObject, ValueError)):
        bench.checkout(store_version(bench.repo, [(path, Mode.FILE, b"evil")]).hex(), force=True)
    assert Path(bench.path(".mvc/config.toml")).read_bytes() == config
    assert bench.tree() == {"a": "1"}


def test_large_files_are_put_together_from_pieces(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wholefiles, "TASK_BYTES", 100_000)
    source = random.Random(1)
    files = {
        "plain.bin": source.randbytes(1_500_000),
        "zeros.bin": bytes(900_000),
        "just.bin": source.randbytes(100_000),
        "more.bin": source.randbytes(100_001),
    }
    bench.save(files)
    bench.remove(*files)
    bench.save({"a": "1"})
    bench.checkout("v1")
    assert bench.files() == files
    assert bench.repo.status().clean


def test_modes_follow_the_umask(bench: Bench) -> None:
    bench.write({"run.sh": "1", "plain": "2"})
    os.chmod(bench.path("run.sh"), 0o755)
    bench.add()
    bench.commit()
    bench.remove("run.sh", "plain")
    old = os.umask(0o027)
    try:
        bench.repo.restore("HEAD", context=bench.context())
    finally:
        os.umask(old)
    modes = {n: stat.S_IMODE(os.stat(bench.path(n)).st_mode) for n in ("run.sh", "plain")}
    assert modes == {"run.sh": 0o750, "plain": 0o640}


def test_more_files_than_are_synced_one_by_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mvcd.disk.sync.SYNC_EACH_FILES", 3)
    monkeypatch.setattr(staging, "GROUP_FILES", 4)
    files = {f"d{n % 5}/{n}": str(n) for n in range(30)}
    bench.save({**files})
    bench.remove(*files)
    bench.save({"a": "1"})
    synced = []
    monkeypatch.setattr(os, "sync", lambda: synced.append(1))
    bench.checkout("v1")
    assert bench.tree() == files
    assert len(synced) == 2  # once before the renames, once after


def test_empty_directories_give_way_and_are_not_left(bench: Bench) -> None:
    bench.save({"x": "file", "deep/er/est/f": "1"})
    bench.remove("x", "deep/er/est/f")
    os.makedirs(bench.path("x/empty/empty"))
    bench.save({"y": "1"})
    bench.checkout("v1")
    assert bench.tree() == {"x": "file", "deep/er/est/f": "1"}
    bench.checkout("main")
    assert sorted(os.listdir(bench.root)) == [".mvc", "y"]


def test_remains_of_a_dead_checkout_are_cleared(bench: Bench) -> None:
    bench.save({"a": "1"})
    bench.save({"a": "2"})
    os.makedirs(bench.path(".mvc/staging/sub"))
    bench.write({".mvc/staging/0": "left", ".mvc/staging/sub/1": "left"})
    assert not next(c for c in bench.repo.doctor() if c.name == "staging").ok
    bench.checkout("v1")
    assert not os.path.exists(bench.path(".mvc/staging"))
    assert next(c for c in bench.repo.doctor() if c.name == "staging").ok


def test_a_disk_that_fails_while_a_large_file_is_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel tells of a failed write-back once, to whichever fsync comes first."""
    monkeypatch.setattr(writeback, "WRITE_BACK_STEP_BYTES", 100_000)
    files = {"model.bin": random.Random(2).randbytes(900_000)}
    bench.save(files)
    bench.remove(*files)
    bench.save({"a": "1"})
    before, real, failed = bench.files(), os.fsync, []

    def fail_once(file: int) -> None:
        if not failed:
            failed.append(file)
            raise OSError(5, "no such luck")
        real(file)

    monkeypatch.setattr(os, "fsync", fail_once)
    with pytest.raises(Failure) as caught:
        bench.checkout("v1")
    assert caught.value.kind == "write-failed" and failed
    assert bench.files() == before
    bench.checkout("v1")
    assert bench.files() == files


def test_sparse_files_come_back_sparse(bench: Bench, scratch: Path) -> None:
    """By a checkout, and by a clone, which writes while it fetches."""
    hole, data = 12 << 20, b"data" * 5000
    for name, parts in {"middle": (data, hole, data), "end": (data, hole), "all": (hole,)}.items():
        with open(bench.path(name), "wb") as file:
            for part in parts:
                file.seek(part, 1) if isinstance(part, int) else file.write(part)
            file.truncate()
    before = bench.files()
    bench.add()
    bench.commit()
    bench.remove("middle", "end", "all")
    bench.checkout("HEAD", force=True)
    clone = scratch / "clone"
    Repository.clone(str(bench.root), str(clone), context=bench.context(), secret=no_secret)[
        0
    ].close()
    for root in (bench.root, clone):
        for name, content in before.items():
            assert (root / name).read_bytes() == content
            assert (root / name).stat().st_blocks * 512 < 256 << 10
