"""Completion: names of each kind, files beside them, in the words of each shell; silent and without a trace."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import get_completion_class

from mvc import Repo
from mvc.cli import completing, shells
from mvc.cli.main import cli
from mvcd.store.refnames import ref_names
from tests.support.commandline import AUTHOR

SETTINGS = """
[remote.origin]
url = "/nowhere"
[alias]
lg = "log --oneline"
"""


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a name of each kind."""
    directory = tmp_path_factory.mktemp("named")
    (directory / "config.yaml").write_text("lr: 0.1\nlayers: 2\n")
    (directory / "metrics.json").write_text('{"loss": 0.5, "accuracy": 0.9}')
    (directory / "data").mkdir()
    (directory / "data" / "a b.csv").write_text("x\n1\n")
    repo = Repo.init(directory, author=AUTHOR)
    repo.add(".")
    repo.commit("first")
    repo.branch("topic/one")
    repo.tag("good")
    repo.promote("HEAD", "production")
    repo.close()
    with (directory / ".mvc" / "config.toml").open("a") as file:
        file.write(SETTINGS)
    return directory


@pytest.fixture
def here(named: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(named)
    return named


def asked(line: str, shell: type[shells.ShellComplete] = shells.Bash) -> list[str]:
    """What the last word of a line is completed to; `<file>` and `<dir>` where the shell adds its own."""
    *words, last = line.split(" ")
    items = shell(cli, {}, "mvc", shells.VARIABLE).get_completions(words[1:], last)
    return [item.value if item.type == "plain" else f"<{item.type}>" for item in items]


REFS = ["HEAD", "main", "topic/one", "good", "production"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("mvc sta", ["status", "stash", "stage"]),
        ("mvc l", ["lg", "log", "lineage", "ls", "ls-remote", "login", "logout"]),
        ("mvc lg --gr", ["--graph"]),
        ("mvc switch ", ["main", "topic/one"]),
        ("mvc show ", REFS),
        ("mvc show v", ["v1"]),
        ("mvc show @", ["@production"]),
        ("mvc compare main..to", ["main..topic/one"]),
        ("mvc restore ", [*REFS, "<file>"]),
        ("mvc restore -s to", ["topic/one"]),
        ("mvc restore -- ma", ["<file>"]),
        ("mvc add ma", ["<file>"]),
        ("mvc -C data switch t", ["topic/one"]),
        ("mvc tag -d g", ["good"]),
        ("mvc push ", ["origin"]),
        ("mvc push origin t", ["topic/one"]),
        ("mvc remote remove o", ["origin"]),
        ("mvc stage history p", ["production"]),
        ("mvc promote HEAD p", ["production"]),
        ("mvc log --best ", ["accuracy", "loss"]),
        ("mvc log --touching l", ["loss", "layers", "lr", "<file>"]),
        ("mvc log --where loss<0.5", []),
        ("mvc compare --sort t", ["time"]),
        ("mvc compare --columns lr,lo", ["lr,loss"]),
        ("mvc log --component we", ["weights"]),
        ("mvc clone --only weights,st", ["weights,state"]),
        ("mvc merge --ours res", ["results", "<file>"]),
        ("mvc cat v1:", ["v1:config.yaml", "v1:data/", "v1:metrics.json"]),
        ("mvc cat v1:data/", ["v1:data/a b.csv"]),
        ("mvc config set gc", ["gc.auto"]),
        ("mvc config get remote.origin.u", ["remote.origin.url"]),
        ("mvc config set gc.auto ", ["true", "false"]),
        ("mvc config set user.name ", []),
        ("mvc help ver", ["verify-signature", "verify-deploy", "verify-attestation", "verify", "version"]),
        ("mvc clone ", ["<dir>"]),
        ("mvc card -o ", ["<file>"]),
        ("mvc commit -m ma", []),
        ("mvc nonsense ma", []),
    ],
)  # fmt: skip
def test_words(here: Path, line: str, expected: list[str]) -> None:
    assert sorted(asked(line)) == sorted(expected)


def test_zsh_and_fish_take_an_option_and_its_value_for_one_word(here: Path) -> None:
    for shell in (shells.Zsh, shells.Fish):
        assert asked("mvc log --component=we", shell) == ["--component=weights"]
    assert asked("mvc log --component=we") == ["weights"]


def trace(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(directory.rglob("*"))
        if path.name != "lock.mdb"  # where LMDB's readers have their places
    }


def test_nothing_is_written(here: Path) -> None:
    before = trace(here)
    for line in ("mvc show ", "mvc show v", "mvc log --best ", "mvc cat v1:", "mvc config set "):
        assert asked(line)
    assert trace(here) == before


def test_a_repository_that_only_others_may_write_is_read(named: Path) -> None:
    names = ref_names(str(named / ".mvc" / "store"), ["heads/", "tags/"])
    assert names == ["heads/main", "heads/topic/one", "tags/good"]


def run(shell: str, line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    words = line.split(" ")
    at = words[-1] if shell == "fish" else str(len(words) - 1)
    asked = {shells.VARIABLE: f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": at}
    return subprocess.run(
        [sys.executable, "-m", "mvc"], cwd=cwd, env={**os.environ, **asked},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_what_zsh_and_fish_are_answered(here: Path) -> None:
    assert run("zsh", "mvc restore to", here).stdout == "plain\ntopic/one\n_\nfile\nto\n_\n"
    assert run("fish", "mvc restore to", here).stdout == "plain,topic/one\nfile,to\n"
    if get_completion_class("powershell") is not None:  # click 8.5
        assert run("powershell", "mvc switch to", here).stdout == "plain\ntopic/one\n_\n"
    assert run("fish", "mvc undo", here).stdout == "plain,undo\tundo the last operation\n"


def damaged(named: Path, tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for name, content in (("store/data.mdb", b"\xff" * 9000), ("config.toml", b"= path")):
        copy = tmp_path / name.replace("/", "-")
        shutil.copytree(named, copy)
        (copy / ".mvc" / name).write_bytes(content)
        yield copy
    copy = tmp_path / "truncated"
    shutil.copytree(named, copy)
    os.truncate(copy / ".mvc" / "store" / "data.mdb", 8192)
    yield copy


def test_trouble_is_silent(work: Path, named: Path, tmp_path: Path) -> None:
    for place in damaged(named, tmp_path / "d"):
        place.mkdir(parents=True, exist_ok=True)
        for line in ("mvc switch m", "mvc log --best l"):
            done = run("bash", line, place)
            assert (done.returncode, done.stderr) == (0, ""), (place, line)
            assert "plain" not in done.stdout or place.name == "config.toml"


BASH = """\
mvc() {{ :; }}
compopt() {{ echo "compopt $1 $2"; }}
{script}
COMP_LINE={line!r} COMP_POINT={point} COMP_WORDS=({words}) COMP_CWORD={at}
_mvc_completion {program} {current!r} before
printf '[%s]' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("line", "current", "expected"),
    [
        ("mvc switch to", "to", "[topic/one]"),
        ("mvc restore m", "m", "compopt -o filenames\n[main][metrics.json]"),
        ("mvc add m", "m", "compopt -o default\n[]"),
        ("mvc clone d", "d", "compopt -o dirnames\n[]"),
        ("mvc commit -m m", "m", "compopt -o default\n[]"),
        ("mvc cat v1:me", "me", "[metrics.json]"),
        ("mvc cat v1:data/", "data/", "[data/a\\ b.csv]"),
        ("mvc cat v1:d", "d", "compopt -o nospace\n[data/]"),
        ("mvc log --component=we", "we", "[weights]"),
    ],
)
def test_real_bash(here: Path, tmp_path: Path, line: str, current: str, expected: str) -> None:
    program = tmp_path / "mvc"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mvc "$@"\n')
    program.chmod(0o755)
    words = re.findall(r"[:=]|[^ :=]+", line)  # as bash breaks them
    source = shells.Bash(cli, {}, "mvc", shells.VARIABLE).source()
    script = BASH.format(
        script=source, line=line, point=len(line), words=" ".join(words), at=len(words) - 1,
        program=program, current=current,
    )  # fmt: skip
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == (expected, "")


FREE = set(
    "NAME VALUE MAIL KEY TEXT AGE DATE DIGEST GLOB ID N NUMBER PREFIX REFS REGISTRY SECONDS SHARE SIZE "
    "CERTIFICATE URI USER WHEN X NEW OLD RECIPIENT".split()
)
"""What nobody can guess, or what stands for a name that `_PLACES` tells."""


def parameters(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        flag = isinstance(parameter, click.Option) and (parameter.is_flag or parameter.count)
        if not flag and not isinstance(parameter.type, click.Choice):
            path = context.command_path.split(" ", 1)[1:]
            yield " ".join([*path, parameter.name or ""]), parameter.make_metavar(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from parameters(below, click.Context(below, context, name))


def test_each_parameter_says_what_it_takes() -> None:
    """A new verb's metavars are known, so its words are completed; no place is one of a verb that is gone."""
    found = dict(parameters(cli, cli.make_context("mvc", [], resilient_parsing=True)))
    assert set(completing._PLACES) <= set(found)
    for place, metavar in found.items():
        tokens = set(re.findall(r"[A-Z][A-Z_]*", metavar))
        if place not in completing._PLACES:
            assert tokens <= FREE | set(completing._METAVARS), (place, metavar)
