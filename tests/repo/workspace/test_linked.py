"""Links that are followed by a rule of mvc.toml: saved as the directories that they lead to."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from mvcd.errors import Conflict, Failure
from mvcd.repo.core.core import no_secret
from tests.support.engine import Repository
from tests.support.workspace import Bench

RULE = '[links]\nfollow = ["data", "sets/*"]\n'


@pytest.fixture
def disk(bench: Bench, scratch: Path) -> Path:
    """A directory elsewhere, to which the workspace has a link `data` that is followed."""
    place = scratch / "disk"
    (place / "deep").mkdir(parents=True)
    (place / "a").write_text("1")
    (place / "deep" / "b").write_text("1")
    os.symlink(place, bench.path("data"))
    bench.write({"mvc.toml": RULE, "model.py": "1"})
    bench.add()
    return place


def paths(bench: Bench, rev: str = "HEAD") -> list[str]:
    return sorted(row.path for row in bench.repo.ls(rev))


def test_what_is_behind_a_link_is_saved(bench: Bench, disk: Path, scratch: Path) -> None:
    result = bench.commit()
    assert paths(bench) == ["data/a", "data/deep/b", "model.py", "mvc.toml"]
    assert result.leading_out == ()
    assert bench.repo.status().clean
    root = str(scratch / "clone")
    clone, _ = Repository.clone(str(bench.root), root, context=bench.context(), secret=no_secret)
    with clone:
        assert not os.path.islink(f"{root}/data")
        assert Path(root, "data", "deep", "b").read_text() == "1"
        assert clone.status().clean


def test_changes_there_are_changes_here(bench: Bench, disk: Path) -> None:
    bench.commit()
    bench.reopen()
    (disk / "a").write_text("changed")
    (disk / "deep" / "new").write_text("new")
    (disk / "deep" / "b").unlink()
    found = bench.repo.status()
    assert [c.path for c in found.modified] == ["data/a"]
    assert [c.path for c in found.added] == ["data/deep/new"]
    assert [c.path for c in found.deleted] == ["data/deep/b"]
    bench.commit()
    assert bench.repo.read("data/a") == b"changed"
    assert bench.repo.status().clean


def test_what_did_not_change_is_not_read_again(bench: Bench, disk: Path) -> None:
    bench.repo.close()
    bench.repo = Repository.open(str(bench.root), clock=lambda: time.time_ns() + 3600 * 10**9)
    bench.commit()  # an hour after the last write, so that its stamps prove something
    look = bench.repo.look()
    assert look.scan.clean
    assert look.scan.unchanged_directories == 3
    (disk / "deep" / "b").write_text("2")
    assert [c.path for c in bench.repo.look().scan.candidates] == ["data/deep/b"]


def test_nothing_is_written_through_it(bench: Bench, disk: Path) -> None:
    bench.commit()
    (disk / "a").write_text("2")
    bench.write({"model.py": "2"})
    bench.commit()
    for force in (False, True):
        with pytest.raises(Conflict) as caught:
            bench.checkout("v1", force=force)
        assert "data is in the way" in str(caught.value)
    assert (disk / "a").read_text() == "2"
    assert bench.tree()["model.py"] == "2"
    bench.repo.restore("v1", [bench.path("model.py")], context=bench.context())
    assert bench.tree()["model.py"] == "1"
    os.unlink(bench.path("data"))  # from here on they are files of the workspace
    bench.checkout("v1", force=True)
    assert Path(bench.path("data/a")).read_text() == "1"
    assert (disk / "a").read_text() == "2"


def test_a_disk_that_is_away_has_deleted_nothing(bench: Bench, disk: Path) -> None:
    bench.commit()
    away = disk.with_name("away")
    os.rename(disk, away)
    for verb in (bench.repo.status, bench.commit):
        with pytest.raises(Failure) as caught:
            verb()
        assert caught.value.kind == "lost-link"
    os.rename(away, disk)
    assert bench.repo.status().clean


def test_other_links_stay_links(bench: Bench, disk: Path) -> None:
    (disk / "set").mkdir()
    (disk / "set" / "c").write_text("1")
    (disk / "file").write_text("1")
    bench.root.joinpath("sets").mkdir()
    os.symlink(disk / "set", bench.path("sets/one"))
    os.symlink(disk / "file", bench.path("sets/file"))
    os.symlink(disk / "set", bench.path("other"))
    result = bench.commit()
    assert {"sets/one/c", "sets/file", "other"} <= set(paths(bench))
    assert {path for path, _ in result.leading_out} == {"other", "sets/file"}


def test_the_rule_is_taken_away_and_comes_back(bench: Bench, disk: Path) -> None:
    bench.commit()
    bench.write({"mvc.toml": ""})
    assert [c.path for c in bench.repo.status().added] == ["data"]
    bench.commit()
    assert paths(bench) == ["data", "model.py", "mvc.toml"]
    bench.write({"mvc.toml": RULE})
    bench.commit()
    assert paths(bench) == ["data/a", "data/deep/b", "model.py", "mvc.toml"]


@pytest.mark.parametrize("target", [".", "..", "sub", "../.."])
def test_a_link_without_end_is_refused(bench: Bench, target: str) -> None:
    bench.write({"mvc.toml": RULE, "sub/x": "1"})
    os.symlink(target, bench.path("data"))
    bench.add()
    with pytest.raises(Failure) as caught:
        bench.commit()
    assert caught.value.kind == "looping-link"


def test_a_loop_on_the_other_side(bench: Bench, disk: Path) -> None:
    bench.write({"mvc.toml": '[links]\nfollow = ["data*"]\n'})
    os.symlink(disk, disk / "deep" / "up")
    with pytest.raises(Failure) as caught:
        bench.commit()
    assert caught.value.kind == "looping-link"


@pytest.mark.parametrize(
    "table", ["links = 1", "[links]\nfollow = 'data'", "[links]\nfollow = [1]"]
)
def test_a_wrong_table(bench: Bench, table: str) -> None:
    bench.write({"mvc.toml": table})
    bench.add()
    with pytest.raises(Failure, match=r"\[links\] table"):
        bench.commit()


def test_partly_tracked(bench: Bench, disk: Path) -> None:
    bench.repo.untrack([bench.path(".")], context=bench.context())
    bench.add("data")
    bench.commit()
    assert paths(bench) == ["data/a", "data/deep/b"]
    shutil.rmtree(disk / "deep")
    assert [c.path for c in bench.repo.status().deleted] == ["data/deep/b"]
