"""Runs on virtual environments: in the workspace, moved with it, on another machine, named with --python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mvc as api
from mvc.api import interpreters
from mvcd.repo.history.runs import NAME, RunRecord
from tests.support.commandline import Mvc

TRAIN = """
import json, sys
print(sys.prefix)
json.dump({"acc": 0.5}, open("metrics.json", "w"))
open("model.bin", "w").write("x" * 100)
"""


def environment(place: Path, packages: dict[str, str]) -> Path:
    """A virtual environment, and in it what the installed packages leave there for others to read."""
    command = [sys.executable, "-m", "venv", "--without-pip", str(place)]
    subprocess.run(command, check=True, timeout=60)
    for name, version in packages.items():
        (site(place) / f"{name}-{version}.dist-info").mkdir()
    return place


def site(place: Path) -> Path:
    return next((place / "lib").glob("python*")) / "site-packages"


@pytest.fixture
def project(tmp_path: Path, mvc: Mvc, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "iris"
    root.mkdir()
    monkeypatch.chdir(root)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    (root / "train.py").write_text(TRAIN)
    environment(root / ".venv", {"Foo_Bar": "1.0", "gone": "2.0"})
    mvc("init")
    mvc("add", ".")
    mvc("commit", "-m", "base")
    return root


def test_what_the_program_ran_on_is_recorded(project: Path, mvc: Mvc) -> None:
    mvc("run", "--", ".venv/bin/python", "train.py")
    record = json.loads((project / NAME).read_text())
    assert record["packages"] == {"foo-bar": "1.0", "gone": "2.0"}
    assert record["program"] == ".venv/bin/python"
    made = api.Repo(project).show().provenance
    assert made.python == ".".join(map(str, sys.version_info[:3]))
    assert made.packages_digest != api.Repo(project).show("v1").provenance.packages_digest


def test_the_workspaces_interpreter_runs_again(
    project: Path, mvc: Mvc, capfd: pytest.CaptureFixture[str]
) -> None:
    mvc("run", "--", ".venv/bin/python", "train.py")
    again = mvc("reproduce", "-y")
    assert f"$ {project}/.venv/bin/python train.py" in again.out
    assert "reproduced" in again.out and "packages" not in again.out
    moved = project.rename(project.parent / "moved")
    os.chdir(moved)
    assert f"$ {moved}/.venv/bin/python train.py" in mvc("reproduce", "-y").out
    assert str(moved / ".venv") in capfd.readouterr().out


def test_an_absolute_path_below_the_workspace_moves_with_it(project: Path, mvc: Mvc) -> None:
    mvc("run", "--", str(project / ".venv/bin/python"), "train.py")
    moved = project.rename(project.parent / "moved")
    os.chdir(moved)
    assert f"$ {moved}/.venv/bin/python train.py" in mvc("reproduce", "-y").out


def test_in_a_directory_below(project: Path, mvc: Mvc) -> None:
    (project / "exp").mkdir()
    shutil.copy(project / "train.py", project / "exp" / "train.py")
    os.chdir(project / "exp")
    mvc("run", "--", "../.venv/bin/python", "train.py")
    assert mvc("reproduce", "-y").code == 0


def test_a_program_that_versions_have_is_the_versions(project: Path, mvc: Mvc) -> None:
    program = project / "train.sh"
    program.write_text('#!/bin/sh\necho "{\\"acc\\": 1}" > metrics.json\n')
    program.chmod(0o755)
    mvc("run", "--", "./train.sh")
    program.write_text("#!/bin/sh\nexit 9\n")
    assert "$ ./train.sh\n" in mvc("reproduce", "-y").out


def test_on_another_machine(project: Path, mvc: Mvc, tmp_path: Path) -> None:
    mvc("run", "--", ".venv/bin/python", "train.py")
    mvc("clone", str(project), str(tmp_path / "clone"))
    os.chdir(tmp_path / "clone")
    refused = mvc("reproduce", "-y", code=1)
    assert "error: .venv/bin/python is not here\n" in refused.err
    assert "help: mvc reproduce HEAD --python PATH" in refused.err
    assert "mvc run" not in refused.err
    other = environment(tmp_path / "other", {"foo_bar": "1.1", "new": "3"})
    for named in (str(other), str(other / "bin/python"), "../other"):
        told = mvc("reproduce", "-y", "--python", named)
        assert "missing: gone; foo-bar 1.0 -> 1.1; 1 more than then" in told.err
    lines = [line.split() for line in told.out.splitlines()]
    assert ["gone", "2.0", "->", "missing"] in lines
    assert ["foo-bar", "1.0", "->", "1.1"] in lines
    assert "1 package that the run had not: new" in told.out
    found = mvc("reproduce", "-y", "--python", "../other", "--json").json
    assert {"name": "gone", "recorded": "2.0", "present": None} in found["packages"]
    assert found["command"] == [".venv/bin/python", "train.py"]
    assert found["ran"] == [str(other / "bin/python"), "train.py"]


@pytest.mark.parametrize(
    "words", [("reproduce", "-y", "v1"), ("reproduce", "-y", "--python", "nowhere")], ids=str
)
def test_errors_name_their_own_verb(project: Path, mvc: Mvc, words: tuple[str, ...]) -> None:
    mvc("run", "--", ".venv/bin/python", "train.py")
    assert "mvc run" not in mvc(*words, code=1).err


def test_a_name_that_path_has_not(
    project: Path, mvc: Mvc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python9").symlink_to(sys.executable)
    with monkeypatch.context() as there:
        there.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        mvc("run", "--", "python9", "train.py")
    refused = mvc("reproduce", "-y", code=1).err
    assert "no directory on PATH has python9" in refused and "--python PATH" in refused
    again = mvc("run", "--", "python9", "train.py", code=1).err
    assert "help: mvc run --python PATH" in again


def test_a_run_on_another_environment(project: Path, mvc: Mvc, tmp_path: Path) -> None:
    environment(tmp_path / "other", {"torch": "2.4"})
    mvc("run", "--python", "../other", "train.py")
    record = json.loads((project / NAME).read_text())
    assert record["command"] == ["../other/bin/python", "train.py"]
    assert record["packages"] == {"torch": "2.4"} and record["program"] is None
    mvc("run", "--python", "../other", "--", "sh", "-c", "python train.py")
    assert json.loads((project / NAME).read_text())["packages"] == {"torch": "2.4"}
    refused = mvc("run", "--python", "../other", "--", "uv", "run", "train.py", code=1).err
    assert "uv chooses its Python itself" in refused


def test_scripts_of_an_environment(project: Path, mvc: Mvc) -> None:
    """What pip puts into bin names the interpreter by its whole path, which is wrong once that moves."""
    script = project / ".venv/bin/fit"
    script.write_text(f"#!{project}/.venv/bin/python\nimport runpy; runpy.run_path('train.py')\n")
    script.chmod(0o755)
    mvc("run", "--", ".venv/bin/fit")
    assert json.loads((project / NAME).read_text())["packages"] == {"foo-bar": "1.0", "gone": "2.0"}
    moved = project.rename(project.parent / "moved")
    os.chdir(moved)
    broken = mvc("run", "--", ".venv/bin/fit", code=1).err
    assert f"its first line names {project}/.venv/bin/python" in broken
    assert "help: mvc run -- .venv/bin/python .venv/bin/fit" in broken
    broken = mvc("reproduce", "-y", code=1).err
    assert "--python PATH" in broken and "mvc run" not in broken
    assert mvc("reproduce", "-y", "--python", ".venv").code == 0


@pytest.mark.parametrize("word", ["train.py", "./train.py"])
def test_a_script_alone_is_no_program(project: Path, mvc: Mvc, word: str) -> None:
    assert f"help: mvc run -- python {word}" in mvc("run", word, code=1).err


def test_records_of_before_have_no_packages(project: Path, mvc: Mvc) -> None:
    mvc("run", "--", ".venv/bin/python", "train.py")
    record = json.loads((project / NAME).read_text())
    del record["packages"], record["program"]
    assert RunRecord.decode(json.dumps(record).encode()).packages is None
    (project / NAME).write_text(json.dumps(record, indent=2, sort_keys=True))
    mvc("commit", "-m", "as an earlier release wrote it")
    assert mvc("reproduce", "-y", "--json").json["packages"] is None


def test_first_lines_of_scripts(tmp_path: Path) -> None:
    script = tmp_path / "s"
    for head, named in (
        ("#!/usr/bin/env -S python3 -u\n", shutil.which("python3")),
        ("#! /opt/a/bin/python3.11 -I\n", "/opt/a/bin/python3.11"),
        ("#!/bin/sh\n'''exec' '/a b/bin/python' \"$0\" \"$@\"\n' '''\n", "/a b/bin/python"),
        ("\x7fELF", None),
        ("#!", None),
        ("#!/usr/bin/env\n", None),
    ):
        script.write_text(head)
        assert interpreters.shebang(str(script), os.environ) == named
    assert interpreters.shebang(str(tmp_path), os.environ) is None


def test_uv_takes_the_environment_of_the_project(project: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "uv").write_text("")
    (programs / "uv").chmod(0o755)
    (project / "deep").mkdir()
    surroundings = {"PATH": str(programs)}
    ask = ["uv", "run", "train.py"]
    found = interpreters.interpreter_of(ask, str(project / "deep"), surroundings)
    assert found == str(project / ".venv/bin/python")
    other = environment(tmp_path / "other", {})
    surroundings["UV_PROJECT_ENVIRONMENT"] = str(other)
    assert interpreters.interpreter_of(ask, str(project), surroundings) == str(other / "bin/python")
