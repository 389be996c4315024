"""What command lines say: against the interpreter's own reading of them, and against places of interpreters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mvcd.daemon import commands

PYTHON = "/usr/bin/python3.11"


@pytest.mark.parametrize(
    "options",
    [
        ["SCRIPT", "--lr", "0.1"], ["-u", "SCRIPT"], ["-uW", "ignore", "SCRIPT", "-c", "x"],
        ["-Wignore", "-X", "utf8", "SCRIPT"], ["-Xutf8", "-OO", "SCRIPT", "-m"], ["-c", "CODE", "a", "-m"],
        ["-uc", "CODE", "b"], ["-cCODE", "c"], ["--check-hash-based-pycs", "default", "SCRIPT", "d"],
    ],
)  # fmt: skip
def test_words_are_those_of_sys_argv(options: list[str], tmp_path: Path) -> None:
    code = "import json, sys; print(json.dumps(sys.argv))"
    script = tmp_path / "train.py"
    script.write_text(code)
    argv = [
        sys.executable,
        *(o.replace("SCRIPT", str(script)).replace("CODE", code) for o in options),
    ]
    own = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)
    assert list(commands.words(sys.executable, argv)) == [os.path.basename(own[0]), *own[1:]]


def test_words_of_modules_and_other_programs() -> None:
    assert commands.words(PYTHON, ["python", "-um", "pkg.train", "x"]) == ("pkg.train", "x")
    assert commands.words(PYTHON, ["/v/bin/python", "/v/bin/lightning", "fit"]) == (
        "lightning",
        "fit",
    )
    assert commands.words("/opt/bin/julia", ["julia", "train.jl"]) == ("julia", "train.jl")
    assert commands.words(PYTHON, ["python3"]) == ("python3",)
    assert commands.words("", ["./a.out", ""]) == ("a.out", "")


@pytest.mark.parametrize(
    "argv",
    [
        ["-bash"], ["/bin/sh", "run.sh"], ["vim", "train.py"], ["tmux"], ["tee", "log"], ["timeout", "9"],
        ["python", "-m", "mvc", "watch"], ["/v/bin/python", "/v/bin/mvcd", "run"], ["python", "-m", "mvcd.x"],
        ["python3", "/v/bin/tensorboard"], ["python", "-m", "torch.distributed.run", "train.py"],
        ["python", "/v/bin/torchrun", "--nproc_per_node=2", "train.py"],
        ["/v/bin/python", "/v/bin/accelerate", "launch", "train.py"], ["python", "-m", "wandb.sdk.x"],
    ],
)  # fmt: skip
def test_bystanders(argv: list[str]) -> None:
    exe = PYTHON if "python" in argv[0] else f"/bin/{argv[0].strip('-/').rpartition('/')[2]}"
    assert commands.bystander(exe, argv)


@pytest.mark.parametrize(
    "argv",
    [
        ["python", "train.py"],
        ["python", "-m", "code.train"],
        ["python", "script.py"],
        ["python", "mvc.py"],
        ["python", "-c", "x"],
        ["./trainer"],
    ],
)
def test_programs_that_may_write(argv: list[str]) -> None:
    assert not commands.bystander(PYTHON if argv[0] == "python" else "/home/ada/trainer", argv)


def version(exe: str, *argv: str, directory: str = "/", mapped: str = "") -> str:
    return commands.python_version(exe, argv, directory, mapped.splitlines)


def test_the_interpreters_version(tmp_path: Path) -> None:
    for name, line in (("venv", "version = 3.11.7"), ("uv", "version_info = 3.11.8"),
                       ("virtualenv", "version_info = 3.11.9.final.0")):  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyvenv.cfg").write_text(f"home = /usr/bin\n{line}\n")
    venv = str(tmp_path / "venv")
    assert version(PYTHON, f"{venv}/bin/python", "x") == "3.11.7"
    assert version(PYTHON, "venv/bin/python", directory=str(tmp_path)) == "3.11.7"
    assert version(PYTHON, f"{tmp_path}/uv/bin/python") == "3.11.8"
    assert version(PYTHON, f"{tmp_path}/virtualenv/bin/python") == "3.11.9"
    module = f"7f00-7f01 r-xp 0 0:0 1  {venv}/lib/python3.11/site-packages/numpy/x.so"
    assert version(PYTHON, "python", mapped=module) == "3.11.7"
    assert version("/usr/bin/python3.12", f"{venv}/bin/python") == "3.12"
    assert version("/home/a/.pyenv/versions/3.11.4/bin/python3.11", "python") == "3.11.4"
    conda = tmp_path / "conda"
    (conda / "conda-meta").mkdir(parents=True)
    (conda / "conda-meta" / "python-3.11.5-h955ad1f_0.json").write_text("{}")
    assert version(f"{conda}/bin/python3.11", "python") == "3.11.5"


def test_a_version_that_is_not_to_be_known(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pyvenv.cfg")
    assert version(PYTHON, f"{tmp_path}/bin/python") == "3.11"
    library = "7f00-7f01 r-xp 0 0:0 1  /usr/lib/libpython3.10.so.1.0"
    assert version("/opt/blender/blender", "blender", mapped=library) == "3.10"
    assert version("/opt/a.out", "./a.out", mapped="7f00-7f01 r-xp 0 0:0 1  /lib/libc.so.6") == ""
    assert version("", "python") == ""
