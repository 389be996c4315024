"""`mvc import folders`: directories whose names are versions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

import mvc as api
from tests.support.commandline import Mvc, write
from tests.support.githistory import state_of

pytestmark = pytest.mark.usefixtures("work")


def folder(path: Path, files: Mapping[str, str | bytes], when: int) -> None:
    """A directory whose newest file is of second `when`, the others older."""
    write(path, dict(files))
    for n, file in enumerate(sorted(p for p in path.rglob("*") if p.is_file())):
        os.utime(file, (when - n, when - n))


@pytest.fixture
def models(work: Path) -> Path:
    top = work / "models"
    folder(top / "model_v2", {"w.pt": b"two", "params.yaml": "lr: 2\n"}, 2000)
    folder(top / "model_v10", {"w.pt": b"ten", "params.yaml": "lr: 2\n"}, 3000)
    folder(top / "model_v1", {"w.pt": b"one", "deep/x.txt": "x"}, 1000)
    folder(top / "final", {"w.pt": b"last"}, 4000)
    return top


def test_oldest_first(mvc: Mvc, models: Path, work: Path) -> None:
    (models / "final" / "latest").symlink_to("w.pt")
    (models / "loose.txt").write_text("x")
    os.utime(models / "final" / "latest", (4000, 4000), follow_symlinks=False)
    before = state_of(models)
    ran = mvc("import", "folders", "models", "--to", "out")
    assert "Imported 4 versions, 1 branch, 4 tags from models into" in ran.out
    assert "1 file beside the folders is in no version" in ran.err
    assert state_of(models) == before
    repo = api.Repo.open(work / "out")
    log = list(reversed(list(repo.log())))
    names = ["model_v1", "model_v2", "model_v10", "final"]
    assert [v.message.split("\n")[0] for v in log] == names
    assert [v.time.timestamp() for v in log] == [1000, 2000, 3000, 4000]
    assert {t.name: t.version for t in repo.tags()} == dict(
        zip(names, [v.id for v in log], strict=True)
    )
    for name, version in zip(names, log, strict=True):
        assert version.trigger == "import"
        there = {
            str(p.relative_to(models / name)): p.read_bytes()
            for p in (models / name).rglob("*")
            if p.is_file() and not p.is_symlink()
        }
        links = {"latest": b"w.pt"} if name == "final" else {}
        assert {f.path: repo.read(f.path, version.id) for f in repo.ls(version.id)} == there | links
    repo.close()
    assert (work / "out" / "latest").readlink() == Path("w.pt")


def test_again_with_more(mvc: Mvc, models: Path, work: Path) -> None:
    mvc("import", "folders", "models", "--to", "models/history")
    assert mvc("import", "folders", "models", "--to", "models/history").out.startswith(
        "Nothing new"
    )
    folder(models / "final_v2", {"w.pt": b"really last"}, 5000)
    answer = mvc("import", "folders", "models", "--to", "models/history", "--json").json
    assert (answer["versions"], answer["versions_before"], answer["tags"]) == (1, 4, ["final_v2"])
    assert (models / "history" / "w.pt").read_bytes() == b"really last"


def test_several_arguments(mvc: Mvc, models: Path, saved: Path) -> None:
    mvc("import", "folders", "models/final", "models/model_v1", "--into", "old")
    repo = api.Repo.open(saved)
    assert [v.message.split("\n")[0] for v in repo.log("old/main")] == ["final", "model_v1"]
    assert {t.name for t in repo.tags()} == {"old/final", "old/model_v1"}
    repo.close()


def test_mistakes(mvc: Mvc, models: Path, work: Path) -> None:
    (work / "empty").mkdir()
    write(work / "other" / "final", {"x": "x"})
    assert "no folders with files" in mvc("import", "folders", "empty", "--to", "o", code=1).err
    assert "is no directory" in mvc("import", "folders", "nowhere", "--to", "o", code=1).err
    twice = mvc("import", "folders", "models/final", "other/final", "--to", "o", code=2)
    assert "two folders are called final" in twice.err
    assert "--to NEW or --into PREFIX" in mvc("import", "folders", "models", code=2).err
    assert not (work / "o").exists()
