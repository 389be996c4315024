"""What the command line says of files and directories that cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commandline import Mvc
from tests.support.privileges import reopen, unprivileged

DENIED = "cannot be read: Permission denied"


@pytest.fixture
def closed(mvc: Mvc, saved: Path) -> Iterator[Path]:
    """Two versions; then model.py changed, and params.yaml and data/ can't be read any more."""
    with unprivileged():
        (saved / "model.py").write_text("layers = 9\n")
        os.chmod("params.yaml", 0)
        os.chmod("data", 0)
        yield saved
        reopen(saved)


def test_each_verb_answers_and_names_them(mvc: Mvc, closed: Path) -> None:
    status = mvc("status").out
    assert "modified  architecture    model.py\n" in status
    assert f"Skipped:\n  data: {DENIED}\n  params.yaml: {DENIED}\n" in status
    diff = mvc("diff")
    assert "~ model.py" in diff.out
    assert f"warning: data {DENIED}; compared as HEAD has it" in diff.err
    assert "second" in mvc("log").out
    ran = mvc("commit", "-m", "third", code=3)
    assert ran.err == (f"warning: skipped data: {DENIED}\nwarning: skipped params.yaml: {DENIED}\n")
    assert "[main] v3" in ran.out
    assert {f["path"] for f in mvc("ls", "--json").json["files"]} >= {
        "params.yaml",
        "data/train.csv",
    }
    again = mvc("commit", "-m", "fourth", code=1).err
    assert f"but for data: {DENIED}, and 1 more" in again
    assert mvc("status", "--json").json["skipped"] == [
        {"path": "data", "reason": DENIED},
        {"path": "params.yaml", "reason": DENIED},
    ]


def test_a_rollback_that_passes_by_a_closed_directory_names_it(mvc: Mvc, saved: Path) -> None:
    mvc("tag", "here")
    (saved / "model.py").write_text("layers = 9\n")
    mvc("commit", "-m", "third")
    with unprivileged():
        os.chmod("data", 0)
        ran = mvc("rollback", "here")
        reopen(saved)
    assert ran.err == f"warning: skipped data: {DENIED}\n"
    assert (saved / "model.py").read_text() == "layers = 3\n"


@pytest.mark.parametrize("words", [("checkout", "v1"), ("checkout", "v1", "--force"),
                                   ("restore", "v2", "params.yaml")])  # fmt: skip
def test_what_would_be_written_over_is_refused(
    mvc: Mvc, closed: Path, words: tuple[str, ...]
) -> None:
    ran = mvc(*words, code=None)
    assert ran.code != 0
    assert "would be overwritten, and may hold unsaved work" in ran.err
    assert "help: make it readable: chmod -R u+rX " in ran.err


def test_adding_one_warns(mvc: Mvc, closed: Path) -> None:
    mvc("untrack", ".")
    assert mvc("add", "data").err == "warning: data cannot be read: it is skipped until it can\n"
    assert "data/train.csv cannot be looked at" in mvc("add", "data/train.csv", code=1).err


def test_a_closed_repository_is_not_called_absent(mvc: Mvc, closed: Path) -> None:
    os.chmod(".mvc", 0)
    try:
        ran = mvc("status", code=1)
    finally:
        os.chmod(".mvc", 0o755)
    assert "cannot look into" in ran.err
    assert "mvc init" not in ran.err


def test_a_deployment_copy_says_what_of_it_cannot_be_read(
    mvc: Mvc, saved: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    mvc("export", "HEAD", str(out))
    (out / "cache").mkdir()
    with unprivileged():
        for name in ("params.yaml", "data", "cache"):
            os.chmod(out / name, 0)
        problems = mvc("verify-deploy", str(out), "--json", code=1).json["problems"]
        os.chmod(out / "mvc-manifest.json", 0)
        closed = mvc("verify-deploy", str(out), code=1).err
        reopen(out)
    assert {(p["problem"], p["path"], p["component"]) for p in problems} == {
        ("unreadable", "params.yaml", "hyperparameters"),
        ("unreadable", "data/train.csv", "data"),
        ("unreadable", "data/more.csv", "data"),
        ("unreadable", "data", None),
        ("unreadable", "cache", None),
    }
    assert "mvc-manifest.json cannot be read" in closed
    assert "chmod" in closed


def test_an_export_beside_which_nothing_can_be_listed_is_made(
    mvc: Mvc, saved: Path, tmp_path: Path
) -> None:
    above = tmp_path / "above"
    above.mkdir()
    with unprivileged():
        above.chmod(0o300)
        mvc("export", "HEAD", str(above / "out"))
        above.chmod(0o700)
    assert "all equal" in mvc("verify-deploy", str(above / "out")).out
