"""A workspace of its own for each test, and the command line run in this process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from mvc import Repo
from mvc.cli.main import cli
from tests.support.commandline import AUTHOR, FIRST, SECOND, Mvc, Ran, write


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, current; nobody's settings but the author's name are in force."""
    for name in ("NO_COLOR", "FORCE_COLOR", "MVC_DEBUG", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MVC_CONFIG", "")
    monkeypatch.setenv("MVC_AUTHOR", AUTHOR)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    directory = tmp_path / "work"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def mvc(work: Path) -> Mvc:
    """`mvc("log", "-n", "1")`; fails the test unless it ends with `code`."""

    def run(*words: str, code: int | None = 0, input: str | None = None) -> Ran:
        result = CliRunner().invoke(cli, words, input=input)
        ran = Ran(result.exit_code, result.stdout, result.stderr)
        if code is not None and ran.code != code:
            pytest.fail(f"mvc {' '.join(words)}: exit {ran.code}, not {code}\n{ran.out}{ran.err}")
        return ran

    return run


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the two versions FIRST and SECOND, made once; tests get copies."""
    directory = tmp_path_factory.mktemp("template")
    repo = Repo.init(directory, author=AUTHOR)
    write(directory, FIRST)
    repo.add(".")
    repo.commit("first")
    write(directory, SECOND)
    repo.commit("second")
    repo.close()
    return directory


@pytest.fixture
def saved(mvc: Mvc, work: Path, template: Path) -> Path:
    """A repository of one's own with the versions FIRST and SECOND, clean."""
    shutil.copytree(template, work, dirs_exist_ok=True)
    return work
