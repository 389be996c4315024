"""`mvc prompt`: where HEAD is, in real shells, without a process where there is no repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mvc import Repo
from mvc.api.glimpse import Glimpse
from mvcd.store.refnames import ref_value
from tests.support.commandline import Mvc

SHELLS = [shell for shell in ("bash", "zsh", "fish") if shutil.which(shell)]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory with `mvc` alone."""
    directory = tmp_path / "bin"
    directory.mkdir()
    program = directory / "mvc"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m mvc "$@"\n')
    program.chmod(0o755)
    return directory


def shown(shell: str, script: str, line: str, cwd: Path, path: str) -> str:
    """What a shell prints for a line once it knows the function; `path` is the only PATH."""
    found = shutil.which(shell)
    assert found is not None
    done = subprocess.run(
        [found, "-c", f"{script}\n{line}"], cwd=cwd, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PATH": path, "PWD": str(cwd)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_shows_the_branch(
    shell: str, mvc: Mvc, saved: Path, programs: Path, tmp_path: Path
) -> None:
    script = mvc("prompt", shell).out
    path = f"{programs}:/usr/bin:/bin"
    mvc("switch", "-c", "topic/ünï")
    (saved / "data").mkdir(exist_ok=True)
    for place in (saved, saved / "data"):
        assert shown(shell, script, "__mvc_ps1", place, path) == " (topic/ünï)"
    assert shown(shell, script, "__mvc_ps1 '[%s]'", saved, path) == "[topic/ünï]"
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    assert shown(shell, script, "__mvc_ps1", nowhere, str(tmp_path / "no-programs")) == ""
    assert shown(shell, script, "cd / && __mvc_ps1", nowhere, str(tmp_path / "no-programs")) == ""


def test_where_head_is(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    assert mvc("prompt").out == "main\n"
    assert mvc("prompt", "--json").json == {"schema_version": 1, "head": "main"}
    mvc("checkout", "v1")
    assert mvc("prompt").out == mvc("show", "--json").json["version"][:10] + "\n"
    mvc("workspace", "add", str(tmp_path / "second"), "main")
    assert Glimpse(str(tmp_path / "second")).head() == "main"
    assert Glimpse(str(tmp_path)).head() is None
    assert mvc("-C", str(tmp_path), "prompt").out == ""


def test_it_is_what_an_open_repository_says_and_nothing_where_that_is_damaged(
    mvc: Mvc, saved: Path
) -> None:
    store = saved / ".mvc" / "store"
    repo = Repo(saved)
    head = repo.head.branch
    repo.close()
    name = f"workspaces/{mvc('config', 'get', 'workspace.id').out.strip()}/head"
    assert ref_value(str(store), name) == f"branch {head}".encode()
    data = store / "data.mdb"
    found = data.read_bytes()
    assert found.count(b"branch main") >= 1
    data.write_bytes(found.replace(b"branch main", b"branch mail"))
    assert ref_value(str(store), name) is None
    assert mvc("prompt").out == ""


def test_it_loads_no_engine_and_leaves_nothing(saved: Path) -> None:
    before = sorted(os.listdir(saved / ".mvc" / "store"))
    code = (
        "import sys; sys.argv[1:] = ['prompt']; import os; end = os._exit\n"
        "os._exit = lambda code: (print(sorted(m for m in sys.modules if m in "
        "('click', 'mvcd.store.lmdb_store', 'google.protobuf', 'grpc', 'blake3')), flush=True), end(code))\n"
        "from mvc.cli.start import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=saved, capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("main\n[]\n", "")
    assert sorted(os.listdir(saved / ".mvc" / "store")) == before
