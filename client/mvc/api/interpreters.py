"""The Python that a command runs on: which interpreter it is, what is installed beside it, and another one in
its place.

A run records what the interpreter itself says of its version and of its `sys.path`: the packages beside `mvc`
may be those of another environment. An interpreter is only asked where the command that names it is about to
run anyway.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mvc.api.context import digest_of, installed
from mvc.api.errors import Failure

ASKED_SECONDS = 20.0
"""Seconds for an interpreter to start and to say where it looks for packages; 0.02 as a rule."""
MAX_LINE_BYTES = 512
"""Bytes of a script's first line; Linux reads 256."""

_PYTHON = re.compile(r"(?:python|pypy)(?:\d+(?:\.\d+)*t?)?(?:\.exe)?")
_TRAMPOLINE = re.compile(rb"#!/bin/sh\n'''exec' ['\"]?([^'\"\n]+?)['\"]? \"\$0\" ")
"""The head that pip and uv give a script whose interpreter's path has spaces or is too long for a kernel."""
_ASK = (
    "import json, sys; print(json.dumps({'version': list(sys.version_info[:3]), 'path': sys.path}))"
)
CHOOSERS = frozenset(
    {"conda", "hatch", "mamba", "micromamba", "pdm", "pipenv", "pixi", "poetry", "rye", "uv"}
)
"""Programs that choose a Python by their own rules, in the words of `uv run python train.py`."""


@dataclass(frozen=True, slots=True)
class PythonFound:
    """An interpreter as it is here. `packages`: name -> version, names as PEP 503 writes them."""

    path: str
    version: str
    packages: Mapping[str, str]

    @property
    def packages_digest(self) -> str:
        return digest_of(f"{name}=={version}" for name, version in self.packages.items())


@dataclass(frozen=True, slots=True)
class PackageDifference:
    """A package that is not as it was; None on the side where it is not installed."""

    name: str
    recorded: str | None
    present: str | None


def is_python(word: str) -> bool:
    """Whether a program is Python, going by its name."""
    return _PYTHON.fullmatch(os.path.basename(word)) is not None


def located(word: str, directory: str, environment: Mapping[str, str]) -> str | None:
    """Returns the file that starts as `word` in `directory`, as execvp(3) finds it."""
    if "/" in word:
        path = os.path.join(directory, word)
        return path if os.path.exists(path) else None
    return shutil.which(word, path=environment.get("PATH", os.defpath))


def interpreter_of(
    command: Sequence[str], directory: str, environment: Mapping[str, str]
) -> str | None:
    """Returns the path of the Python that a command runs on, as far as its first word tells.

    That is an interpreter, a script that names one in its first line, or `uv`, which takes `.venv` of the
    project. Anything else (`make train`) counts as running on the active virtual environment, if there is one.
    """
    path = located(command[0], directory, environment)
    if path is None:
        return None
    if is_python(command[0]):
        return path
    if os.path.basename(command[0]) == "uv":
        return _of_project(directory, environment)
    named = shebang(path, environment)
    if named is not None and is_python(named):
        return named
    active = environment.get("VIRTUAL_ENV") or environment.get("CONDA_PREFIX")
    return _inside(active) if active else None


def shebang(path: str, environment: Mapping[str, str]) -> str | None:
    """Returns the program that a script's first line names; None for what is no script."""
    try:
        with open(path, "rb") as file:
            head = file.read(MAX_LINE_BYTES)
    except OSError:
        return None
    if found := _TRAMPOLINE.match(head):
        return os.fsdecode(found[1])
    if not head.startswith(b"#!"):
        return None
    words = os.fsdecode(head[2:].partition(b"\n")[0]).split()
    if words and os.path.basename(words[0]) == "env":
        named = [w for w in words[1:] if not w.startswith("-") and "=" not in w]
        return shutil.which(named[0], path=environment.get("PATH", os.defpath)) if named else None
    return words[0] if words else None


def look(interpreter: str, directory: str, environment: Mapping[str, str]) -> PythonFound | None:
    """Asks an interpreter for its version and packages; None if it does not say."""
    try:
        done = subprocess.run(
            [interpreter, "-c", _ASK], cwd=directory, env=dict(environment), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=ASKED_SECONDS, check=True,
        )  # fmt: skip
        said = json.loads(done.stdout.splitlines()[-1])
        path = [str(entry) for entry in said["path"] if entry]
        return PythonFound(interpreter, ".".join(map(str, said["version"])), installed(path))
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError):
        return None


def differences(
    recorded: Mapping[str, str], present: Mapping[str, str]
) -> tuple[PackageDifference, ...]:
    """Compares packages as they were recorded with those that are here: missing ones first, new ones last."""
    found = [
        PackageDifference(name, recorded.get(name), present.get(name))
        for name in sorted(recorded.keys() | present.keys())
        if recorded.get(name) != present.get(name)
    ]
    return tuple(sorted(found, key=lambda d: (d.recorded is None, d.present is not None)))


def chosen(python: str, directory: str, verb: str) -> str:
    """Returns the interpreter that `--python` names: an interpreter, a name on PATH, or the directory of a
    virtual environment. Raises Failure(kind="no-python"); `verb` is what the person typed."""
    path = os.path.join(directory, python)
    inside = _inside(path)
    if inside is not None:
        return os.path.join(python, os.path.relpath(inside, path))
    if os.path.isfile(path) and os.access(path, os.X_OK):
        return python
    if "/" not in python and shutil.which(python) and is_python(python):
        return python
    there = "is not there" if not os.path.lexists(path) else "has no bin/python, nor can it be run"
    raise Failure(
        f"{python} is no Python", kind="no-python", cause=f"{os.path.abspath(path)} {there}",
        help=f"{verb} --python PATH  (an interpreter, or the directory of a virtual environment)",
    )  # fmt: skip


def with_python(command: Sequence[str], python: str, directory: str) -> tuple[str, ...]:
    """Returns the command on another interpreter. A script of a virtual environment (`torchrun`) becomes the
    one beside that interpreter. Raises Failure(kind="own-python")."""
    word, *rest = command
    name = os.path.basename(word)
    if name in CHOOSERS:
        raise Failure(
            f"{name} chooses its Python itself, so --python has no say", kind="own-python",
            cause=f"the command is {' '.join(command[:4])}", help="leave --python out",
        )  # fmt: skip
    if is_python(word):
        return (python, *rest)
    if name.endswith(".py"):
        return (python, word, *rest)
    beside = os.path.join(os.path.dirname(python), name)
    if "/" in python and os.path.isfile(os.path.join(directory, beside)):
        named = shebang(os.path.join(directory, beside), os.environ)
        return (python, beside, *rest) if named and is_python(named) else (beside, *rest)
    return tuple(command)


def activated(environment: Mapping[str, str], python: str | None, directory: str) -> dict[str, str]:
    """Returns the environment as it is once a virtual environment is activated; `python` is its interpreter.
    What a command starts by name (`make`, `sh -c`) is then found there first."""
    changed = dict(environment)
    if python is None or "/" not in python:
        return changed
    programs = os.path.dirname(os.path.abspath(os.path.join(directory, python)))
    if os.path.exists(os.path.join(os.path.dirname(programs), "pyvenv.cfg")):
        changed["VIRTUAL_ENV"] = os.path.dirname(programs)
        changed.pop("PYTHONHOME", None)
    changed["PATH"] = os.pathsep.join(filter(None, (programs, changed.get("PATH", os.defpath))))
    return changed


def _inside(environment: str) -> str | None:
    """The interpreter of a virtual environment or a conda prefix."""
    paths: Iterable[str] = (
        os.path.join(environment, "bin", name) for name in ("python", "python3")
    )
    return next((path for path in paths if os.access(path, os.X_OK)), None)


def _of_project(directory: str, environment: Mapping[str, str]) -> str | None:
    """Where `uv run` finds the project's environment; uv makes it if there is none yet."""
    if named := environment.get("UV_PROJECT_ENVIRONMENT"):
        return _inside(os.path.join(directory, named))
    place = os.path.abspath(directory)
    while True:
        if found := _inside(os.path.join(place, ".venv")):
            return found
        if os.path.dirname(place) == place:
            return None
        place = os.path.dirname(place)
